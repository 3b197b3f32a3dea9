/* SPDX-License-Identifier: MIT */
/*
 * NUMA calls, truthful for a machine with one node: policies are checked as Linux does and remembered,
 * and pages are where they can only be.
 */
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <linux/capability.h>
#include <mm/inspect.h>
#include <mm/region.h>
#include <mm/space.h>

enum { MPOL_DEFAULT_, MPOL_PREFERRED_, MPOL_BIND_, MPOL_INTERLEAVE_, MPOL_LOCAL_, MPOL_PREFERRED_MANY_, MPOL_NR_ };
#define MPOL_STATIC_NODES   (1u << 15)
#define MPOL_RELATIVE_NODES (1u << 14)
#define MPOL_BALANCING      (1u << 13)
#define MPOL_MODE_FLAGS     (MPOL_STATIC_NODES | MPOL_RELATIVE_NODES | MPOL_BALANCING)
#define MPOL_F_NODE         1u
#define MPOL_F_ADDR         2u
#define MPOL_F_MEMS_ALLOWED 4u
#define MAX_NODE_BITS       (PAGE_SIZE * 8)

/* Reads a node mask; only node 0 may be set beyond what Linux ignores. */
static long read_nodes(uaddr_t mask, u64 maxnode, u64 *nodes)
{
	*nodes = 0;
	if (maxnode)
		maxnode--;
	if (!maxnode || !mask)
		return 0;
	if (maxnode > MAX_NODE_BITS)
		return -EINVAL;
	for (u64 bit = 0; bit < maxnode; bit += 64) {
		u64 word;
		if (get_user(word, mask + bit / 8))
			return -EFAULT;
		if (maxnode - bit < 64)
			word &= (1ull << (maxnode - bit)) - 1;
		if (bit && word)
			return -EINVAL;
		if (!bit)
			*nodes = word;
	}
	return 0;
}

static long check_policy(u32 mode, uaddr_t mask, u64 maxnode, u64 *nodes)
{
	u32 flags = mode & MPOL_MODE_FLAGS;
	mode &= ~MPOL_MODE_FLAGS;
	if (mode >= MPOL_NR_ || (flags & MPOL_STATIC_NODES && flags & MPOL_RELATIVE_NODES))
		return -EINVAL;
	long err = read_nodes(mask, maxnode, nodes);
	if (err)
		return err;
	if (mode == MPOL_DEFAULT_ || mode == MPOL_LOCAL_)
		return *nodes || (mode == MPOL_LOCAL_ && flags) ? -EINVAL : 0;
	if (!*nodes)
		return mode == MPOL_PREFERRED_ && !flags ? 0 : -EINVAL;
	return *nodes & 1 ? 0 : -EINVAL;
}

SYSCALL3(set_mempolicy, mode, mask, maxnode)
{
	u64 nodes;
	long err = check_policy((u32)mode, mask, maxnode, &nodes);
	if (err)
		return err;
	current->mempolicy = (u16)mode;
	current->mempolicy_nodes = nodes & 1;
	return 0;
}

SYSCALL6(mbind, start, len, mode, mask, maxnode, flags)
{
	u64 nodes;
	if (flags & ~7ull)
		return -EINVAL;
	if (start & ~PAGE_MASK)
		return -EINVAL;
	len = PAGE_ALIGN_UP(len);
	if (start + len < start)
		return -EINVAL;
	long err = check_policy((u32)mode, mask, maxnode, &nodes);
	if (err || !len)
		return err;
	struct space *s = current->space;
	rwlock_read(&s->lock);
	uaddr_t at = start;
	for (struct region *r = region_lookup(s, start); r && r->start <= at && at < start + len; r = region_next(r))
		at = r->end;
	rwlock_read_unlock(&s->lock);
	return at < start + len ? -EFAULT : 0;
}

SYSCALL5(get_mempolicy, umode, umask, maxnode, addr, flags)
{
	u32 mode = current->mempolicy;
	u64 nodes = current->mempolicy_nodes;
	if (flags & ~(u64)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (umask && maxnode < 1)
		return -EINVAL;
	if (flags & MPOL_F_MEMS_ALLOWED) {
		if (flags & (MPOL_F_NODE | MPOL_F_ADDR))
			return -EINVAL;
		mode = 0;
		nodes = 1;
	} else if (flags & MPOL_F_ADDR) {
		struct space *s = current->space;
		rwlock_read(&s->lock);
		struct region *r = region_lookup(s, addr);
		bool found = r && r->start <= addr;
		rwlock_read_unlock(&s->lock);
		if (!found)
			return -EFAULT;
		mode = 0; /* also the number of the node, when that was asked */
		nodes = 0;
	} else if (addr) {
		return -EINVAL;
	} else if (flags & MPOL_F_NODE) {
		if ((mode & ~MPOL_MODE_FLAGS) != MPOL_INTERLEAVE_)
			return -EINVAL;
		mode = 0;
	}
	if (umode && put_user(mode, umode))
		return -EFAULT;
	for (u64 bit = 0; umask && bit < maxnode - 1; bit += 64) {
		u64 word = bit ? 0 : nodes;
		if (put_user(word, umask + bit / 8))
			return -EFAULT;
	}
	return 0;
}

/* ---- pages on nodes ---- */

/* The space of pid (0: the caller's own), which the caller may move pages of. */
static long space_of(u64 pid, struct space **out)
{
	struct task *t = pid ? task_find((u32)pid) : current;
	if (!t)
		return -ESRCH;
	const struct cred *me = current->cred, *c = task_get_cred(t);
	bool ok = t->process == current->process || me->euid == c->suid || me->euid == c->uid || me->uid == c->suid || me->uid == c->uid ||
	          capable(CAP_SYS_PTRACE);
	cred_put(c);
	*out = ok ? task_get_space(t) : NULL;
	if (pid)
		task_put(t);
	return !ok ? -EPERM : *out ? 0 : -EINVAL;
}

SYSCALL4(migrate_pages, pid, maxnode, uold, unew)
{
	u64 old, new;
	struct space *s;
	long err = read_nodes(uold, maxnode, &old);
	if (!err)
		err = read_nodes(unew, maxnode, &new);
	if (!err)
		err = space_of(pid, &s);
	if (err)
		return err;
	space_put(s);
	return new & 1 ? 0 : -EINVAL; /* all pages are on node 0 already */
}

#define MPOL_MF_MOVE_     2u
#define MPOL_MF_MOVE_ALL_ 4u

/* Node of one page: 0, or -ENOENT (not in memory), -EFAULT (not mapped; anonymous and never touched). */
static s32 page_node(struct space *s, uaddr_t addr)
{
	rwlock_read(&s->lock);
	struct region *r = addr < HAL_USER_END ? region_lookup(s, addr) : NULL;
	s32 node = -EFAULT;
	if (r && r->start <= addr)
		node = space_pagemap_locked(s, addr & PAGE_MASK) >> 63 ? 0 : r->mapping ? -ENOENT : -EFAULT;
	rwlock_read_unlock(&s->lock);
	return node;
}

SYSCALL6(move_pages, pid, nr, upages, unodes, ustatus, flags)
{
	struct space *s = NULL;
	if (flags & ~(u64)(MPOL_MF_MOVE_ | MPOL_MF_MOVE_ALL_))
		return -EINVAL;
	if ((flags & MPOL_MF_MOVE_ALL_) && !capable(CAP_SYS_NICE))
		return -EPERM;
	long err = space_of(pid, &s);
	for (u64 i = 0; !err && i < nr; i++) {
		uaddr_t page;
		s32 node, want = 0;
		if (get_user(page, upages + i * 8) || (unodes && get_user(want, unodes + i * 4)))
			err = -EFAULT;
		else if (want)
			err = -ENODEV;
		if (err)
			break;
		node = page_node(s, page);
		if (put_user(node, ustatus + i * 4))
			err = -EFAULT;
		if (i % 512 == 511)
			cond_resched();
	}
	if (s)
		space_put(s);
	return err;
}

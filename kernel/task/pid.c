/* SPDX-License-Identifier: MIT */
/*
 * Numbers of tasks, processes, groups and sessions.
 *
 * A struct pid exists as long as anything carries its number: a task, a process (zombies too), or the
 * members of a group or session of that number, which may outlive their leader. So a number is not
 * given out again while kill(-N) or setpgid(_, N) could still mean the old one.
 *
 * Numbers rise up to pid_max and start again at 301 after the first round. The bitmap says which are
 * taken; it is kept in pieces of one page, made when the numbers first get there.
 *
 * Locking: tasklist_lock for the hash and all members; the bitmap has a lock of the same rank's inside.
 */
#include "pid.h"
#include <hal/log.h>
#include <kernel/errno.h>
#include <kernel/sched.h>
#include <mm/slab.h>

#define HASH_SIZE  1024u
#define PID_LIMIT  4194304u
#define PIECE_BITS (PAGE_SIZE * 8)
#define PID_RESERVED 300u

u32 pid_max = 32768;
static u32 last_pid;
static struct pid *hash[HASH_SIZE];
static u64 *pieces[PID_LIMIT / PIECE_BITS];
static struct slab_cache *pid_cache;

/* Nobody's number: the group and session of kernel threads and of what init starts before it makes its own. */
static struct pid zero = { .group = LIST_HEAD_INIT(zero.group), .session = LIST_HEAD_INIT(zero.session) };

void pid_init(void)
{
	pid_cache = slab_cache_create("pid", sizeof(struct pid), 0, SLAB_ACCOUNT);
	pieces[0] = kzalloc(PAGE_SIZE, ALLOC_KERNEL);
	ASSERT(pid_cache && pieces[0]);
	pieces[0][0] = 1; /* 0 is nobody's */
}

u32 task_last_pid(void) { return READ_ONCE(last_pid); }

struct pid *pid_find_locked(u32 nr)
{
	if (!nr)
		return &zero;
	struct pid *p = hash[nr % HASH_SIZE];
	while (p && p->nr != nr)
		p = p->hash_next;
	return p;
}

struct pid *pid_next_locked(u32 nr)
{
	while (nr < PID_LIMIT) {
		u64 *piece = pieces[nr / PIECE_BITS];
		u64 word = piece ? piece[nr % PIECE_BITS / 64] >> nr % 64 : 0;
		if (word && nr) {
			struct pid *p = pid_find_locked(nr + (u32)__builtin_ctzll(word));
			DEBUG_ASSERT(p);
			return p;
		}
		nr = piece ? (nr | 63) + 1 : (u32)((nr / PIECE_BITS + 1) * PIECE_BITS);
	}
	return NULL;
}

/* The first clear bit in [from, to), or 0; a piece that does not exist is skipped to its start. */
static u32 find_clear(u32 from, u32 to)
{
	for (u32 nr = from; nr < to;) {
		u64 *piece = pieces[nr / PIECE_BITS];
		if (!piece)
			return nr;
		u64 word = ~piece[nr % PIECE_BITS / 64] >> nr % 64;
		if (word) {
			nr += (u32)__builtin_ctzll(word);
			return nr < to ? nr : 0;
		}
		nr = (nr | 63) + 1;
	}
	return 0;
}

static bool take(struct pid *p, u32 *piece_wanted)
{
	u32 limit = min(READ_ONCE(pid_max), PID_LIMIT);
	u32 nr = last_pid + 1 < limit ? find_clear(last_pid + 1, limit) : 0;
	if (!nr)
		nr = find_clear(min(PID_RESERVED + 1, limit - 1), limit);
	if (!nr)
		return false;
	*piece_wanted = nr / PIECE_BITS;
	if (!pieces[*piece_wanted])
		return false;
	pieces[*piece_wanted][nr % PIECE_BITS / 64] |= 1ull << nr % 64;
	last_pid = p->nr = nr;
	p->hash_next = hash[nr % HASH_SIZE];
	hash[nr % HASH_SIZE] = p;
	return true;
}

struct pid *pid_alloc(void)
{
	struct pid *p = slab_alloc(pid_cache, ALLOC_KERNEL);
	if (!p)
		return ERR_PTR(-ENOMEM);
	p->task = NULL;
	p->process = NULL;
	list_init(&p->group);
	list_init(&p->session);
	for (;;) {
		u32 piece = 0;
		spin_lock(&tasklist_lock);
		bool taken = take(p, &piece);
		bool missing = !taken && piece && !pieces[piece];
		spin_unlock(&tasklist_lock);
		if (taken)
			return p;
		u64 *fresh = missing ? kzalloc(PAGE_SIZE, ALLOC_KERNEL) : NULL;
		if (!fresh) {
			slab_free(pid_cache, p);
			return ERR_PTR(missing ? -ENOMEM : -EAGAIN);
		}
		spin_lock(&tasklist_lock);
		if (!pieces[piece]) {
			pieces[piece] = fresh;
			fresh = NULL;
		}
		spin_unlock(&tasklist_lock);
		kfree(fresh);
	}
}

void pid_release_locked(struct pid *p)
{
	if (p == &zero || p->task || p->process || !list_is_empty(&p->group) || !list_is_empty(&p->session))
		return;
	struct pid **link = &hash[p->nr % HASH_SIZE];
	while (*link != p)
		link = &(*link)->hash_next;
	*link = p->hash_next;
	pieces[p->nr / PIECE_BITS][p->nr % PIECE_BITS / 64] &= ~(1ull << p->nr % 64);
	slab_free(pid_cache, p);
}

/* Takes the link out of a group or session; the number goes when nothing else carries it. */
static void leave(struct list_head *link, u32 nr)
{
	struct pid *old = pid_find_locked(nr);
	list_del(link);
	if (old)
		pid_release_locked(old);
}

void process_set_pgrp_locked(struct process *p, u32 pgid)
{
	u32 old = p->pgid;
	list_del(&p->pgrp_link);
	list_add_tail(&p->pgrp_link, &pid_find_locked(pgid)->group);
	p->pgid = pgid;
	if (old && old != pgid)
		pid_release_locked(pid_find_locked(old));
}

void process_set_session_locked(struct process *p, u32 sid)
{
	u32 old = p->sid;
	list_del(&p->session_link);
	list_add_tail(&p->session_link, &pid_find_locked(sid)->session);
	p->sid = sid;
	if (old && old != sid)
		pid_release_locked(pid_find_locked(old));
}

void process_leave_groups_locked(struct process *p)
{
	leave(&p->pgrp_link, p->pgid);
	leave(&p->session_link, p->sid);
}

struct list_head *pgrp_members_locked(u32 pgid)
{
	struct pid *p = pid_find_locked(pgid);
	return p && !list_is_empty(&p->group) ? &p->group : NULL;
}

struct list_head *session_members_locked(u32 sid)
{
	struct pid *p = pid_find_locked(sid);
	return p && !list_is_empty(&p->session) ? &p->session : NULL;
}

struct task *task_find_locked(u32 tid)
{
	struct pid *p = pid_find_locked(tid);
	return p ? p->task : NULL;
}

struct process *process_find_locked(u32 pid)
{
	struct pid *p = pid_find_locked(pid);
	return p ? p->process : NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * Supplementary groups: a list that never changes once credentials share it, in ascending order, so that a look is a
 * binary search. It may have NGROUPS_MAX entries (256 KiB), so it lies in blocks of a page.
 */
#include <hal/uaccess.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <mm/slab.h>

#define NONE ((u32)-1)
#define PER_BLOCK (PAGE_SIZE / sizeof(u32))

struct group_list {
	u32 refs; /* atomic */
	u32 nr;
	u32 *blocks[];
};

static u32 *slot(const struct group_list *g, u32 n) { return &g->blocks[n / PER_BLOCK][n % PER_BLOCK]; }
static u32 nr_blocks(u32 nr) { return (u32)((nr + PER_BLOCK - 1) / PER_BLOCK); }
static u32 nr_in_block(u32 nr, u32 block) { return (u32)min((u64)PER_BLOCK, nr - block * PER_BLOCK); }

static void free_list(struct group_list *g)
{
	for (u32 b = 0; b < nr_blocks(g->nr); b++)
		kfree(g->blocks[b]);
	kfree(g);
}

static struct group_list *new_list(u32 nr)
{
	struct group_list *g = kzalloc(sizeof(*g) + nr_blocks(nr) * sizeof(g->blocks[0]), ALLOC_KERNEL);
	if (!g)
		return NULL;
	g->refs = 1;
	g->nr = nr;
	for (u32 b = 0; b < nr_blocks(nr); b++) {
		g->blocks[b] = kmalloc(nr_in_block(nr, b) * sizeof(u32), ALLOC_KERNEL);
		if (!g->blocks[b]) {
			free_list(g);
			return NULL;
		}
	}
	return g;
}

struct group_list *groups_get(struct group_list *g)
{
	if (g)
		__atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED);
	return g;
}

void groups_put(struct group_list *g)
{
	if (g && !__atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL))
		free_list(g);
}

u32 cred_nr_groups(const struct cred *c) { return c->groups ? c->groups->nr : 0; }
u32 cred_group(const struct cred *c, u32 n) { return *slot(c->groups, n); }

bool cred_has_group(const struct cred *c, u32 gid)
{
	u32 low = 0, high = cred_nr_groups(c);
	while (low < high) {
		u32 middle = low + (high - low) / 2, id = cred_group(c, middle);
		if (id == gid)
			return true;
		if (id < gid)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Heap sort: in place and without a bad case. Source: CLRS, chapter 6. */

static void swap_slots(struct group_list *g, u32 a, u32 b)
{
	u32 id = *slot(g, a);
	*slot(g, a) = *slot(g, b);
	*slot(g, b) = id;
}

/* Makes the tree below n a heap of the first nr entries; both its branches are. */
static void sift_down(struct group_list *g, u32 n, u32 nr)
{
	for (;;) {
		u32 child = 2 * n + 1;
		if (child >= nr)
			return;
		if (child + 1 < nr && *slot(g, child) < *slot(g, child + 1))
			child++;
		if (*slot(g, n) >= *slot(g, child))
			return;
		swap_slots(g, n, child);
		n = child;
	}
}

static void sort(struct group_list *g)
{
	for (u32 n = g->nr / 2; n--;)
		sift_down(g, n, g->nr);
	for (u32 nr = g->nr; nr > 1; nr--) {
		swap_slots(g, 0, nr - 1);
		sift_down(g, 0, nr - 1);
	}
}

/* As Linux, one entry after the other: what is wrong first is told. */
static int read_list(struct group_list *g, uaddr_t ulist)
{
	for (u32 b = 0; b < nr_blocks(g->nr); b++) {
		size_t bytes = nr_in_block(g->nr, b) * sizeof(u32);
		size_t bad = copy_from_user(g->blocks[b], ulist + b * PAGE_SIZE, bytes);
		for (u32 n = 0; n < (bytes - bad) / sizeof(u32); n++)
			if (g->blocks[b][n] == NONE)
				return -EINVAL;
		if (bad)
			return -EFAULT;
	}
	return 0;
}

SYSCALL2(getgroups, size, ulist)
{
	const struct cred *c = current->cred;
	u32 nr = cred_nr_groups(c);
	if ((s32)size < 0)
		return -EINVAL;
	if (!(u32)size)
		return nr;
	if (nr > (u32)size)
		return -EINVAL;
	for (u32 b = 0; b < nr_blocks(nr); b++)
		if (copy_to_user(ulist + b * PAGE_SIZE, c->groups->blocks[b], nr_in_block(nr, b) * sizeof(u32)))
			return -EFAULT;
	return nr;
}

SYSCALL2(setgroups, size, ulist)
{
	if (!capable(CAP_SETGID))
		return -EPERM;
	if ((u32)size > NGROUPS_MAX)
		return -EINVAL;
	struct group_list *g = new_list((u32)size);
	if (!g)
		return -ENOMEM;
	int err = read_list(g, ulist);
	struct cred *c = err ? NULL : cred_prepare();
	if (!c) {
		groups_put(g);
		return err ? err : -ENOMEM;
	}
	sort(g);
	groups_put(c->groups);
	c->groups = g;
	return cred_commit(c);
}

/* SPDX-License-Identifier: MIT */
/* Keys, buckets and waiters of futexes, private to kernel/futex/. */
#ifndef KERNEL_FUTEX_INTERNAL_H
#define KERNEL_FUTEX_INTERNAL_H

#include <hal/lock.h>
#include <kernel/errno.h>
#include <kernel/task.h>
#include <lib/list.h>

/* What a word is known by: the space and its address, or the file's mapping and the offset in it. */
struct futex_key {
	const void *object;
	u64 offset;
};

struct futex_bucket {
	struct spinlock lock; /* RANK_FUTEX */
	struct list_head waiters;
} __attribute__((aligned(64)));

struct futex_waiter { /* on the stack of the task that waits */
	struct list_head link;       /* (bucket lock) */
	struct futex_bucket *bucket; /* changes with the locks of the old and the new one */
	struct futex_key key;        /* (bucket lock) */
	struct task *task;
	u32 bitset;
	bool is_woken;               /* off the list, by a waker */
};

static inline bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->offset == b->offset;
}

/* 0, -EINVAL (not aligned), -EFAULT. */
int futex_key_make(uaddr_t addr, bool is_private, struct futex_key *key);
struct futex_bucket *futex_bucket_of(const struct futex_key *key);
void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b);

/* Takes w off its list and wakes its task; bucket locked. */
void futex_wake_waiter_locked(struct futex_waiter *w);

/* User words under a bucket's lock: -EFAULT also when the page is only absent; then unlock, touch, and
 * start again. */
int futex_load_nofault(uaddr_t addr, u32 *value);
int futex_cmpxchg_nofault(uaddr_t addr, u32 expected, u32 desired, u32 *found);
int futex_touch(uaddr_t addr, bool write);

/* The operations; results as the system call's. deadline_ns absolute, 0 = none. */
long futex_wait(uaddr_t addr, bool is_private, u32 value, u64 deadline_ns, u32 bitset);
long futex_wake(uaddr_t addr, bool is_private, s32 nr, u32 bitset);
long futex_requeue(uaddr_t from, uaddr_t to, bool is_private, s32 nr_wake, s32 nr_move, const u32 *expected);
long futex_wake_op(uaddr_t addr, uaddr_t addr2, bool is_private, s32 nr, s32 nr2, u32 op);

#endif

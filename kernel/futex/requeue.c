/* SPDX-License-Identifier: MIT */
/*
 * Operations on two words: moving waiters (FUTEX_REQUEUE, FUTEX_CMP_REQUEUE) and waking two queues after
 * an atomic change (FUTEX_WAKE_OP). Here the word is read or changed under the buckets' locks, with
 * faults off; an absent page is touched outside and all of it begins again.
 */
#include "internal.h"
#include <linux/futex.h>

struct two_words {
	struct futex_key key1, key2;
	struct futex_bucket *b1, *b2;
};

static int two_words_make(struct two_words *t, uaddr_t addr1, uaddr_t addr2, bool is_private)
{
	int err = futex_key_make(addr1, is_private, &t->key1);
	if (!err)
		err = futex_key_make(addr2, is_private, &t->key2);
	if (err)
		return err;
	t->b1 = futex_bucket_of(&t->key1);
	t->b2 = futex_bucket_of(&t->key2);
	return 0;
}

static void move_locked(struct futex_waiter *w, struct two_words *t)
{
	list_del(&w->link);
	w->key = t->key2;
	list_add_tail(&w->link, &t->b2->waiters);
	__atomic_store_n(&w->bucket, t->b2, __ATOMIC_RELEASE);
}

static long requeue_locked(struct two_words *t, s32 nr_wake, s32 nr_move)
{
	struct futex_waiter *w, *next;
	bool is_same = futex_key_equal(&t->key1, &t->key2); /* they stand there already: only counted */
	long done = 0;
	list_for_each_entry_safe(w, next, &t->b1->waiters, link) {
		if (!futex_key_equal(&w->key, &t->key1))
			continue;
		if (done - nr_wake >= nr_move)
			break;
		if (++done <= nr_wake)
			futex_wake_waiter_locked(w);
		else if (!is_same)
			move_locked(w, t);
	}
	return done;
}

long futex_requeue(uaddr_t from, uaddr_t to, bool is_private, s32 nr_wake, s32 nr_move, const u32 *expected)
{
	struct two_words t;
	if (nr_wake < 0 || nr_move < 0)
		return -EINVAL;
	int err = two_words_make(&t, from, to, is_private);
	while (!err) {
		u32 value;
		futex_lock_two(t.b1, t.b2);
		int fault = expected ? futex_load_nofault(from, &value) : 0;
		long ret = 0;
		if (!fault)
			ret = expected && value != *expected ? -EAGAIN : requeue_locked(&t, nr_wake, nr_move);
		futex_unlock_two(t.b1, t.b2);
		if (!fault)
			return ret;
		err = futex_touch(from, false);
	}
	return err;
}

/* ---- FUTEX_WAKE_OP ---- */

static s32 sign_extend_12(u32 v) { return (s32)(v << 20) >> 20; }

static bool op_apply(u32 op, u32 old, u32 *new)
{
	u32 arg = (u32)sign_extend_12(op >> 12 & 0xfff);
	if (op >> 28 & FUTEX_OP_OPARG_SHIFT)
		arg = 1u << (arg & 31);
	switch (op >> 28 & 7) {
	case FUTEX_OP_SET:
		*new = arg;
		return true;
	case FUTEX_OP_ADD:
		*new = old + arg;
		return true;
	case FUTEX_OP_OR:
		*new = old | arg;
		return true;
	case FUTEX_OP_ANDN:
		*new = old & ~arg;
		return true;
	case FUTEX_OP_XOR:
		*new = old ^ arg;
		return true;
	default:
		return false;
	}
}

/* 1, 0 or -ENOSYS. */
static int op_compare(u32 op, u32 value)
{
	s32 old = (s32)value, arg = sign_extend_12(op & 0xfff);
	switch (op >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	default:
		return -ENOSYS;
	}
}

/* Changes the word; *old as it was. -EFAULT, -ENOSYS. */
static int change_word(uaddr_t addr, u32 op, u32 *old)
{
	u32 new, found;
	int err = futex_load_nofault(addr, old);
	while (!err) {
		if (!op_apply(op, *old, &new))
			return -ENOSYS;
		err = futex_cmpxchg_nofault(addr, *old, new, &found);
		if (!err && found == *old)
			return 0;
		*old = found;
	}
	return err;
}

static long wake_locked(struct futex_bucket *b, const struct futex_key *key, s32 nr)
{
	struct futex_waiter *w, *next;
	long woken = 0;
	list_for_each_entry_safe(w, next, &b->waiters, link) {
		if (!futex_key_equal(&w->key, key))
			continue;
		futex_wake_waiter_locked(w);
		if (++woken >= nr)
			break;
	}
	return woken;
}

long futex_wake_op(uaddr_t addr, uaddr_t addr2, bool is_private, s32 nr, s32 nr2, u32 op)
{
	struct two_words t;
	int err = two_words_make(&t, addr, addr2, is_private);
	while (!err) {
		u32 old;
		long ret = 0;
		futex_lock_two(t.b1, t.b2);
		err = change_word(addr2, op, &old);
		if (!err) {
			int also = op_compare(op, old);
			ret = also < 0 ? also : wake_locked(t.b1, &t.key1, nr);
			if (also > 0)
				ret += wake_locked(t.b2, &t.key2, nr2);
		}
		futex_unlock_two(t.b1, t.b2);
		if (!err)
			return ret;
		if (err == -EFAULT)
			err = futex_touch(addr2, true);
	}
	return err;
}

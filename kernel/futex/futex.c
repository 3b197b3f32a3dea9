/* SPDX-License-Identifier: MIT */
/*
 * futex(2) and robust lists. The operations with priority inheritance are not offered: a program asks
 * for them by trying, and gets ENOSYS. Sources: futex(2), get_robust_list(2), <linux/futex.h>.
 */
#include "internal.h"
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/futex.h>
#include <kernel/syscall.h>
#include <kernel/time.h>
#include <linux/capability.h>
#include <linux/futex.h>

/* The deadline on hal_clock_ns() of a wait's time-out; FUTEX_WAIT's is relative, the others' absolute. */
static int read_deadline(uaddr_t utimeout, u32 cmd, bool is_realtime, u64 *deadline_ns)
{
	struct timespec_k ts;
	*deadline_ns = 0;
	if (!utimeout)
		return 0;
	if (get_user(ts, utimeout))
		return -EFAULT;
	if (!timespec_is_valid(&ts))
		return -EINVAL;
	u64 ns = timespec_to_ns(&ts);
	if (cmd == FUTEX_WAIT) {
		ns += hal_clock_ns();
	} else if (is_realtime) {
		s64 offset = clock_realtime_offset_ns();
		ns = (s64)ns > offset ? ns - (u64)offset : 0;
	}
	*deadline_ns = max(ns, 1ull);
	return 0;
}

SYSCALL6(futex, addr, uop, uvalue, utimeout, addr2, uvalue3)
{
	u32 cmd = (u32)uop & (u32)FUTEX_CMD_MASK, value = (u32)uvalue, value3 = (u32)uvalue3;
	bool is_private = uop & FUTEX_PRIVATE_FLAG, is_realtime = uop & FUTEX_CLOCK_REALTIME;
	s32 value2 = (s32)utimeout; /* the operations on two words pass a number there */
	u64 deadline;
	int err;
	if (is_realtime && cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
		value3 = FUTEX_BITSET_MATCH_ANY;
		/* fall through */
	case FUTEX_WAIT_BITSET:
		err = read_deadline(utimeout, cmd, is_realtime, &deadline);
		return err ? err : futex_wait(addr, is_private, value, deadline, value3);
	case FUTEX_WAKE:
		value3 = FUTEX_BITSET_MATCH_ANY;
		/* fall through */
	case FUTEX_WAKE_BITSET:
		return futex_wake(addr, is_private, (s32)value, value3);
	case FUTEX_REQUEUE:
		return futex_requeue(addr, addr2, is_private, (s32)value, value2, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(addr, addr2, is_private, (s32)value, value2, &value3);
	case FUTEX_WAKE_OP:
		return futex_wake_op(addr, addr2, is_private, (s32)value, value2, value3);
	default:
		return -ENOSYS;
	}
}

/* ---- robust lists ---- */

SYSCALL2(set_robust_list, head, len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	current->robust_list_len = len;
	return 0;
}

SYSCALL3(get_robust_list, tid, uhead, ulen)
{
	u64 head, len = sizeof(struct robust_list_head);
	struct task *t = tid ? task_find((u32)tid) : current;
	if (!t)
		return -ESRCH;
	const struct cred *c = task_get_cred(t);
	bool may = t->process == current->process || c->uid == current->cred->euid || capable(CAP_SYS_PTRACE);
	cred_put(c);
	head = t->robust_list;
	if (tid)
		task_put(t);
	if (!may)
		return -EPERM;
	if (put_user(len, ulen))
		return -EFAULT;
	return put_user(head, uhead);
}

/* A lock whose owner ends is marked, and one waiter told. False: the list cannot be read on. */
static bool owner_died(struct task *t, uaddr_t addr, bool is_pi, bool is_pending)
{
	u32 value, found;
	if (addr % sizeof(u32) || user_load_u32(addr, &value))
		return false;
	/* It was about to be released or taken: somebody may wait for a wake-up that will not come. */
	if (is_pending && !is_pi && !value) {
		futex_wake(addr, false, 1, FUTEX_BITSET_MATCH_ANY);
		return true;
	}
	while ((value & FUTEX_TID_MASK) == t->tid) {
		if (user_cmpxchg_u32(addr, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &found))
			return false;
		if (found == value) {
			if (!is_pi && (value & FUTEX_WAITERS))
				futex_wake(addr, false, 1, FUTEX_BITSET_MATCH_ANY);
			break;
		}
		value = found;
	}
	return true;
}

void futex_exit_task(struct task *t)
{
	uaddr_t head = t->robust_list;
	struct robust_list_head h;
	t->robust_list = 0;
	if (!head || copy_from_user(&h, head, sizeof(h)))
		return;
	uaddr_t entry = (uaddr_t)h.list.next, pending = (uaddr_t)h.list_op_pending;
	/* The lowest bit of an entry marks a lock with priority inheritance. A list may be a ring by mistake. */
	for (unsigned n = 0; (entry & ~1ul) != head && n < ROBUST_LIST_LIMIT; n++) {
		uaddr_t next = 0;
		bool readable = !get_user(next, entry & ~1ul);
		if ((entry & ~1ul) != (pending & ~1ul) && !owner_died(t, (entry & ~1ul) + (u64)h.futex_offset, entry & 1, false))
			return;
		if (!readable)
			return;
		entry = next;
	}
	if (pending & ~1ul)
		owner_died(t, (pending & ~1ul) + (u64)h.futex_offset, pending & 1, true);
}

/* SPDX-License-Identifier: MIT */
/* The alternative stack for handlers (sigaltstack), each task's own. */
#include "internal.h"
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <lib/string.h>

#define STACK_FLAG_BITS SS_AUTODISARM

bool altstack_contains(const struct task *t, uaddr_t sp)
{
	/* With SS_AUTODISARM the stack is off while a handler runs on it. */
	if (t->altstack_flags & SS_AUTODISARM)
		return false;
	return sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
}

u32 altstack_state(const struct task *t, uaddr_t sp)
{
	if (!t->altstack_size)
		return SS_DISABLE;
	return altstack_contains(t, sp) ? SS_ONSTACK : 0;
}

void altstack_reset(struct task *t)
{
	t->altstack_sp = 0;
	t->altstack_size = 0;
	t->altstack_flags = SS_DISABLE;
}

long altstack_set(struct task *t, const stack_t *ss, uaddr_t sp)
{
	u32 flags = (u32)ss->ss_flags, mode = flags & ~STACK_FLAG_BITS;
	if (altstack_contains(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->altstack_sp = 0;
		t->altstack_size = 0;
	} else {
		if (ss->ss_size < MINSIGSTKSZ)
			return -ENOMEM;
		t->altstack_sp = (uaddr_t)ss->ss_sp;
		t->altstack_size = ss->ss_size;
	}
	t->altstack_flags = flags;
	return 0;
}

SYSCALL2(sigaltstack, unew, uold)
{
	struct task *t = current;
	uaddr_t sp = hal_regs_sp(syscall_regs());
	stack_t new, old;
	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	memset(&old, 0, sizeof(old));
	old.ss_sp = (void *)t->altstack_sp;
	old.ss_size = t->altstack_size;
	old.ss_flags = (int)(altstack_state(t, sp) | (t->altstack_flags & STACK_FLAG_BITS));
	if (unew) {
		long err = altstack_set(t, &new, sp);
		if (err)
			return err;
	}
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

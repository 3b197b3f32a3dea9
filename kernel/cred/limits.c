/* SPDX-License-Identifier: MIT */
/* Resource limits: getrlimit, setrlimit, prlimit64. The limits are a process's; signal_lock guards them. */
#include <asm/resource.h>
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <linux/capability.h>

#define NR_OPEN_MAX 1048576u

static int check_new(const struct rlimit_pair *new, const struct rlimit_pair *old, u32 which)
{
	if (new->cur > new->max)
		return -EINVAL;
	if (which == RLIMIT_NOFILE && new->max > NR_OPEN_MAX)
		return -EPERM;
	return new->max > old->max && !capable(CAP_SYS_RESOURCE) ? -EPERM : 0;
}

static int change(struct process *p, u32 which, struct rlimit_pair *new, struct rlimit_pair *old)
{
	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	*old = p->rlimits[which];
	int err = new ? check_new(new, old, which) : 0;
	if (new && !err) {
		if (which == RLIMIT_CPU && !new->cur)
			new->cur = 1; /* one second is the least that means something */
		p->rlimits[which] = *new;
	}
	spin_unlock_irq(&p->signal_lock, flags);
	return err;
}

SYSCALL2(getrlimit, which, ulimit)
{
	struct rlimit_pair old;
	int err = change(current->process, (u32)which, NULL, &old);
	return err ? err : put_user(old, ulimit);
}

SYSCALL2(setrlimit, which, ulimit)
{
	struct rlimit_pair new, old;
	if (get_user(new, ulimit))
		return -EFAULT;
	return change(current->process, (u32)which, &new, &old);
}

/* Somebody else's limits: all ids have to be ours. */
static bool may_touch(const struct cred *other)
{
	const struct cred *me = current->cred;
	return (me->uid == other->euid && me->uid == other->suid && me->uid == other->uid && me->gid == other->egid &&
	        me->gid == other->sgid && me->gid == other->gid) ||
	       capable(CAP_SYS_RESOURCE);
}

SYSCALL4(prlimit64, pid, which, unew, uold)
{
	struct rlimit_pair new, old;
	if (unew && get_user(new, unew))
		return -EFAULT;
	struct process *p = NULL;
	spin_lock(&tasklist_lock);
	struct task *t = pid ? task_find_locked((u32)pid) : current;
	bool may = t && (t->process == current->process || may_touch(t->cred));
	if (may) {
		p = t->process;
		process_get(p);
	}
	spin_unlock(&tasklist_lock);
	if (!p)
		return t ? -EPERM : -ESRCH;
	int err = change(p, (u32)which, unew ? &new : NULL, &old);
	process_put(p);
	if (err)
		return err;
	return uold ? put_user(old, uold) : 0;
}

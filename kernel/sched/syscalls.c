/* SPDX-License-Identifier: MIT */
/* Scheduling as programs set it: policy, priority, nice, affinity. sched(7), setpriority(2). */
#include "../task/task.h"
#include "runqueue.h"
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/sched/types.h>

#define WEIGHT_IDLE 3

/* With a reference; 0 is the caller. */
static struct task *get_task(u64 tid)
{
	if ((u32)tid)
		return task_find((u32)tid);
	task_get(current);
	return current;
}

static bool may_change_locked(const struct task *t)
{
	const struct cred *me = current->cred;
	return me->euid == t->cred->euid || me->euid == t->cred->uid || capable(CAP_SYS_NICE);
}

static bool may_change(const struct task *t)
{
	spin_lock(&tasklist_lock);
	bool may = may_change_locked(t);
	spin_unlock(&tasklist_lock);
	return may;
}

SYSCALL0(sched_yield)
{
	sched_yield_current();
	return 0;
}

/* ---- affinity ---- */

SYSCALL3(sched_setaffinity, pid, len, umask)
{
	cpumask_t mask = 0;
	if (copy_from_user(&mask, umask, min(len, sizeof(mask))))
		return -EFAULT;
	struct task *t = (s32)pid < 0 ? NULL : get_task(pid);
	if (!t)
		return -ESRCH;
	long err = may_change(t) ? sched_set_affinity(t, mask) : -EPERM;
	task_put(t);
	return err;
}

SYSCALL3(sched_getaffinity, pid, len, umask)
{
	if (len * 8 < hal_nr_cpus() || len & (sizeof(u64) - 1))
		return -EINVAL;
	struct task *t = (s32)pid < 0 ? NULL : get_task(pid);
	if (!t)
		return -ESRCH;
	cpumask_t mask = READ_ONCE(t->allowed) & sched_online_cpus();
	task_put(t);
	return copy_to_user(umask, &mask, sizeof(mask)) ? -EFAULT : (long)sizeof(mask);
}

SYSCALL3(getcpu, ucpu, unode, unused)
{
	u32 cpu = hal_cpu_id(), node = 0;
	if (ucpu && put_user(cpu, ucpu))
		return -EFAULT;
	if (unode && put_user(node, unode))
		return -EFAULT;
	return 0;
}

/* ---- policy ---- */

struct setting {
	u32 policy, rt_priority;
	s32 nice;
	bool reset_on_fork;
};

static void apply(struct task *t, const void *arg)
{
	const struct setting *s = arg;
	t->sched_policy = s->policy;
	t->rt_priority = s->rt_priority;
	t->nice = s->nice;
	t->reset_on_fork = s->reset_on_fork;
	t->weight = s->policy == SCHED_IDLE ? WEIGHT_IDLE : nice_to_weight(s->nice);
}

static struct setting setting_of(const struct task *t)
{
	return (struct setting){ t->sched_policy, t->rt_priority, t->nice, t->reset_on_fork };
}

static bool is_rt_policy(u32 p) { return p == SCHED_FIFO || p == SCHED_RR; }

static bool policy_is_valid(const struct setting *s)
{
	if (is_rt_policy(s->policy))
		return s->rt_priority >= 1 && s->rt_priority < RT_PRIORITIES;
	return (s->policy == SCHED_NORMAL || s->policy == SCHED_BATCH || s->policy == SCHED_IDLE) && s->rt_priority == 0;
}

/* May nice of t be set to `nice`? RLIMIT_NICE counts 20 - nice. */
static bool may_nice(const struct task *t, s32 nice)
{
	return (u64)(20 - nice) <= t->process->rlimits[RLIMIT_NICE].cur || capable(CAP_SYS_NICE);
}

static long check_setting(const struct task *t, const struct setting *s)
{
	if (!policy_is_valid(s))
		return -EINVAL;
	if (capable(CAP_SYS_NICE))
		return 0;
	u64 rt_limit = t->process->rlimits[RLIMIT_RTPRIO].cur;
	if (is_rt_policy(s->policy)) {
		if (s->policy != t->sched_policy && !rt_limit)
			return -EPERM;
		if (s->rt_priority > t->rt_priority && s->rt_priority > rt_limit)
			return -EPERM;
	} else if (s->nice < t->nice && !may_nice(t, s->nice)) {
		return -EPERM;
	}
	if (t->sched_policy == SCHED_IDLE && s->policy != SCHED_IDLE && !may_nice(t, t->nice))
		return -EPERM;
	if (!may_change(t) || (t->reset_on_fork && !s->reset_on_fork))
		return -EPERM;
	return 0;
}

static long change_setting(u64 pid, struct setting s, bool keep_policy, bool keep_nice)
{
	struct task *t = get_task(pid);
	if (!t)
		return -ESRCH;
	if (keep_policy) {
		s.policy = t->sched_policy;
		s.reset_on_fork = t->reset_on_fork;
	}
	if (keep_nice)
		s.nice = t->nice;
	long err = check_setting(t, &s);
	if (!err)
		sched_change(t, apply, &s);
	task_put(t);
	return err;
}

SYSCALL3(sched_setscheduler, pid, upolicy, uparam)
{
	s32 priority, policy = (s32)upolicy;
	if (policy < 0 || (s32)pid < 0 || !uparam)
		return -EINVAL;
	if (get_user(priority, uparam))
		return -EFAULT;
	struct setting s = {
		.policy = (u32)policy & ~(u32)SCHED_RESET_ON_FORK, .rt_priority = (u32)priority,
		.reset_on_fork = policy & SCHED_RESET_ON_FORK,
	};
	return change_setting(pid, s, false, true);
}

SYSCALL2(sched_setparam, pid, uparam)
{
	s32 priority;
	if ((s32)pid < 0 || !uparam)
		return -EINVAL;
	if (get_user(priority, uparam))
		return -EFAULT;
	return change_setting(pid, (struct setting){ .rt_priority = (u32)priority }, true, true);
}

SYSCALL1(sched_getscheduler, pid)
{
	if ((s32)pid < 0)
		return -EINVAL;
	struct task *t = get_task(pid);
	if (!t)
		return -ESRCH;
	long ret = (long)(t->sched_policy | (t->reset_on_fork ? SCHED_RESET_ON_FORK : 0));
	task_put(t);
	return ret;
}

SYSCALL2(sched_getparam, pid, uparam)
{
	if ((s32)pid < 0 || !uparam)
		return -EINVAL;
	struct task *t = get_task(pid);
	if (!t)
		return -ESRCH;
	u32 priority = t->rt_priority;
	task_put(t);
	return put_user(priority, uparam);
}

SYSCALL1(sched_get_priority_max, policy)
{
	if (is_rt_policy((u32)policy))
		return RT_PRIORITIES - 1;
	return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

SYSCALL1(sched_get_priority_min, policy)
{
	if (is_rt_policy((u32)policy))
		return 1;
	return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

SYSCALL2(sched_rr_get_interval, pid, uts)
{
	if ((s32)pid < 0)
		return -EINVAL;
	struct task *t = get_task(pid);
	if (!t)
		return -ESRCH;
	u64 ns = t->sched_policy == SCHED_RR ? SLICE_RR : is_rt_policy(t->sched_policy) || t->sched_policy == SCHED_IDLE ? 0 : SLICE_MIN;
	task_put(t);
	struct timespec_k ts = ns_to_timespec((s64)ns);
	return copy_to_user(uts, &ts, sizeof(ts)) ? -EFAULT : 0;
}

#define SCHED_ATTR_VER0 48u

/* Reads a struct that may be shorter or longer than ours; -E2BIG tells the size we know. */
static long read_attr(uaddr_t uattr, struct sched_attr *a)
{
	u32 size;
	memset(a, 0, sizeof(*a));
	if (get_user(size, uattr))
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_VER0;
	if (size < SCHED_ATTR_VER0 || size > PAGE_SIZE)
		goto wrong_size;
	if (copy_from_user(a, uattr, min(size, (u32)sizeof(*a))))
		return -EFAULT;
	for (u32 i = sizeof(*a); i < size; i++) {
		u8 byte;
		if (get_user(byte, uattr + i))
			return -EFAULT;
		if (byte)
			goto wrong_size;
	}
	return 0;
wrong_size:
	size = sizeof(*a);
	return put_user(size, uattr) ? -EFAULT : -E2BIG;
}

SYSCALL3(sched_setattr, pid, uattr, flags)
{
	struct sched_attr a;
	if (!uattr || (s32)pid < 0 || flags)
		return -EINVAL;
	long err = read_attr(uattr, &a);
	if (err)
		return err;
	if ((s32)a.sched_policy < 0 || (a.sched_flags & ~(u64)SCHED_FLAG_ALL))
		return -EINVAL;
	if (a.sched_policy == SCHED_DEADLINE)
		return -EINVAL;
	s32 nice = a.sched_nice < -20 ? -20 : a.sched_nice > 19 ? 19 : a.sched_nice;
	struct setting s = { a.sched_policy, a.sched_priority, nice, a.sched_flags & SCHED_FLAG_RESET_ON_FORK };
	return change_setting(pid, s, a.sched_flags & SCHED_FLAG_KEEP_POLICY, a.sched_flags & SCHED_FLAG_KEEP_PARAMS);
}

SYSCALL4(sched_getattr, pid, uattr, size, flags)
{
	if (!uattr || (s32)pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_VER0 || flags)
		return -EINVAL;
	struct task *t = get_task(pid);
	if (!t)
		return -ESRCH;
	struct sched_attr a = { .size = min((u32)size, (u32)sizeof(a)), .sched_policy = t->sched_policy };
	struct setting s = setting_of(t);
	task_put(t);
	a.sched_flags = s.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	if (is_rt_policy(s.policy))
		a.sched_priority = s.rt_priority;
	else
		a.sched_nice = s.nice;
	if (a.size >= sizeof(a))
		a.sched_util_max = 1024;
	return copy_to_user(uattr, &a, a.size) ? -EFAULT : 0;
}

/* ---- nice ---- */

enum { PRIO_PROCESS_, PRIO_PGRP_, PRIO_USER_ };

static bool is_meant_locked(const struct task *t, u64 which, u32 who)
{
	if (which == PRIO_PGRP_)
		return t->process->pgid == (who ? who : current->process->pgid);
	return t->cred->uid == (who ? who : current->cred->uid);
}

/* Calls fn for the tasks that which and who mean. -ESRCH: there is none. */
static long for_each_meant(u64 which, u32 who, void (*fn)(struct task *t, long *ret, s32 nice), s32 nice)
{
	long ret = -ESRCH;
	struct task *t;
	if (which > PRIO_USER_)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	if (which == PRIO_PROCESS_) {
		t = who ? task_find_locked(who) : current;
		if (t)
			fn(t, &ret, nice);
	} else {
		list_for_each_entry(t, &all_tasks, all_link)
			if (is_meant_locked(t, which, who))
				fn(t, &ret, nice);
	}
	spin_unlock(&tasklist_lock);
	return ret;
}

/* The last failure is the result; else 0. */
static void set_one_locked(struct task *t, long *ret, s32 nice)
{
	long err = !may_change_locked(t) ? -EPERM : nice < t->nice && !may_nice(t, nice) ? -EACCES : 0;
	if (!err) {
		struct setting s = setting_of(t);
		s.nice = nice;
		sched_change(t, apply, &s);
	}
	if (err || *ret == -ESRCH)
		*ret = err;
}

/* The largest of 20 - nice, so that the result is never negative. */
static void get_one_locked(struct task *t, long *ret, s32 unused) { *ret = max(*ret, (long)(20 - t->nice)); }

SYSCALL3(setpriority, which, who, unice)
{
	s32 nice = (s32)unice < -20 ? -20 : (s32)unice > 19 ? 19 : (s32)unice;
	return for_each_meant(which, (u32)who, set_one_locked, nice);
}

SYSCALL2(getpriority, which, who) { return for_each_meant(which, (u32)who, get_one_locked, 0); }

/* ---- I/O priority: remembered; no disk scheduler looks at it ---- */

#define IOPRIO_CLASS(p) ((p) >> 13)

SYSCALL3(ioprio_set, which, who, prio)
{
	u32 class = IOPRIO_CLASS((u32)prio), level = prio & 0x1fff;
	if (class > 3 || ((class == 1 || class == 2) && level > 7) || (class == 0 && level))
		return -EINVAL;
	if (class == 1 && !capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE))
		return -EPERM;
	if (which != 1) /* IOPRIO_WHO_PROCESS; groups and users have nothing to gain */
		return which == 2 || which == 3 ? 0 : -EINVAL;
	struct task *t = get_task(who);
	if (!t)
		return -ESRCH;
	bool ok = may_change(t);
	if (ok)
		t->ioprio = (u16)prio;
	task_put(t);
	return ok ? 0 : -EPERM;
}

SYSCALL2(ioprio_get, which, who)
{
	if (which < 1 || which > 3)
		return -EINVAL;
	struct task *t = get_task(which == 1 ? who : 0);
	if (!t)
		return -ESRCH;
	long prio = t->ioprio; /* 0: never set, follows nice */
	task_put(t);
	return prio;
}

/* SPDX-License-Identifier: MIT */
/* prctl(2): odds and ends of a task and its process. What we do not know is EINVAL, as for Linux. */
#include "prctl.h"
#include <hal/uaccess.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#define DEFAULT_SLACK_NS 50000

static long set_name(uaddr_t uname)
{
	char name[sizeof(current->comm)];
	long n = strncpy_from_user(name, uname, sizeof(name));
	if (n == -EFAULT)
		return n;
	if (n < 0) /* longer: cut */
		n = sizeof(name) - 1;
	memset(name + n, 0, sizeof(name) - (size_t)n);
	memcpy(current->comm, name, sizeof(name));
	return 0;
}

static bool is_descendant_locked(const struct process *p, const struct process *of)
{
	while (p && p != of)
		p = p->parent;
	return p != NULL;
}

/* From now on, orphans below the caller come to it: all descendants know that there is somebody. */
static long set_subreaper(bool on)
{
	struct process *me = current->process;
	struct task *t;
	spin_lock(&tasklist_lock);
	me->is_child_subreaper = on;
	if (on)
		list_for_each_entry(t, &all_tasks, all_link)
			if (t->process && t->process != me && is_descendant_locked(t->process, me))
				t->process->has_child_subreaper = true;
	spin_unlock(&tasklist_lock);
	return 0;
}

/* Speculation: nothing can be switched, since nothing is mitigated. As Linux answers then. */
static long speculation(u64 option, u64 which, u64 control)
{
	bool is_set = option == PR_SET_SPECULATION_CTRL;
	switch (which) {
	case PR_SPEC_STORE_BYPASS:
		return is_set ? -ENXIO : PR_SPEC_NOT_AFFECTED;
	case PR_SPEC_INDIRECT_BRANCH:
		if (!is_set)
			return PR_SPEC_NOT_AFFECTED;
		return control == PR_SPEC_ENABLE ? 0 : control == PR_SPEC_DISABLE || control == PR_SPEC_FORCE_DISABLE ? -EPERM : -ERANGE;
	case PR_SPEC_L1D_FLUSH:
		return is_set ? -EPERM : PR_SPEC_FORCE_DISABLE;
	default:
		return -ENODEV;
	}
}

static long put_int(int value, uaddr_t at) { return put_user(value, at); }

static long of_process(u64 option, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = current->process;
	switch (option) {
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
		if (a2 > 1)
			return -EINVAL;
		p->dumpable = a2;
		return 0;
	case PR_SET_CHILD_SUBREAPER:
		return set_subreaper(a2 != 0);
	case PR_GET_CHILD_SUBREAPER:
		return put_int(p->is_child_subreaper, a2);
	case PR_SET_THP_DISABLE:
		if (a3 || a4 || a5)
			return -EINVAL;
		p->thp_disabled = a2 != 0;
		return 0;
	case PR_GET_THP_DISABLE:
		return a2 || a3 || a4 || a5 ? -EINVAL : p->thp_disabled;
	case PR_SET_MM: /* /proc/PID/stat's addresses are the kernel's own here */
		return capable(CAP_SYS_RESOURCE) ? -EINVAL : -EPERM;
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return a2 == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_TSC:
		return put_int(PR_TSC_ENABLE, a2);
	case PR_SET_TSC:
		return a2 == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_MCE_KILL_GET:
		return a2 || a3 || a4 || a5 ? -EINVAL : PR_MCE_KILL_DEFAULT;
	case PR_GET_SPECULATION_CTRL:
		return a3 || a4 || a5 ? -EINVAL : speculation(option, a2, 0);
	case PR_SET_SPECULATION_CTRL:
		return a4 || a5 ? -EINVAL : speculation(option, a2, a3);
	case PR_SET_PTRACER:
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL5(prctl, option, a2, a3, a4, a5)
{
	struct task *t = current;
	switch ((int)option) {
	case PR_SET_NAME:
		return set_name(a2);
	case PR_GET_NAME:
		return copy_to_user(a2, t->comm, sizeof(t->comm)) ? -EFAULT : 0;
	case PR_SET_PDEATHSIG:
		if (a2 > 64)
			return -EINVAL;
		t->pdeath_signal = (u32)a2;
		return 0;
	case PR_GET_PDEATHSIG:
		return put_int((int)t->pdeath_signal, a2);
	case PR_SET_TIMERSLACK:
		t->timer_slack_ns = (s64)a2 > 0 ? a2 : DEFAULT_SLACK_NS;
		return 0;
	case PR_GET_TIMERSLACK:
		return (long)t->timer_slack_ns;
	case PR_SET_NO_NEW_PRIVS:
		if (a2 != 1 || a3 || a4 || a5)
			return -EINVAL;
		t->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a2 || a3 || a4 || a5 ? -EINVAL : t->no_new_privs;
	case PR_GET_TID_ADDRESS:
		return put_user(t->clear_child_tid, a2);
	case PR_GET_KEEPCAPS:
		return !!(t->cred->securebits & SECBIT_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		return prctl_set_keepcaps(a2);
	case PR_GET_SECUREBITS:
		return t->cred->securebits;
	case PR_SET_SECUREBITS:
		return prctl_set_securebits(a2);
	case PR_CAPBSET_READ:
		return prctl_bounding_read(a2);
	case PR_CAPBSET_DROP:
		return prctl_bounding_drop(a2);
	case PR_CAP_AMBIENT:
		return prctl_ambient(a2, a3, a4, a5);
	default:
		return of_process((u32)option, a2, a3, a4, a5);
	}
}

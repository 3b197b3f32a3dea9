/* SPDX-License-Identifier: MIT */
/*
 * The calls that send: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal, and
 * who may. Credentials of others are read under tasklist_lock, which their owners take to change them.
 */
#include "internal.h"
#include <fs/file.h>
#include <hal/uaccess.h>
#include <kernel/pidfd.h>
#include <kernel/syscall.h>
#include <linux/capability.h>

/* 0, -EINVAL (no such signal) or -EPERM; t is the receiver, or the face of a process. tasklist_lock held. */
static int check_permission_locked(struct task *t, int sig)
{
	const struct cred *me = current->cred, *other = t->cred;
	if (sig < 0 || sig > NR_SIGNALS)
		return -EINVAL;
	if (t->process == current->process)
		return 0;
	if (me->euid == other->suid || me->euid == other->uid || me->uid == other->suid || me->uid == other->uid)
		return 0;
	if (capable(CAP_KILL))
		return 0;
	return sig == SIGCONT && t->process->sid == current->process->sid ? 0 : -EPERM;
}

static int send_process_locked(struct process *p, int sig, const siginfo_t *info)
{
	int err = check_permission_locked(p->leader, sig);
	return err || !sig ? err : signal_send_process(p, sig, info);
}

static int kill_pgrp_locked(u32 pgid, int sig, const siginfo_t *info)
{
	struct list_head *members = pgrp_members_locked(pgid);
	struct process *p;
	int ret = -ESRCH;
	bool reached = false;
	if (members)
		list_for_each_entry(p, members, pgrp_link) {
			int err = send_process_locked(p, sig, info);
			reached |= !err;
			ret = err;
		}
	return reached ? 0 : ret;
}

static int kill_everybody_locked(int sig, const siginfo_t *info)
{
	struct task *t;
	int ret = 0;
	bool any = false;
	list_for_each_entry(t, &all_tasks, all_link) {
		struct process *p = t->process;
		if (!p || p->leader != t || p == init_process || p == current->process || (t->flags & TASK_KTHREAD))
			continue;
		int err = send_process_locked(p, sig, info);
		any = true;
		if (err != -EPERM)
			ret = err;
	}
	return any ? ret : -ESRCH;
}

SYSCALL2(kill, upid, usig)
{
	s32 pid = (s32)upid;
	int sig = (int)usig, ret;
	siginfo_t info;
	if (pid == INT32_MIN)
		return -ESRCH;
	signal_info_user(&info, sig);
	spin_lock(&tasklist_lock);
	if (pid > 0) {
		struct task *t = task_find_locked((u32)pid);
		struct process *p = t ? t->process : process_find_locked((u32)pid);
		ret = p ? send_process_locked(p, sig, &info) : -ESRCH;
	} else if (pid == -1) {
		ret = kill_everybody_locked(sig, &info);
	} else {
		ret = kill_pgrp_locked(pid ? (u32)-pid : current->process->pgid, sig, &info);
	}
	spin_unlock(&tasklist_lock);
	return ret;
}

/* tgid 0: any. */
static long send_thread(s32 tgid, s32 tid, int sig, const siginfo_t *info)
{
	spin_lock(&tasklist_lock);
	struct task *t = task_find_locked((u32)tid);
	long ret = -ESRCH;
	if (t && t->process && (tgid <= 0 || t->process->pid == (u32)tgid)) {
		ret = check_permission_locked(t, sig);
		if (!ret && sig)
			ret = signal_send_task(t, sig, info);
	}
	spin_unlock(&tasklist_lock);
	return ret;
}

SYSCALL3(tgkill, tgid, tid, sig)
{
	siginfo_t info;
	if ((s32)tgid <= 0 || (s32)tid <= 0)
		return -EINVAL;
	signal_info_user(&info, (int)sig);
	info.si_code = SI_TKILL;
	return send_thread((s32)tgid, (s32)tid, (int)sig, &info);
}

SYSCALL2(tkill, tid, sig)
{
	siginfo_t info;
	if ((s32)tid <= 0)
		return -EINVAL;
	signal_info_user(&info, (int)sig);
	info.si_code = SI_TKILL;
	return send_thread(0, (s32)tid, (int)sig, &info);
}

/* A program may not pretend to be the kernel or kill() to others. */
static bool is_forged(const siginfo_t *info, u32 tid)
{
	return (info->si_code >= 0 || info->si_code == SI_TKILL) && current->tid != tid;
}

SYSCALL3(rt_sigqueueinfo, upid, usig, uinfo)
{
	siginfo_t info;
	u32 pid = (u32)upid;
	int sig = (int)usig;
	if (copy_from_user(&info, uinfo, sizeof(info)))
		return -EFAULT;
	info.si_signo = sig;
	if (is_forged(&info, pid))
		return -EPERM;
	spin_lock(&tasklist_lock);
	struct task *t = task_find_locked(pid);
	struct process *p = t ? t->process : process_find_locked(pid);
	int ret = p ? send_process_locked(p, sig, &info) : -ESRCH;
	spin_unlock(&tasklist_lock);
	return ret;
}

SYSCALL4(rt_tgsigqueueinfo, tgid, tid, usig, uinfo)
{
	siginfo_t info;
	if (copy_from_user(&info, uinfo, sizeof(info)))
		return -EFAULT;
	if ((s32)tgid <= 0 || (s32)tid <= 0)
		return -EINVAL;
	info.si_signo = (int)usig;
	if (is_forged(&info, (u32)tid))
		return -EPERM;
	return send_thread((s32)tgid, (s32)tid, (int)usig, &info);
}

SYSCALL4(pidfd_send_signal, fd, usig, uinfo, flags)
{
	siginfo_t info;
	int sig = (int)usig, ret;
	if (flags)
		return -EINVAL;
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	struct process *p = pidfd_process(f);
	file_put(f);
	if (!p)
		return -EBADF;
	signal_info_user(&info, sig);
	ret = 0;
	if (uinfo) {
		if (copy_from_user(&info, uinfo, sizeof(info)))
			ret = -EFAULT;
		else if (info.si_signo != sig)
			ret = -EINVAL;
		else if (is_forged(&info, p->pid))
			ret = -EPERM;
	}
	if (!ret) {
		spin_lock(&tasklist_lock);
		/* Reaped already: out of every list. */
		ret = list_is_empty(&p->pgrp_link) && p != init_process ? -ESRCH : send_process_locked(p, sig, &info);
		spin_unlock(&tasklist_lock);
	}
	process_put(p);
	return ret;
}

/* SPDX-License-Identifier: MIT */
/*
 * wait4 and waitid: a parent learns what became of its children, and reaps them.
 *
 * One pass over the children under tasklist_lock finds the first that has something to report; what is
 * reported is taken (unless WNOWAIT) in the same pass, so two waiting threads never get one event. The
 * caller's memory is written afterwards.
 */
#include "task.h"
#include <fs/file.h>
#include <hal/mmu.h>
#include <hal/uaccess.h>
#include <kernel/pidfd.h>
#include <kernel/ptrace.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/time.h>
#include <lib/string.h>
#include <linux/wait.h>

struct rusage_k { /* layout of struct rusage */
	struct timeval_k utime, stime;
	s64 maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};

struct wait_request {
	u32 which;           /* P_ALL, P_PID, P_PGID */
	u32 id;
	struct process *process; /* P_PIDFD */
	bool nonblocking;        /* the pidfd is: -EAGAIN instead of waiting */
	u32 options;
	/* the answer */
	u32 pid, uid, status;
	int code;            /* CLD_* */
	struct rusage_k usage;
};

static bool is_wanted(const struct wait_request *w, const struct process *c)
{
	if (w->process)
		return c == w->process;
	if (w->which == P_PID && c->pid != w->id)
		return false;
	if (w->which == P_PGID && c->pgid != w->id)
		return false;
	bool is_clone = c->exit_signal != SIGCHLD;
	return (w->options & __WALL) || is_clone == !!(w->options & __WCLONE);
}

static void add_usage(struct rusage_k *r, u64 utime, u64 stime, u64 minflt, u64 majflt, u64 maxrss)
{
	r->utime = ns_to_timeval((s64)utime);
	r->stime = ns_to_timeval((s64)stime);
	r->minflt = (s64)minflt;
	r->majflt = (s64)majflt;
	r->maxrss = (s64)maxrss;
}

static void add_io(struct rusage_k *r, const struct io_figures *io)
{
	r->inblock = (s64)(io->bytes[HOST_IO_READ] >> 9);
	r->oublock = (s64)(io->bytes[HOST_IO_WRITE] >> 9);
}

static void describe(struct wait_request *w, struct process *c, int code, u32 status)
{
	w->pid = c->pid;
	w->uid = c->leader->cred->uid;
	w->code = code;
	w->status = status;
	add_usage(&w->usage, c->utime_ns + c->child_utime_ns, c->stime_ns + c->child_stime_ns, c->min_faults + c->child_min_faults,
	          c->maj_faults + c->child_maj_faults, max(c->maxrss_kb, c->child_maxrss_kb));
	struct io_figures io = c->io;
	io_figures_add(&io, &c->child_io);
	add_io(&w->usage, &io);
	w->usage.nvcsw = (s64)c->nr_switches_voluntary;
	w->usage.nivcsw = (s64)c->nr_switches_involuntary;
}

static int code_of_end(u32 status) { return !(status & 0x7f) ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED; }

/* What the parent's RUSAGE_CHILDREN and cutime count from now on. */
static void account_child(struct process *p, const struct process *c)
{
	p->child_utime_ns += c->utime_ns + c->child_utime_ns;
	p->child_stime_ns += c->stime_ns + c->child_stime_ns;
	p->child_min_faults += c->min_faults + c->child_min_faults;
	p->child_maj_faults += c->maj_faults + c->child_maj_faults;
	io_figures_add(&p->child_io, &c->io);
	io_figures_add(&p->child_io, &c->child_io);
	p->child_maxrss_kb = max(p->child_maxrss_kb, max(c->maxrss_kb, c->child_maxrss_kb));
}

static bool take_zombie(struct wait_request *w, struct process *c)
{
	if (!c->is_zombie || !(w->options & WEXITED) || task_is_traced(c->leader) || !process_is_single_locked(c))
		return false;
	describe(w, c, code_of_end(c->exit_code), c->exit_code);
	if (!(w->options & WNOWAIT)) {
		account_child(c->parent, c);
		process_reap_locked(c);
	}
	return true;
}

/* what: of WSTOPPED and WCONTINUED, those that the caller asks for. */
static bool take_stop(struct wait_request *w, struct process *c, u32 what)
{
	bool found = false;
	what &= w->options;
	if (c->is_zombie || !what)
		return false;
	unsigned long flags = spin_lock_irq(&c->signal_lock);
	if ((what & WSTOPPED) && c->is_stopped && c->stop_pending) {
		describe(w, c, CLD_STOPPED, c->stop_code << 8 | 0x7f);
		if (!(w->options & WNOWAIT))
			c->stop_pending = false;
		found = true;
	} else if ((what & WCONTINUED) && c->continued_pending) {
		describe(w, c, CLD_CONTINUED, 0xffff);
		if (!(w->options & WNOWAIT))
			c->continued_pending = false;
		found = true;
	}
	spin_unlock_irq(&c->signal_lock, flags);
	return found;
}

/* ---- tracees: each thread is waited for by itself ---- */

static bool is_wanted_tracee(const struct wait_request *w, const struct task *t)
{
	if (w->process)
		return t == w->process->leader;
	return w->which == P_ALL || w->id == (w->which == P_PID ? t->tid : t->process->pgid);
}

static void describe_thread(struct wait_request *w, struct task *t, int code, u32 status)
{
	u64 utime, stime;
	task_cpu_times(t, &utime, &stime);
	w->pid = t->tid;
	w->uid = t->cred->uid;
	w->code = code;
	w->status = status;
	add_usage(&w->usage, utime, stime, t->min_faults, t->maj_faults, t->process->maxrss_kb);
}

static bool take_traced_zombie(struct wait_request *w, struct task *t)
{
	struct process *p = t->process;
	bool is_leader = t == p->leader;
	if (t->state != TASK_ZOMBIE || (is_leader && !(p->is_zombie && process_is_single_locked(p))) || !(w->options & WEXITED))
		return false;
	u32 status = p->group_exiting ? p->exit_code : t->exit_code;
	if (is_leader)
		describe(w, p, code_of_end(status), status);
	else
		describe_thread(w, t, code_of_end(status), status);
	if (w->options & WNOWAIT)
		return true;
	ptrace_unlink_locked(t, 0);
	if (is_leader && p->parent == current->process) {
		account_child(p->parent, p);
		process_reap_locked(p);
	} else {
		task_release_zombie_locked(t);
	}
	return true;
}

/* Its stops are told whether or not stops were asked for. */
static bool take_traced_stop(struct wait_request *w, struct task *t)
{
	struct trace *tr = t->trace;
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	bool found = tr->is_stopped && tr->is_unreported;
	if (found) {
		describe_thread(w, t, CLD_TRAPPED, tr->code << 8 | 0x7f);
		if (!(w->options & WNOWAIT))
			tr->is_unreported = false;
	}
	spin_unlock_irq(&t->process->signal_lock, flags);
	return found || (t == t->process->leader && take_stop(w, t->process, WCONTINUED));
}

static int look_at_tracees(struct wait_request *w, struct task *tracer, int ret)
{
	struct trace *tr;
	list_for_each_entry(tr, &tracer->tracees, link) {
		if (!is_wanted_tracee(w, tr->task))
			continue;
		ret = 0;
		if (take_traced_zombie(w, tr->task) || take_traced_stop(w, tr->task))
			return 1;
	}
	return ret;
}

static bool traces_too(const struct process *parent, const struct task *t)
{
	return task_is_traced(t) && t->trace->tracer->process == parent;
}

static int look_at_children(struct wait_request *w, struct process *parent)
{
	struct process *c;
	int ret = -ECHILD;
	list_for_each_entry(c, &parent->children, sibling) {
		if (!is_wanted(w, c))
			continue;
		ret = 0;
		if (traces_too(parent, c->leader)) /* told as a tracee */
			continue;
		if (take_zombie(w, c) || take_stop(w, c, WSTOPPED | WCONTINUED))
			return 1;
	}
	return ret;
}

/* 1: an event was taken; 0: not yet; -ECHILD: there is nobody to wait for. */
static int look(struct wait_request *w)
{
	struct process *p = current->process;
	struct task *t;
	spin_lock(&tasklist_lock);
	int ret = look_at_children(w, p);
	list_for_each_entry(t, &p->threads, thread_link)
		if (ret != 1 && (t == current || !(w->options & __WNOTHREAD)))
			ret = look_at_tracees(w, t, ret);
	spin_unlock(&tasklist_lock);
	return ret;
}

static int wait_for_child(struct wait_request *w)
{
	int found = look(w), err;
	if (found || (w->options & WNOHANG))
		return found;
	if (w->nonblocking)
		return -EAGAIN;
	err = wait_event_interruptible(&current->process->wait_children, (found = look(w)) != 0);
	return found ? found : err;
}

SYSCALL4(wait4, upid, ustatus, options, urusage)
{
	s32 pid = (s32)upid;
	struct wait_request w = { .which = P_PID, .id = (u32)pid, .options = (u32)options | WEXITED };
	if (options & ~(u64)(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == -1) {
		w.which = P_ALL;
	} else if (pid <= 0) {
		w.which = P_PGID;
		w.id = pid ? (u32)-pid : current->process->pgid;
	}
	int found = wait_for_child(&w);
	if (found <= 0)
		return found;
	u32 status = w.status;
	if (ustatus && put_user(status, ustatus))
		return -EFAULT;
	if (urusage && put_user(w.usage, urusage))
		return -EFAULT;
	return w.pid;
}

static int fill_waitid(struct wait_request *w, u64 which, u64 id, u64 options)
{
	if (options & ~(u64)(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	*w = (struct wait_request){ .which = (u32)which, .id = (u32)id, .options = (u32)options };
	switch (which) {
	case P_ALL:
		return 0;
	case P_PID:
		return (s32)id <= 0 ? -EINVAL : 0;
	case P_PGID:
		if ((s32)id < 0)
			return -EINVAL;
		if (!id)
			w->id = current->process->pgid;
		return 0;
	case P_PIDFD: {
		if ((s32)id < 0)
			return -EINVAL;
		struct file *f = fd_get((int)id);
		w->process = f ? pidfd_process(f) : NULL;
		w->nonblocking = f && (f->flags & O_NONBLOCK);
		if (f)
			file_put(f);
		return w->process ? 0 : -EBADF;
	}
	default:
		return -EINVAL;
	}
}

/* Writes what waitid tells. As Linux: the fields of SIGCHLD alone, the rest stays what it was; whatever failed, they are
 * cleared, and the whole structure must lie in the user half. */
static int put_siginfo(const struct wait_request *w, bool found, uaddr_t uinfo)
{
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	if (found) {
		u32 s = w->status;
		info.si_signo = SIGCHLD;
		info.si_code = w->code;
		info.si_pid = (int)w->pid;
		info.si_uid = w->uid;
		if (w->code == CLD_CONTINUED)
			info.si_status = SIGCONT;
		else
			info.si_status = w->code == CLD_KILLED || w->code == CLD_DUMPED ? (int)(s & 0x7f) : (int)(s >> 8);
	}
	if (uinfo > HAL_USER_END - sizeof(info))
		return -EFAULT;
	return copy_to_user(uinfo, &info, offsetof(siginfo_t, _sifields._sigchld._utime)) ? -EFAULT : 0;
}

SYSCALL5(waitid, which, id, uinfo, options, urusage)
{
	struct wait_request w = { 0 };
	int found = fill_waitid(&w, which, id, options);
	if (!found)
		found = wait_for_child(&w);
	if (w.process)
		process_put(w.process);
	if (found > 0 && urusage && put_user(w.usage, urusage))
		return -EFAULT;
	int err = uinfo ? put_siginfo(&w, found > 0, uinfo) : 0;
	return err ? err : min(found, 0);
}

/* ---- rusage, times ---- */

SYSCALL2(getrusage, who, urusage)
{
	struct process *p = current->process;
	struct rusage_k r;
	u64 u, s;
	memset(&r, 0, sizeof(r));
	if ((s32)who == -1) { /* RUSAGE_CHILDREN */
		add_usage(&r, p->child_utime_ns, p->child_stime_ns, p->child_min_faults, p->child_maj_faults, p->child_maxrss_kb);
		add_io(&r, &p->child_io);
	} else if ((s32)who == 1) { /* RUSAGE_THREAD */
		task_cpu_times(current, &u, &s);
		add_usage(&r, u, s, current->min_faults, current->maj_faults, process_maxrss_kb(p));
		add_io(&r, &current->io);
		r.nvcsw = (s64)current->nr_switches_voluntary;
		r.nivcsw = (s64)current->nr_switches_involuntary;
	} else if (who == 0) {
		struct task *t;
		process_cpu_times(p, &u, &s);
		spin_lock(&tasklist_lock);
		u64 minflt = p->min_faults, majflt = p->maj_faults;
		u64 vol = p->nr_switches_voluntary, invol = p->nr_switches_involuntary;
		struct io_figures io = p->io;
		list_for_each_entry(t, &p->threads, thread_link) {
			if (t->flags & TASK_ACCOUNTED)
				continue;
			minflt += t->min_faults;
			majflt += t->maj_faults;
			vol += t->nr_switches_voluntary;
			invol += t->nr_switches_involuntary;
			io_figures_add(&io, &t->io);
		}
		spin_unlock(&tasklist_lock);
		add_usage(&r, u, s, minflt, majflt, process_maxrss_kb(p));
		add_io(&r, &io);
		r.nvcsw = (s64)vol;
		r.nivcsw = (s64)invol;
	} else {
		return -EINVAL;
	}
	return copy_to_user(urusage, &r, sizeof(r)) ? -EFAULT : 0;
}

SYSCALL1(times, ubuf)
{
	struct process *p = current->process;
	u64 u, s;
	process_cpu_times(p, &u, &s);
	if (ubuf) {
		s64 t[4] = { (s64)(u / TICK_NS), (s64)(s / TICK_NS), (s64)(p->child_utime_ns / TICK_NS), (s64)(p->child_stime_ns / TICK_NS) };
		if (copy_to_user(ubuf, t, sizeof(t)))
			return -EFAULT;
	}
	return (long)(hal_clock_ns() / TICK_NS);
}

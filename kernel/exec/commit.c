/* SPDX-License-Identifier: MIT */
/*
 * The point of no return of execve: the process becomes one thread under the leader's number, leaves
 * its old space and takes the new, empty one, and drops what does not outlive an exec. The only error
 * is that of the first step (another thread execs or exits at the same moment); all the rest cannot fail.
 */
#include "../task/task.h"
#include "exec.h"
#include <fs/file.h>
#include <hal/ptrace.h>
#include <kernel/ptrace.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <lib/string.h>
#include <linux/personality.h>
#include <mm/space.h>
#include <mm/trace.h>

/* The thread takes the place of the leader, which has exited. */
static void take_leadership(struct process *p, struct task *t)
{
	spin_lock(&tasklist_lock);
	struct task *old = p->leader;
	struct pid *mine = t->pid;
	t->pid = old->pid;
	t->tid = p->pid;
	t->pid->task = t;
	old->pid = mine;
	old->tid = mine->nr;
	mine->task = old;
	t->start_ns = old->start_ns;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	p->leader = t;
	spin_unlock_irq(&p->signal_lock, flags);
	p->exit_signal = SIGCHLD;
	if (task_is_traced(old))
		ptrace_unlink_locked(old, 0);
	tree_remove_task(old);
	old->state = TASK_DEAD;
	spin_unlock(&tasklist_lock);
	task_put(old);
}

static int become_single(struct process *p, struct task *t)
{
	spin_lock(&tasklist_lock);
	if (p->group_exiting || p->exec_task) {
		spin_unlock(&tasklist_lock);
		return -EAGAIN;
	}
	p->exec_task = t;
	process_kill_threads_locked(p, t);
	spin_unlock(&tasklist_lock);
	wait_event(&p->exec_wait, READ_ONCE(p->nr_threads) == 1);
	if (p->leader != t)
		take_leadership(p, t);
	spin_lock(&tasklist_lock);
	p->exec_task = NULL;
	spin_unlock(&tasklist_lock);
	return 0;
}

static void change_space(struct exec *e, struct task *t)
{
	struct space *old = t->space;
	if (old) {
		task_clear_tid(t);
		note_maxrss(t->process, old);
	}
	spin_lock(&tasklist_lock);
	t->space = e->space;
	spin_unlock(&tasklist_lock);
	sched_use_space(e->space);
	e->space = NULL;
	task_release_vfork(t);
	if (old) {
		sched_drop_space(old);
		space_put(old);
	}
}

static void change_cred(struct exec *e, struct task *t)
{
	const struct cred *old = t->cred;
	spin_lock(&tasklist_lock);
	exec_choose_cred_locked(e);
	t->cred = e->cred;
	t->process->dumpable = !e->is_secure;
	spin_unlock(&tasklist_lock);
	process_set_user(t->process, t->cred->user);
	e->cred = old; /* dropped with the rest */
	if (e->is_secure) {
		t->pdeath_signal = 0;
		t->personality &= ~(u64)PER_CLEAR_ON_SETID;
	}
}

static void set_comm(struct task *t, const char *filename)
{
	const char *slash = strrchr(filename, '/');
	strlcpy(t->comm, slash ? slash + 1 : filename, sizeof(t->comm));
}

static void change_exe(struct process *p, struct file *f)
{
	file_get(f);
	spin_lock(&tasklist_lock);
	struct file *old = p->exe_file;
	p->exe_file = f;
	p->has_execed = true;
	p->membarrier_registered = 0;
	spin_unlock(&tasklist_lock);
	if (old)
		file_put(old);
}

static __attribute__((noinline)) void trace_name_of(const struct task *t)
{
	u64 name[2] = { 0 };
	memcpy(name, t->comm, sizeof(name));
	trace_write(TRACE_EXEC, name[0], name[1], 0, 0);
}

int exec_commit(struct exec *e)
{
	struct task *t = current;
	int err = exec_prepare_cred(e);
	if (!err)
		err = hal_fpu_init(&t->ctx); /* reset below; only the first of a kernel thread can fail */
	if (!err)
		err = files_unshare_current();
	if (!err)
		err = become_single(t->process, t);
	if (err)
		return err;
	e->is_committed = true;
	change_cred(e, t);
	change_exe(t->process, e->file);
	e->randomize = !(t->personality & ADDR_NO_RANDOMIZE) && randomize_va_space;
	exec_layout_init(e, e->space);
	change_space(e, t);
	t->flags &= ~(TASK_KTHREAD | TASK_FORKED);
	t->set_child_tid = t->clear_child_tid = t->robust_list = 0;
	t->rseq_area = 0;
	t->restart.fn = NULL;
	signal_exec(t);
	files_close_on_exec(t->files);
	set_comm(t, e->filename);
	if (trace_is_on(TRACE_EXEC))
		trace_name_of(t);
	hal_fpu_reset(&t->ctx);
	hal_user_debug_clear(&t->ctx);
	hal_set_fs_base(&t->ctx, 0);
	hal_set_gs_base(&t->ctx, 0);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Kernel threads: processes without a space, children of kthreadd (pid 2). init begins as one too and
 * becomes a user process by exec.
 */
#include "task.h"
#include <fs/file.h>
#include <fs/vfs.h>
#include <kernel/cgroup.h>
#include <kernel/random.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <lib/string.h>

static struct process *kthreadd;

static void kthread_main(void *arg)
{
	struct task *t = current;
	void (*fn)(void *) = (void (*)(void *))t->restart.args[0];
	fn((void *)t->restart.args[1]);
	task_exit(0);
}

static void set_default_rlimits(struct process *p)
{
	for (unsigned i = 0; i < RLIM_NLIMITS; i++)
		p->rlimits[i].cur = p->rlimits[i].max = ~0ull;
	p->rlimits[RLIMIT_STACK].cur = 8 << 20;
	p->rlimits[RLIMIT_CORE].cur = 0;
	p->rlimits[RLIMIT_NPROC].cur = p->rlimits[RLIMIT_NPROC].max = threads_max / 2;
	p->rlimits[RLIMIT_NOFILE].cur = 1024;
	p->rlimits[RLIMIT_NOFILE].max = 4096;
	p->rlimits[RLIMIT_MEMLOCK].cur = p->rlimits[RLIMIT_MEMLOCK].max = 8 << 20;
	p->rlimits[RLIMIT_SIGPENDING].cur = p->rlimits[RLIMIT_SIGPENDING].max = threads_max / 2;
	p->rlimits[RLIMIT_MSGQUEUE].cur = p->rlimits[RLIMIT_MSGQUEUE].max = 819200;
	p->rlimits[RLIMIT_NICE].cur = p->rlimits[RLIMIT_NICE].max = 0;
	p->rlimits[RLIMIT_RTPRIO].cur = p->rlimits[RLIMIT_RTPRIO].max = 0;
}

static int fill(struct task *t, void (*fn)(void *), void *arg, const char *name)
{
	t->cred = cred_get(&cred_root);
	t->flags = TASK_KTHREAD;
	random_begin(t);
	strlcpy(t->comm, name, sizeof(t->comm));
	t->restart.args[0] = (u64)fn;
	t->restart.args[1] = (u64)arg;
	hal_context_init_kernel(&t->ctx, t->ctx.stack_top, kthread_main, NULL);
	t->process = process_alloc();
	if (!t->process)
		return -ENOMEM;
	t->process->leader = t;
	process_set_user(t->process, t->cred->user);
	t->process->exit_signal = SIGCHLD;
	t->process->sighand = sighand_new();
	for (unsigned i = 0; t->process->sighand && init_process && i < 64; i++)
		t->process->sighand->actions[i].handler = (uaddr_t)SIG_IGN; /* all but init's, which has yet to be made */
	set_default_rlimits(t->process);
	return t->process->sighand ? 0 : -ENOMEM;
}

struct task *kthread_create_process(void (*fn)(void *), void *arg, const char *name, struct process *parent)
{
	struct task *t = task_alloc();
	if (!t)
		return NULL;
	struct pid *pid = pid_alloc();
	if (IS_ERR(pid) || fill(t, fn, arg, name)) {
		if (!IS_ERR(pid)) {
			spin_lock(&tasklist_lock);
			pid_release_locked(pid);
			spin_unlock(&tasklist_lock);
		}
		task_free(t);
		return NULL;
	}
	spin_lock(&tasklist_lock);
	tree_add_task(t, pid);
	tree_add_process(t->process, parent);
	cgroup_join_locked(t->process, &cgroup_root);
	process_set_pgrp_locked(t->process, 0);
	process_set_session_locked(t->process, 0);
	spin_unlock(&tasklist_lock);
	return t;
}

struct task *kthread_create(void (*fn)(void *), void *arg, const char *name)
{
	struct task *t = kthread_create_process(fn, arg, name, kthreadd);
	if (t)
		sched_task_start(t);
	return t;
}

bool host_has_workers(void) { return true; }

int host_worker_start(const char *name, void (*fn)(void *arg), void *arg)
{
	return kthread_create(fn, arg, name) ? 0 : -ENOMEM;
}

void host_give_way(void) { cond_resched(); }
void host_visit_cpus(void (*fn)(void)) { sched_visit_cpus(fn); }

static bool never(void *arg) { return false; }

static void kthreadd_main(void *arg)
{
	struct host_waitq q;
	host_waitq_init(&q);
	for (;;)
		host_wait(&q, never, NULL, 0);
}

void kthread_init(struct task **init, void (*init_main)(void *))
{
	*init = kthread_create_process(init_main, NULL, "swapper/0", NULL);
	ASSERT(*init);
	init_process = (*init)->process;
	struct task *t = kthread_create_process(kthreadd_main, NULL, "kthreadd", NULL);
	ASSERT(t);
	kthreadd = t->process;
	sched_task_start(t);
}

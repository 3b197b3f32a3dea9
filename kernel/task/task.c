/* SPDX-License-Identifier: MIT */
/*
 * Task and process objects: memory, references, lookup.
 *
 * A task has one reference for its place in the tree (until it is reaped or, as a further thread, has
 * exited) and one for running (until it has left its CPU for the last time). A process has one for
 * each of its tasks and one for its place in the tree.
 */
#include "task.h"
#include <kernel/errno.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <mm/group.h>
#include <mm/reclaim.h>
#include <kernel/user.h>
#include <mm/slab.h>
#include <mm/space.h>

struct spinlock tasklist_lock = SPINLOCK_INIT(RANK_TASKLIST);
struct list_head all_tasks = LIST_HEAD_INIT(all_tasks);
struct process *init_process;
u32 threads_max = 32000;
u32 nr_tasks;

static struct slab_cache *task_cache, *process_cache;

#define ALL_CAPS ((1ull << (CAP_LAST_CAP + 1)) - 1)
struct cred cred_root = {
	.refs = 1, .user = &user_root, .cap_effective = ALL_CAPS, .cap_permitted = ALL_CAPS, .cap_bounding = ALL_CAPS,
};

/* ---- stacks that no task has now ---- */

static u64 count_stacks(struct shrinker *s) { return hal_stack_nr_ready(); }
static u64 scan_stacks(struct shrinker *s, u64 nr) { return hal_stack_drain(nr); }
static struct shrinker stack_shrinker = { .name = "kernel stacks", .count = count_stacks, .scan = scan_stacks };

void task_cache_init(void)
{
	shrinker_register(&stack_shrinker);
	task_cache = slab_cache_create("task_struct", sizeof(struct task), 64, SLAB_ACCOUNT);
	process_cache = slab_cache_create("signal_cache", sizeof(struct process), 64, SLAB_ACCOUNT);
	ASSERT(task_cache && process_cache);
	pid_init();
	u64 most = frame_total() / 32; /* as Linux: threads' stacks may fill an eighth of RAM */
	threads_max = most < 64 ? 64 : most > 65536 ? 65536 : (u32)most;
}

#define STACK_ORDER ((unsigned)__builtin_ctz(HAL_STACK_SIZE >> PAGE_SHIFT))

struct task *task_alloc(void)
{
	struct task *t = slab_alloc(task_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!t)
		return NULL;
	s32 group = mem_group_charge(current ? current->host.group : 0, STACK_ORDER, ALLOC_KERNEL, MEM_GROUP_STACKS);
	t->ctx.stack_top = group < 0 ? NULL : hal_stack_alloc();
	if (!t->ctx.stack_top) {
		if (group > 0)
			mem_group_uncharge((u32)group, STACK_ORDER, MEM_GROUP_STACKS);
		slab_free(task_cache, t);
		return NULL;
	}
	t->stack_group = (u16)group;
	t->refs = 2;
	t->in_syscall = true;
	t->weight = 1024;
	t->allowed = ~0ull;
	list_init(&t->all_link);
	list_init(&t->thread_link);
	list_init(&t->run_link);
	list_init(&t->pending.infos);
	list_init(&t->tracees);
	t->start_ns = hal_clock_ns();
	t->timer_slack_ns = 50000;
	return t;
}

void task_release_context(struct task *t)
{
	hal_context_release(&t->ctx);
	if (t->ctx.stack_top)
		hal_stack_free(t->ctx.stack_top);
	if (t->stack_group)
		mem_group_uncharge(t->stack_group, STACK_ORDER, MEM_GROUP_STACKS);
	t->stack_group = 0;
	t->ctx.stack_top = NULL;
}

void task_free(struct task *t)
{
	task_release_context(t);
	if (t->cred)
		cred_put(t->cred);
	if (t->process)
		process_put(t->process);
	kfree(t->trace);
	slab_free(task_cache, t);
}

void task_get(struct task *t) { __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED); }

void task_put(struct task *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0)
		task_free(t);
}

struct process *process_alloc(void)
{
	struct process *p = slab_alloc(process_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!p)
		return NULL;
	p->refs = 1;
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->threads);
	list_init(&p->pgrp_link);
	list_init(&p->session_link);
	spin_lock_init(&p->signal_lock, RANK_SIGNAL);
	list_init(&p->pending.infos);
	host_waitq_init(&p->wait_children);
	host_waitq_init(&p->exec_wait);
	host_waitq_init(&p->exit_wait);
	p->start_ns = hal_clock_ns();
	p->dump_filter = DUMP_FILTER_DEFAULT;
	return p;
}

void process_get(struct process *p) { __atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED); }

void process_put(struct process *p)
{
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (p->user)
		user_put(p->user);
	slab_free(process_cache, p);
}

void process_set_user(struct process *p, struct user *u)
{
	user_get(u);
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct user *old = p->user;
	p->user = u;
	spin_unlock_irq(&p->signal_lock, flags);
	if (old)
		user_put(old);
}

struct task *task_find(u32 tid)
{
	spin_lock(&tasklist_lock);
	struct task *t = task_find_locked(tid);
	if (t)
		task_get(t);
	spin_unlock(&tasklist_lock);
	return t;
}

struct process *process_find(u32 pid)
{
	spin_lock(&tasklist_lock);
	struct process *p = process_find_locked(pid);
	if (p)
		process_get(p);
	spin_unlock(&tasklist_lock);
	return p;
}

u32 task_count(void) { return READ_ONCE(nr_tasks); }

/* ---- what others may know ---- */

const char *task_state_name(const struct task *t)
{
	static const char *const names[] = {
		[TASK_RUNNING] = "R (running)",   [TASK_INTERRUPTIBLE] = "S (sleeping)", [TASK_UNINTERRUPTIBLE] = "D (disk sleep)",
		[TASK_STOPPED] = "T (stopped)",   [TASK_TRACED] = "t (tracing stop)",    [TASK_ZOMBIE] = "Z (zombie)",
		[TASK_DEAD] = "X (dead)",
	};
	u32 s = READ_ONCE(t->state);
	if (s == TASK_UNINTERRUPTIBLE && (t->flags & TASK_KTHREAD))
		return "S (sleeping)";
	return names[s];
}

const char *task_wchan(struct task *t)
{
	return READ_ONCE(t->state) == TASK_RUNNING ? NULL : READ_ONCE(t->wait_name);
}

/* The space of a task changes under tasklist_lock (exec, exit), so that it can be taken from outside. */
struct space *task_get_space(struct task *t)
{
	spin_lock(&tasklist_lock);
	struct space *s = t->space;
	if (s)
		space_get(s);
	spin_unlock(&tasklist_lock);
	return s;
}

/* ---- what mm may do for the running task ---- */

u32 host_tid(void) { return current->tid; }

const struct host_context *host_current(void)
{
	struct task *t = current;
	struct host_context *h = &t->host;
	struct process *p = t->process;
	if (unlikely(!p)) {
		h->has_ipc_lock = h->has_sys_admin = true;
		return h;
	}
	h->has_ipc_lock = t->cred->cap_effective >> CAP_IPC_LOCK & 1;
	h->has_sys_admin = t->cred->cap_effective >> CAP_SYS_ADMIN & 1;
	u32 work = READ_ONCE(t->work);
	h->is_being_killed = (work & WORK_KILL) || ((work & WORK_SIGNAL) && signal_is_fatal_pending(t));
	return h;
}

const struct rlimit_pair *host_rlimits(void)
{
	static const struct rlimit_pair unlimited[RLIM_NLIMITS] = { [0 ... RLIM_NLIMITS - 1] = { ~0ull, ~0ull } };
	struct process *p = current->process;
	return likely(p) ? p->rlimits : unlimited;
}

bool capable(unsigned cap) { return cred_acting()->cap_effective >> cap & 1; }

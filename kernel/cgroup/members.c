/* SPDX-License-Identifier: MIT */
/* Which processes are in which control group. A process that has ended is in none. */
#include "internal.h"
#include <kernel/errno.h>
#include <kernel/signal.h>

static void charge_thread_locked(struct task *t, const struct cgroup *g) { WRITE_ONCE(t->host.group, (u16)g->memory->lru.number); }

static void charge_process_locked(struct process *p, const struct cgroup *g)
{
	struct task *t;
	list_for_each_entry(t, &p->threads, thread_link)
		charge_thread_locked(t, g);
}

void cgroup_recharge_locked(struct cgroup *g)
{
	struct process *p;
	list_for_each_entry(p, &g->members, cgroup_link)
		charge_process_locked(p, g);
}

void cgroup_join_locked(struct process *p, struct cgroup *g)
{
	p->cgroup = g;
	list_add_tail(&p->cgroup_link, &g->members);
	charge_process_locked(p, g);
}

void cgroup_join_thread_locked(struct task *t)
{
	if (t->process->cgroup)
		charge_thread_locked(t, t->process->cgroup);
}

void cgroup_leave_locked(struct process *p)
{
	if (!p->cgroup)
		return;
	list_del(&p->cgroup_link);
	p->cgroup = NULL;
}

int cgroup_move(struct process *p, struct cgroup *g)
{
	int err = 0;
	if (g->parent && g->gives_memory)
		return -EBUSY;
	spin_lock(&tasklist_lock);
	if (!p->cgroup) {
		err = -ESRCH;
	} else if (p->leader->flags & TASK_KTHREAD) {
		err = -EINVAL;
	} else if (p->cgroup != g) {
		list_del(&p->cgroup_link);
		list_add_tail(&p->cgroup_link, &g->members);
		p->cgroup = g;
		charge_process_locked(p, g);
	}
	spin_unlock(&tasklist_lock);
	return err;
}

bool cgroup_is_populated(struct cgroup *top)
{
	bool yes = false;
	spin_lock(&tasklist_lock);
	for (struct cgroup *g = top; g && !yes; g = cgroup_next(top, g, true))
		yes = !list_is_empty(&g->members);
	spin_unlock(&tasklist_lock);
	return yes;
}

void cgroup_kill(struct cgroup *top)
{
	struct process *p;
	spin_lock(&tasklist_lock);
	for (struct cgroup *g = top; g; g = cgroup_next(top, g, true))
		list_for_each_entry(p, &g->members, cgroup_link)
			if (!(p->leader->flags & TASK_KTHREAD))
				signal_send_process(p, SIGKILL, NULL);
	spin_unlock(&tasklist_lock);
}

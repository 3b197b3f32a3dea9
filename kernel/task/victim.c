/* SPDX-License-Identifier: MIT */
/*
 * Processes as the choice of the one to end sees them when memory runs out (mm/oom.h), their end, and
 * oom_score_adj, by which they take part in the choice.
 */
#include "../signal/internal.h"
#include "task.h"
#include <kernel/errno.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <mm/space.h>

static bool is_ending(const struct process *p)
{
	return p->group_exiting || (!process_is_protected(p) && (READ_ONCE(p->pending.set) & SIG_BIT(SIGKILL)));
}

/* Is every process that has s on its way out? p is one of them. */
static bool is_space_ending(const struct process *p, const struct space *s)
{
	struct task *t;
	u32 own = 0;
	if (!is_ending(p))
		return false;
	list_for_each_entry(t, &p->threads, thread_link)
		own += t->space == s;
	if (own == READ_ONCE(s->users))
		return true;
	list_for_each_entry(t, &all_tasks, all_link)
		if (t->space == s && !is_ending(t->process))
			return false;
	return true;
}

/* A thread of p that has a space still; the first may have exited. */
static struct task *find_thread(struct process *p)
{
	struct task *t;
	if (p->leader && p->leader->space)
		return p->leader;
	list_for_each_entry(t, &p->threads, thread_link)
		if (t->space)
			return t;
	return NULL;
}

/* After vfork, until it executes a program. */
static bool is_borrower(const struct process *p, const struct task *t)
{
	const struct task *up = t->flags & TASK_VFORKED && p->parent ? find_thread(p->parent) : NULL;
	return up && up->space == t->space;
}

static void describe(struct process *p, struct task *t, struct host_process *out)
{
	*out = (struct host_process){
		.pid = p->pid,
		.uid = t->cred->uid,
		.oom_score_adj = p->oom_score_adj,
		.group = READ_ONCE(t->host.group),
		.is_origin = p->is_oom_origin,
		.is_exempt = p == init_process || (t->flags & TASK_KTHREAD),
		.is_borrower = is_borrower(p, t),
		.is_dying = t->space && is_space_ending(p, t->space),
		.space = t->space,
	};
	strlcpy(out->name, t->comm, sizeof(out->name));
}

u32 host_visit_process(u32 after, host_process_fn fn, void *arg)
{
	u32 found = 0;
	spin_lock(&tasklist_lock);
	for (struct pid *n = pid_next_locked(after + 1); n && !found; n = pid_next_locked(n->nr + 1)) {
		struct task *t = n->process ? find_thread(n->process) : NULL;
		if (!t)
			continue;
		struct host_process h;
		describe(n->process, t, &h);
		fn(&h, arg);
		found = h.pid;
	}
	spin_unlock(&tasklist_lock);
	return found;
}

void host_visit_self(host_process_fn fn, void *arg)
{
	struct host_process h;
	spin_lock(&tasklist_lock);
	describe(current->process, current, &h);
	fn(&h, arg);
	spin_unlock(&tasklist_lock);
}

void host_use_reserves(void) { current->host.may_use_reserves = true; }
void host_set_oom_origin(bool on) { current->process->is_oom_origin = on; }

bool host_kill_space(struct space *s)
{
	bool all = true;
	struct task *t;
	spin_lock(&tasklist_lock);
	list_for_each_entry(t, &all_tasks, all_link) {
		if (t->space != s)
			continue;
		if (t->process == init_process) {
			all = false;
			continue;
		}
		t->host.may_use_reserves = true;
		if (!(READ_ONCE(t->process->pending.set) & SIG_BIT(SIGKILL)))
			signal_send_process(t->process, SIGKILL, NULL);
	}
	spin_unlock(&tasklist_lock);
	return all;
}

/* ---- oom_score_adj ---- */

/* Processes that share a space go together, so they have one adjustment. */
static void adjust_locked(struct process *p, const struct space *s, s16 adj, bool sets_limit)
{
	struct task *t;
	list_for_each_entry(t, &all_tasks, all_link) {
		struct process *o = t->process;
		if (o != p && (!s || t->space != s || o == init_process))
			continue;
		WRITE_ONCE(o->oom_score_adj, adj);
		if (sets_limit)
			o->oom_score_adj_min = adj;
	}
}

int process_set_oom_score_adj(struct process *p, s16 adj, bool is_old_scale)
{
	bool is_privileged = capable(CAP_SYS_RESOURCE);
	spin_lock(&tasklist_lock);
	int err = adj < (is_old_scale ? p->oom_score_adj : p->oom_score_adj_min) && !is_privileged ? -EACCES : 0;
	if (!err) {
		struct task *t = find_thread(p);
		adjust_locked(p, t && !(t->flags & TASK_VFORKED) ? t->space : NULL, adj, is_privileged && !is_old_scale);
	}
	spin_unlock(&tasklist_lock);
	return err;
}

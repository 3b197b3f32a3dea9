/* SPDX-License-Identifier: MIT */
/* The host's processes, as far as mm/ wants to know them: a list that tests fill. */
#include <hal/log.h>
#include <host/machine.h>

#define MAX_PROCESSES 64

static struct host_process processes[MAX_PROCESSES];
static unsigned nr;
static struct spinlock lock = SPINLOCK_INIT(RANK_TASKLIST);
u32 host_running_pid;

void host_process_add(const struct host_process *p)
{
	ASSERT(nr < MAX_PROCESSES && (!nr || processes[nr - 1].pid < p->pid));
	processes[nr++] = *p;
}

static struct host_process *find(u32 pid)
{
	for (unsigned i = 0; i < nr; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	return NULL;
}

bool host_process_is_killed(u32 pid) { return find(pid) && find(pid)->is_dying; }

void host_processes_forget(void)
{
	nr = 0;
	host_running_pid = 0;
	host_context.may_use_reserves = host_context.is_being_killed = false;
}

u32 host_visit_process(u32 after, host_process_fn fn, void *arg)
{
	u32 found = 0;
	spin_lock(&lock);
	for (unsigned i = 0; i < nr && !found; i++)
		if (processes[i].pid > after && processes[i].space) {
			fn(&processes[i], arg);
			found = processes[i].pid;
		}
	spin_unlock(&lock);
	return found;
}

void host_visit_self(host_process_fn fn, void *arg)
{
	static const struct host_process nobody = { .name = "host" };
	spin_lock(&lock);
	const struct host_process *p = find(host_running_pid);
	fn(p ? p : &nobody, arg);
	spin_unlock(&lock);
}

void host_use_reserves(void) { host_context.may_use_reserves = true; }

void host_set_oom_origin(bool on)
{
	struct host_process *p = find(host_running_pid);
	if (p)
		p->is_origin = on;
}

bool host_kill_space(struct space *s)
{
	bool all = true;
	spin_lock(&lock);
	for (unsigned i = 0; i < nr; i++) {
		struct host_process *p = &processes[i];
		if (p->space != s)
			continue;
		all &= !p->is_exempt;
		p->is_dying = !p->is_exempt;
		if (p->is_dying && p->pid == host_running_pid)
			host_context.is_being_killed = host_context.may_use_reserves = true;
	}
	spin_unlock(&lock);
	return all;
}

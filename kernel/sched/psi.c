/* SPDX-License-Identifier: MIT */
/*
 * Pressure of the whole machine (mm/psi.h): the scheduler counts which tasks wait for memory or I/O.
 *
 * A task says so itself, with task->stall: STALL_MEMORY from host_stall_begin to host_stall_end, asleep or not;
 * STALL_IO while it sleeps in host_wait_io. Where it is counted follows from where it is, under its queue's lock:
 *
 *                       STALL_MEMORY                       STALL_IO
 *   runnable, on a CPU  nr_memory and nr_memory_running    -
 *   asleep              nr_memory                          nr_io
 *
 * So tasks without stalls cost the scheduler one test where one comes, goes or is switched to.
 */
#include "runqueue.h"
#include <hal/irq.h>
#include <kernel/psi.h>

struct psi_group psi_machine;
static u64 due_ns = ~0ull; /* when somebody should look at the group, while there is something to see */

void rq_psi_update(struct runqueue *rq, const struct task *curr, u64 now)
{
	psi_cpu_update(&rq->psi, rq->nr_running, curr == rq->idle, curr->stall & STALL_MEMORY, now);
	if (rq->psi.states && rq->id == hal_cpu_id())
		timer_arm_at_most(READ_ONCE(due_ns)); /* it may stay idle meanwhile */
}

void rq_psi_enter(struct runqueue *rq, struct task *t, u64 now)
{
	if (t->stall & STALL_MEMORY) {
		rq->psi.nr_memory++;
		rq->psi.nr_memory_running++;
	}
	rq_psi_update(rq, rq->curr, now);
}

void rq_psi_leave(struct runqueue *rq, struct task *t)
{
	bool sleeps = t->state != TASK_RUNNING;
	if (t->stall & STALL_MEMORY) {
		rq->psi.nr_memory_running--;
		rq->psi.nr_memory -= !sleeps;
	}
	if (sleeps && t->stall & STALL_IO)
		rq->psi.nr_io++;
	rq->psi.is_watched = true; /* the switch that follows looks at all of it */
}

void rq_psi_wake(struct runqueue *rq, struct task *t)
{
	u64 now = hal_clock_ns();
	rq->psi.nr_memory -= (t->stall & STALL_MEMORY) != 0;
	if (t->stall & STALL_IO) {
		cputime_io_ends(rq, now);
		rq->psi.nr_io--;
	}
	rq_psi_update(rq, rq->curr, now);
}

void rq_psi_moved(struct runqueue *rq, struct task *t)
{
	u64 now = hal_clock_ns();
	rq_psi_leave(rq, t);
	psi_cpu_switched(&rq->psi, rq->nr_running, now);
	rq_psi_update(rq, rq->curr, now);
}

/* ---- what tasks say ---- */

static void count_current(int sign, bool is_stalled)
{
	struct task *t = current;
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = this_rq();
	spin_lock(&rq->lock);
	t->stall = (u8)(is_stalled ? t->stall | STALL_MEMORY : t->stall & ~STALL_MEMORY);
	rq->psi.nr_memory += (u32)sign;
	rq->psi.nr_memory_running += (u32)sign;
	rq_psi_update(rq, t, hal_clock_ns());
	spin_unlock_irq(&rq->lock, flags);
}

bool host_stall_begin(void)
{
	if (current->stall & STALL_MEMORY)
		return false;
	count_current(1, true);
	return true;
}

void host_stall_end(bool began)
{
	if (began)
		count_current(-1, false);
}

/* ---- what is made of it ---- */

static bool read_cpu(struct psi_group *g, unsigned cpu, u64 now, struct psi_report *out)
{
	struct runqueue *rq = &runqueues[cpu];
	u64 ns[PSI_NR_STATES];
	if (!READ_ONCE(rq->is_online))
		return false;
	spin_lock(&rq->lock);
	u64 idle = rq->times.idle_ns + rq->times.iowait_ns + (rq->idle_since_ns && now > rq->idle_since_ns ? now - rq->idle_since_ns : 0);
	psi_cpu_read(&rq->psi, now, ns);
	spin_unlock(&rq->lock);
	for (unsigned i = 0; i < PSI_NR_STALLS; i++)
		out->ns[i] = ns[i];
	out->nonidle_ns = now - idle + ns[PSI_IDLE_STALLED];
	return true;
}

u64 psi_tick(u64 now, u64 next)
{
	if (unlikely(now >= READ_ONCE(due_ns)))
		WRITE_ONCE(due_ns, psi_group_update(&psi_machine));
	return this_rq()->psi.states ? min(next, READ_ONCE(due_ns)) : next;
}

void psi_machine_look_soon(void) { WRITE_ONCE(due_ns, psi_group_update(&psi_machine)); }

void psi_start(void)
{
	psi_group_init(&psi_machine, read_cpu);
	WRITE_ONCE(due_ns, psi_machine.next_average_ns);
}

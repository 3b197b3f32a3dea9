/* SPDX-License-Identifier: MIT */
/*
 * Run queues, private to kernel/sched/.
 *
 * Each CPU has one. A task belongs to the queue of task->cpu, runnable or not, and that queue's lock
 * guards its scheduling fields and its state. The running task is counted in its queue but not linked
 * into it.
 */
#ifndef KERNEL_SCHED_RUNQUEUE_H
#define KERNEL_SCHED_RUNQUEUE_H

#include <hal/cpu.h>
#include <hal/time.h>
#include <kernel/sched.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <linux/sched.h>
#include <mm/psi.h>

#define RT_PRIORITIES  100         /* 1..99 are used */
#define SLICE_LATENCY  24000000ull /* ns in which each of a few fair tasks runs once */
#define SLICE_MIN      3000000ull
#define SLICE_RR       100000000ull
#define WAKE_GRANULARITY 1000000ull
#define WEIGHT_NICE_0  1024u

struct runqueue {
	struct spinlock lock; /* RANK_RUNQUEUE, interrupts off; held across the switch of stacks */
	struct rb_root fair;
	struct rb_node *leftmost;
	u64 min_vruntime;  /* never goes back */
	u64 weight;        /* sum over fair tasks, the running one included */
	u32 nr_running;    /* the running one included, the idle task not */
	u32 nr_rt;
	u64 rt_bitmap[2];
	struct list_head rt[RT_PRIORITIES];

	struct task *curr, *idle;
	struct space *loaded;    /* whose root the CPU has */
	struct space *user_space; /* curr's own; differs from `loaded` while that is only borrowed */
	struct task *push;       /* left this CPU for good: to be queued elsewhere after the switch */
	struct task *dead;       /* ended: to be released after the switch */
	unsigned id;
	bool is_online;

	u64 nr_switches;
	u64 next_tick_ns, last_sample_ns, next_balance_ns;
	u64 idle_since_ns;       /* 0: not idle */
	u64 unsplit_ns;          /* exact busy time not yet divided */
	struct cpu_times times;
	struct psi_cpu psi;      /* of the whole machine: psi.c */
} __attribute__((aligned(64)));

extern struct runqueue runqueues[HAL_MAX_CPUS];
static inline struct runqueue *this_rq(void)
{
	struct runqueue *rq = &runqueues[hal_cpu_id()];
	__asm__("" : "+r"(rq)); /* one register, instead of the address computed anew for every field */
	return rq;
}

static inline bool task_is_rt(const struct task *t) { return t->sched_policy == SCHED_FIFO || t->sched_policy == SCHED_RR; }


/* runqueue.c; all with rq->lock held and interrupts off */
void rq_account(struct runqueue *rq, u64 now);          /* charges curr up to now */
void rq_enqueue(struct runqueue *rq, struct task *t);   /* becomes runnable here: links and counts */
void rq_dequeue(struct runqueue *rq, struct task *t);   /* a linked task: unlinks and uncounts */
void rq_count(struct runqueue *rq, const struct task *t, int sign);
void rq_link(struct runqueue *rq, struct task *t);      /* counted already */
void rq_unlink(struct runqueue *rq, struct task *t);
struct task *rq_first(struct runqueue *rq);             /* the one to run, still linked; or NULL */
void rq_place_woken(struct runqueue *rq, struct task *t);
u64 rq_slice(const struct runqueue *rq, const struct task *t);
bool rq_preempts(const struct runqueue *rq, const struct task *t); /* should t replace curr? */

/* Locks the queue that t belongs to. Interrupts are off. */
struct runqueue *rq_lock_task(struct task *t);

/* sched.c */
void rq_resched(struct runqueue *rq);  /* curr is to call schedule() soon */
void task_place(struct task *t);       /* queues a RUNNING task that is on no queue; no lock held */

/* balance.c */
unsigned balance_select_cpu(const struct task *t);
bool balance_pull(struct runqueue *rq, u32 min_lead); /* took a task from another CPU? */

/* psi.c; rq->lock held. All but rq_psi_moved and rq_psi_update only for tasks with task->stall */
void rq_psi_update(struct runqueue *rq, const struct task *curr, u64 now); /* after any change, while rq->psi.is_watched */
void rq_psi_enter(struct runqueue *rq, struct task *t, u64 now); /* t has become runnable here */
void rq_psi_leave(struct runqueue *rq, struct task *t); /* t is not runnable here any more: it sleeps, or goes elsewhere */
void rq_psi_wake(struct runqueue *rq, struct task *t);  /* t, asleep here, is being woken */
void rq_psi_moved(struct runqueue *rq, struct task *t); /* t, not running, is taken to another CPU */
/* In the timer interrupt: when the next one has to come, at the latest. */
u64 psi_tick(u64 now, u64 next);

/* load.c */
void load_update(u64 now);
void cputime_sample(struct runqueue *rq, u64 now, bool user);
void cputime_idle_enter(struct runqueue *rq, u64 now, struct task *prev);
void cputime_idle_leave(struct runqueue *rq, u64 now);
void cputime_io_ends(struct runqueue *rq, u64 now); /* one of psi.nr_io is about to be woken */

/* kernel/time/timer.c */
void timer_run_expired(u64 now);       /* this CPU's; interrupts off */
void timer_arm_at_most(u64 deadline_ns); /* an interrupt no later than this; interrupts off */
void timer_rearm(u64 deadline_ns);     /* after an interrupt: the earlier of this and the next ktimer */

/* The CPUs that t may use now. */
static inline cpumask_t task_cpus(const struct task *t) { return unlikely(t->visits) ? t->visits : t->allowed; }

#endif

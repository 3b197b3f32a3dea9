/* SPDX-License-Identifier: MIT */
/*
 * Tasks (threads) and processes (thread groups).
 *
 * A task is what the scheduler runs. A process is what has a pid, a parent, handlers and timers; its
 * tasks share it. Space, descriptor table and path context belong to tasks, since clone() shares them
 * one by one. A process whose last task has exited stays as a zombie until its parent has waited.
 *
 * Letters: (t) tasklist lock  (s) process->signal_lock  (r) run-queue lock  (c) current task only
 */
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include <hal/context.h>
#include <hal/cpu.h>
#include <hal/lock.h>
#include <kernel/signal_types.h>
#include <lib/list.h>
#include <lib/rbtree.h>
#include <mm/host.h>

struct file;
struct files;      /* fs/: descriptor table */
struct fs_context; /* fs/: root, cwd, umask */
struct space;
struct tty;

enum task_state {
	TASK_RUNNING,         /* on a CPU or on a run queue: R */
	TASK_INTERRUPTIBLE,   /* S */
	TASK_UNINTERRUPTIBLE, /* D */
	TASK_STOPPED,         /* T: job control */
	TASK_ZOMBIE,          /* Z */
	TASK_DEAD,
};

/* task->work: why kernel_exit_to_user has to run; atomic. */
#define WORK_RESCHED (1u << 0)
#define WORK_SIGNAL  (1u << 1)
#define WORK_OTHER   (1u << 2)

struct cred { /* immutable once shared; reference counted */
	u32 refs;
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u64 cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
	u32 nr_groups;
	u32 groups[32];
};

struct task {
	u32 work;                 /* atomic WORK_*: first, the return path reads it */
	u32 state;                /* (r) enum task_state */
	struct hal_context ctx;
	struct space *space;      /* (c) NULL: kernel thread */
	struct space *active_space; /* space loaded while this task runs (kernel threads borrow) */
	struct process *process;
	struct files *files;
	struct fs_context *fs;
	const struct cred *cred;
	u32 tid;
	u32 flags;                /* TASK_* below */
	char comm[16];
	u32 refs;                 /* atomic */

	struct list_head all_link;    /* (t) every task */
	struct list_head thread_link; /* (t) in process->threads */
	struct list_head hash_link;   /* (t) by tid */

	/* scheduler (r) */
	struct rb_node run_node;
	struct list_head run_link;
	u64 vruntime, exec_start_ns, slice_start_ns;
	u64 utime_ns, stime_ns;   /* (c) CPU time in user and kernel mode */
	u64 nr_switches_voluntary, nr_switches_involuntary;
	u64 start_ns;             /* hal_clock_ns() at creation */
	cpumask_t allowed;        /* sched_setaffinity */
	u32 cpu;                  /* last or current CPU */
	s32 nice;
	u32 sched_policy, rt_priority;
	bool on_rq, on_cpu;
	const char *wait_name;    /* for wchan */

	/* sleeping */
	bool woken;
	u64 wake_deadline_ns;
	struct rb_node timer_node;
	bool wait_interruptible;

	/* signals */
	sigset_bits blocked, saved_blocked;  /* (c) */
	bool restore_blocked;
	struct signal_queue pending;         /* (s) for this task alone */
	uaddr_t altstack_sp;
	u64 altstack_size;
	u32 altstack_flags;
	struct restart_block { long (*fn)(struct task *); u64 args[6]; } restart;

	/* clone, futex */
	uaddr_t set_child_tid, clear_child_tid, robust_list;
	u64 robust_list_len;
	struct host_waitq *vfork_done;
	void *futex_state;

	u32 exit_code;            /* wait status of this thread */
	u32 pdeath_signal;
	u64 personality;
	u64 min_faults, maj_faults;
	struct host_context host; /* what mm may do for us */
	uaddr_t rseq_area;
	u32 rseq_len, rseq_sig;
	u64 timer_slack_ns;
	bool in_syscall;
};

#define TASK_KTHREAD  (1u << 0)
#define TASK_EXITING  (1u << 1)
#define TASK_FORKED   (1u << 2) /* has not called exec since fork */
#define TASK_VFORKED  (1u << 3)
#define TASK_SIGNALED (1u << 4)

struct process {
	u32 pid;                        /* = tid of the leader */
	u32 refs;                       /* atomic */
	struct process *parent;         /* (t) */
	struct list_head children;      /* (t) of process.sibling */
	struct list_head sibling;       /* (t) */
	struct list_head threads;       /* (t) */
	struct list_head hash_link;     /* (t) */
	struct task *leader;            /* (t) */
	u32 nr_threads;                 /* (t) */
	u32 pgid, sid;                  /* (t) */
	struct list_head pgrp_link, session_link; /* (t) */
	struct tty *tty;                /* (t) controlling terminal */
	bool is_session_leader;
	bool is_zombie;                 /* (t) all threads have exited */
	bool is_child_subreaper, in_exec, group_exiting;
	u32 exit_code;                  /* wait status */
	u32 exit_signal;                /* to the parent; usually SIGCHLD */
	bool dumpable;

	struct spinlock signal_lock;    /* RANK_SIGNAL, irq */
	struct sighand *sighand;        /* may be shared (CLONE_SIGHAND) */
	struct signal_queue pending;    /* (s) for the whole process */
	struct host_waitq wait_children;/* wait4 */
	bool stop_pending, continued_pending, is_stopped;
	u32 stop_code;                  /* (s) */

	struct rlimit_pair { u64 cur, max; } rlimits[16];
	s16 oom_score_adj;
	struct posix_timers *timers;    /* setitimer, timer_create */
	/* sums of exited threads and of waited-for children */
	u64 utime_ns, stime_ns, min_faults, maj_faults, nr_switches_voluntary, nr_switches_involuntary;
	u64 child_utime_ns, child_stime_ns, child_min_faults, child_maj_faults, child_maxrss_kb;
	u64 maxrss_kb;
	u64 start_ns;
	struct file *exe_file;          /* /proc/PID/exe */
};

static inline struct task *current_task(void) { return hal_current(); }
#define current current_task()
static inline u32 kernel_has_work(void) { return READ_ONCE(current->work); }
static inline void task_set_work(struct task *t, u32 bits) { __atomic_fetch_or(&t->work, bits, __ATOMIC_RELEASE); }

/* The tree of processes; RANK_TASKLIST, interrupts left on. */
extern struct spinlock tasklist_lock;
extern struct list_head all_tasks; /* (t) task.all_link */
extern struct process *init_process;

void task_get(struct task *t);
void task_put(struct task *t);
void process_get(struct process *p);
void process_put(struct process *p);
/* With a reference, or NULL. */
struct task *task_find(u32 tid);
struct process *process_find(u32 pid);

/* A kernel thread, running at once. NULL: no memory. */
struct task *kthread_create(void (*fn)(void *), void *arg, const char *name);

struct clone_args_k { /* the kernel's copy of clone3's arguments */
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};
long task_clone(const struct clone_args_k *args, struct hal_regs *regs);

void task_exit(u32 code) __attribute__((noreturn));            /* this thread; code = wait status */
void process_exit_group(u32 code) __attribute__((noreturn));   /* all threads */

/* Scheduler. */
void schedule(void);                  /* gives up the CPU; state decides whether it stays runnable */
void task_wake(struct task *t);       /* any context */
void cond_resched(void);              /* in long loops of kernel code, no lock held */
void sched_yield_current(void);
static inline bool signal_is_pending(void) { return READ_ONCE(current->work) & WORK_SIGNAL; }

/* Capabilities: is `cap` (CAP_*) effective for the running task? */
bool capable(unsigned cap);

const char *task_state_name(const struct task *t); /* "R (running)" */
/* Memory of the whole process for /proc: space with a reference or NULL. */
struct space *task_get_space(struct task *t);

#endif

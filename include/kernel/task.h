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
struct user;       /* kernel/user.h */
struct group_list; /* kernel/cred/groups.c */
struct pid; /* a number in use: kernel/task/pid.h */
struct trace; /* kernel/ptrace.h */

enum task_state {
	TASK_RUNNING,         /* on a CPU or on a run queue: R */
	TASK_INTERRUPTIBLE,   /* S */
	TASK_UNINTERRUPTIBLE, /* D */
	TASK_STOPPED,         /* T: job control */
	TASK_TRACED,          /* t: stopped for its tracer */
	TASK_ZOMBIE,          /* Z */
	TASK_DEAD,
};

/* task->work: why kernel_exit_to_user has to run; atomic. */
#define WORK_RESCHED (1u << 0)
#define WORK_SIGNAL  (1u << 1)
#define WORK_OTHER   (1u << 2)
#define WORK_KILL    (1u << 3) /* the thread has to end: group exit or another thread's exec */
#define WORK_INTERRUPTS (WORK_SIGNAL | WORK_KILL) /* what ends an interruptible sleep */

struct cred { /* immutable once shared; reference counted */
	u32 refs;
	struct user *user;         /* of uid; with a reference */
	struct group_list *groups; /* supplementary ones, with a reference; NULL: none */
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u32 securebits;
	u64 cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
};

/* /proc/PID/io and getrusage(2). */
struct io_figures {
	u64 read_chars, write_chars, read_calls, write_calls; /* of read(2), write(2) and their like */
	u64 bytes[HOST_NR_IO];                                /* of devices: see host_count_io */
};

static inline void io_figures_add(struct io_figures *sum, const struct io_figures *io)
{
	sum->read_chars += io->read_chars;
	sum->write_chars += io->write_chars;
	sum->read_calls += io->read_calls;
	sum->write_calls += io->write_calls;
	for (unsigned n = 0; n < HOST_NR_IO; n++)
		sum->bytes[n] += io->bytes[n];
}

struct task {
	u32 work;                 /* atomic WORK_*: first, the return path reads it */
	u32 state;                /* (r) enum task_state */
	struct hal_context ctx;
	struct space *space;      /* (c) NULL: kernel thread */
	struct process *process;
	struct files *files;
	struct fs_context *fs;
	const struct cred *cred;  /* written by the task itself, under (t); others read it under (t), or with task_get_cred() */
	const struct cred *acting; /* (c) what it acts with while access(2) asks for somebody else; NULL: cred */
	u32 tid;
	u32 flags;                /* TASK_* below */
	char comm[16];
	u32 refs;                 /* atomic */

	struct list_head all_link;    /* (t) every task */
	struct list_head thread_link; /* (t) and (s): either to read; in process->threads */
	struct pid *pid;              /* (t) its number; NULL once it has left the tree */

	/* scheduler (r) */
	struct rb_node run_node;
	struct list_head run_link;
	u64 vruntime, exec_start_ns, slice_start_ns;
	u64 sum_exec_ns;          /* CPU time, exact, up to exec_start_ns */
	u64 sample_user, sample_system; /* the tick's samples, to divide it by */
	u64 utime_ns, stime_ns;   /* as last reported: read them with task_cpu_times() */
	u64 nr_switches_voluntary, nr_switches_involuntary;
	u64 queued_ns;            /* since when it waits for a CPU, while it does */
	u64 wait_ns, nr_runs;     /* how long it waited for CPUs, and how often it got one */
	u64 nr_migrations;        /* how often it went on on another CPU */
	u64 start_ns;             /* hal_clock_ns() at creation */
	cpumask_t allowed;        /* sched_setaffinity */
	cpumask_t visits;         /* not 0: only these, whatever is allowed (sched_visit_cpus) */
	u32 cpu;                  /* last or current CPU */
	s32 nice;
	u32 sched_policy, rt_priority;
	u32 weight;               /* share of the CPU, from nice */
	u32 rt_slice_ns;
	bool on_rq, on_cpu, reset_on_fork;
	u8 stall;                 /* (c) STALL_* below: what it waits for; (r) when it changes where that is counted */
	const char *wait_name;    /* for wchan */

	/* signals */
	sigset_bits blocked, saved_blocked;  /* (c) written under (s) too */
	sigset_bits real_blocked;            /* (s) what was blocked before rt_sigtimedwait; else 0 */
	bool restore_blocked;
	bool stop_requested;                 /* (s) has to stop with its process */
	bool stop_dequeued;                  /* (s) took a stop signal that no SIGCONT has undone yet */
	u64 trap_nr, trap_error, trap_addr;  /* (c) the last exception, for the handler's context */
	struct signal_queue pending;         /* (s) for this task alone */
	uaddr_t altstack_sp;
	u64 altstack_size;
	u32 altstack_flags;
	struct restart_block { long (*fn)(struct task *); u64 args[6]; } restart;

	/* clone, futex */
	uaddr_t set_child_tid, clear_child_tid, robust_list;
	u64 robust_list_len;
	struct completion *vfork_done; /* the parent waits there; NULL: nobody */
	bool no_faults;           /* (c) a user access that would fault fails instead */

	u32 exit_code;            /* wait status of this thread */
	u32 pdeath_signal;
	u64 random_id, random_state; /* (c) who it is on a seeded machine, and how far its stream is (random.c) */
	u64 nr_random_children;      /* (c) */
	u64 personality;
	bool no_new_privs;        /* prctl(PR_SET_NO_NEW_PRIVS), inherited */
	u64 min_faults, maj_faults;
	struct host_context host; /* what mm may do for us: host_current() */
	uaddr_t rseq_area;
	u32 rseq_len, rseq_sig;
	u32 rseq_cpu;             /* the CPU that its rseq area names */
	u64 timer_slack_ns;
	u16 stack_group;          /* the memory group that is charged for its stack */
	u16 mempolicy;            /* MPOL_*, as set_mempolicy got it */
	u8 mempolicy_nodes;
	u16 ioprio;               /* IOPRIO_*, inherited; 0: never set */
	bool in_syscall;          /* in kernel mode on its own behalf: for the tick */
	bool stops_at_calls;      /* (s) its tracer looks at system calls */
	struct trace *trace;      /* who traces it; NULL: nobody ever did */
	struct list_head tracees; /* (t) of trace.link: whom it traces */
	struct io_figures io;     /* (c) */
};

/* task->stall: see kernel/sched/psi.c */
#define STALL_MEMORY (1u << 0)
#define STALL_IO     (1u << 1)

#define TASK_KTHREAD  (1u << 0)
#define TASK_EXITING  (1u << 1)
#define TASK_FORKED   (1u << 2) /* has not called exec since fork */
#define TASK_VFORKED  (1u << 3)
#define TASK_SIGNALED (1u << 4) /* ended by a signal */
#define TASK_ACCOUNTED (1u << 6) /* its process's sums have what it used */
#define TASK_TOO_MANY (1u << 5) /* became a user who had RLIMIT_NPROC processes already: may not exec */

#define DUMP_FILTER_DEFAULT 0x33u
#define DUMP_FILTER_ALL     0x1ffu

struct process {
	u32 pid;                        /* = tid of the leader */
	u32 refs;                       /* atomic */
	struct process *parent;         /* (t) */
	u32 parent_tid;                 /* the parent's thread that made it: who PTRACE_TRACEME means */
	struct list_head children;      /* (t) of process.sibling */
	struct list_head sibling;       /* (t) */
	struct list_head threads;       /* (t) and (s) */
	struct task *leader;            /* (t) */
	struct user *user;              /* (s) of the leader's real uid, for those who cannot take (t); with a reference */
	u32 nr_threads;                 /* (t) */
	u32 pgid, sid;                  /* (t) */
	struct list_head pgrp_link, session_link; /* (t) */
	struct tty *tty;                /* (t) controlling terminal */
	bool is_session_leader;
	bool is_zombie;                 /* (t) all threads have exited */
	bool is_child_subreaper, has_child_subreaper;
	bool group_exiting;             /* (t) all threads have to end with exit_code */
	struct task *exec_task;         /* (t) the thread that waits for all others to end; NULL: none */
	struct host_waitq exec_wait;
	struct host_waitq exit_wait;    /* pidfds: the process has ended */
	bool has_execed;                /* since fork: setpgid by the parent is refused */
	u32 exit_code;                  /* wait status, valid once group_exiting or is_zombie */
	u32 exit_signal;                /* to the parent; usually SIGCHLD */
	bool dumpable;
	bool thp_disabled;              /* prctl(PR_SET_THP_DISABLE) */
	u32 dump_filter;                /* /proc/PID/coredump_filter */

	struct spinlock signal_lock;    /* RANK_SIGNAL, irq */
	struct sighand *sighand;        /* may be shared (CLONE_SIGHAND) */
	struct signal_queue pending;    /* (s) for the whole process */
	struct host_waitq wait_children;/* wait4 */
	bool is_stopped;                /* (s) all threads have stopped */
	bool stop_pending;              /* (s) a stop that wait() has not reported yet */
	bool continued_pending;         /* (s) a continuation that wait() has not reported yet */
	u32 stop_code;                  /* (s) the signal that stopped it */
	u32 nr_stopping;                /* (s) threads that have yet to stop */
	u32 notify_code;                /* (s) CLD_* that the parent has yet to be told, 0 = none */

	struct rlimit_pair rlimits[16];
	s16 oom_score_adj;              /* (t) to write: how willingly it is ended when memory runs out, -1000..1000 */
	bool is_oom_origin;             /* ended before all others: host_set_oom_origin() */
	s16 oom_score_adj_min;          /* (t) without CAP_SYS_RESOURCE it is not lowered below this */
	struct posix_timers *timers;    /* setitimer, timer_create */
	/* sums of exited threads and of waited-for children */
	u64 utime_ns, stime_ns, min_faults, maj_faults, nr_switches_voluntary, nr_switches_involuntary;
	struct io_figures io, child_io;
	u64 child_utime_ns, child_stime_ns, child_min_faults, child_maj_faults, child_maxrss_kb;
	u64 maxrss_kb;
	u64 start_ns;
	u32 membarrier_registered;      /* MEMBARRIER_CMD_PRIVATE_* */
	struct file *exe_file;          /* /proc/PID/exe */
	struct cgroup *cgroup;          /* (t) its control group; NULL: it has ended */
	struct list_head cgroup_link;   /* (t) */
};

static inline struct task *current_task(void) { return hal_current(); }
#define current current_task()

struct completion { /* something happens once; waiters and the doer may use the stack */
	bool done;
	struct host_waitq wait;
};
void completion_init(struct completion *c);
void completion_wait(struct completion *c);
void completion_wait_io(struct completion *c); /* for a device: see host_wait_io */
bool completion_wait_killable(struct completion *c); /* false: a fatal signal came first */
void completion_done(struct completion *c);
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
/* Without one, under tasklist_lock. */
struct task *task_find_locked(u32 tid);
struct process *process_find_locked(u32 pid);
/* The processes of a group (process.pgrp_link) or session (process.session_link), or NULL: none. */
struct list_head *pgrp_members_locked(u32 pgid);
struct list_head *session_members_locked(u32 sid);
/* No member of the group has a parent outside it in its session; `ignored` (or NULL) does not count. */
bool pgrp_is_orphaned_locked(u32 pgid, const struct process *ignored);
/* Makes all threads of p but `except` leave at their next return to user mode or interruptible sleep. */
void process_kill_threads_locked(struct process *p, struct task *except);
/* oom_score_adj of p and of all that share its space; is_old_scale: by way of oom_adj. 0 or -EACCES. */
int process_set_oom_score_adj(struct process *p, s16 adj, bool is_old_scale);
/* SIGKILL-like end of a whole process from outside its own threads. Takes tasklist_lock. */
void process_begin_group_exit(struct process *p, u32 code);

/* p is counted for u from now on; takes its signal_lock. */
void process_set_user(struct process *p, struct user *u);

/* Reference counts of credentials. */
static inline const struct cred *cred_get(const struct cred *c)
{
	__atomic_fetch_add(&((struct cred *)c)->refs, 1, __ATOMIC_RELAXED);
	return c;
}
void cred_put(const struct cred *c);
/* The credentials of another task, with a reference. Takes tasklist_lock. */
const struct cred *task_get_cred(struct task *t);
/* What the running task acts with: permissions are asked of these. NULL only before the first task. */
static inline const struct cred *cred_acting(void) { return current->acting ? current->acting : current->cred; }
extern struct cred cred_root; /* uid 0, all capabilities */

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
void task_wake(struct task *t);       /* any context; ends any sleep and a stop: sleepers check again */
void cond_resched(void);              /* in long loops of kernel code, no lock held */
void sched_yield_current(void);
static inline bool signal_is_pending(void) { return READ_ONCE(current->work) & WORK_INTERRUPTS; }

/* Capabilities: is `cap` (CAP_*) effective for the running task? */
bool capable(unsigned cap);

const char *task_state_name(const struct task *t); /* "R (running)" */
/* Where a sleeping task sleeps, for /proc/PID/wchan and stat; NULL: it runs. */
const char *task_wchan(struct task *t);
/* Memory of the whole process for /proc: space with a reference or NULL. */
struct space *task_get_space(struct task *t);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What mm/ asks of whoever hosts it (kernel/ on a PC, tools/ and tests on the host): the only way
 * mm/ sleeps, and who is asking.
 */
#ifndef MM_HOST_H
#define MM_HOST_H

#include <hal/lock.h>
#include <hal/types.h>
#include <lib/list.h>

/* A queue of sleeping tasks. Zero-initialised with rank by host_waitq_init. */
struct host_waitq {
	struct spinlock lock; /* RANK_WAITQ, taken with interrupts off */
	struct list_head waiters;
};

void host_waitq_init(struct host_waitq *q);

/* Sleeps until `ready(arg)` holds. It is called with q->lock held and must not sleep. timeout_ns 0 =
 * no limit. Returns 0 or -ETIMEDOUT. Not interrupted by signals. */
int host_wait(struct host_waitq *q, bool (*ready)(void *arg), void *arg, u64 timeout_ns);
void host_wake_all(struct host_waitq *q);
/* The same, for what a device has to do: while nothing else runs, that is time spent waiting for I/O. */
int host_wait_io(struct host_waitq *q, bool (*ready)(void *arg), void *arg, u64 timeout_ns);

/* From here to the end the running task loses time, at work or asleep, because memory is short: counted as pressure
 * (mm/psi.h). Nests: host_stall_end is given what host_stall_begin returned. May be called under spin locks that
 * interrupt handlers do not take. */
bool host_stall_begin(void);
void host_stall_end(bool began);

/* Sleeping reader/writer lock, writers first, one word when uncontended. */
struct rwlock {
	u32 state; /* bit 31: a writer holds it; bit 30: somebody waits; else: readers */
	u8 rank;   /* enum lock_rank, below RANK_SLEEP_LAST */
	u32 writers_waiting; /* (waiters.lock) new readers queue behind them */
	struct host_waitq waiters;
};

#define RWLOCK_WRITER  (1u << 31)
#define RWLOCK_WAITERS (1u << 30)

/* The slow paths are common (mm/sync/rwlock.c), on host_wait and host_wake_all. */
void rwlock_init(struct rwlock *l, enum lock_rank rank);
HAL_SLOW_PATH void rwlock_read_slow(struct rwlock *l);
HAL_SLOW_PATH void rwlock_write_slow(struct rwlock *l);
HAL_SLOW_PATH void rwlock_wake(struct rwlock *l);

static inline void rwlock_read(struct rwlock *l)
{
	hal_switch_point();
	u32 s = READ_ONCE(l->state);
	if (unlikely(s & (RWLOCK_WRITER | RWLOCK_WAITERS)) ||
	    unlikely(!__atomic_compare_exchange_n(&l->state, &s, s + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		rwlock_read_slow(l);
}

/* Without waiting, also past writers that wait: for those who may not. */
static inline bool rwlock_read_trylock(struct rwlock *l)
{
	u32 s = READ_ONCE(l->state);
	while (!(s & RWLOCK_WRITER))
		if (__atomic_compare_exchange_n(&l->state, &s, s + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

static inline void rwlock_read_unlock(struct rwlock *l)
{
	u32 s = __atomic_sub_fetch(&l->state, 1, __ATOMIC_RELEASE);
	if (unlikely(s == RWLOCK_WAITERS))
		rwlock_wake(l);
	hal_switch_point();
}

static inline void rwlock_write(struct rwlock *l)
{
	u32 s = 0;
	hal_switch_point();
	if (unlikely(!__atomic_compare_exchange_n(&l->state, &s, RWLOCK_WRITER, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		rwlock_write_slow(l);
}

static inline void rwlock_write_unlock(struct rwlock *l)
{
	u32 s = __atomic_and_fetch(&l->state, ~RWLOCK_WRITER, __ATOMIC_RELEASE);
	if (unlikely(s & RWLOCK_WAITERS))
		rwlock_wake(l);
	hal_switch_point();
}

/* A thread of the memory manager's own that runs fn(arg) until it returns; name as ps shows it (15
 * characters). 0 or -ENOMEM. On a host without threads it is not started: whoever needs its work calls
 * for a round of it. */
int host_worker_start(const char *name, void (*fn)(void *arg), void *arg);
bool host_has_workers(void);

/* A long loop, with no lock held: others may have the CPU now. */
void host_give_way(void);
/* Calls fn on each CPU in turn, which is what it takes to reach what a CPU has to itself; may sleep. A host that
 * cannot move the caller calls it on this CPU only. */
void host_visit_cpus(void (*fn)(void));

/* Who is asking: set by the host for the running task. */
struct host_context {
	bool may_use_reserves;  /* was chosen to end, so that others get memory */
	bool is_being_killed;   /* a fatal signal is pending: long loops stop early */
	bool has_ipc_lock;      /* CAP_IPC_LOCK: no RLIMIT_MEMLOCK */
	bool has_sys_admin;     /* CAP_SYS_ADMIN: what mode 2 of overcommit keeps back for it */
	bool may_fail;          /* random failures of inject_random() are for it */
	u16 group;              /* the memory group that is charged for what it allocates (mm/group.h) */
};
const struct host_context *host_current(void);
/* Its number, for the record (mm/trace.h). Any context. */
u32 host_tid(void);
/* The running task may use reserves from now on: it is being killed, and gives back more than it takes. */
void host_use_reserves(void);
/* While what the running task does brings memory in on others' account (swapoff), its process is the first to end
 * when there is none. */
void host_set_oom_origin(bool on);

/* A process, as the choice of the one to end when memory runs out sees it. */
struct host_process {
	u32 pid, uid;
	char name[16];
	s16 oom_score_adj;   /* -1000..1000 */
	u16 group;           /* its memory group */
	bool is_origin;      /* host_set_oom_origin */
	bool is_exempt;      /* init, threads of the kernel's own */
	bool is_borrower;    /* in its parent's space until it executes a program (vfork): the parent stands for both */
	bool is_dying;       /* it and all that share its space are on their way out */
	struct space *space; /* NULL: has none any more; stays meanwhile */
};
typedef void (*host_process_fn)(const struct host_process *p, void *arg);

/* Calls fn for the process with a space that has the lowest pid above `after`; 0 begins with the first. Returns
 * its pid, 0: there is none. The host's lock of processes is held (a spin lock, RANK_TASKLIST). */
u32 host_visit_process(u32 after, host_process_fn fn, void *arg);
/* The same for the running task's process, with a space or not. */
void host_visit_self(host_process_fn fn, void *arg);
/* Ends, as SIGKILL does, every process that has s, and lets their threads use reserves. Allocates nothing, waits
 * for nothing. False: an exempt one has it too, which goes on. */
bool host_kill_space(struct space *s);

/* I/O that the running task caused, in bytes: read from a device; pages that it made dirty (or wrote past the cache);
 * dirty pages that it dropped before they were written. Any context of a task. */
enum host_io { HOST_IO_READ, HOST_IO_WRITE, HOST_IO_CANCELLED, HOST_NR_IO };
void host_count_io(enum host_io what, u64 bytes);

/* The running task's resource limits, by RLIMIT_* of <asm/resource.h>; bytes, ~0 = unlimited. They may
 * change at any time. */
struct rlimit_pair {
	u64 cur, max;
};
const struct rlimit_pair *host_rlimits(void);

/* Tunables of /proc/sys/vm; plain words that the host may write at any time. */
extern struct mm_tunables {
	u32 overcommit_memory; /* 0 heuristic, 1 always, 2 never beyond CommitLimit */
	u32 overcommit_ratio;  /* percent of RAM for mode 2 */
	u64 overcommit_kbytes; /* the same in KiB; one of both is 0 */
	u64 admin_reserve_kbytes, user_reserve_kbytes; /* mode 2 keeps back: for CAP_SYS_ADMIN, and from one process */
	u32 panic_on_oom;             /* no choice of a victim: the machine stops */
	u32 oom_kill_allocating_task; /* whoever finds no memory is the victim */
	u32 oom_dump_tasks;           /* the report shows a table of processes */
	u32 max_map_count;     /* regions per space: 65530 */
	u64 mmap_min_addr;     /* 65536 */
	u32 share_tables;      /* 1: fork shares last-level tables */
	u32 turn_ms;           /* against thrashing: how long one process keeps its pages at least; 0: no turns */
	u32 swappiness;        /* 0..200: how dear swap I/O is against file I/O */
	u32 page_cluster;      /* swap read-ahead: up to 2^page_cluster pages */
	bool swap_ahead_by_slot; /* of the pages that lie beside the one touched, not of those mapped beside it */
	u32 vfs_cache_pressure; /* percent: how willingly names and inodes are given back; 0: never */
} mm_tunables;

#endif

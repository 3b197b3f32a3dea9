/* SPDX-License-Identifier: MIT */
/* Threads: the C library's, raw clone, futexes, robust lists. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>

static long futex(void *w, int op, unsigned v, const struct timespec *t, void *w2, unsigned v3)
{
	return SC(SYS_futex, w, op, v, t, w2, v3);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int counter, turn;
static _Thread_local int local = 1;
static __thread char big_tls[5000] = { 9 };

static void *count(void *arg)
{
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	local += (long)arg;
	return (void *)(long)(local + big_tls[0]);
}

static void *ping(void *arg)
{
	long me = (long)arg;
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 500; i++) {
		while (turn != me)
			pthread_cond_wait(&cond, &mutex);
		turn = !me;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static pthread_barrier_t barrier;
static void *at_barrier(void *arg)
{
	return (void *)(long)(pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void *die(void *arg)
{
	pthread_exit((void *)77);
}

__attribute__((noreturn)) static void *spin(void *arg)
{
	for (;;)
		pause();
}

static void pthreads(void)
{
	pthread_t t[8];
	long sum = 0;
	void *r;
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, count, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], &r), sum += (long)r;
	VAL("pthread 8 threads count", counter);
	VAL("pthread thread-local storage", sum);
	VAL("pthread own thread-local", local);
	pthread_create(&t[0], NULL, ping, (void *)0);
	pthread_create(&t[1], NULL, ping, (void *)1);
	pthread_join(t[0], NULL), pthread_join(t[1], NULL);
	VAL("pthread ping-pong by condition", turn);
	pthread_barrier_init(&barrier, NULL, 6);
	for (int i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, at_barrier, NULL);
	sum = 0;
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], &r), sum += (long)r;
	VAL("pthread barrier", sum);
	pthread_create(&t[0], NULL, die, NULL);
	pthread_join(t[0], &r);
	VAL("pthread exit value", (long)r);
	pthread_create(&t[0], NULL, spin, NULL);
	pthread_cancel(t[0]);
	pthread_join(t[0], &r);
	YES("pthread cancel", r == PTHREAD_CANCELED);
	int n = 0;
	for (int i = 0; i < 100; i++) {
		pthread_create(&t[0], NULL, die, NULL);
		n += pthread_join(t[0], NULL) == 0;
	}
	VAL("pthread 100 threads in a row", n);
	CHILD("pthread main thread exits first")
	{
		pthread_create(&t[0], NULL, die, NULL);
		pthread_exit(NULL);
	}
	CHILD("pthread exit_group ends all")
	{
		for (int i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, spin, NULL);
		exit(3);
	}
	CHILD("pthread SIGKILL ends all")
	{
		for (int i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, spin, NULL);
		kill(getpid(), SIGKILL);
	}
	CHILD("pthread fault ends all")
	{
		pthread_create(&t[0], NULL, spin, NULL);
		*(volatile char *)0 = 0;
	}
}

static void *forker(void *arg)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(getpid() == SC(SYS_gettid) ? 0 : 1);
	int st;
	waitpid(pid, &st, 0);
	return (void *)(long)st;
}

static void *execer(void *arg)
{
	execl("/proc/self/exe", "proc_thread", "child", NULL);
	return NULL;
}

static void with_processes(void)
{
	pthread_t t;
	void *r;
	pthread_create(&t, NULL, forker, NULL);
	pthread_join(t, &r);
	VAL("fork from a thread", (long)r);
	CHILD("execve from a thread")
	{
		pthread_t s;
		pthread_create(&s, NULL, spin, NULL);
		pthread_create(&t, NULL, execer, NULL);
		pthread_join(t, &r);
	}
}

static unsigned word;
static void *waker(void *arg)
{
	wait_in_call(getpid(), SYS_futex);
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	return (void *)futex(&word, FUTEX_WAKE, (long)arg, NULL, NULL, 0);
}

static unsigned words[2];
static int woken;
static volatile pid_t tids[4];
static void *waiter(void *arg)
{
	tids[(long)arg] = SC(SYS_gettid);
	long r = futex(&words[0], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return (void *)r;
}

static void *bit_waiter(void *arg)
{
	tids[(long)arg - 1] = SC(SYS_gettid);
	return (void *)futex(&words[1], FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (long)arg);
}

/* Until the first n of them sleep. */
static void wait_for_waiters(int n)
{
	for (int i = 0; i < n; i++) {
		while (!tids[i])
			sleep_ms(1);
		wait_in_call(tids[i], SYS_futex);
	}
	memset((void *)tids, 0, sizeof tids);
}

static void futexes(void)
{
	struct timespec soon = { 0, 5000000 }, bad = { 0, 1000000000 }, past = { 1, 0 }, negative = { -1, 0 };
	R("futex EAGAIN FUTEX_WAIT other value", futex(&word, FUTEX_WAIT, 5, NULL, NULL, 0));
	R("futex ETIMEDOUT FUTEX_WAIT", futex(&word, FUTEX_WAIT, 0, &soon, NULL, 0));
	R("futex EINVAL timeout", futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0));
	R("futex EINVAL negative timeout", futex(&word, FUTEX_WAIT, 0, &negative, NULL, 0));
	R("futex EINVAL not aligned", futex((char *)&word + 1, FUTEX_WAIT, 0, &soon, NULL, 0));
	R("futex EFAULT", futex((void *)8, FUTEX_WAIT, 0, &soon, NULL, 0));
	R("futex EFAULT timeout", futex(&word, FUTEX_WAIT, 0, (void *)8, NULL, 0));
	R("futex EFAULT kernel address", futex((void *)0xffff800000000000UL, FUTEX_WAKE, 1, NULL, NULL, 0));
	R("futex ENOSYS operation", futex(&word, 99, 0, NULL, NULL, 0));
	R("futex ENOSYS FUTEX_FD", futex(&word, FUTEX_FD, 0, NULL, NULL, 0));
	R("futex FUTEX_WAKE nobody", futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0));
	R("futex EINVAL FUTEX_WAIT_BITSET 0", futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
	R("futex EINVAL FUTEX_WAKE_BITSET 0", futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
	R("futex ETIMEDOUT FUTEX_WAIT_BITSET absolute past", futex(&word, FUTEX_WAIT_BITSET, 0, &past, NULL, -1));
	R("futex ETIMEDOUT FUTEX_CLOCK_REALTIME", futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, NULL, -1));
	R("futex EINVAL FUTEX_CMP_REQUEUE negative", futex(&word, FUTEX_CMP_REQUEUE, -1, NULL, &words[0], 0));
	R("futex EAGAIN FUTEX_CMP_REQUEUE", futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &words[0], 5));
	pthread_t t[4];
	void *r;
	pthread_create(&t[0], NULL, waker, (void *)1);
	R("futex FUTEX_WAIT woken", futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0));
	pthread_join(t[0], &r);
	VAL("futex FUTEX_WAKE count", (long)r);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, waiter, (void *)i);
	wait_for_waiters(4);
	R("futex FUTEX_CMP_REQUEUE", futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &words[1], 0));
	while (!__atomic_load_n(&woken, __ATOMIC_SEQ_CST))
		sleep_ms(1);
	sleep_ms(30); /* for others, who must not come */
	VAL("futex FUTEX_CMP_REQUEUE woke", woken);
	R("futex FUTEX_WAKE requeued", futex(&words[1], FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	R("futex FUTEX_WAKE left", futex(&words[0], FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	pthread_create(&t[0], NULL, bit_waiter, (void *)1L);
	pthread_create(&t[1], NULL, bit_waiter, (void *)2L);
	wait_for_waiters(2);
	R("futex FUTEX_WAKE_BITSET only matching", futex(&words[1], FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2));
	R("futex FUTEX_REQUEUE", futex(&words[1], FUTEX_REQUEUE_PRIVATE, 0, (void *)10, &words[0], 0));
	R("futex FUTEX_WAKE_OP", futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 10, (void *)10, &word, FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_EQ, 1)));
	VAL("futex FUTEX_WAKE_OP value", word);
	pthread_join(t[0], NULL), pthread_join(t[1], NULL);
	unsigned *shared = (void *)anon(PAGE, RW, MAP_SHARED);
	pid_t pid = fork();
	if (pid == 0) {
		long w = futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
		_exit(w == 0 && *shared == 3 ? 0 : 1);
	}
	wait_in_call(pid, SYS_futex);
	*shared = 3;
	R("futex FUTEX_WAKE between processes", futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0));
	wait_for("futex waiter in another process", pid);
}

struct robust_node {
	struct robust_list list;
	unsigned futex;
};
static struct robust_node node;
static struct robust_list_head head = { .list = { &node.list }, .futex_offset = offsetof(struct robust_node, futex) };

static void *robust_dies(void *arg)
{
	node.list.next = &head.list;
	node.futex = SC(SYS_gettid) | FUTEX_WAITERS;
	SC(SYS_set_robust_list, &head, sizeof head);
	SC(SYS_exit, 0);
	return NULL;
}

static void *mutex_dies(void *m)
{
	pthread_mutex_lock(m);
	return NULL;
}

static void robust(void)
{
	pthread_t t;
	struct robust_list_head *h;
	size_t len;
	R("set_robust_list EINVAL length", SC(SYS_set_robust_list, &head, 8));
	R("get_robust_list", SC(SYS_get_robust_list, 0, &h, &len));
	VAL("get_robust_list length", len);
	R("get_robust_list ESRCH", SC(SYS_get_robust_list, 999999, &h, &len));
	R("get_robust_list EFAULT", SC(SYS_get_robust_list, 0, 8, &len));
	pthread_create(&t, NULL, robust_dies, NULL);
	pthread_join(t, NULL);
	for (int i = 0; i < 500 && !(node.futex & FUTEX_OWNER_DIED); i++)
		sleep_ms(2);
	YES("set_robust_list FUTEX_OWNER_DIED", node.futex & FUTEX_OWNER_DIED);
	YES("set_robust_list owner cleared", !(node.futex & FUTEX_TID_MASK));
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &a);
	pthread_create(&t, NULL, mutex_dies, &m);
	pthread_join(t, NULL);
	out("robust mutex: %s\n", errno_name(pthread_mutex_lock(&m)));
}

static int raw_tid;
static int raw_child(void *arg)
{
	SC(SYS_exit, getpid() == (long)arg && SC(SYS_gettid) != getpid() ? 0 : 1);
	return 0;
}

static void raw(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	int tid = clone(raw_child, stack + sizeof stack, flags, (void *)(long)getpid(), &raw_tid, NULL, &raw_tid);
	YES("clone CLONE_THREAD", tid > 0);
	int old;
	while ((old = __atomic_load_n(&raw_tid, __ATOMIC_SEQ_CST)) != 0)
		futex(&raw_tid, FUTEX_WAIT, old, NULL, NULL, 0);
	VAL("clone CLONE_CHILD_CLEARTID", raw_tid);
	YES("set_tid_address", SC(SYS_set_tid_address, &raw_tid) == SC(SYS_gettid));
	while (SC(SYS_tgkill, getpid(), tid, 0) == 0) /* it ends only after it has cleared its number */
		sleep_ms(1);
	R("tgkill ESRCH thread is gone", SC(SYS_tgkill, getpid(), tid, 0));
	R("arch_prctl EINVAL", SC(SYS_arch_prctl, 0x9999, 0));
	unsigned long fs = 0;
	YES("arch_prctl ARCH_GET_FS", SC(SYS_arch_prctl, 0x1003, &fs) == 0 && fs);
	R("arch_prctl ARCH_SET_GS", SC(SYS_arch_prctl, 0x1001, 0x1234567000));
	SC(SYS_arch_prctl, 0x1004, &fs);
	YES("arch_prctl ARCH_GET_GS", fs == 0x1234567000);
	R("arch_prctl EPERM ARCH_SET_GS kernel address", SC(SYS_arch_prctl, 0x1001, 0xffff800000000000));
	SC(SYS_arch_prctl, 0x1001, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		out("execve from a thread: new program, one thread: %s\n", getpid() == SC(SYS_gettid) ? "yes" : "no");
		return 5;
	}
	pthreads();
	with_processes();
	futexes();
	robust();
	raw();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Documented flags and errors that the other programs leave out, call by call. */
#include "check.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static long futex(void *w, int op, unsigned v, const struct timespec *t, void *w2, unsigned v3)
{
	return SC(SYS_futex, w, op, v, t, w2, v3);
}

static void memory(void)
{
	OK("mmap MAP_ANON", mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANON, -1, 0));
	OK("mmap MAP_FILE", mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_FILE, temp_file("mapped", 1), 0));
	R("mmap MAP_HUGE_2MB", (long)mmap(0, M(2), RW, ANON | MAP_HUGETLB | (21 << 26), -1, 0));
	OK("mmap MAP_UNINITIALIZED is ignored", mmap(0, PAGE, RW, ANON | 0x4000000, -1, 0));
	R("mprotect PROT_SEM", mprotect(anon(PAGE, RW, MAP_PRIVATE), PAGE, PROT_READ | 0x8));
	OK("mremap MREMAP_MAYMOVE", mremap(anon(PAGE, RW, MAP_PRIVATE), PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	R("memfd_create MFD_HUGETLB size without the flag", SC(SYS_memfd_create, "h", 21u << 26));
	OK("shmget IPC_PRIVATE", shmget(IPC_PRIVATE, PAGE, 0600));
	int id = shmget(IPC_PRIVATE, PAGE, SHM_NORESERVE | 0600);
	OK("shmget SHM_NORESERVE", id);
	char *a = shmat(id, 0, 0);
	shmctl(id, IPC_RMID, 0);
	shmdt(a);
	R("shmat EINVAL after removal and detach", (long)shmat(id, 0, 0));
	R("munlockall without right", (seteuid(1000), munlockall()));
	seteuid(0);
}

static void clones(void)
{
	static const struct { const char *name; unsigned long flag; } spaces[] = {
		{ "clone CLONE_NEWCGROUP", 0x02000000 }, { "clone CLONE_NEWNET", 0x40000000 }, { "clone CLONE_NEWUSER", 0x10000000 },
	};
	for (int i = 0; i < 3; i++) {
		pid_t made = SC(SYS_clone, spaces[i].flag | SIGCHLD, 0, 0, 0, 0);
		if (made == 0)
			_exit(0);
		R(spaces[i].name, made < 0 ? -1 : 0);
		if (made > 0)
			waitpid(made, NULL, 0);
	}
	CHILD("clone as user")
	{
		setresuid(1000, 1000, 1000);
		R("clone EPERM CLONE_NEWUTS", SC(SYS_clone, 0x04000000 | SIGCHLD, 0, 0, 0, 0));
		R("clone EPERM CLONE_NEWPID", SC(SYS_clone, 0x20000000 | SIGCHLD, 0, 0, 0, 0));
		struct clone_args a = { .flags = 0x08000000, .exit_signal = SIGCHLD };
		R("clone3 EPERM CLONE_NEWIPC", SC(SYS_clone3, &a, sizeof a));
	}
	R("clone EINVAL CLONE_NEWNS with FS", SC(SYS_clone, 0x20000 | CLONE_FS | SIGCHLD, 0, 0, 0, 0));
	R("clone EINVAL CLONE_NEWIPC with CLONE_SYSVSEM", SC(SYS_clone, 0x08000000 | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0));
	pid_t pid = SC(SYS_clone, CLONE_IO | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(1);
	wait_for("clone CLONE_IO", pid);
	pid = SC(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(2);
	wait_for("clone CLONE_UNTRACED", pid);
	pid = SC(SYS_clone, CLONE_PTRACE | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(3);
	wait_for("clone CLONE_PTRACE", pid);
	struct clone_args a = { .flags = 0x200000000ULL, .exit_signal = SIGCHLD, .cgroup = 999 };
	R("clone3 CLONE_INTO_CGROUP EBADF", SC(SYS_clone3, &a, sizeof a));
	int st;
	R("wait4 __WNOTHREAD", wait4(-1, &st, __WNOTHREAD, NULL));
	pid = fork();
	if (pid == 0)
		_exit(4);
	siginfo_t si;
	R("waitid WEXITED", waitid(P_PID, pid, &si, WEXITED));
	R("execveat AT_SYMLINK_NOFOLLOW", (symlink("/bin/none", "alink"), SC(SYS_execveat, AT_FDCWD, "alink", 0, 0, AT_SYMLINK_NOFOLLOW)));
	struct sigaction sa = { .sa_handler = (void (*)(int))(void *)sched_yield }; /* without SA_RESTART */
	sigaction(SIGUSR1, &sa, NULL);
	int go[2];
	char c;
	pipe(go);
	pid = fork();
	if (pid == 0) {
		wait_in_call(getppid(), SYS_waitid);
		kill(getppid(), SIGUSR1);
		read(go[0], &c, 1); /* who has ended would be found before the signal is minded */
		_exit(0);
	}
	R("waitid EINTR", waitid(P_PID, pid, &si, WEXITED));
	write(go[1], "x", 1);
	waitpid(pid, &st, 0);
	close(go[0]), close(go[1]);
}

static unsigned word, other;

static void futexes(void)
{
	struct timespec soon = { 0, 3000000 };
	R("futex FUTEX_WAIT_PRIVATE", futex(&word, FUTEX_WAIT_PRIVATE, 1, &soon, NULL, 0));
	R("futex FUTEX_WAKE_PRIVATE", futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R("futex FUTEX_BITSET_MATCH_ANY", futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, FUTEX_BITSET_MATCH_ANY));
	static const struct { int op; const char *name; } ops[] = {
		{ FUTEX_OP_SET, "futex FUTEX_OP_SET" }, { FUTEX_OP_ADD, "futex FUTEX_OP_ADD" }, { FUTEX_OP_OR, "futex FUTEX_OP_OR" },
		{ FUTEX_OP_ANDN, "futex FUTEX_OP_ANDN" }, { FUTEX_OP_XOR, "futex FUTEX_OP_XOR" },
	};
	static const struct { int cmp; const char *name; } cmps[] = {
		{ FUTEX_OP_CMP_EQ, "futex FUTEX_OP_CMP_EQ" }, { FUTEX_OP_CMP_NE, "futex FUTEX_OP_CMP_NE" }, { FUTEX_OP_CMP_LT, "futex FUTEX_OP_CMP_LT" },
		{ FUTEX_OP_CMP_LE, "futex FUTEX_OP_CMP_LE" }, { FUTEX_OP_CMP_GT, "futex FUTEX_OP_CMP_GT" }, { FUTEX_OP_CMP_GE, "futex FUTEX_OP_CMP_GE" },
	};
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		other = 6;
		R(ops[i].name, futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other, FUTEX_OP(ops[i].op, 3, FUTEX_OP_CMP_EQ, 6)));
		VAL(ops[i].name, other);
	}
	for (size_t i = 0; i < sizeof cmps / sizeof *cmps; i++)
		R(cmps[i].name, futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other, FUTEX_OP(FUTEX_OP_ADD, 1, cmps[i].cmp, 5)));
	other = 0;
	R("futex FUTEX_OP_ARG_SHIFT", futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other, FUTEX_OP((FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT), 4, FUTEX_OP_CMP_EQ, 0)));
	VAL("futex FUTEX_OP_ARG_SHIFT value", other);
	R("futex ENOSYS FUTEX_WAKE_OP operation", futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other, FUTEX_OP(9, 1, 9, 1)));
}

static void ids(void)
{
	gid_t g[4];
	R("setuid EINVAL", SC(SYS_setuid, -1));
	R("setgid EINVAL", SC(SYS_setgid, -1));
	R("setreuid -1 changes nothing", SC(SYS_setreuid, -1, -1));
	R("setgroups EFAULT", SC(SYS_setgroups, 2, 8));
	CHILD("getgroups EFAULT")
	{
		setgroups(2, (gid_t[]){ 1, 2 });
		R("getgroups EFAULT", SC(SYS_getgroups, 2, 8));
		R("getgroups EINVAL negative", SC(SYS_getgroups, -1, g));
	}
	R("capset EFAULT", SC(SYS_capset, 8, 8));
	struct __user_cap_header_struct h = { 0x1234, 0 };
	struct __user_cap_data_struct d[2] = { 0 };
	R("capset EINVAL version", SC(SYS_capset, &h, d));
	h.version = _LINUX_CAPABILITY_VERSION_3, h.pid = 1;
	R("capset EPERM another process", SC(SYS_capset, &h, d));
	R("personality EINVAL never", personality(0xffffffff));
	R("prctl EFAULT PR_SET_NAME", prctl(PR_SET_NAME, 8));
	R("prctl EINVAL PR_SET_NO_NEW_PRIVS", prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
	R("prctl PR_SET_KEEPCAPS", prctl(PR_SET_KEEPCAPS, 1));
	R("prctl PR_GET_KEEPCAPS", prctl(PR_GET_KEEPCAPS));
	R("prctl PR_CAPBSET_READ", prctl(PR_CAPBSET_READ, 5));
	R("prctl EINVAL PR_CAPBSET_READ", prctl(PR_CAPBSET_READ, 99));
	R("prctl PR_GET_TIMERSLACK", prctl(PR_GET_TIMERSLACK));
	R("prctl PR_GET_THP_DISABLE", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	R("getcpu EFAULT", SC(SYS_getcpu, 8, 0, 0));
	R("arch_prctl EFAULT", SC(SYS_arch_prctl, 0x1003, 8));
	R("sched_setscheduler ESRCH", sched_setscheduler(999999, SCHED_OTHER, &(struct sched_param){ 0 }));
	R("sched_getscheduler ESRCH", sched_getscheduler(999999));
	R("sched_getscheduler EINVAL", sched_getscheduler(-1));
	R("sched_setscheduler EINVAL priority", sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 5 }));
	R("setpriority EINVAL", setpriority(9, 0, 0));
	R("setpriority ESRCH", setpriority(PRIO_PROCESS, 999999, 0));
	CHILD("ids as user")
	{
		setresuid(1000, 1000, 1000);
		R("setreuid EPERM", SC(SYS_setreuid, 0, 0));
		R("sched_setscheduler EPERM FIFO", sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 5 }));
		R("tkill EPERM", SC(SYS_tkill, 1, SIGTERM));
		R("tgkill EPERM", SC(SYS_tgkill, 1, 1, SIGTERM));
		struct robust_list_head *head;
		size_t len;
		R("get_robust_list EPERM", SC(SYS_get_robust_list, 1, &head, &len));
		R("clock_settime EPERM", SC(SYS_clock_settime, CLOCK_REALTIME, &(struct timespec){ 1, 0 }));
		R("getpgid of another", getpgid(1) >= 0 ? 0 : -1);
		R("getsid of another", getsid(1) >= 0 ? 0 : -1);
		int fd = SC(SYS_pidfd_open, 1, 0);
		R("pidfd_send_signal EPERM", SC(SYS_pidfd_send_signal, fd, SIGTERM, 0, 0));
	}
	int fd = SC(SYS_pidfd_open, getpid(), 0);
	R("pidfd_send_signal EINVAL flags", SC(SYS_pidfd_send_signal, fd, 0, 0, 1));
	R("pidfd_send_signal EINVAL signal", SC(SYS_pidfd_send_signal, fd, 99, 0, 0));
}

static void signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN, .sa_flags = SA_SIGINFO };
	sigset_t set;
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGUSR2, NULL, &sa);
	YES("rt_sigaction SA_SIGINFO kept", sa.sa_flags & SA_SIGINFO);
	struct { void *h; unsigned long flags; void *restorer; unsigned long mask; } ka = { SIG_IGN, 0x400 | 0x04000000 | 0x800 | 0x100, (void *)1, 0 }, old;
	SC(SYS_rt_sigaction, SIGUSR2, &ka, 0, 8);
	SC(SYS_rt_sigaction, SIGUSR2, 0, &old, 8);
	out("rt_sigaction SA_UNSUPPORTED SA_EXPOSE_TAGBITS SA_RESTORER: flags read back %lx\n", old.flags);
	sigemptyset(&set), sigaddset(&set, SIGUSR2);
	R("rt_sigprocmask SIG_SETMASK", sigprocmask(SIG_SETMASK, &set, NULL));
	R("rt_sigprocmask SIG_UNBLOCK", sigprocmask(SIG_UNBLOCK, &set, NULL));
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	out("signalfd SFD_NONBLOCK SFD_CLOEXEC: %x %d\n", fcntl(fd, F_GETFL) & O_NONBLOCK, fcntl(fd, F_GETFD));
	R("signalfd EINVAL no signalfd", signalfd(open("/dev/null", O_RDONLY), &set, 0));
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	out("timerfd_create TFD_NONBLOCK TFD_CLOEXEC: %x %d\n", fcntl(t, F_GETFL) & O_NONBLOCK, fcntl(t, F_GETFD));
	struct itimerspec its = { { 0, 0 }, { 1, 0 } };
	R("timerfd_settime EBADF", timerfd_settime(999, 0, &its, NULL));
	R("timerfd_settime EINVAL no timerfd", timerfd_settime(fd, 0, &its, NULL));
	R("timerfd_settime EFAULT", SC(SYS_timerfd_settime, t, 0, 8, 0));
	R("timerfd_gettime EFAULT", SC(SYS_timerfd_gettime, t, 8));
	its.it_value.tv_nsec = 1000000000;
	R("timerfd_settime EINVAL nanoseconds", timerfd_settime(t, 0, &its, NULL));
	int id;
	struct sigevent ev = { .sigev_notify = 77 };
	R("timer_create EINVAL notification", SC(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
	SC(SYS_timer_create, CLOCK_MONOTONIC, 0, &id);
	R("timer_settime EFAULT", SC(SYS_timer_settime, id, 0, 8, 0));
	R("timer_gettime EFAULT", SC(SYS_timer_gettime, id, 8));
	R("clock_nanosleep EFAULT", SC(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, 8, 0));
	R("clock_getres EFAULT", SC(SYS_clock_getres, CLOCK_MONOTONIC, 8));
	signal(SIGALRM, (void (*)(int))(void *)sched_yield);
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } }; /* again and again: the first may come before the sleep */
	setitimer(ITIMER_REAL, &it, NULL);
	R("clock_nanosleep EINTR", SC(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){ 1000, 0 }, NULL));
	it = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	setitimer(ITIMER_REAL, &it, NULL);
	char buf[8];
	R("getrandom GRND_RANDOM", SC(SYS_getrandom, buf, 8, 2));
	R("getrandom EINVAL GRND_INSECURE with RANDOM", SC(SYS_getrandom, buf, 8, 6));
	siginfo_t si = { .si_code = SI_USER };
	R("rt_tgsigqueueinfo EPERM", SC(SYS_rt_tgsigqueueinfo, 1, 1, SIGUSR1, &si));
}

int main(void)
{
	memory();
	clones();
	futexes();
	ids();
	signals();
	return 0;
}

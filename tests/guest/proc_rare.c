/* SPDX-License-Identifier: MIT */
/*
 * Errors and flags that take some preparation: limits of the whole system (file-max, overcommit), memory that may not be
 * had, a program whose interpreter is none, signals and clocks that few ask for. What is changed for all is set back.
 */
#include "check.h"
#include <elf.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

static void set(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		out("setup: %s %s\n", file, errno_name(errno));
	close(fd);
}

static long raw(long nr, long a, long b, long c, long d, long e)
{
	long r;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return r;
}

/* Each call that makes an open file, for a user who has no CAP_SYS_ADMIN. */
static void too_many_files(void)
{
	sigset_t s;
	int p[2];
	char *argv[] = { "prog", NULL };
	sigemptyset(&s);
	close(open("there", O_CREAT | O_RDWR, 0666));
	close(open("prog", O_CREAT | O_RDWR, 0777));
	int dir = open("/dev/pts", O_RDONLY);
	set("/proc/sys/fs/file-max", "0");
	CHILD("file-max")
	{
		OK("open beyond file-max as root", open("there", O_RDONLY));
		setresuid(1000, 1000, 1000);
		R("open ENFILE", open("there", O_RDONLY));
		R("open ENFILE O_CREAT", open("there", O_RDONLY | O_CREAT, 0600));
		R("open ENFILE O_PATH", open("there", O_PATH));
		R("openat ENFILE", openat(dir, "ptmx", O_RDWR));
		R("memfd_create ENFILE", SC(SYS_memfd_create, "x", 0));
		R("mmap ENFILE", mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
		R("shmget ENFILE", shmget(IPC_PRIVATE, PAGE, 0600));
		R("pidfd_open ENFILE", SC(SYS_pidfd_open, getpid(), 0));
		R("signalfd ENFILE", signalfd(-1, &s, 0));
		R("timerfd_create ENFILE", timerfd_create(CLOCK_MONOTONIC, 0));
		R("eventfd ENFILE", eventfd(0, 0));
		R("epoll_create ENFILE", epoll_create1(0));
		R("pipe ENFILE", pipe(p));
		R("socket ENFILE", socket(AF_UNIX, SOCK_STREAM, 0));
		R("socketpair ENFILE", socketpair(AF_UNIX, SOCK_STREAM, 0, p));
		R("execve ENFILE", execve("prog", argv, argv + 1));
	}
	set("/proc/sys/fs/file-max", "1000000");
	CHILD("file-max again")
	{
		setresuid(1000, 1000, 1000);
		OK("open within file-max", open("there", O_RDONLY));
	}
	set("/proc/sys/fs/file-max", "9223372036854775807");
}

/* Each call that makes a descriptor, when there is room for none. */
static void too_many_descriptors(void)
{
	sigset_t s;
	int p[2], st;
	sigemptyset(&s);
	CHILD("RLIMIT_NOFILE")
	{
		int l = socket(AF_UNIX, SOCK_STREAM, 0);
		for (int i = 0; i < 8; i++)
			dup(0);
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 4, 4 });
		R("memfd_create EMFILE", SC(SYS_memfd_create, "x", 0));
		R("pidfd_open EMFILE", SC(SYS_pidfd_open, getpid(), 0));
		R("pidfd_open EMFILE again", SC(SYS_pidfd_open, getpid(), 0));
		R("signalfd EMFILE", signalfd(-1, &s, 0));
		R("timerfd_create EMFILE", timerfd_create(CLOCK_MONOTONIC, 0));
		R("eventfd EMFILE", eventfd(0, 0));
		R("epoll_create EMFILE", epoll_create1(0));
		R("pipe EMFILE", pipe(p));
		R("socket EMFILE", socket(AF_UNIX, SOCK_STREAM, 0));
		R("socketpair EMFILE", socketpair(AF_UNIX, SOCK_STREAM, 0, p));
		R("accept EMFILE", accept(l, NULL, NULL));
		R("openat2 EMFILE", SC(SYS_openat2, AT_FDCWD, "/", (uint64_t[3]){ O_RDONLY, 0, 0 }, 24));
		R("fcntl EMFILE F_DUPFD", fcntl(0, F_DUPFD, 0));
		R("dup EMFILE", dup(0));
		R("dup2 EBADF beyond the limit", dup2(0, 100));
		struct { uint64_t flags, pidfd, rest[9]; } a = { CLONE_PIDFD, (uint64_t)&st, { 0, 0, SIGCHLD } };
		R("clone3 EMFILE CLONE_PIDFD", SC(SYS_clone3, &a, sizeof a));
		R("mmap anonymous needs none", mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	}
}

static unsigned long meminfo_kb(const char *field) { return proc_field("/proc/meminfo", field); }

/* Strict accounting: what may be written is promised, or refused. */
static void commit_limit(void)
{
	set("/proc/sys/vm/overcommit_memory", "2");
	CHILD("overcommit_memory 2")
	{
		size_t n = (meminfo_kb("CommitLimit") - meminfo_kb("Committed_AS")) * 1024 / 10 * 7 & -PAGE;
		char *p = mmap(NULL, n, RW, ANON, -1, 0);
		YES("mmap of most of the limit", p != MAP_FAILED);
		R("mmap ENOMEM the same again", mmap(NULL, n, RW, ANON, -1, 0) == MAP_FAILED ? -1 : 0);
		R("fork ENOMEM", fork());
		R("clone ENOMEM", SC(SYS_clone, SIGCHLD, 0, 0, 0, 0));
		struct { uint64_t a[11]; } args = { { 0, 0, 0, 0, SIGCHLD } };
		R("clone3 ENOMEM", SC(SYS_clone3, &args, sizeof args));
		R("shmget ENOMEM", shmget(IPC_PRIVATE, n, 0600));
		char *r = mmap(NULL, n, PROT_READ, ANON, -1, 0);
		R("mprotect ENOMEM private becomes writable", mprotect(r, n, RW));
		R("mremap ENOMEM beyond the promise", mremap(p, n, 2 * n, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
		R("munmap gives the promise back", munmap(p, n));
		R("mprotect afterwards", mprotect(r, n, RW));
	}
	set("/proc/sys/vm/overcommit_memory", "0");
	CHILD("RLIMIT_AS")
	{
		int id = shmget(IPC_PRIVATE, M(64), 0600);
		setrlimit(RLIMIT_AS, &(struct rlimit){ M(32), M(32) });
		R("shmat ENOMEM", (long)shmat(id, NULL, 0));
		R("shmctl afterwards", shmctl(id, IPC_RMID, NULL));
	}
}

static void huge(void)
{
	YES("mmap MAP_FAILED", mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED);
	YES("mmap MAP_ANONYMOUS", mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED && MAP_ANONYMOUS == MAP_ANON);
	R("mmap MAP_HUGE_2MB without pool", mmap(NULL, M(2), RW, ANON | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0) == MAP_FAILED ? -1 : 0);
	R("mmap MAP_HUGE_1GB without pool", mmap(NULL, M(1024), RW, ANON | MAP_HUGETLB | 30 << MAP_HUGE_SHIFT, -1, 0) == MAP_FAILED ? -1 : 0);
	R("mmap MAP_HUGE_SHIFT no such size", mmap(NULL, M(2), RW, ANON | MAP_HUGETLB | 25 << MAP_HUGE_SHIFT, -1, 0) == MAP_FAILED ? -1 : 0);
	R("shmget SHM_HUGE_2MB without pool", shmget(IPC_PRIVATE, M(2), 0600 | SHM_HUGETLB | 21 << MAP_HUGE_SHIFT));
	R("shmget SHM_HUGE_1GB without pool", shmget(IPC_PRIVATE, M(1024), 0600 | SHM_HUGETLB | 30 << MAP_HUGE_SHIFT));
	R("shmget SHM_HUGE_SHIFT no such size", shmget(IPC_PRIVATE, M(2), 0600 | SHM_HUGETLB | 25 << MAP_HUGE_SHIFT));
	R("memfd_create MFD_HUGE_SHIFT without MFD_HUGETLB", SC(SYS_memfd_create, "x", 21u << MAP_HUGE_SHIFT));
	CHILD("huge pages as user")
	{
		setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, 0 });
		setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
		R("shmget EPERM SHM_HUGETLB", shmget(IPC_PRIVATE, M(2), 0600 | SHM_HUGETLB));
	}
}

static char *argv_of_none[] = { "none", NULL };
static char tls[256] __attribute__((aligned(64)));

static void children(void)
{
	siginfo_t si;
	int st;
	pid_t pid = raw(SYS_clone, CLONE_SETTLS | SIGCHLD, 0, 0, 0, (long)tls);
	if (pid == 0) { /* nothing of the C library works here */
		long base = 0;
		raw(SYS_arch_prctl, 0x1003, (long)&base, 0, 0, 0);
		raw(SYS_exit_group, base == (long)tls, 0, 0, 0, 0);
	}
	waitpid(pid, &st, 0);
	VAL("clone CLONE_SETTLS", WEXITSTATUS(st));
	struct { uint64_t a[11]; } args = { { CLONE_SETTLS, 0, 0, 0, SIGCHLD, 0, 0, (uint64_t)tls } };
	pid = raw(SYS_clone3, (long)&args, sizeof args, 0, 0, 0);
	if (pid == 0) {
		long base = 0;
		raw(SYS_arch_prctl, 0x1003, (long)&base, 0, 0, 0);
		raw(SYS_exit_group, base == (long)tls, 0, 0, 0, 0);
	}
	waitpid(pid, &st, 0);
	VAL("clone3 CLONE_SETTLS", WEXITSTATUS(st));
	args = (typeof(args)){ { CLONE_SETTLS, 0, 0, 0, SIGCHLD, 0, 0, 0xffff800000000000 } };
	R("clone3 EPERM CLONE_SETTLS of the kernel", SC(SYS_clone3, &args, sizeof args));
	R("clone EPERM CLONE_SETTLS not canonical", SC(SYS_clone, CLONE_SETTLS | SIGCHLD, 0, 0, 0, 1UL << 62));

	if ((pid = fork()) == 0)
		_exit(41);
	waitpid(pid, &st, 0);
	out("wait4 WIFEXITED WEXITSTATUS: %d %d, %d %d %d\n", WIFEXITED(st), WEXITSTATUS(st), WIFSIGNALED(st), WIFSTOPPED(st), WIFCONTINUED(st));
	if ((pid = fork()) == 0) {
		raise(SIGSTOP);
		pause();
	}
	waitpid(pid, &st, WUNTRACED);
	out("wait4 WIFSTOPPED WSTOPSIG: %d %d, %d %d %d\n", WIFSTOPPED(st), WSTOPSIG(st), WIFEXITED(st), WIFSIGNALED(st), WIFCONTINUED(st));
	kill(pid, SIGCONT), waitpid(pid, &st, WCONTINUED);
	out("wait4 WIFCONTINUED: %d, %d %d %d\n", WIFCONTINUED(st), WIFEXITED(st), WIFSIGNALED(st), WIFSTOPPED(st));
	int fd = SC(SYS_pidfd_open, pid, O_NONBLOCK);
	VAL("pidfd_open PIDFD_NONBLOCK", fcntl(fd, F_GETFL) & O_NONBLOCK);
	R("waitid EAGAIN PIDFD_NONBLOCK", waitid(P_PIDFD, fd, &si, WEXITED));
	R("waitid WNOHANG PIDFD_NONBLOCK", waitid(P_PIDFD, fd, &si, WEXITED | WNOHANG));
	kill(pid, SIGTERM);
	while (waitid(P_PIDFD, fd, &si, WEXITED | WNOWAIT) == -1 && errno == EAGAIN)
		sleep_ms(1);
	VAL("waitid PIDFD_NONBLOCK", si.si_status);
	waitpid(pid, &st, 0);
	out("wait4 WIFSIGNALED WTERMSIG WCOREDUMP: %d %d %d, %d %d %d\n", WIFSIGNALED(st), WTERMSIG(st), !!WCOREDUMP(st), WIFEXITED(st), WIFSTOPPED(st), WIFCONTINUED(st));
	R("prctl ENODEV PR_GET_SPECULATION_CTRL", prctl(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0));
	R("prctl ENODEV PR_SET_SPECULATION_CTRL", prctl(PR_SET_SPECULATION_CTRL, 99, PR_SPEC_ENABLE, 0, 0));
	R("prctl ENXIO PR_SET_SPECULATION_CTRL", prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_ENABLE, 0, 0));
	R("prctl ERANGE PR_SET_SPECULATION_CTRL", prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, 0x77, 0, 0));
	R("prctl EINVAL PR_SET_SPECULATION_CTRL", prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, 0, 1, 0));
	R("arch_prctl ENODEV ARCH_SET_CPUID", SC(SYS_arch_prctl, 0x1012, 0));
	close(open("plain", O_CREAT | O_RDWR, 0755));
	R("execveat ENOTDIR", SC(SYS_execveat, open("plain", O_RDONLY), "x", argv_of_none, argv_of_none + 1, 0));
	R("execveat ELOOP AT_SYMLINK_NOFOLLOW", (symlink("plain", "link"), SC(SYS_execveat, AT_FDCWD, "link", argv_of_none, argv_of_none + 1, AT_SYMLINK_NOFOLLOW)));
	R("execveat AT_FDCWD", SC(SYS_execveat, AT_FDCWD, "none", argv_of_none, argv_of_none + 1, 0));
	CHILD("prctl as user")
	{
		setresuid(1000, 1000, 1000);
		R("prctl EPERM PR_CAPBSET_DROP", prctl(PR_CAPBSET_DROP, CAP_KILL));
		R("prctl EPERM PR_SET_SECUREBITS", prctl(PR_SET_SECUREBITS, 1));
		R("prctl EPERM PR_CAP_AMBIENT_RAISE", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	}
}

/* A program whose interpreter is not an ELF file. */
static void interpreter(void)
{
	struct { Elf64_Ehdr e; Elf64_Phdr p[2]; char name[16]; } f;
	char *argv[] = { "elf", NULL }, text[256];
	memset(&f, 0, sizeof f);
	memcpy(f.e.e_ident, ELFMAG "\2\1\1", 7);
	f.e.e_type = ET_DYN, f.e.e_machine = EM_X86_64, f.e.e_version = 1, f.e.e_ehsize = sizeof f.e;
	f.e.e_phoff = sizeof f.e, f.e.e_phentsize = sizeof f.p[0], f.e.e_phnum = 2;
	strcpy(f.name, "./interp");
	f.p[0] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_flags = 4, .p_offset = offsetof(typeof(f), name), .p_filesz = 9, .p_memsz = 9, .p_align = 1 };
	f.p[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = 5, .p_filesz = sizeof f, .p_memsz = sizeof f, .p_align = PAGE };
	int fd = open("elf", O_CREAT | O_WRONLY, 0755);
	write(fd, &f, sizeof f), close(fd);
	R("execve ENOENT interpreter", execve("./elf", argv, argv + 1));
	memset(text, '#', sizeof text);
	fd = open("interp", O_CREAT | O_WRONLY, 0644);
	write(fd, text, 20);
	R("execve EACCES interpreter", execve("./elf", argv, argv + 1));
	fchmod(fd, 0755), close(fd);
	R("execve EIO interpreter shorter than a header", execve("./elf", argv, argv + 1));
	fd = open("interp", O_WRONLY);
	write(fd, text, sizeof text), close(fd);
	R("execve ELIBBAD", execve("./elf", argv, argv + 1));
	f.e.e_machine = EM_ARM;
	fd = open("interp", O_WRONLY);
	write(fd, &f, sizeof f), close(fd);
	R("execve ELIBBAD interpreter of another machine", execve("./elf", argv, argv + 1));
	unlink("interp"), mkdir("interp", 0755);
	R("execve interpreter that is a directory", execve("./elf", argv, argv + 1));
}

static volatile sig_atomic_t on_stack;

static void look(int sig)
{
	stack_t s;
	sigaltstack(NULL, &s);
	on_stack = s.ss_flags;
}

static void signals(void)
{
	static char stack[K(64)];
	YES("rt_sigaction SA_NOMASK", SA_NOMASK == SA_NODEFER);
	YES("rt_sigaction SA_ONESHOT", SA_ONESHOT == SA_RESETHAND);
	sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
	struct sigaction sa = { .sa_handler = look, .sa_flags = SA_ONSTACK };
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	VAL("sigaltstack SS_ONSTACK", on_stack);
	sa.sa_flags = 0, sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	VAL("sigaltstack not on it", on_stack);
}

static void futexes(void)
{
	static unsigned word;
	R("futex FUTEX_PRIVATE_FLAG", SC(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1));
	R("futex EFAULT no access", SC(SYS_futex, mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0), FUTEX_WAKE, 1));
	struct { struct robust_list_head head; struct robust_list one; unsigned pad[4]; } *r = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned *f = (unsigned *)r + 100;
	pid_t pid = fork();
	if (pid == 0) {
		r->head.list.next = &r->one, r->one.next = &r->head.list;
		r->head.futex_offset = (char *)f - (char *)&r->one;
		*f = (unsigned)getpid() | FUTEX_WAITERS;
		SC(SYS_set_robust_list, &r->head, sizeof r->head);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	out("futex FUTEX_WAITERS of a dead owner: %x\n", *f);
}

static void clocks(void)
{
	timer_t t;
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	R("timer_create SIGEV_SIGNAL", SC(SYS_timer_create, CLOCK_MONOTONIC, &e, &t));
	e.sigev_notify = SIGEV_THREAD;
	R("timer_create SIGEV_THREAD", SC(SYS_timer_create, CLOCK_MONOTONIC, &e, &t));
	R("timer_create EOPNOTSUPP", SC(SYS_timer_create, CLOCK_MONOTONIC_COARSE, NULL, &t));
	R("clock_nanosleep EOPNOTSUPP", SC(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &(struct timespec){ 0, 1 }, NULL));
	R("clock_nanosleep EOPNOTSUPP of a thread's CPU time", SC(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){ 0, 1 }, NULL));
	CHILD("alarm clocks as user")
	{
		setresuid(1000, 1000, 1000);
		R("timerfd_create EPERM", timerfd_create(CLOCK_REALTIME_ALARM, 0));
	}
	uint64_t n = 0;
	struct timespec now;
	struct itimerspec far = { { 0, 0 }, { 0, 0 } };
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK), other = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	clock_gettime(CLOCK_REALTIME, &now);
	far.it_value.tv_sec = now.tv_sec + 100000;
	R("timerfd_settime TFD_TIMER_CANCEL_ON_SET", timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL));
	R("timerfd_settime without it", timerfd_settime(other, TFD_TIMER_ABSTIME, &far, NULL));
	R("read EAGAIN timerfd", read(fd, &n, 8));
	now.tv_sec += 1000;
	R("clock_settime", clock_settime(CLOCK_REALTIME, &now));
	R("read ECANCELED timerfd", read(fd, &n, 8));
	R("read EAGAIN timerfd that does not mind", read(other, &n, 8));
	R("read EAGAIN timerfd afterwards", read(fd, &n, 8));
	now.tv_sec -= 1000, clock_settime(CLOCK_REALTIME, &now);
	R("ioctl ECANCELED TFD_IOC_SET_TICKS", ioctl(fd, TFD_IOC_SET_TICKS, &(uint64_t){ 5 }));
	R("ioctl EINVAL TFD_IOC_SET_TICKS 0", ioctl(other, TFD_IOC_SET_TICKS, &(uint64_t){ 0 }));
	R("ioctl EFAULT TFD_IOC_SET_TICKS", ioctl(other, TFD_IOC_SET_TICKS, 8));
	R("ioctl TFD_IOC_SET_TICKS", ioctl(other, TFD_IOC_SET_TICKS, &(uint64_t){ 5 }));
	R("read ticks that were set", read(other, &n, 8));
	VAL("timerfd TFD_IOC_SET_TICKS", n);
	R("ioctl ENOTTY timerfd", ioctl(other, FIONREAD, &n));
	R("timerfd_settime TFD_TIMER_CANCEL_ON_SET relative", timerfd_settime(fd, TFD_TIMER_CANCEL_ON_SET, &(struct itimerspec){ { 0, 0 }, { 100000, 0 } }, NULL));
	clock_gettime(CLOCK_REALTIME, &now), now.tv_sec++, clock_settime(CLOCK_REALTIME, &now);
	R("read EAGAIN timerfd relative", read(fd, &n, 8));
}

/* clock_nanosleep slept until a time of the wall clock: one that was set back meanwhile let it sleep as much longer. */
static void relative_sleep_and_a_clock_set_back(void)
{
	struct timespec now, nap = { 0, 500000000 };
	clock_gettime(CLOCK_REALTIME, &now);
	pid_t pid = fork();
	if (pid == 0)
		_exit(SC(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &nap, NULL) != 0);
	wait_in_call(pid, SYS_clock_nanosleep);
	now.tv_sec -= 1000, clock_settime(CLOCK_REALTIME, &now);
	int st, waited = 0;
	while (waitpid(pid, &st, WNOHANG) == 0 && waited++ < 1000)
		usleep(10000);
	out("clock_nanosleep CLOCK_REALTIME relative, the clock is set back: %s\n", waited >= 1000 ? "still sleeps" : WEXITSTATUS(st) ? "failed" : "ends");
	if (waited >= 1000)
		kill(pid, SIGKILL), waitpid(pid, &st, 0);
	now.tv_sec += 1000, clock_settime(CLOCK_REALTIME, &now);
}

int main(void)
{
	chmod(".", 0777);
	too_many_files();
	too_many_descriptors();
	commit_limit();
	huge();
	children();
	interpreter();
	signals();
	futexes();
	clocks();
	relative_sleep_and_a_clock_set_back();
	return 0;
}

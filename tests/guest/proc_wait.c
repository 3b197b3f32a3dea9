/* SPDX-License-Identifier: MIT */
/* fork, vfork, clone, clone3, exit and the wait family. */
#include "check.h"
#include <linux/sched.h>

static char stack[65536] __attribute__((aligned(16)));
static volatile int shared_word;

static void statuses(void)
{
	CHILD("exit 0") _exit(0);
	CHILD("exit 255") _exit(255);
	CHILD("exit 256 is 0") _exit(256);
	CHILD("exit -1") _exit(-1);
	CHILD("exit by SIGKILL") kill(getpid(), SIGKILL);
	CHILD("exit by SIGTERM") kill(getpid(), SIGTERM);
	CHILD("exit by abort") abort();
	CHILD("exit by null") *(volatile char *)0 = 1;
	CHILD("exit by division") __asm__ volatile("xor %%ecx, %%ecx\n\tdiv %%ecx" ::: "eax", "ecx", "edx");
	CHILD("exit by undefined instruction") __asm__ volatile("ud2");
	CHILD("exit by breakpoint") __asm__ volatile("int3");
	CHILD("exit by privileged instruction") __asm__ volatile("hlt");
}

static void wait_errors(void)
{
	int st;
	siginfo_t si;
	R("wait4 ECHILD", SC(SYS_wait4, -1, &st, 0, 0));
	R("wait4 ECHILD not mine", SC(SYS_wait4, 1, &st, 0, 0));
	R("wait4 EINVAL options", SC(SYS_wait4, -1, &st, 0x100, 0));
	R("wait4 ESRCH INT_MIN", SC(SYS_wait4, INT_MIN, &st, 0, 0));
	R("waitid ECHILD", SC(SYS_waitid, P_ALL, 0, &si, WEXITED, 0));
	R("waitid EINVAL no event", SC(SYS_waitid, P_ALL, 0, &si, 0, 0));
	R("waitid EINVAL options", SC(SYS_waitid, P_ALL, 0, &si, WEXITED | 0x100, 0));
	R("waitid EINVAL type", SC(SYS_waitid, 77, 0, &si, WEXITED, 0));
	R("waitid EINVAL P_PID 0", SC(SYS_waitid, P_PID, 0, &si, WEXITED, 0));
	R("waitid EBADF P_PIDFD", SC(SYS_waitid, P_PIDFD, 999, &si, WEXITED, 0));
	pid_t pid = fork();
	if (pid == 0)
		_exit(3);
	R("wait4 EFAULT status", SC(SYS_wait4, pid, (int *)8, 0, 0));
	R("wait4 after EFAULT it is gone", SC(SYS_wait4, pid, &st, 0, 0));
	pid = fork();
	if (pid == 0)
		_exit(0);
	R("waitid EFAULT", SC(SYS_waitid, P_PID, pid, (void *)8, WEXITED, 0));
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void show_si(const char *name, long r, siginfo_t *si, pid_t pid)
{
	out("%s: %ld signo %d code %d status %d pid %s\n", name, r, si->si_signo, si->si_code, si->si_status,
	    si->si_pid == pid ? "right" : si->si_pid == 0 ? "0" : "wrong");
}

static void waitids(void)
{
	siginfo_t si;
	int p[2], st;
	pipe(p);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		read(p[0], &c, 1);
		raise(SIGSTOP);
		read(p[0], &c, 1);
		_exit(7);
	}
	memset(&si, 0xff, sizeof si);
	show_si("waitid WNOHANG nothing yet", waitid(P_PID, pid, &si, WEXITED | WSTOPPED | WNOHANG), &si, pid);
	R("wait4 WNOHANG nothing yet", waitpid(pid, &st, WNOHANG));
	write(p[1], "x", 1);
	show_si("waitid WSTOPPED", waitid(P_PID, pid, &si, WSTOPPED), &si, pid);
	show_si("waitid WSTOPPED only once", waitid(P_PID, pid, &si, WSTOPPED | WNOHANG), &si, pid);
	kill(pid, SIGCONT);
	show_si("waitid WCONTINUED", waitid(P_PID, pid, &si, WCONTINUED), &si, pid);
	write(p[1], "x", 1); /* only now may it end: who has ended cannot be waited for so */
	show_si("waitid WNOWAIT", waitid(P_PID, pid, &si, WEXITED | WNOWAIT), &si, pid);
	show_si("waitid again", waitid(P_ALL, 0, &si, WEXITED), &si, pid);
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		pause();
	}
	wait4(pid, &st, WUNTRACED, NULL);
	show_status("wait4 WUNTRACED", st);
	kill(pid, SIGCONT);
	wait4(pid, &st, WCONTINUED, NULL);
	show_status("wait4 WCONTINUED", st);
	kill(pid, SIGKILL);
	show_si("waitid killed", waitid(P_PID, pid, &si, WEXITED), &si, pid);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(4);
	}
	setpgid(pid, pid);
	YES("wait4 by process group", wait4(-pid, &st, 0, NULL) == pid);
	show_status("wait4 by process group status", st);
	pid = fork();
	if (pid == 0)
		_exit(5);
	YES("wait4 own group", wait4(0, &st, 0, NULL) == pid);
	pid = fork();
	if (pid == 0)
		_exit(6);
	int fd = SC(SYS_pidfd_open, pid, 0);
	show_si("waitid P_PIDFD", waitid(P_PIDFD, fd, &si, WEXITED), &si, pid);
	pid = fork();
	if (pid == 0)
		_exit(6);
	setpgid(pid, pid);
	show_si("waitid P_PGID", waitid(P_PGID, pid, &si, WEXITED), &si, pid);
	struct rusage ru;
	pid = fork();
	if (pid == 0) {
		char *m = anon(M(2), RW, MAP_PRIVATE);
		memset(m, 1, M(2));
		_exit(0);
	}
	wait4(pid, &st, 0, &ru);
	YES("wait4 rusage faults", ru.ru_minflt >= 1);
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid == 0)
		_exit(1);
	R("wait4 SIGCHLD ignored", waitpid(pid, &st, 0));
	struct sigaction sa = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	sigaction(SIGCHLD, &sa, NULL);
	pid = fork();
	if (pid == 0)
		_exit(1);
	R("wait4 SA_NOCLDWAIT", waitpid(pid, &st, 0));
	signal(SIGCHLD, SIG_DFL);
}

static void orphans(void)
{
	int p[2];
	char c = 0;
	pipe(p);
	CHILD("orphan's parent")
	{
		pid_t parent = getpid();
		if (fork() == 0) {
			for (int i = 0; i < 2000 && getppid() == parent; i++)
				sleep_ms(2);
			c = getppid() == parent ? 'n' : 'y';
			write(p[1], &c, 1);
			_exit(0);
		}
	}
	read(p[0], &c, 1);
	out("orphan has a new parent: %c\n", c);
}

static void vforks(void)
{
	static volatile int n;
	pid_t pid = vfork();
	if (pid == 0) {
		n = 42;
		_exit(9);
	}
	VAL("vfork shares memory", n);
	wait_for("vfork", pid);
	pid = vfork();
	if (pid == 0) {
		execl("/nonexistent", "x", NULL);
		n = errno;
		_exit(8);
	}
	out("vfork exec failed: %s\n", errno_name(n));
	wait_for("vfork after failed exec", pid);
}

static int clone_child(void *arg)
{
	shared_word = 5;
	if (arg)
		chdir("/");
	return 3;
}

static void clones(void)
{
	pid_t pid, tid = 0;
	char cwd[64];
	R("clone EINVAL CLONE_SIGHAND without VM", SC(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
	R("clone EINVAL CLONE_THREAD without SIGHAND", SC(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0));
	R("clone EINVAL CLONE_FS with NEWNS", SC(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0));
	R("clone EINVAL CLONE_PIDFD with PARENT_SETTID", SC(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &pid, 0, 0));
	R("clone EINVAL CLONE_PIDFD with DETACHED", SC(SYS_clone, CLONE_PIDFD | 0x00400000 | SIGCHLD, 0, &pid, 0, 0));
	shared_word = 1;
	pid = clone(clone_child, stack + sizeof stack, SIGCHLD, NULL);
	wait_for("clone", pid);
	VAL("clone without CLONE_VM", shared_word);
	pid = clone(clone_child, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
	wait_for("clone CLONE_VM", pid);
	VAL("clone CLONE_VM shares memory", shared_word);
	pid = clone(clone_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	wait_for("clone CLONE_VFORK", pid);
	pid = clone(clone_child, stack + sizeof stack, CLONE_FS | SIGCHLD, (void *)1);
	wait_for("clone CLONE_FS", pid);
	out("clone CLONE_FS shares the directory: %s\n", getcwd(cwd, sizeof cwd));
	pid = clone(clone_child, stack + sizeof stack, CLONE_PARENT_SETTID | SIGCHLD, NULL, &tid);
	YES("clone CLONE_PARENT_SETTID", tid == pid);
	wait_for("clone with tid", pid);
	pid = SC(SYS_clone, CLONE_CHILD_SETTID | SIGCHLD, 0, 0, &tid, 0);
	if (pid == 0)
		_exit(tid == getpid() ? 0 : 1);
	wait_for("clone CLONE_CHILD_SETTID", pid);
	pid = SC(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0)
		_exit(2);
	int st;
	R("clone no signal: wait4 does not find it", waitpid(pid, &st, 0));
	YES("clone no signal: __WCLONE finds it", waitpid(pid, &st, __WCLONE) == pid);
	pid = SC(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0)
		_exit(2);
	YES("clone no signal: __WALL finds it", waitpid(pid, &st, __WALL) == pid);
	int fd = -1;
	pid = SC(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
	if (pid == 0)
		_exit(0);
	YES("clone CLONE_PIDFD", fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	wait_for("clone with pidfd", pid);
	R("pidfd_send_signal ESRCH", SC(SYS_pidfd_send_signal, fd, 0, 0, 0));
	close(fd);
	int shared = open("/dev/null", O_RDONLY);
	pid = SC(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		SC(SYS_close, shared);
		SC(SYS_exit, 0);
	}
	wait_for("clone CLONE_FILES", pid);
	R("clone CLONE_FILES shares descriptors", close(shared));
}

static void clone3s(void)
{
	struct clone_args a = { .exit_signal = SIGCHLD };
	R("clone3 EINVAL size too small", SC(SYS_clone3, &a, 8));
	R("clone3 E2BIG size too large", SC(SYS_clone3, &a, 5000));
	R("clone3 EFAULT", SC(SYS_clone3, (void *)8, sizeof a));
	a.exit_signal = 99;
	R("clone3 EINVAL exit_signal", SC(SYS_clone3, &a, sizeof a));
	a.exit_signal = SIGCHLD, a.stack = 1;
	R("clone3 EINVAL stack without size", SC(SYS_clone3, &a, sizeof a));
	a.stack = 0, a.flags = 0x80000000000ULL;
	R("clone3 EINVAL unknown flag", SC(SYS_clone3, &a, sizeof a));
	a.flags = CLONE_DETACHED;
	R("clone3 EINVAL CLONE_DETACHED", SC(SYS_clone3, &a, sizeof a));
	a.flags = 0, a.set_tid_size = 1;
	R("clone3 EINVAL set_tid_size without set_tid", SC(SYS_clone3, &a, sizeof a));
	a.set_tid_size = 0;
	pid_t pid = SC(SYS_clone3, &a, sizeof a);
	if (pid == 0)
		_exit(4);
	wait_for("clone3", pid);
	int fd = -1;
	a.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, a.pidfd = (uintptr_t)&fd;
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, exit);
	pid = SC(SYS_clone3, &a, sizeof a);
	if (pid == 0) {
		struct sigaction one, two;
		sigaction(SIGUSR1, NULL, &one), sigaction(SIGUSR2, NULL, &two);
		_exit((one.sa_handler == SIG_IGN) + 2 * (two.sa_handler == SIG_DFL));
	}
	wait_for("clone3 CLONE_CLEAR_SIGHAND", pid);
	YES("clone3 CLONE_PIDFD", fd >= 0);
	a.flags = CLONE_PARENT, a.exit_signal = 0;
	CHILD("clone3 CLONE_PARENT")
	{
		pid_t me = getppid();
		pid = SC(SYS_clone3, &a, sizeof a);
		if (pid == 0)
			_exit(getppid() == me ? 11 : 12);
		R("clone3 CLONE_PARENT is no child", waitpid(pid, NULL, __WALL));
	}
	int st;
	wait(&st);
	show_status("clone3 CLONE_PARENT sibling", st);
}

static void limits(void)
{
	CHILD("fork RLIMIT_NPROC")
	{
		struct rlimit r = { 5, 5 };
		setresuid(2345, 2345, 2345);
		setrlimit(RLIMIT_NPROC, &r);
		int n = 0, e = 0;
		for (; n < 50; n++) {
			pid_t pid = fork();
			if (pid == 0) {
				pause();
				_exit(0);
			}
			if (pid < 0) {
				e = errno;
				break;
			}
		}
		out("fork EAGAIN RLIMIT_NPROC: %d children, then %s\n", n, errno_name(e));
		signal(SIGTERM, SIG_IGN);
		kill(-1, SIGKILL);
		while (wait(NULL) > 0)
			;
	}
}

int main(void)
{
	statuses();
	wait_errors();
	waitids();
	orphans();
	vforks();
	clones();
	clone3s();
	limits();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Timers, job control, signals and threads, signalfd, the terminal's signals. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <sys/ioctl.h>

static volatile int hits, last_value, last_code, last_overrun;

static void count(int sig)
{
	hits++;
}

static void info(int sig, siginfo_t *si, void *uc)
{
	hits++;
	last_code = si->si_code;
	last_value = si->si_value.sival_int;
}

static void intervals(void)
{
	struct itimerval t = { { 0, 0 }, { 0, 20000 } }, old;
	sigset_t alrm, before;
	sigemptyset(&alrm), sigaddset(&alrm, SIGALRM);
	signal(SIGALRM, count);
	hits = 0;
	sigprocmask(SIG_BLOCK, &alrm, &before); /* on a busy machine it fires before the next line */
	R("setitimer ITIMER_REAL", setitimer(ITIMER_REAL, &t, NULL));
	while (!hits)
		sigsuspend(&before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	VAL("setitimer once", hits);
	getitimer(ITIMER_REAL, &old);
	VAL("getitimer after it fired", old.it_value.tv_sec + old.it_value.tv_usec);
	t.it_interval.tv_usec = 10000;
	setitimer(ITIMER_REAL, &t, NULL);
	while (hits < 5)
		pause();
	t = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &t, &old);
	VAL("setitimer interval", old.it_interval.tv_usec);
	YES("setitimer repeats", hits >= 5);
	R("setitimer EINVAL which", SC(SYS_setitimer, 9, &t, 0));
	R("getitimer EINVAL which", SC(SYS_getitimer, 9, &t));
	R("getitimer EFAULT", SC(SYS_getitimer, 0, 8));
	R("setitimer EFAULT", SC(SYS_setitimer, 0, 8, 0));
	t.it_value.tv_usec = 1000000;
	R("setitimer EINVAL microseconds", setitimer(ITIMER_REAL, &t, NULL));
	double from = clock_s();
	VAL("alarm none before", alarm(50));
	unsigned left = alarm(0); /* rounded: less only if the machine stood still in between */
	YES("alarm returns what was left", left <= 50 && left >= 49.5 - (clock_s() - from));
	signal(SIGVTALRM, count);
	hits = 0;
	t = (struct itimerval){ { 0, 0 }, { 0, 30000 } };
	setitimer(ITIMER_VIRTUAL, &t, NULL);
	while (!hits)
		;
	VAL("setitimer ITIMER_VIRTUAL", hits);
	signal(SIGPROF, count);
	hits = 0;
	setitimer(ITIMER_PROF, &t, NULL);
	while (!hits)
		;
	VAL("setitimer ITIMER_PROF", hits);
	t.it_value.tv_sec = 100;
	setitimer(ITIMER_REAL, &t, NULL);
	CHILD("setitimer child")
	{
		getitimer(ITIMER_REAL, &old);
		VAL("setitimer is not inherited", old.it_value.tv_sec);
	}
	alarm(0);
}

static void posix_timers(void)
{
	timer_t id;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4 };
	struct itimerspec t = { { 0, 0 }, { 0, 20000000 } }, old;
	struct sigaction sa = { .sa_sigaction = info, .sa_flags = SA_SIGINFO };
	int raw;
	sigaction(SIGRTMIN + 4, &sa, NULL);
	ev.sigev_value.sival_int = 77;
	R("timer_create EINVAL clock", SC(SYS_timer_create, 99, &ev, &raw));
	R("timer_create EFAULT", SC(SYS_timer_create, CLOCK_MONOTONIC, 8, &raw));
	R("timer_create EFAULT id", SC(SYS_timer_create, CLOCK_MONOTONIC, 0, 8));
	ev.sigev_signo = 99;
	R("timer_create EINVAL signal", SC(SYS_timer_create, CLOCK_MONOTONIC, &ev, &raw));
	ev.sigev_signo = SIGRTMIN + 4;
	R("timer_create", timer_create(CLOCK_MONOTONIC, &ev, &id));
	R("timer_gettime not armed", timer_gettime(id, &old));
	VAL("timer_gettime zero", old.it_value.tv_sec + old.it_value.tv_nsec);
	sigset_t block, before;
	hits = 0;
	sigemptyset(&block), sigaddset(&block, SIGRTMIN + 4);
	sigprocmask(SIG_BLOCK, &block, &before);
	R("timer_settime", timer_settime(id, 0, &t, NULL));
	while (!hits)
		sigsuspend(&before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	out("timer fired: value %d code %s\n", last_value, last_code == SI_TIMER ? "SI_TIMER" : "?");
	t.it_interval.tv_nsec = 100000000, t.it_value.tv_nsec = 100000000;
	struct itimerspec off = { { 0, 0 }, { 0, 0 } };
	struct timespec zero = { 0, 0 };
	sigprocmask(SIG_BLOCK, &block, NULL);
	hits = 0;
	siginfo_t si;
	int r, disarmed, more, why;
	double took;
	do { /* until it is disarmed before it fires for the fifth time, which might be after the signal was taken */
		double from = clock_s();
		timer_settime(id, 0, &t, NULL);
		sleep_ms(420);
		r = sigtimedwait(&block, &si, &zero);
		disarmed = timer_settime(id, 0, &off, &old);
		took = clock_s() - from;
		more = sigtimedwait(&block, NULL, &zero), why = errno;
	} while (took >= 0.5);
	R("timer_settime disarm", disarmed);
	VAL("timer_settime old interval", old.it_interval.tv_nsec);
	out("timer overrun: one signal %s, overrun counted %s\n", r > 0 ? "yes" : "no", si.si_overrun >= 3 ? "yes" : "no");
	R("timer second signal", (errno = why, more));
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	t.it_value = now;
	hits = 0;
	R("timer_settime TIMER_ABSTIME past", timer_settime(id, TIMER_ABSTIME, &t, NULL));
	while (!hits)
		sleep_ms(1);
	VAL("timer fires at once", hits);
	t.it_value.tv_nsec = 1000000000;
	R("timer_settime EINVAL", timer_settime(id, 0, &t, NULL));
	R("timer_delete", timer_delete(id));
	R("timer_settime EINVAL deleted", SC(SYS_timer_settime, 0x7777, 0, &old, 0));
	R("timer_gettime EINVAL", SC(SYS_timer_gettime, 0x7777, &old));
	R("timer_getoverrun EINVAL", SC(SYS_timer_getoverrun, 0x7777));
	R("timer_delete EINVAL", SC(SYS_timer_delete, 0x7777));
	ev.sigev_notify = SIGEV_NONE;
	R("timer_create SIGEV_NONE", timer_create(CLOCK_REALTIME, &ev, &id));
	t = (struct itimerspec){ { 0, 0 }, { 100, 0 } };
	timer_settime(id, 0, &t, NULL);
	timer_gettime(id, &old);
	YES("timer_gettime running", old.it_value.tv_sec >= 98);
	ev.sigev_notify = SIGEV_THREAD_ID, ev.sigev_signo = SIGRTMIN + 4;
	ev._sigev_un._tid = SC(SYS_gettid);
	R("timer_create SIGEV_THREAD_ID", timer_create(CLOCK_MONOTONIC, &ev, &id));
	ev._sigev_un._tid = 1;
	R("timer_create EINVAL SIGEV_THREAD_ID of another", timer_create(CLOCK_MONOTONIC, &ev, &id));
	R("timer_create CLOCK_PROCESS_CPUTIME_ID", SC(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, 0, &raw));
	R("timer_create null event", SC(SYS_timer_create, CLOCK_MONOTONIC, 0, &raw));
}

static void descriptors(void)
{
	sigset_t set;
	struct signalfd_siginfo si;
	sigemptyset(&set), sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	R("signalfd EAGAIN", read(fd, &si, sizeof si));
	raise(SIGUSR1);
	struct pollfd p = { fd, POLLIN, 0 };
	R("signalfd poll", poll(&p, 1, 0));
	R("signalfd read", read(fd, &si, sizeof si));
	out("signalfd signo %u code %d\n", si.ssi_signo, si.ssi_code);
	R("signalfd EINVAL short read", read(fd, &si, 10));
	R("signalfd EINVAL flags", signalfd(-1, &set, 0x7777));
	R("signalfd EBADF", signalfd(999, &set, 0));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	struct itimerspec t = { { 0, 5000000 }, { 0, 5000000 } };
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	unsigned long n = 0;
	R("timerfd EAGAIN", read(fd, &n, 8));
	R("timerfd_settime", timerfd_settime(fd, 0, &t, NULL));
	sleep_ms(40);
	R("timerfd read", read(fd, &n, 8));
	YES("timerfd expirations", n >= 3);
	R("timerfd EINVAL short", read(fd, &n, 4));
	R("timerfd_create EINVAL", timerfd_create(99, 0));
	R("timerfd_settime EINVAL", timerfd_settime(fd, 77, &t, NULL));
	R("timerfd_gettime", timerfd_gettime(fd, &t));
	VAL("timerfd_gettime interval", t.it_interval.tv_nsec);
}

static pthread_t main_thread;
static volatile pid_t handled_by;
static void who(int sig)
{
	handled_by = SC(SYS_gettid);
	hits++;
}

static volatile pid_t other_tid;
static volatile int stop;
static void *other(void *arg)
{
	other_tid = SC(SYS_gettid);
	while (!stop)
		sleep_ms(1);
	return NULL;
}

static void threads(void)
{
	pthread_t t;
	sigset_t set;
	sigemptyset(&set), sigaddset(&set, SIGUSR1);
	main_thread = pthread_self();
	signal(SIGUSR1, who);
	pthread_create(&t, NULL, other, NULL);
	while (!other_tid)
		sleep_ms(1);
	hits = 0;
	pthread_kill(t, SIGUSR1);
	while (!hits)
		sleep_ms(1);
	YES("pthread_kill reaches its thread", handled_by == other_tid);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	hits = 0;
	kill(getpid(), SIGUSR1);
	while (!hits)
		sleep_ms(1);
	YES("a process signal goes to a thread that does not block it", handled_by == other_tid);
	hits = 0;
	raise(SIGUSR1);
	sleep_ms(10);
	VAL("a thread's own pending signal waits", hits);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	VAL("and is delivered when unblocked", hits);
	stop = 1;
	pthread_join(t, NULL);
}

static void jobs(void)
{
	int st;
	siginfo_t si;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGCONT, count);
		raise(SIGTSTP);
		_exit(hits == 1 ? 6 : 7);
	}
	waitpid(pid, &st, WUNTRACED);
	show_status("SIGTSTP in an orphaned group is ignored, else stops", st);
	if (WIFSTOPPED(st)) {
		kill(pid, SIGCONT);
		wait_for("SIGCONT handler", pid);
	}
	pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	show_status("SIGSTOP", st);
	kill(pid, SIGTERM);
	R("a stopped process does not die of SIGTERM", (sleep_ms(20), waitpid(pid, &st, WNOHANG)));
	kill(pid, SIGCONT);
	wait_for("SIGTERM after SIGCONT", pid);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	kill(pid, SIGKILL);
	wait_for("SIGKILL of a stopped process", pid);
	struct sigaction sa = { .sa_sigaction = info, .sa_flags = SA_SIGINFO };
	sigaction(SIGCHLD, &sa, NULL);
	hits = 0;
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	while (!hits)
		sleep_ms(1);
	out("SIGCHLD on stop: code %s\n", last_code == CLD_STOPPED ? "CLD_STOPPED" : "?");
	hits = 0;
	kill(pid, SIGCONT);
	while (waitpid(pid, &st, 0) != pid)
		;
	YES("SIGCHLD on exit", hits >= 1);
	sa.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &sa, NULL);
	hits = 0;
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	waitid(P_PID, pid, &si, WSTOPPED);
	sleep_ms(10);
	VAL("SA_NOCLDSTOP", hits);
	kill(pid, SIGCONT);
	while (waitpid(pid, &st, 0) != pid)
		;
	signal(SIGCHLD, SIG_DFL);
	CHILD("kill of a group")
	{
		setpgid(0, 0);
		pid_t a = fork();
		if (a == 0)
			for (;;)
				pause();
		pid_t b = fork();
		if (b == 0)
			for (;;)
				pause();
		signal(SIGTERM, SIG_IGN);
		sleep_ms(5);
		kill(0, SIGTERM);
		wait_for("kill 0 first", a);
		wait_for("kill 0 second", b);
	}
}

static void terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), st;
	char buf[256] = { 0 }, *name;
	if (master < 0) {
		out("posix_openpt: %s\n", errno_name(errno));
		return;
	}
	grantpt(master), unlockpt(master);
	name = ptsname(master);
	int step[2];
	char c;
	pipe(step);
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		int slave = open(name, O_RDWR);
		R("terminal becomes controlling", tcgetpgrp(slave) == getpid());
		OK("terminal /dev/tty opens", open("/dev/tty", O_RDWR));
		pid_t job = fork();
		if (job == 0) {
			setpgid(0, 0);
			signal(SIGINT, SIG_DFL);
			read(slave, &c, 1);
			_exit(1);
		}
		setpgid(job, job);
		waitpid(job, &st, WUNTRACED);
		show_status("terminal read in background", st);
		R("terminal tcsetpgrp", tcsetpgrp(slave, job));
		kill(job, SIGCONT);
		wait_in_call(job, SYS_read); /* before it goes on, SIGCONT would take the Ctrl-Z away */
		write(step[1], "z", 1);
		waitpid(job, &st, WUNTRACED);
		show_status("terminal Ctrl-Z", st);
		kill(job, SIGCONT);
		wait_in_call(job, SYS_read);
		write(step[1], "c", 1);
		waitpid(job, &st, WUNTRACED);
		show_status("terminal Ctrl-C", st);
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(slave, getpgrp());
		struct winsize ws = { 0 };
		ioctl(slave, TIOCGWINSZ, &ws);
		out("terminal size %d x %d\n", ws.ws_col, ws.ws_row);
		R("terminal isatty", isatty(slave));
		char line[64] = { 0 };
		write(step[1], "l", 1);
		int n = read(slave, line, sizeof line);
		out("terminal line of %d: %.*s\n", n, n > 0 ? n - 1 : 0, line);
		write(step[1], "e", 1);
		n = read(slave, line, sizeof line);
		out("terminal end of file: %d\n", n);
		_exit(0);
	}
	struct winsize ws = { 24, 80, 0, 0 };
	ioctl(master, TIOCSWINSZ, &ws);
	close(step[1]);
	static const char *const typed[] = { "\x1a", "\x03", "helpo\x7f\x7flo\n", "\x04" };
	for (int i = 0; i < 4; i++) {
		read(step[0], &c, 1);
		wait_quiet(); /* a signal drops the echo that is under way */
		write(master, typed[i], strlen(typed[i]));
	}
	close(step[0]);
	wait_for("terminal session", pid);
	fcntl(master, F_SETFL, O_NONBLOCK);
	for (int n = 0, got; n < 250 && (got = read(master, buf + n, sizeof buf - 1 - n)) > 0;)
		n += got;
	out("terminal echo:");
	for (char *p = buf; *p; p++)
		out(*p < 32 ? " <%d>" : " %c", *p);
	out("\n");
	CHILD("SIGHUP when the master closes")
	{
		int m = posix_openpt(O_RDWR | O_NOCTTY);
		grantpt(m), unlockpt(m);
		char *s = ptsname(m);
		pid = fork();
		if (pid == 0) {
			setsid();
			open(s, O_RDWR);
			close(m);
			for (;;)
				pause();
		}
		wait_in_call(pid, SYS_pause);
		close(m);
		wait_for("terminal hang-up", pid);
	}
}

int main(void)
{
	intervals();
	posix_timers();
	descriptors();
	threads();
	jobs();
	terminal();
	return 0;
}

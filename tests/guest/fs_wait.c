/* SPDX-License-Identifier: MIT */
/* Waiting for files: FIFOs, poll with masks, epoll in epoll, timerfd, eventfd, signals in between. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static volatile int caught;
static void on_signal(int sig) { caught = sig; }

/* A child that does something when its parent sleeps in a call. */
static pid_t once_in(long call, void (*fn)(void *), void *arg)
{
	pid_t p = fork();
	if (p)
		return p;
	wait_in_call(getppid(), call);
	fn(arg);
	_exit(0);
}

static void reap(pid_t p) { waitpid(p, NULL, 0); }
static void write_x(void *fd) { write((long)fd, "x", 1); }
static void kill_parent(void *sig) { kill(getppid(), (long)sig); }
static void kill_then_write(void *fd)
{
	kill(getppid(), SIGUSR1);
	wait_in_call(getppid(), SYS_read);
	write_x(fd);
}
static void open_reader(void *name) { close(open(name, O_RDONLY)); }
static void open_writer(void *name) { int fd = open(name, O_WRONLY); write(fd, "hi", 2); close(fd); }

static void fifos(void)
{
	char buf[16];
	struct pollfd p;
	mkfifo("ff", 0600);
	R("open ENXIO FIFO without reader", open("ff", O_WRONLY | O_NONBLOCK));
	int r = open("ff", O_RDONLY | O_NONBLOCK);
	R("read FIFO without writer", read(r, buf, 1));
	p = (struct pollfd){ r, POLLIN, 0 };
	R("poll FIFO before the first writer", poll(&p, 1, 0));
	int w = open("ff", O_WRONLY | O_NONBLOCK);
	R("read EAGAIN FIFO with writer", read(r, buf, 1));
	R("write FIFO", write(w, "abc", 3));
	R("read FIFO", read(r, buf, 16));
	close(w);
	R("poll FIFO after the last writer", poll(&p, 1, 0));
	VAL("poll FIFO POLLHUP", p.revents);
	R("read FIFO at the end", read(r, buf, 1));
	close(r);
	pid_t c = once_in(SYS_openat, open_writer, "ff");
	r = open("ff", O_RDONLY);
	R("open FIFO waits for a writer", read(r, buf, 16));
	R("read FIFO after the writer", read(r, buf, 16));
	close(r), reap(c);
	c = once_in(SYS_openat, open_reader, "ff");
	w = open("ff", O_WRONLY);
	YES("open FIFO waits for a reader", w >= 0);
	close(w), reap(c);
	int rw = open("ff", O_RDWR);
	R("write FIFO O_RDWR", write(rw, "q", 1));
	R("read FIFO O_RDWR", read(rw, buf, 1));
	R("lseek ESPIPE FIFO", lseek(rw, 0, SEEK_SET));
	close(rw);
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGUSR1, &sa, NULL);
	c = once_in(SYS_openat, kill_parent, (void *)SIGUSR1);
	R("open EINTR FIFO", open("ff", O_RDONLY));
	reap(c);
}

static void pipe_sizes(void)
{
	int p[2];
	char big[8192] = { 0 };
	pipe2(p, O_NONBLOCK);
	R("fcntl F_SETPIPE_SZ", fcntl(p[0], F_SETPIPE_SZ, 5000));
	R("write fills 8192", write(p[1], big, 8192));
	R("write EAGAIN PIPE_BUF", write(p[1], big, 1));
	R("fcntl EBUSY F_SETPIPE_SZ", fcntl(p[0], F_SETPIPE_SZ, 4096));
	R("fcntl F_SETPIPE_SZ larger", fcntl(p[1], F_SETPIPE_SZ, 1 << 20));
	R("read after growing", read(p[0], big, 8192));
	R("fcntl F_SETPIPE_SZ smallest", fcntl(p[0], F_SETPIPE_SZ, 1));
	write(p[1], big, 4000);
	R("write EAGAIN not whole", write(p[1], big, 200));
	R("write the rest of the page", write(p[1], big, 96));
	R("fcntl EBADF F_GETPIPE_SZ", fcntl(0, F_GETPIPE_SZ) > 0 ? -1 : fcntl(open("ff2", O_CREAT | O_RDWR, 0600), F_GETPIPE_SZ));
	close(p[0]), close(p[1]);
	pipe2(p, O_DIRECT | O_NONBLOCK);
	write(p[1], "one", 3), write(p[1], "two", 3);
	R("read packet", read(p[0], big, 100));
	R("read packet cut", read(p[0], big, 1));
	R("read packet rest is lost", read(p[0], big, 100));
	close(p[0]), close(p[1]);
	pipe(p);
	struct iovec v[3] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
	R("writev pipe", writev(p[1], v, 3));
	int n;
	ioctl(p[0], FIONREAD, &n), VAL("ioctl FIONREAD pipe", n);
	R("write of nothing", write(p[1], "", 0));
	close(p[0]);
	signal(SIGPIPE, on_signal);
	caught = 0;
	R("write EPIPE", write(p[1], "x", 1));
	VAL("write SIGPIPE", caught);
}

static void masks(void)
{
	sigset_t block, none;
	struct timespec t = { 2, 0 };
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGUSR2, &sa, NULL);
	sigemptyset(&none), sigemptyset(&block), sigaddset(&block, SIGUSR2);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR2);
	caught = 0;
	R("ppoll EINTR pending signal unblocked", ppoll(NULL, 0, &t, &none));
	VAL("ppoll handler ran", caught == SIGUSR2);
	sigprocmask(SIG_BLOCK, NULL, &none);
	VAL("ppoll mask restored", sigismember(&none, SIGUSR2));
	sigemptyset(&none), caught = 0;
	raise(SIGUSR2);
	R("pselect EINTR", pselect(0, NULL, NULL, NULL, &t, &none));
	VAL("pselect handler ran", caught == SIGUSR2);
	raise(SIGUSR2), caught = 0;
	int ep = epoll_create1(0);
	struct epoll_event ev;
	R("epoll_pwait EINTR", epoll_pwait(ep, &ev, 1, 2000, &none));
	VAL("epoll_pwait handler ran", caught == SIGUSR2);
	int p[2];
	pipe(p), write(p[1], "x", 1);
	raise(SIGUSR2), caught = 0;
	struct pollfd pf = { p[0], POLLIN, 0 };
	R("ppoll ready before the signal", ppoll(&pf, 1, &t, &none));
	VAL("ppoll ready handler", caught);
	R("ppoll EINVAL size", SC(SYS_ppoll, &pf, 1, NULL, &none, 4));
	t.tv_nsec = 1000000000;
	R("ppoll EINVAL time", ppoll(&pf, 1, &t, NULL));
	sigprocmask(SIG_UNBLOCK, &block, NULL);
}

static void sleeping(void)
{
	int p[2];
	char c;
	pipe(p);
	pid_t k = once_in(SYS_poll, write_x, (void *)(long)p[1]);
	struct pollfd pf[40];
	for (int n = 0; n < 40; n++)
		pf[n] = (struct pollfd){ p[0], POLLIN, 0 };
	R("poll wakes on all 40 entries", poll(pf, 40, 30000));
	read(p[0], &c, 1), reap(k);
	double t = clock_s();
	R("poll timeout", poll(pf, 1, 50));
	YES("poll slept", clock_s() - t >= 0.05 && clock_s() - t < 30);
	fd_set s;
	FD_ZERO(&s);
	FD_SET(p[0], &s);
	struct timeval tv = { 1000, 0 };
	k = once_in(SYS_pselect6, write_x, (void *)(long)p[1]);
	R("select wakes", select(p[0] + 1, &s, NULL, NULL, &tv));
	YES("select time left", tv.tv_sec > 900 && tv.tv_sec < 1000);
	read(p[0], &c, 1), reap(k);
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &sa, NULL);
	k = once_in(SYS_poll, kill_parent, (void *)SIGUSR1);
	R("poll EINTR even with SA_RESTART", poll(pf, 1, 30000));
	reap(k);
	k = once_in(SYS_read, kill_then_write, (void *)(long)p[1]);
	R("read SA_RESTART", read(p[0], &c, 1));
	reap(k);
	sa.sa_flags = 0, sigaction(SIGUSR1, &sa, NULL);
	k = once_in(SYS_read, kill_parent, (void *)SIGUSR1);
	R("read EINTR", read(p[0], &c, 1));
	reap(k);
}

static void epolls(void)
{
	int a = epoll_create1(0), b = epoll_create1(EPOLL_CLOEXEC), p[2], q[2];
	struct epoll_event ev = { EPOLLIN, { .u64 = 7 } }, got[8];
	pipe(p), pipe(q);
	VAL("epoll_create1 EPOLL_CLOEXEC", fcntl(b, F_GETFD));
	epoll_ctl(a, EPOLL_CTL_ADD, p[0], &ev);
	R("epoll_ctl epoll in epoll", epoll_ctl(b, EPOLL_CTL_ADD, a, &ev));
	R("epoll_ctl ELOOP", epoll_ctl(a, EPOLL_CTL_ADD, b, &ev));
	R("epoll_wait outer nothing", epoll_wait(b, got, 8, 0));
	write(p[1], "x", 1);
	R("epoll_wait outer", epoll_wait(b, got, 8, 0));
	struct pollfd pf = { b, POLLIN, 0 };
	R("poll of epoll", poll(&pf, 1, 0));
	char c;
	read(p[0], &c, 1);
	R("epoll_wait outer after reading", epoll_wait(b, got, 8, 0));
	pid_t k = once_in(SYS_epoll_wait, write_x, (void *)(long)p[1]);
	R("epoll_wait outer sleeps", epoll_wait(b, got, 8, 30000));
	reap(k);
	int d = dup(p[0]);
	R("epoll_ctl same file by another descriptor", epoll_ctl(a, EPOLL_CTL_ADD, d, &ev));
	R("epoll_wait both", epoll_wait(a, got, 8, 0));
	R("epoll_wait one at a time", epoll_wait(a, got, 1, 0));
	close(d);
	R("epoll_wait after close of one", epoll_wait(a, got, 8, 0));
	close(p[0]);
	R("epoll_wait after close of all", epoll_wait(a, got, 8, 0));
	ev.events = EPOLLOUT | EPOLLET;
	epoll_ctl(a, EPOLL_CTL_ADD, q[1], &ev);
	R("epoll_wait EPOLLOUT edge", epoll_wait(a, got, 8, 0));
	R("epoll_wait EPOLLOUT edge again", epoll_wait(a, got, 8, 0));
	ev.events = EPOLLOUT | EPOLLET;
	R("epoll_ctl MOD rearms", epoll_ctl(a, EPOLL_CTL_MOD, q[1], &ev));
	R("epoll_wait after MOD", epoll_wait(a, got, 8, 0));
	ev.events = 0;
	epoll_ctl(a, EPOLL_CTL_MOD, q[1], &ev);
	close(q[0]);
	R("epoll_wait EPOLLERR unasked", epoll_wait(a, got, 8, 0));
	VAL("epoll_wait EPOLLERR", got[0].events);
	ev.events = EPOLLIN | EPOLLEXCLUSIVE;
	pipe(p);
	R("epoll_ctl EPOLLEXCLUSIVE", epoll_ctl(a, EPOLL_CTL_ADD, p[0], &ev));
	R("epoll_ctl EINVAL EPOLLEXCLUSIVE MOD", epoll_ctl(a, EPOLL_CTL_MOD, p[0], &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
	R("epoll_ctl EINVAL EPOLLEXCLUSIVE|EPOLLONESHOT", epoll_ctl(a, EPOLL_CTL_ADD, p[1], &ev));
	R("epoll_wait EFAULT", (write(p[1], "x", 1), epoll_wait(a, (void *)8, 1, 0)));
	R("epoll_wait EINVAL not epoll", epoll_wait(p[0], got, 1, 0));
	R("epoll_wait EBADF", epoll_wait(999, got, 1, 0));
	R("read EINVAL epoll", read(a, &c, 1));
	close(a), close(b);
}

static void timers(void)
{
	uint64_t n;
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec s = { .it_value = { 0, 20000000 } }, old;
	R("timerfd_create EINVAL clock", timerfd_create(77, 0));
	R("timerfd_create EINVAL flags", timerfd_create(CLOCK_MONOTONIC, 0x1000));
	R("timerfd read EAGAIN", read(t, &n, 8));
	R("timerfd_settime", timerfd_settime(t, 0, &s, &old));
	VAL("timerfd_settime old", old.it_value.tv_nsec);
	struct pollfd pf = { t, POLLIN, 0 };
	R("timerfd poll", poll(&pf, 1, 30000));
	R("timerfd read", read(t, &n, 8));
	VAL("timerfd expirations", n);
	s.it_interval.tv_nsec = 10000000;
	double before = clock_s();
	timerfd_settime(t, 0, &s, NULL);
	double set = clock_s();
	usleep(100000);
	double asked = clock_s();
	read(t, &n, 8);
	double least = (asked - set - 0.02) / 0.01, most = (clock_s() - before - 0.02) / 0.01 + 1; /* at 20 ms, then every 10 */
	YES("timerfd interval", n >= least && n <= most);
	timerfd_gettime(t, &s);
	VAL("timerfd_gettime interval", s.it_interval.tv_nsec);
	R("timerfd read EINVAL short", read(t, &n, 4));
	memset(&s, 0, sizeof s);
	timerfd_settime(t, 0, &s, &old);
	R("timerfd disarmed", poll(&pf, 1, 30));
	clock_gettime(CLOCK_REALTIME, &s.it_value);
	int r = timerfd_create(CLOCK_REALTIME, 0);
	R("timerfd_settime TFD_TIMER_ABSTIME past", timerfd_settime(r, TFD_TIMER_ABSTIME, &s, NULL));
	R("timerfd read absolute", read(r, &n, 8));
	s.it_value.tv_nsec = -1;
	R("timerfd_settime EINVAL", timerfd_settime(r, 0, &s, NULL));
	R("timerfd_settime EINVAL not a timerfd", (s.it_value.tv_nsec = 1, timerfd_settime(0, 0, &s, NULL)));
	R("timerfd write EINVAL", write(r, &n, 8));
	int e = eventfd(0, 0);
	pid_t k = once_in(SYS_wait4, write_x, (void *)(long)e);
	reap(k);
	n = 0xfffffffffffffffeULL;
	R("eventfd write largest", write(e, &n, 8));
	fcntl(e, F_SETFL, O_NONBLOCK), n = 1;
	R("eventfd write EAGAIN", write(e, &n, 8));
	pf = (struct pollfd){ e, POLLIN | POLLOUT, 0 };
	poll(&pf, 1, 0), VAL("eventfd poll full", pf.revents);
}

int main(void)
{
	fifos();
	pipe_sizes();
	masks();
	sleeping();
	epolls();
	timers();
	return 0;
}

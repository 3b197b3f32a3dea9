/* SPDX-License-Identifier: MIT */
/*
 * Every allocation in the kernel fails once: for each operation the first allocation, then the second, and
 * so on (/proc/quire/fail_nth), until the operation meets no failure. Each time the call fails with an
 * error that memory explains, or succeeds all the same; a program that cannot go on is killed, with a line
 * in the log; and when all is undone, free memory and every slab object are as before.
 *
 * Runs as process 1 with one CPU and prints "countdown: NAME: ok, N failures" or what is wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define MAX_STEPS 600
#define MAX_LINES 300

static int fail_fd, drain_fd;
static char text[1 << 17];
static bool failed;

/* ---- the countdown ---- */

static void arm(long n)
{
	char s[24];
	int len = snprintf(s, sizeof s, "%ld", n);
	if (pwrite(fail_fd, s, len, 0) != len)
		printf("countdown: cannot be set: %s\n", strerror(errno)), failed = true;
}

/* Did the operation meet it? The write that ends it asks for memory itself: when that fails, it did not. */
static bool disarm(void)
{
	char s[8] = "";
	if (pwrite(fail_fd, "-1", 2, 0) != 2)
		return false;
	return pread(fail_fd, s, sizeof s, 0) > 0 && s[0] == 's';
}

/* ---- what there is ---- */

struct snapshot {
	long free;
	int nr;
	struct { char name[40]; long count; } line[MAX_LINES];
};
static struct snapshot before, after;

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = 0, r;
	while (fd >= 0 && (r = read(fd, text + n, sizeof text - 1 - n)) > 0)
		n += r;
	text[n] = 0;
	close(fd);
	return text;
}

static void add_lines(struct snapshot *s, const char *path, const char *prefix)
{
	for (char *save, *line = strtok_r(slurp(path), "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[40];
		long count;
		if (s->nr == MAX_LINES || sscanf(line, "%39s %ld", name, &count) != 2)
			continue;
		/* Kernel stacks stay in a pool, and a table for them once made stays: both count as free. */
		if (!strncmp(name, "free", 4) || !strcmp(name, "stack") || !strcmp(name, "kernel"))
			continue;
		snprintf(s->line[s->nr].name, sizeof s->line[0].name, "%s%.30s", prefix, name);
		s->line[s->nr++].count = count;
	}
}

static void take(struct snapshot *s)
{
	if (write(drain_fd, "1", 1) != 1)
		printf("countdown: drain: %s\n", strerror(errno)), failed = true;
	s->nr = 0;
	add_lines(s, "/proc/slabinfo", "");
	add_lines(s, "/proc/quire/frames", "frames:");
}

static void compare(const char *name, long n)
{
	for (int i = 0; i < before.nr && i < after.nr; i++)
		if (before.line[i].count != after.line[i].count) {
			printf("countdown: %s: failure %ld: %s: %ld before, %ld after\n", name, n, before.line[i].name, before.line[i].count,
			       after.line[i].count);
			failed = true;
		}
	if (before.nr != after.nr)
		printf("countdown: %s: failure %ld: another number of caches\n", name, n), failed = true;
	char *broken = slurp("/proc/quire/validate");
	if (strcmp(broken, "ok\n"))
		printf("countdown: %s: failure %ld: %s", name, n, broken), failed = true;
}

/* ---- operations: 0 or errno, with all of it undone ---- */

static int err_of(long r) { return r < 0 ? errno : 0; }

static int op_mmap(void)
{
	char *p = mmap(NULL, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		return errno;
	munmap(p, 40 * PAGE);
	return 0;
}

static int op_shared_mmap(void)
{
	char *p = mmap(NULL, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return errno;
	int err = err_of(madvise(p, 40 * PAGE, MADV_POPULATE_WRITE));
	munmap(p, 40 * PAGE);
	return err;
}

static char *arena; /* 600 pages, resident every 50th */

static int op_mremap(void)
{
	char *to = arena + 4096 * PAGE;
	char *p = mremap(arena, 600 * PAGE, 700 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (p == MAP_FAILED)
		return errno;
	while (mremap(p, 700 * PAGE, 600 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, arena) == MAP_FAILED)
		; /* undone without a countdown: the first may have met it */
	return 0;
}

static int op_mprotect(void)
{
	int err = err_of(mprotect(arena + 10 * PAGE, 20 * PAGE, PROT_READ));
	while (mprotect(arena + 10 * PAGE, 20 * PAGE, PROT_READ | PROT_WRITE))
		;
	return err;
}

static int op_munmap(void)
{
	int err = err_of(munmap(arena + 10 * PAGE, 20 * PAGE));
	while (mmap(arena + 10 * PAGE, 20 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		;
	return err;
}

static int op_brk(void)
{
	char *at = (char *)syscall(SYS_brk, 0), *got = (char *)syscall(SYS_brk, at + 3 * PAGE);
	syscall(SYS_brk, at);
	return got == at + 3 * PAGE ? 0 : ENOMEM;
}

static int op_mlock(void)
{
	int err = err_of(mlock(arena + 60 * PAGE, 20 * PAGE));
	munlock(arena + 60 * PAGE, 20 * PAGE);
	while (madvise(arena + 60 * PAGE, 20 * PAGE, MADV_DONTNEED))
		;
	return err;
}

static int op_fork(void)
{
	pid_t pid = syscall(SYS_fork);
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno;
	waitpid(pid, NULL, 0);
	return 0;
}

static int op_vfork(void)
{
	pid_t pid = vfork();
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno;
	waitpid(pid, NULL, 0);
	return 0;
}

static char thread_stack[16384] __attribute__((aligned(16)));
static int thread_tid;

static int thread_main(void *arg)
{
	syscall(SYS_exit, 0);
	return 0;
}

static int op_thread(void)
{
	thread_tid = 1;
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
	if (clone(thread_main, thread_stack + sizeof thread_stack, flags, NULL, NULL, NULL, &thread_tid) < 0)
		return errno;
	while (__atomic_load_n(&thread_tid, __ATOMIC_ACQUIRE))
		sched_yield();
	struct timespec t = { 0, 2000000 }; /* until it has left its stack */
	nanosleep(&t, NULL);
	return 0;
}

static int op_open(void)
{
	int fd = open("/tmp/a", O_RDWR | O_CREAT, 0600);
	if (fd < 0) { /* and then it was not made either */
		int err = errno;
		return access("/tmp/a", F_OK) ? err : EEXIST;
	}
	char b[3 * PAGE] = { 1 };
	ssize_t n = write(fd, b, sizeof b);
	int err = n < 0 ? errno : n < (ssize_t)sizeof b ? ENOMEM : 0;
	close(fd);
	if (unlink("/tmp/a"))
		unlink("/tmp/a"); /* the first may have met it */
	return err;
}

static int op_names(void)
{
	int err = err_of(mkdir("/tmp/d", 0700));
	if (!err)
		err = err_of(symlink("x", "/tmp/d/l"));
	if (!err)
		err = err_of(rename("/tmp/d/l", "/tmp/d/m"));
	if (!err)
		err = err_of(link("/tmp/d/m", "/tmp/d/n"));
	unlink("/tmp/d/l"), unlink("/tmp/d/m"), unlink("/tmp/d/n");
	unlink("/tmp/d/l"), unlink("/tmp/d/m"), unlink("/tmp/d/n"); /* the lookup of one may have met it */
	rmdir("/tmp/d");
	rmdir("/tmp/d");
	return err;
}

static int op_pipe(void)
{
	int p[2];
	char b[2 * PAGE] = { 0 };
	if (pipe(p))
		return errno;
	ssize_t n = write(p[1], b, sizeof b);
	int err = n < 0 ? errno : n < (ssize_t)sizeof b ? ENOMEM : 0;
	close(p[0]), close(p[1]);
	return err;
}

static int op_socketpair(void)
{
	int s[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		return errno;
	struct iovec iov = { "hello", 5 };
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c };
	c.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&c.h), &s[0], sizeof(int));
	int err = err_of(sendmsg(s[0], &m, 0));
	close(s[0]), close(s[1]);
	return err;
}

static int op_unix_server(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/tmp/s" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = -1, s = -1, err = err_of(l);
	if (!err)
		err = err_of(bind(l, (struct sockaddr *)&a, sizeof a));
	if (!err)
		err = err_of(listen(l, 1));
	if (!err)
		err = err_of(c = socket(AF_UNIX, SOCK_STREAM, 0));
	if (!err)
		err = err_of(connect(c, (struct sockaddr *)&a, sizeof a));
	if (!err)
		err = err_of(s = accept(l, NULL, NULL));
	if (l >= 0)
		close(l);
	if (c >= 0)
		close(c);
	if (s >= 0)
		close(s);
	unlink("/tmp/s");
	unlink("/tmp/s");
	return err;
}

static int op_poll(void)
{
	enum { N = 40 }; /* more than fit the stack */
	struct pollfd fds[N];
	int e = eventfd(0, 0);
	if (e < 0)
		return errno;
	for (int i = 0; i < N; i++)
		fds[i] = (struct pollfd){ .fd = e, .events = POLLIN };
	int err = err_of(poll(fds, N, 1));
	close(e);
	return err;
}

static int op_select(void)
{
	int e = eventfd(0, 0);
	if (e < 0)
		return errno;
	fd_set r;
	FD_ZERO(&r);
	FD_SET(e, &r);
	int err = err_of(select(e + 1, &r, NULL, NULL, &(struct timeval){ 0, 1000 }));
	close(e);
	return err;
}

static int op_epoll(void)
{
	int ep = epoll_create1(0), e = -1, err = err_of(ep);
	struct epoll_event ev = { .events = EPOLLIN };
	if (!err)
		err = err_of(e = eventfd(1, 0));
	if (!err)
		err = err_of(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
	if (!err)
		err = err_of(epoll_wait(ep, &ev, 1, 0));
	if (ep >= 0)
		close(ep);
	if (e >= 0)
		close(e);
	return err;
}

static int op_memfd(void)
{
	int fd = memfd_create("m", 0), err = err_of(fd);
	if (!err)
		err = err_of(ftruncate(fd, 100 * PAGE));
	if (!err)
		err = err_of(fallocate(fd, 0, 70 * PAGE, 10 * PAGE));
	if (fd >= 0)
		close(fd);
	return err;
}

static int op_shm(void)
{
	int id = shmget(IPC_PRIVATE, 10 * PAGE, 0600);
	if (id < 0)
		return errno;
	void *p = shmat(id, NULL, 0);
	int err = p == (void *)-1 ? errno : 0;
	while (shmctl(id, IPC_RMID, NULL))
		;
	if (!err)
		shmdt(p);
	return err;
}

static int op_timers(void)
{
	timer_t t;
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0), err = err_of(fd);
	if (fd >= 0)
		close(fd);
	if (!err)
		err = err_of(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &t));
	if (!err)
		syscall(SYS_timer_delete, (long)(int)(long)t);
	return err;
}

static int op_queue_signal(void)
{
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	int err = err_of(sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }));
	while (sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }) > 0)
		;
	return err;
}

static int op_proc(void)
{
	char b[64];
	int fd = open("/proc/self/status", O_RDONLY);
	if (fd < 0)
		return errno;
	int err = err_of(read(fd, b, sizeof b));
	close(fd);
	return err;
}

static int op_getdents(void)
{
	char b[2048];
	int fd = open("/proc", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return errno;
	int err = err_of(syscall(SYS_getdents64, fd, b, sizeof b));
	close(fd);
	return err;
}

static int op_descriptors(void) /* the table grows */
{
	int err = err_of(dup2(0, 300));
	close(300);
	return err;
}

/* ---- in a process of its own, which may be killed ---- */

static long child_nth; /* the child has the countdown, and tells by its status whether it struck */

#define CHILD_OK 0
#define CHILD_STRUCK 1
#define CHILD_FAILED 2 /* + errno */

static int in_a_child(void (*fn)(void), bool *struck)
{
	int st;
	pid_t pid = fork();
	if (pid == 0) {
		arm(child_nth);
		fn();
		_exit(disarm() ? CHILD_STRUCK : CHILD_OK);
	}
	waitpid(pid, &st, 0);
	while (waitpid(-1, NULL, 0) > 0)
		; /* a killed child's own */
	*struck = !WIFEXITED(st) || WEXITSTATUS(st) != CHILD_OK;
	if (WIFSIGNALED(st))
		return -WTERMSIG(st);
	if (WEXITSTATUS(st) == 127)
		return ENOMEM; /* the C library of the new program could not begin */
	return WEXITSTATUS(st) > CHILD_FAILED ? WEXITSTATUS(st) - CHILD_FAILED : 0;
}

static void child_exec(void)
{
	char fd[12];
	snprintf(fd, sizeof fd, "%d", fail_fd);
	char *argv[] = { "init", "struck", fd, NULL }, *envp[] = { "A=1", "B=2", NULL };
	execve("/init", argv, envp);
	int err = errno;
	disarm();
	_exit(CHILD_FAILED + err);
}

static void child_exec_script(void)
{
	char fd[12];
	snprintf(fd, sizeof fd, "%d", fail_fd);
	char *argv[] = { "script", fd, NULL }, *envp[] = { NULL };
	execve("/tmp/script", argv, envp);
	int err = errno;
	disarm();
	_exit(CHILD_FAILED + err);
}

static void child_touch(void)
{
	for (unsigned i = 0; i < 600; i += 25)
		arena[i * PAGE + 1] = 2; /* unshares, copies, fills */
}

static void child_stack(void)
{
	volatile char big[64 * PAGE];
	big[0] = 1;
	(void)big[0];
}

static void on_signal(int sig) {}

static void child_signal(void)
{
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
}

/* An operation after which the caller has to copy pages to go on. */
static int (*apart)(void);

static void child_apart(void)
{
	int err = apart();
	bool struck = disarm();
	_exit(err ? CHILD_FAILED + err : struck ? CHILD_STRUCK : CHILD_OK);
}

/* ---- walking ---- */

static bool is_clean(int err)
{
	return err == 0 || err == ENOMEM || err == EAGAIN || err == ENFILE || err == ENOBUFS;
}

static bool log_tells_of_a_kill(void)
{
	int n = klogctl(3, text, sizeof text - 1); /* SYSLOG_ACTION_READ_ALL */
	text[n > 0 ? n : 0] = 0;
	return strstr(text, "Out of memory") != NULL;
}

static int step(int (*op)(void), void (*child)(void), long n, bool *struck)
{
	child_nth = n;
	if (child)
		return in_a_child(child, struck);
	arm(n);
	int err = op();
	*struck = disarm();
	return err;
}

static void walk(const char *name, int (*op)(void), void (*child)(void))
{
	bool struck = true;
	long n;
	failed = false;
	apart = op;
	for (int i = 0; i < 3; i++) { /* caches are filled */
		bool ignored;
		step(op, child, 1000000, &ignored);
	}
	take(&after);
	take(&before);
	for (n = 0; struck && n < MAX_STEPS && !failed; n++) {
		if (child)
			klogctl(5, NULL, 0); /* SYSLOG_ACTION_CLEAR */
		int err = step(op, child, n, &struck);
		take(&after);
		compare(name, n);
		bool after_exec = err == -SIGSEGV && !strncmp(name, "execve", 6); /* the old program is gone: as on Linux */
		if (err < 0 && !after_exec && (err != -SIGKILL || !log_tells_of_a_kill())) {
			printf("countdown: %s: failure %ld: killed by signal %d%s\n", name, n, -err, err == -SIGKILL ? " without a word" : "");
			failed = true;
		}
		if (err > 0 && (!is_clean(err) || !struck)) {
			printf("countdown: %s: failure %ld%s: error %s\n", name, n, struck ? "" : " (none)", strerror(err));
			failed = true;
		}
	}
	if (n == MAX_STEPS)
		printf("countdown: %s: no end after %ld failures\n", name, n), failed = true;
	if (failed)
		printf("countdown: %s: FAILED\n", name);
	else
		printf("countdown: %s: ok, %ld failures\n", name, n - 1);
	fflush(stdout);
}

static void prepare(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	arena = mmap((void *)0x100000000000, 600 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (unsigned i = 0; i < 600; i += 50)
		arena[i * PAGE] = 1;
	fail_fd = open("/proc/quire/fail_nth", O_RDWR);
	drain_fd = open("/proc/quire/drain", O_WRONLY);
	int fd = open("/tmp/script", O_WRONLY | O_CREAT, 0700);
	if (fail_fd < 0 || drain_fd < 0 || write(fd, "#!/init struck\n", 15) != 15)
		printf("countdown: cannot begin: %s\n", strerror(errno));
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "struck")) { /* execve succeeded; a script has its name in between */
		fail_fd = atoi(argv[argc - 1]);
		_exit(disarm() ? CHILD_STRUCK : CHILD_OK);
	}
	static const struct {
		const char *name;
		int (*op)(void);
		void (*child)(void);
	} all[] = {
		{ "mmap", op_mmap }, { "shared mmap", op_shared_mmap }, { "mremap", op_mremap }, { "mprotect", op_mprotect },
		{ "munmap", op_munmap }, { "brk", op_brk }, { "mlock", op_mlock }, { "open and write", op_open }, { "names", op_names },
		{ "pipe", op_pipe }, { "socketpair", op_socketpair }, { "unix server", op_unix_server }, { "poll", op_poll },
		{ "select", op_select }, { "epoll", op_epoll }, { "memfd", op_memfd }, { "shm", op_shm }, { "timers", op_timers },
		{ "sigqueue", op_queue_signal }, { "proc", op_proc }, { "getdents", op_getdents }, { "descriptors", op_descriptors, child_apart },
		{ "clone of a thread", op_thread, child_apart }, { "vfork", op_vfork, child_apart }, { "fork", op_fork, child_apart }, { "page faults", NULL, child_touch },
		{ "stack growth", NULL, child_stack }, { "signal handler", NULL, child_signal }, { "execve", NULL, child_exec },
		{ "execve of a script", NULL, child_exec_script },
	};
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	printf("\n"); /* the firmware leaves the cursor in a line of its own */
	prepare();
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		if (argc < 2 || strstr(argv[1], all[i].name))
			walk(all[i].name, all[i].op, all[i].child);
	printf("@@ done\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
}

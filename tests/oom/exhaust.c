/* SPDX-License-Identifier: MIT */
/*
 * Ways to use memory up. In each a culprit takes what it can, until it is killed or refused; then the memory must be
 * there again, and a "shell", a small process that answers with a fork and some memory of its own, must have lived
 * through it. A culprit whose memory the kernel does not count for it (pipes, names, files in tmpfs) holds some of
 * its own as well, as real ones do.
 *
 * Runs as process 1 and prints "oom: NAME: killed: ok", or what went wrong. The command line's only=NAME runs one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB     (1l << 20)
#define LIMIT_S 60 /* within which the culprit has to be killed or refused, and the shell answers */
#define REFUSED 7 /* exit status: the kernel said no */

static unsigned long failure_seed; /* not 0: some of the culprit's allocations fail */

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&t, NULL);
}

static char text[1 << 17];

static char *slurp(const char *file)
{
	long n = 0, r;
	int fd = open(file, O_RDONLY);
	while (fd >= 0 && (r = read(fd, text + n, sizeof text - 1 - n)) > 0)
		n += r;
	text[n] = 0;
	close(fd);
	return text;
}

static long figure(const char *file, const char *name)
{
	char *at = slurp(file);
	size_t len = strlen(name);
	for (; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (!strncmp(at, name, len) && (at[len] == ':' || at[len] == ' '))
			return atol(at + len + 1);
	return -1;
}

static void put_text(const char *file, const char *what)
{
	int fd = open(file, O_WRONLY);
	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		printf("oom: %s: %s\n", file, strerror(errno));
	close(fd);
}

static void adjust(int adj)
{
	char v[16];
	snprintf(v, sizeof v, "%d", adj);
	put_text("/proc/self/oom_score_adj", v);
}

static char *take(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(REFUSED);
	memset(p, 1, bytes);
	return p;
}

/* Until a process waits in a system call; false: it has ended. */
static bool wait_until_in(pid_t pid, long call)
{
	char name[64];
	snprintf(name, sizeof name, "/proc/%d/syscall", pid);
	while (atol(slurp(name)) != call || *text < '0' || *text > '9') { /* "running", "-1 ..." in a fault */
		siginfo_t ended = { 0 };
		if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) || ended.si_pid == pid)
			return false;
		sleep_ms(20);
	}
	return true;
}

/* ---- the culprits: run in a process of their own, never return ---- */

static void anon(void)
{
	for (;;)
		take(MIB);
}

static void shared_anon(void)
{
	for (;;) {
		char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			exit(REFUSED);
		memset(p, 1, MIB);
	}
}

static void populate(void)
{
	for (;;)
		if (mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
			exit(REFUSED);
}

/* Hardly a page, a table for each. */
static void page_tables(void)
{
	size_t span = 64l << 30;
	char *p = mmap(NULL, span, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		exit(REFUSED);
	volatile char sum = 0;
	for (size_t at = 0; at < span; at += 2 * MIB)
		sum += p[at]; /* the zero page: no memory but the table */
	exit(1);
}

static void locked(void)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };
	setrlimit(RLIMIT_MEMLOCK, &r);
	for (;;) {
		char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || mlock(p, MIB))
			exit(REFUSED);
	}
}

static void tmpfs(void)
{
	take(6 * MIB);
	mkdir("/tmp/full", 0700);
	if (mount("none", "/tmp/full", "tmpfs", 0, "size=1g"))
		exit(2);
	int fd = open("/tmp/full/file", O_RDWR | O_CREAT, 0600);
	for (;;)
		if (write(fd, text, sizeof text) < 0)
			exit(REFUSED);
}

static void tmpfs_limited(void)
{
	mkdir("/tmp/half", 0700);
	mount("none", "/tmp/half", "tmpfs", 0, "size=50%");
	int fd = open("/tmp/half/file", O_RDWR | O_CREAT, 0600);
	for (;;)
		if (write(fd, text, sizeof text) < 0)
			exit(errno == ENOSPC ? REFUSED : 2);
}

static void raise_files(void)
{
	struct rlimit r = { 1 << 19, 1 << 19 };
	if (setrlimit(RLIMIT_NOFILE, &r))
		exit(3);
}

static void pipes(void)
{
	take(6 * MIB);
	raise_files();
	for (;;) {
		int fd[2];
		if (pipe2(fd, O_NONBLOCK))
			exit(REFUSED);
		while (write(fd[1], text, 4096) > 0)
			;
	}
}

static void sockets(void)
{
	take(6 * MIB);
	raise_files();
	for (;;) {
		int fd[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
			exit(REFUSED);
		while (write(fd[1], text, 4096) > 0)
			;
	}
}

static void descriptors(void)
{
	take(6 * MIB);
	raise_files();
	for (;;)
		if (open("/proc/self/stat", O_RDONLY) < 0)
			exit(REFUSED);
}

static void names(void)
{
	char name[64];
	take(6 * MIB);
	mkdir("/tmp/names", 0700);
	mount("none", "/tmp/names", "tmpfs", 0, "size=1g,nr_inodes=0");
	for (long i = 0;; i++) {
		snprintf(name, sizeof name, "/tmp/names/a-rather-long-name-of-a-file-%ld", i);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0)
			exit(REFUSED);
		close(fd);
	}
}

static void regions(void)
{
	put_text("/proc/sys/vm/max_map_count", "10000000");
	for (long i = 0;; i++)
		if (mmap(NULL, 4096, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
			exit(REFUSED);
}

static void sysv(void)
{
	for (;;) {
		int id = shmget(IPC_PRIVATE, MIB, IPC_CREAT | 0600);
		char *p = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
		if (p == (void *)-1)
			exit(REFUSED);
		shmctl(id, IPC_RMID, NULL);
		memset(p, 1, MIB);
	}
}

/* Each child takes a little. They cannot be more than the limit allows, but that is too many. */
static void fork_bomb(void)
{
	setpgid(0, 0);
	struct rlimit r = { 150, 150 };
	setrlimit(RLIMIT_NPROC, &r);
	if (setuid(1000))
		exit(3);
	double until = now() + 10;
	while (now() < until) {
		pid_t pid = fork();
		if (pid < 0)
			sleep_ms(20);
		else if (!pid && now() < until)
			take(MIB);
	}
	kill(0, SIGKILL);
}

static void *thread(void *arg)
{
	for (;;)
		take(MIB / 4);
	return NULL;
}

static void threads(void)
{
	pthread_t t;
	for (unsigned i = 0; i < 20; i++)
		if (pthread_create(&t, NULL, thread, NULL))
			exit(REFUSED);
	for (;;)
		pause();
}

/* Two spaces of which neither goes on without the other's end. */
static void forked_hogs(void)
{
	setpgid(0, 0);
	for (unsigned i = 0; i < 3; i++)
		if (!fork())
			anon();
	for (int st, nr = 0; wait(&st) > 0;) {
		if (!WIFSIGNALED(st))
			exit(4);
		if (++nr == 3)
			kill(getpid(), SIGKILL); /* all were */
	}
	exit(5);
}

/* Copy-on-write after fork: parent and child write to what they share. */
static void copies(void)
{
	size_t len = 24 * MIB;
	setpgid(0, 0);
	char *p = take(len);
	pid_t pid;
	for (unsigned i = 0; i < 5; i++)
		if ((pid = fork()) < 0) {
			exit(REFUSED);
		} else if (!pid) {
			for (unsigned round = 0; round < 3; round++)
				memset(p, (int)round, len);
			pause();
		}
	int st;
	while (wait(&st) > 0 && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL)
		kill(0, SIGKILL);
	exit(6);
}

/* A process that shares its space with another, without being a thread of it. */
static int sharer(void *arg)
{
	for (;;)
		pause();
	return 0;
}

static void shared_space(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	clone(sharer, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
	anon();
}

/* vfork's parent waits while the child takes memory in their common space. */
static void vfork_child(void)
{
	if (!vfork())
		for (;;) {
			char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			for (long at = 0; at < MIB; at += 4096)
				((volatile char *)p)[at] = 1;
		}
	exit(8);
}

/* The victim sleeps in a system call, another one finds no memory. */
static void sleeping_victim(void)
{
	int fd[2];
	setpgid(0, 0);
	long free = figure("/proc/meminfo", "MemFree") << 10, size = free * 45 / 100 & -4096;
	if (pipe(fd))
		exit(3);
	pid_t big = fork();
	if (!big) {
		take(free * 65 / 100 & -4096);
		char c;
		exit(read(fd[0], &c, 1) == 1);
	}
	if (!wait_until_in(big, SYS_read))
		exit(failure_seed ? REFUSED : 8);
	char *mine = take(size); /* less than the sleeper's, and more than there is beside it */
	int st;
	waitpid(big, &st, 0);
	if (!WIFSIGNALED(st) || WTERMSIG(st) != SIGKILL)
		exit(9);
	for (long at = 0; at < size; at += 4096)
		if (mine[at] != 1)
			exit(10);
	kill(getpid(), SIGKILL);
}

/* The victim waits, not to be disturbed, for a disk that does not answer: the reaper takes its memory. */
static void blocked_victim(void)
{
	long free = figure("/proc/meminfo", "MemFree") << 10, size = free * 45 / 100 & -4096;
	char name[64];
	setpgid(0, 0);
	pid_t big = fork();
	if (big < 0)
		exit(REFUSED);
	if (!big) {
		take(free * 65 / 100 & -4096);
		int fd = open("/dev/vda", O_RDONLY);
		exit(fd < 0 ? 3 : pread(fd, text, 4096, MIB) == 4096);
	}
	snprintf(name, sizeof name, "/proc/%d/stat", big);
	while (!strstr(slurp(name), ") D ")) {
		if (waitpid(big, NULL, WNOHANG)) /* refused */
			exit(failure_seed ? REFUSED : 8);
		sleep_ms(20);
	}
	char *mine = take(size);
	if (waitpid(big, NULL, WNOHANG)) /* it has answered */
		exit(11);
	for (long at = 0; at < size; at += 4096)
		if (mine[at] != 1)
			exit(10);
	long n = klogctl(3, text, sizeof text - 1); /* SYSLOG_ACTION_READ_ALL */
	text[n > 0 ? n : 0] = 0;
	snprintf(name, sizeof name, "oom_reaper: reaped process %d ", big);
	if (!strstr(text, name))
		exit(12);
	kill(getpid(), SIGKILL);
}

#define GROUP "/tmp/group"

/* In a group with a limit: memory of every kind, while the machine has enough. */
static void in_group(void)
{
	setpgid(0, 0);
	mkdir(GROUP, 0755);
	if (mount("none", GROUP, "cgroup2", 0, NULL) && errno != EBUSY)
		exit(13);
	put_text(GROUP "/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP "/box", 0755) && errno != EEXIST)
		exit(14);
	put_text(GROUP "/box/memory.max", "12M");
	put_text(GROUP "/box/cgroup.procs", "0");
	for (;;) {
		take(MIB);
		char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (p != MAP_FAILED)
			memset(p, 1, MIB);
		if (fork() == 0) {
			take(MIB / 4);
			pause();
		}
	}
}

static const struct way {
	const char *name;
	void (*run)(void);
	bool must_be_killed;
	const char *clean; /* a tmpfs to take down afterwards */
} ways[] = {
	{ "anonymous memory", anon, true, NULL },
	{ "shared anonymous memory", shared_anon, true, NULL },
	{ "populated memory", populate, false, NULL },
	{ "page tables", page_tables, true, NULL },
	{ "locked memory", locked, false, NULL },
	{ "tmpfs", tmpfs, false, "/tmp/full" },
	{ "tmpfs with a limit", tmpfs_limited, false, "/tmp/half" },
	{ "pipes", pipes, false, NULL },
	{ "sockets", sockets, false, NULL },
	{ "descriptors", descriptors, false, NULL },
	{ "names", names, false, "/tmp/names" },
	{ "regions", regions, false, NULL },
	{ "SysV memory", sysv, false, NULL },
	{ "fork bomb", fork_bomb, true, NULL },
	{ "threads", threads, true, NULL },
	{ "several at once", forked_hogs, true, NULL },
	{ "copies after fork", copies, true, NULL },
	{ "processes with one space", shared_space, true, NULL },
	{ "vfork", vfork_child, true, NULL },
	{ "a memory group", in_group, true, GROUP },
	{ "a victim that sleeps", sleeping_victim, true, NULL },
	{ "a victim that waits for a disk", blocked_victim, true, NULL },
};

/* ---- the shell ---- */

static int ask[2], answer[2];

static void shell(void)
{
	char c;
	while (read(ask[0], &c, 1) == 1) {
		pid_t pid = fork();
		if (!pid) {
			char *p = malloc(100000);
			if (p)
				memset(p, 1, 100000);
			_exit(p ? 0 : 1);
		}
		int st = -1;
		waitpid(pid, &st, 0);
		c = pid > 0 && st == 0 ? 'y' : 'n';
		if (write(answer[1], &c, 1) != 1)
			break;
	}
	_exit(0);
}

static void start_shell(void)
{
	if (pipe(ask) || pipe(answer))
		exit(1);
	pid_t pid = fork();
	if (!pid)
		shell();
}

static bool shell_answers(void)
{
	char c = 0;
	if (write(ask[1], "?", 1) != 1)
		return false;
	fcntl(answer[0], F_SETFL, O_NONBLOCK);
	for (double until = now() + LIMIT_S; now() < until; sleep_ms(20))
		if (read(answer[0], &c, 1) == 1)
			break;
	return c == 'y';
}

/* ---- the judge ---- */

static long kills(void) { return figure("/proc/vmstat", "oom_kill"); }
static long free_kb(void) { return figure("/proc/meminfo", "MemFree") + figure("/proc/meminfo", "Cached"); }

static void say(const char *name, bool ok, const char *fmt, ...)
{
	char what[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	printf("oom: %s: %s: %s\n", name, what, ok ? "ok" : "FAILED");
}

/* All that is left over of a culprit: its descendants are ours now. */
static void reap_strays(void)
{
	for (int st; waitpid(-1, &st, WNOHANG) > 0;)
		;
}

static void run_way(const struct way *w)
{
	long free_before = free_kb(), killed_before = kills();
	double start = now();
	pid_t pid = fork();
	if (!pid) {
		close(ask[1]);
		if (failure_seed) {
			char text[32];
			static const unsigned rates[] = { 40, 1000, 20000 };
			int fd = open("/proc/quire/fail_random", O_WRONLY);
			if (fd < 0 || write(fd, text, (size_t)snprintf(text, sizeof text, "%u %lu", rates[failure_seed % 3], failure_seed)) < 0)
				_exit(97);
			close(fd);
		}
		w->run();
		_exit(98);
	}
	int st = 0;
	while (waitpid(pid, &st, WNOHANG) == 0 && now() - start < LIMIT_S)
		sleep_ms(20);
	double took = now() - start;
	if (took >= LIMIT_S) {
		say(w->name, false, "still runs after %d s", LIMIT_S);
		kill(pid, SIGKILL);
		kill(-pid, SIGKILL);
		waitpid(pid, &st, 0);
		return;
	}
	kill(-pid, SIGKILL);
	reap_strays();
	if (w->clean)
		umount2(w->clean, MNT_DETACH);
	if (failure_seed && !(WIFEXITED(st) && WEXITSTATUS(st) == 97))
		st = SIGKILL; /* a failure may end it in any way */
	bool killed = WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL, refused = WIFEXITED(st) && WEXITSTATUS(st) == REFUSED;
	if (!killed && !(refused && !w->must_be_killed)) {
		say(w->name, false, "ended with %#x, %ld kills", st, kills() - killed_before);
		return;
	}
	if (!shell_answers()) {
		say(w->name, false, "the shell is dead");
		start_shell();
		return;
	}
	for (unsigned i = 0; i < 600 && free_kb() < free_before - 2048; i++) {
		sleep_ms(50);
		reap_strays();
	}
	long missing = free_before - free_kb();
	say(w->name, missing < 2048, missing < 2048 ? killed ? "killed" : "refused" : "%ld kB are missing", missing);
	fflush(stdout);
}

/* ---- the textbook's four ---- */

static pid_t holder(int adj, long mib)
{
	pid_t pid = fork();
	if (!pid) {
		adjust(adj);
		take((size_t)mib * MIB);
		for (;;)
			pause();
	}
	return pid;
}

#define KILLED "Out of memory: Killed process "

/* -1000; 0 and large; +500 and small; 0 and middling: who dies in which order? */
static void four_processes(void)
{
	pid_t pid[4] = { holder(-1000, 6), holder(0, 16), holder(500, 3), holder(0, 9) };
	char order[16] = "";
	for (int i = 0; i < 4; i++)
		wait_until_in(pid[i], SYS_pause);
	pid_t hungry = fork();
	if (!hungry) {
		adjust(-1000);
		for (;;) { /* what is freed is gone at once, until nobody is left: then it ends too, or is refused */
			char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p == MAP_FAILED)
				pause();
			memset(p, 1, 65536);
			if (kill(pid[3], 0) < 0 || slurp("/proc/vmstat") == NULL || kills() >= 3)
				pause();
		}
	}
	int nr_dead = 0;
	for (double until = now() + LIMIT_S; nr_dead < 3 && now() < until;) {
		pid_t p = waitpid(-1, NULL, WNOHANG);
		for (int i = 0; i < 4; i++)
			nr_dead += p == pid[i];
		if (p <= 0)
			sleep_ms(5);
	}
	/* Two may have died between two looks: the log has them one after the other. */
	long n = klogctl(3, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	for (char *at = text; (at = strstr(at, KILLED)); at++)
		for (int i = 0; i < 4; i++)
			if (atoi(at + strlen(KILLED)) == pid[i] && strlen(order) < 4)
				snprintf(order + strlen(order), 2, "%d", i);
	say("four processes", !strcmp(order, "213"), "died in the order %s", order);
	kill(hungry, SIGKILL);
	waitpid(hungry, NULL, 0);
	for (int i = 0; i < 4; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
}

/* ---- process 1 ---- */

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("none", "/tmp", "tmpfs", 0, NULL);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	char *only = strstr(slurp("/proc/cmdline"), "only=");
	char wanted[64] = "";
	if (only)
		sscanf(only + 5, "%63[^\" \n]", wanted);
	for (char *c = wanted; *c; c++)
		if (*c == '-')
			*c = ' ';
	char *seed = strstr(slurp("/proc/cmdline"), "failures=");
	failure_seed = seed ? strtoul(seed + 9, NULL, 10) : 0;
	start_shell();
	if (!failure_seed && (!*wanted || !strcmp(wanted, "four processes")))
		four_processes();
	bool has_disk = access("/dev/vda", F_OK) == 0;
	for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
		if (ways[i].run == blocked_victim && !has_disk)
			continue;
		else if (!*wanted || !strcmp(wanted, ways[i].name))
			run_way(&ways[i]);
	printf("@@ done\n");
	reboot(RB_POWER_OFF);
	return 0;
}

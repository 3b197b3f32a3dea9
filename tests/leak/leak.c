/* SPDX-License-Identifier: MIT */
/*
 * Nothing leaks: each kind of work is done once to fill caches, then many times; before and after,
 * per-CPU lists, empty slabs and pooled kernel stacks are given back (/proc/quire/drain), and free memory,
 * the frames of each kind and every slab cache's objects must be exactly the same. Killing a process at any time frees all that it had.
 *
 * Runs as process 1 and prints "leak: NAME: ok" or what grew. Seeded: the same kills each time under
 * a clock that repeats.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CYCLES 1000
#define CACHES 200

struct snapshot {
	long free_kb;
	int nr;
	struct { char name[40]; long active, slabs; } cache[CACHES];
};
static struct snapshot before, after;
static char text[1 << 16];
static unsigned seed = 12345;

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void sleep_us(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };
	nanosleep(&t, NULL);
}

static char *slurp_fd(int fd)
{
	ssize_t n = 0, r;
	while ((r = pread(fd, text + n, sizeof text - 1 - n, n)) > 0)
		n += r;
	text[n] = 0;
	return text;
}

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	slurp_fd(fd);
	close(fd);
	return text;
}

/* What is measured with stays open: its own objects would come and go otherwise. */
static int drain_fd, slabinfo_fd, frames_fd, meminfo_fd;

static void open_instruments(void)
{
	drain_fd = open("/proc/quire/drain", O_WRONLY | O_CLOEXEC);
	slabinfo_fd = open("/proc/slabinfo", O_RDONLY | O_CLOEXEC);
	frames_fd = open("/proc/quire/frames", O_RDONLY | O_CLOEXEC);
	meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	if (drain_fd < 0 || slabinfo_fd < 0 || frames_fd < 0 || meminfo_fd < 0)
		printf("leak: instruments: FAILED with %s\n", strerror(errno));
}

/* What the measurement itself allocates comes from one CPU's lists, always the same one's. */
static void run_on(unsigned long cpus)
{
	if (syscall(SYS_sched_setaffinity, 0, sizeof cpus, &cpus))
		printf("leak: affinity: FAILED with %s\n", strerror(errno));
}

static void take(struct snapshot *s)
{
	sleep_us(20000);
	for (long cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1; cpu >= 0; cpu--)
		run_on(1ul << cpu); /* whoever ended there has left its stack */
	if (write(drain_fd, "1", 1) != 1)
		printf("leak: drain: FAILED with %s\n", strerror(errno));
	s->nr = 0;
	for (char *line = strtok(slurp_fd(slabinfo_fd), "\n"); line; line = strtok(NULL, "\n")) {
		if (s->nr < CACHES && sscanf(line, "%39s %ld %*u %*u %*u %*u : tunables %*u %*u %*u : slabdata %*u %ld", s->cache[s->nr].name,
		                             &s->cache[s->nr].active, &s->cache[s->nr].slabs) == 3)
			s->nr++;
	}
	for (char *line = strtok(slurp_fd(frames_fd), "\n"); line; line = strtok(NULL, "\n")) {
		struct { char name[40]; long active; } kind;
		if (s->nr < CACHES && strncmp(line, "free", 4) && sscanf(line, "%39s %ld", kind.name, &kind.active) == 2) {
			snprintf(s->cache[s->nr].name, 40, "frames:%.30s", kind.name);
			s->cache[s->nr].slabs = 0;
			s->cache[s->nr++].active = kind.active;
		}
	}
	char *p = strstr(slurp_fd(meminfo_fd), "MemFree:");
	s->free_kb = p ? atol(p + 8) : -1;
	run_on(~0ul);
}

static void compare(const char *name)
{
	bool same = before.free_kb == after.free_kb && before.nr == after.nr;
	if (before.free_kb != after.free_kb)
		printf("leak: %s: free memory %ld kB before, %ld kB after\n", name, before.free_kb, after.free_kb);
	for (int i = 0; i < before.nr && i < after.nr; i++)
		if (before.cache[i].active != after.cache[i].active || before.cache[i].slabs != after.cache[i].slabs) {
			same = false;
			printf("leak: %s: cache %s had %ld objects in %ld slabs, has %ld in %ld\n", name, before.cache[i].name, before.cache[i].active,
			       before.cache[i].slabs, after.cache[i].active, after.cache[i].slabs);
		}
	if (before.nr != after.nr)
		printf("leak: %s: %d caches before, %d after\n", name, before.nr, after.nr);
	printf("leak: %s: %s\n", name, same ? "ok" : "FAILED");
	fflush(stdout);
}

/* ---- work ---- */

static void do_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void do_exec(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		execl("/init", "init", "nothing", NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static void *thread(void *arg) { return arg; }
static void do_thread(void)
{
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

static void do_mmap(void)
{
	size_t len = (1 + rnd(40)) * 4096;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | (rnd(2) ? MAP_PRIVATE : MAP_SHARED), -1, 0);
	for (size_t i = 0; i < len; i += 4096)
		p[i] = 1;
	p = mremap(p, len, len * 2, MREMAP_MAYMOVE);
	if (rnd(2))
		mprotect(p, 4096, PROT_READ);
	munmap(p, len * 2);
}

static void do_pipe(void)
{
	int p[2];
	char b[5000] = { 0 };
	if (pipe(p))
		return;
	if (write(p[1], b, sizeof b) < 0 || read(p[0], b, 100) < 0)
		printf("leak: pipe: cannot be used\n");
	close(p[0]);
	close(p[1]);
}

static void do_file(void)
{
	char b[20000] = { 1 };
	mkdir("/tmp/d", 0700);
	int fd = open("/tmp/d/f", O_RDWR | O_CREAT, 0600);
	if (write(fd, b, sizeof b) < 0)
		printf("leak: file: cannot be written\n");
	char *p = mmap(NULL, sizeof b, PROT_READ | PROT_WRITE, rnd(2) ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	p[4096] = 2;
	link("/tmp/d/f", "/tmp/d/g");
	symlink("f", "/tmp/d/l");
	unlink("/tmp/d/f"), unlink("/tmp/d/g"), unlink("/tmp/d/l");
	rmdir("/tmp/d");
	munmap(p, sizeof b);
	close(fd);
}

static void do_shm(void)
{
	int id = shmget(IPC_PRIVATE, 40960, 0600), fd = memfd_create("m", 0), ep = epoll_create1(0), ev = eventfd(0, 0);
	char *p = shmat(id, NULL, 0);
	p[5000] = 1;
	shmctl(id, IPC_RMID, NULL);
	shmdt(p);
	if (ftruncate(fd, 100000) || write(fd, "x", 1) < 0)
		printf("leak: memfd: cannot be used\n");
	struct epoll_event e = { .events = EPOLLIN };
	epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e);
	close(fd), close(ep), close(ev);
}

static void do_cow(void)
{
	static char big[64 * 4096];
	memset(big, 1, sizeof big);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 10; i++)
			big[rnd(64) * 4096] = 2;
		if (fork() == 0) {
			big[0] = 3;
			_exit(0);
		}
		wait(NULL);
		_exit(0);
	}
	big[4096] = 4;
	waitpid(pid, NULL, 0);
}

static void do_signal(void)
{
	timer_t t;
	sigset_t set;
	sigemptyset(&set), sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 5; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 });
	while (sigtimedwait(&set, NULL, &(struct timespec){ 0, 0 }) > 0)
		;
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	timer_create(CLOCK_MONOTONIC, &ev, &t);
	timer_delete(t);
}

/* Users that were never seen before, with groups and a signal that is still queued when they go. */
static void do_user(void)
{
	static unsigned next;
	static gid_t groups[3000];
	unsigned uid = 10000 + ++next;
	pid_t pid = fork();
	if (pid == 0) {
		sigset_t set;
		sigemptyset(&set), sigaddset(&set, SIGRTMIN);
		sigprocmask(SIG_BLOCK, &set, NULL);
		for (unsigned i = 0; i < 3000; i++)
			groups[i] = uid * i;
		setgroups(1 + uid % 3000, groups);
		if (setresuid(uid, uid, 0) || sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }))
			printf("leak: setup failed\n");
		setresuid(0, 0, 0);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* Does all of it, for ever: to be killed. */
static void victim(void)
{
	static void (*const work[])(void) = { do_fork, do_exec, do_thread, do_mmap, do_pipe, do_shm, do_cow, do_signal, do_user };
	for (;;)
		work[rnd(sizeof work / sizeof *work)]();
}

static void do_kill(void)
{
	pid_t pid = fork();
	rnd(2);
	if (pid == 0) {
		setpgid(0, 0);
		seed += rnd(100000);
		victim();
	}
	setpgid(pid, pid);
	sleep_us(200 + rnd(6000));
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	/* Objects with names outlive their makers. */
	for (char *line = strtok(slurp("/proc/sysvipc/shm"), "\n"); line; line = strtok(NULL, "\n")) {
		int key, id;
		if (sscanf(line, "%d %d", &key, &id) == 2)
			shmctl(id, IPC_RMID, NULL);
	}
}

/* All that was killed, and what its children come to. */
static void reap_orphans(void)
{
	while (wait(NULL) > 0)
		;
}

/* Every CPU runs something, so that each has its caches. */
static void use_all_cpus(void)
{
	for (int i = 0; i < 40; i++)
		if (fork() == 0) {
			for (volatile int j = 0; j < 1000000; j++)
				;
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
}

#define GROUPS "/sys/fs/cgroup"

static void write_to(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);
	write(fd, text, strlen(text));
	close(fd);
}

/* A group comes, a process lives in it and leaves pages of a file behind, the group goes, then the pages. */
static void do_group(void)
{
	if (mkdir(GROUPS "/g", 0755) || mkdir(GROUPS "/g/below", 0755))
		printf("leak: no group can be made (%s): FAILED\n", strerror(errno));
	write_to(GROUPS "/g/memory.max", "8M");
	int fd = open("/left", O_RDWR | O_CREAT, 0600);
	pid_t pid = fork();
	if (pid == 0) {
		write_to(GROUPS "/g/cgroup.procs", "0");
		char *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(p, 1, 1 << 16);
		write(fd, p, 1 << 14);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	if (rmdir(GROUPS "/g/below") || rmdir(GROUPS "/g"))
		printf("leak: a group stays (%s): FAILED\n", strerror(errno));
	close(fd);
	unlink("/left");
}

static const char *only; /* the one check that is asked for, or NULL */

static void check(const char *name, void (*work)(void), int cycles)
{
	if (only && strcmp(name, only))
		return;
	for (int i = 0; i < cycles / 5; i++) /* until the caches of every CPU are warm */
		work();
	use_all_cpus();
	reap_orphans();
	take(&before);
	for (int i = 0; i < cycles; i++)
		work();
	use_all_cpus();
	reap_orphans();
	take(&after);
	compare(name);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	only = getenv("check");
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("cgroup2", GROUPS, "cgroup2", 0, NULL);
	write_to(GROUPS "/cgroup.subtree_control", "+memory");
	open_instruments();
	printf("\n"); /* the firmware leaves the cursor in a line of its own */
	take(&after); /* reading /proc makes its own inodes; the snapshots are memory too */
	take(&before);
	take(&after);
	take(&before);
	take(&after);
	compare("nothing done");
	check("fork", do_fork, CYCLES);
	check("fork and exec", do_exec, CYCLES);
	check("threads", do_thread, CYCLES);
	check("mmap", do_mmap, CYCLES);
	check("pipes", do_pipe, CYCLES);
	check("files", do_file, CYCLES);
	check("shared memory, epoll", do_shm, CYCLES);
	check("copy on write", do_cow, CYCLES);
	check("users and groups", do_user, CYCLES);
	check("signals and timers", do_signal, CYCLES);
	check("groups", do_group, CYCLES);
	check("killed at any time", do_kill, 300);
	printf("@@ done\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
}

/* SPDX-License-Identifier: MIT */
/* Pipes, poll, select, epoll, eventfd, devices, terminals' plain side, /proc shapes. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>

static void pipes(void)
{
	int p[2], n = 0;
	char buf[70000] = { 0 }, c;
	R("pipe EFAULT", SC(SYS_pipe, 8));
	R("pipe2 EINVAL", pipe2(p, 0x7777));
	pipe2(p, O_NONBLOCK | O_CLOEXEC);
	VAL("pipe2 O_CLOEXEC", fcntl(p[0], F_GETFD));
	R("pipe read EAGAIN", read(p[0], &c, 1));
	R("pipe write", write(p[1], "abc", 3));
	R("pipe FIONREAD", ioctl(p[0], FIONREAD, &n));
	VAL("pipe FIONREAD bytes", n);
	R("pipe read", read(p[0], buf, 10));
	R("pipe write more than it holds", write(p[1], buf, 70000));
	R("pipe write EAGAIN", write(p[1], buf, 1));
	R("pipe read makes room", read(p[0], buf, 4096));
	R("pipe write after", write(p[1], buf, 4096));
	R("pipe F_GETPIPE_SZ", fcntl(p[0], F_GETPIPE_SZ));
	R("pipe lseek ESPIPE", lseek(p[0], 0, SEEK_SET));
	R("pipe pread ESPIPE", pread(p[0], buf, 1, 0));
	R("pipe read of write end", read(p[1], buf, 1));
	close(p[1]);
	while (read(p[0], buf, sizeof buf) > 0)
		;
	R("pipe read at the end", read(p[0], buf, 1));
	signal(SIGPIPE, SIG_IGN);
	pipe(p);
	close(p[0]);
	R("pipe write EPIPE", write(p[1], "x", 1));
	pipe(p);
	pid_t pid = fork();
	if (pid == 0) {
		close(p[0]);
		memset(buf, 'q', sizeof buf);
		for (int i = 0; i < 10; i++)
			write(p[1], buf, 50000);
		_exit(0);
	}
	close(p[1]);
	long total = 0, wrong = 0;
	for (int r; (r = read(p[0], buf, 7777)) > 0; total += r)
		for (int i = 0; i < r; i++)
			wrong += buf[i] != 'q';
	VAL("pipe 500,000 bytes through", total);
	VAL("pipe wrong bytes", wrong);
	wait_for("pipe writer", pid);
}

static void polls(void)
{
	int p[2];
	struct pollfd f[3];
	struct timeval tv = { 0, 10000 };
	fd_set r, w;
	pipe(p);
	f[0] = (struct pollfd){ p[0], POLLIN, 0 };
	f[1] = (struct pollfd){ p[1], POLLOUT, 0 };
	f[2] = (struct pollfd){ -1, POLLIN, 9 };
	R("poll", poll(f, 3, 0));
	out("poll events %x %x %x\n", f[0].revents, f[1].revents, f[2].revents);
	write(p[1], "x", 1);
	R("poll both", poll(f, 2, -1));
	f[2].fd = 999;
	R("poll bad descriptor", poll(f, 3, 0));
	out("poll POLLNVAL %x\n", f[2].revents);
	close(p[1]);
	f[1].fd = -1;
	R("poll hang-up", poll(f, 2, 0));
	out("poll POLLHUP %x\n", f[0].revents);
	R("poll timeout", poll(NULL, 0, 10));
	R("poll EFAULT", poll((void *)8, 1, 0));
	R("poll EINVAL", SC(SYS_poll, f, 100000, 0));
	pipe(p);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	R("select", select(p[1] + 1, &r, &w, NULL, &tv));
	YES("select sets", !FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	R("select timeout", select(p[0] + 1, &r, NULL, NULL, &tv));
	R("select EINVAL", select(-1, &r, NULL, NULL, &tv));
	FD_ZERO(&r);
	FD_SET(500, &r);
	R("select EBADF", select(501, &r, NULL, NULL, &tv));
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 42 }, got[4];
	R("epoll_ctl ADD", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	R("epoll_ctl EEXIST", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	R("epoll_ctl ENOENT", epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &e));
	R("epoll_ctl EBADF", epoll_ctl(ep, EPOLL_CTL_ADD, 999, &e));
	R("epoll_ctl EPERM regular file", epoll_ctl(ep, EPOLL_CTL_ADD, open("reg", O_CREAT | O_RDWR, 0600), &e));
	R("epoll_ctl EINVAL itself", epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
	R("epoll_wait none", epoll_wait(ep, got, 4, 0));
	write(p[1], "x", 1);
	R("epoll_wait", epoll_wait(ep, got, 4, 100));
	out("epoll data %llu events %x\n", (unsigned long long)got[0].data.u64, got[0].events);
	R("epoll_wait level", epoll_wait(ep, got, 4, 0));
	e.events = EPOLLIN | EPOLLET;
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e);
	R("epoll_wait edge first", epoll_wait(ep, got, 4, 0));
	R("epoll_wait edge second", epoll_wait(ep, got, 4, 0));
	write(p[1], "y", 1);
	R("epoll_wait edge after write", epoll_wait(ep, got, 4, 0));
	e.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e);
	R("epoll_wait oneshot first", epoll_wait(ep, got, 4, 0));
	R("epoll_wait oneshot second", epoll_wait(ep, got, 4, 0));
	R("epoll_ctl DEL", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	R("epoll_wait EINVAL", epoll_wait(ep, got, 0, 0));
	R("epoll_create1 EINVAL", epoll_create1(77));
	R("epoll_create EINVAL", epoll_create(0));
}

static void events(void)
{
	uint64_t v = 5;
	int fd = eventfd(3, EFD_NONBLOCK);
	R("eventfd write", write(fd, &v, 8));
	R("eventfd read", read(fd, &v, 8));
	VAL("eventfd value", v);
	R("eventfd EAGAIN", read(fd, &v, 8));
	R("eventfd EINVAL short", read(fd, &v, 4));
	v = -1;
	R("eventfd EINVAL value", write(fd, &v, 8));
	fd = eventfd(2, EFD_SEMAPHORE);
	read(fd, &v, 8);
	VAL("eventfd EFD_SEMAPHORE", v);
	R("eventfd EINVAL flags", eventfd(0, 0x7777));
}

static void devices(void)
{
	char buf[16];
	memset(buf, 7, sizeof buf);
	R("/dev/null write", write(open("/dev/null", O_WRONLY), buf, 16));
	R("/dev/null read", read(open("/dev/null", O_RDONLY), buf, 16));
	R("/dev/zero read", read(open("/dev/zero", O_RDONLY), buf, 16));
	VAL("/dev/zero value", buf[9]);
	R("/dev/full write", write(open("/dev/full", O_WRONLY), buf, 16));
	R("/dev/full read", read(open("/dev/full", O_RDONLY), buf, 16));
	R("/dev/urandom read", read(open("/dev/urandom", O_RDONLY), buf, 16));
	int z = open("/dev/zero", O_RDWR);
	char *p = mmap(0, 2 * PAGE, RW, MAP_PRIVATE, z, 0), *s = mmap(0, 2 * PAGE, RW, MAP_SHARED, z, 0);
	GET("/dev/zero private map", p);
	PUT("/dev/zero private write", p, 1);
	put(s, 5);
	CHILD("/dev/zero shared") put(s, 6);
	GET("/dev/zero shared map is shared", s);
	R("isatty of a file ENOTTY", isatty(open("reg", O_RDWR)));
	R("ioctl ENOTTY", ioctl(open("reg", O_RDWR), TCGETS, buf));
	R("ioctl EBADF", ioctl(999, TCGETS, buf));
	R("open ENXIO no such device", (mknod("nodev", S_IFCHR | 0600, 0xf04d), open("nodev", O_RDONLY)));
}

static void shape(const char *path, const char *fields)
{
	char buf[4096] = { 0 };
	int fd = open(path, O_RDONLY);
	int n = read(fd, buf, sizeof buf - 1);
	out("%s:", path);
	if (n < 0)
		out(" %s", errno_name(errno));
	char *copy = strdup(fields);
	for (char *f = strtok(copy, " "); f; f = strtok(NULL, " "))
		if (!strstr(buf, f))
			out(" lacks %s", f);
	free(copy);
	out("\n");
	close(fd);
}

static void proc(void)
{
	shape("/proc/meminfo", "MemTotal: MemFree: MemAvailable: Buffers: Cached: SwapCached: Active: Inactive: SwapTotal: SwapFree: Dirty: AnonPages: Mapped: Shmem: Slab: SReclaimable: SUnreclaim: KernelStack: PageTables: CommitLimit: Committed_AS: VmallocTotal: HugePages_Total: Hugepagesize: DirectMap4k:");
	shape("/proc/self/status", "Name: Umask: State: Tgid: Pid: PPid: Uid: Gid: FDSize: Groups: VmPeak: VmSize: VmLck: VmPin: VmHWM: VmRSS: RssAnon: RssFile: RssShmem: VmData: VmStk: VmExe: VmLib: VmPTE: VmSwap: Threads: SigQ: SigPnd: ShdPnd: SigBlk: SigIgn: SigCgt: CapInh: CapEff: Cpus_allowed: Cpus_allowed_list: voluntary_ctxt_switches:");
	shape("/proc/stat", "cpu cpu0 intr ctxt btime processes procs_running procs_blocked softirq");
	shape("/proc/uptime", ".");
	shape("/proc/loadavg", "/");
	shape("/proc/version", "Linux version 6.1");
	shape("/proc/filesystems", "tmpfs proc sysfs");
	shape("/proc/mounts", "proc tmpfs");
	shape("/proc/cpuinfo", "processor vendor_id flags");
	shape("/proc/self/statm", " ");
	shape("/proc/self/limits", "Max cpu time Max stack size Max open files");
	shape("/proc/sys/kernel/osrelease", "6.1");
	shape("/proc/sys/vm/overcommit_memory", "0");
	shape("/proc/sys/vm/max_map_count", "65530");
	char buf[600] = { 0 };
	int fd = open("/proc/self/stat", O_RDONLY), spaces = 0, n = read(fd, buf, sizeof buf - 1);
	for (int i = 0; i < n; i++)
		spaces += buf[i] == ' ';
	VAL("/proc/self/stat fields", spaces + 1);
	YES("/proc/self/stat starts with the pid", atoi(buf) == getpid());
	n = readlink("/proc/self", buf, sizeof buf - 1);
	buf[n > 0 ? n : 0] = 0;
	YES("/proc/self is a link to the pid", atoi(buf) == getpid());
	n = readlink("/proc/self/cwd", buf, sizeof buf - 1);
	YES("/proc/self/cwd", n > 0);
	n = readlink("/proc/self/root", buf, sizeof buf - 1);
	out("/proc/self/root: %.*s\n", n, buf);
	fd = open("/proc/self/cmdline", O_RDONLY);
	n = read(fd, buf, sizeof buf);
	YES("/proc/self/cmdline", n > 7 && !strcmp(buf + n - 8, "fs_pipe"));
	fd = open("/proc/self/environ", O_RDONLY);
	n = read(fd, buf, sizeof buf);
	YES("/proc/self/environ", n > 0);
	R("open /proc/999999", open("/proc/999999/stat", O_RDONLY));
	R("open /proc/self/fd directory", close(open("/proc/self/fd", O_RDONLY)));
	R("mkdir in /proc", mkdir("/proc/x", 0755));
	R("write of read-only proc file", open("/proc/meminfo", O_WRONLY) < 0 ? -1 : 0);
	unsigned long word = 0;
	fd = open("/proc/self/pagemap", O_RDONLY);
	char *p = anon(PAGE, RW, MAP_PRIVATE);
	pread(fd, &word, 8, (unsigned long)p / PAGE * 8);
	VAL("/proc/self/pagemap absent", word >> 63);
	put(p, 1);
	pread(fd, &word, 8, (unsigned long)p / PAGE * 8);
	VAL("/proc/self/pagemap present", word >> 63);
	fd = open("/proc/self/mem", O_RDWR);
	R("/proc/self/mem read", pread(fd, buf, 1, (unsigned long)p));
	R("/proc/self/mem write", pwrite(fd, "Z", 1, (unsigned long)p));
	GET("/proc/self/mem written", p);
	R("/proc/self/mem EIO", pread(fd, buf, 1, 8));
}

int main(void)
{
	pipes();
	polls();
	events();
	devices();
	proc();
	return 0;
}

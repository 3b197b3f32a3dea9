/* SPDX-License-Identifier: MIT */
/* Control groups with the memory controller: directories, membership, limits, what happens at a limit. */
#include "check.h"
#include <poll.h>

#define ROOT "/sys/fs/cgroup"
#define A    ROOT "/a"

/* The number behind a word in a file; -1: none. */
static long value(const char *file, const char *word)
{
	char pattern[64];
	const char *text = read_text(file), *at;
	snprintf(pattern, sizeof pattern, "%s ", word);
	for (at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (!strncmp(at, pattern, strlen(pattern)))
			return atol(at + strlen(pattern));
	return -1;
}

/* Linux adds up what its CPUs counted by and by, every two seconds at the latest: until a field is there, for longer. */
static bool becomes(const char *file, const char *word, long least, long most)
{
	for (int i = 0; i < 1000; i++, usleep(10000)) {
		long v = value(file, word);
		if (v >= least && v < most)
			return true;
	}
	return false;
}

#define SHOW(name, file) out("%s: %s\n", name, read_text(file))

static void tree(void)
{
	SHOW("cgroup.type of the root", ROOT "/cgroup.type");
	R("mkdir a", mkdir(A, 0755));
	R("mkdir EEXIST a again", mkdir(A, 0755));
	R("mkdir a/b", mkdir(A "/b", 0755));
	R("mkdir EINVAL a name with a line end", mkdir(ROOT "/x\ny", 0755));
	R("rmdir EBUSY a with a child", rmdir(A));
	R("unlink EPERM a file", unlink(A "/cgroup.procs"));
	R("open EACCES a new file", open(A "/new", O_CREAT | O_WRONLY, 0644));
	R("open ENOENT without the controller", open(A "/memory.max", O_RDONLY));
	R("symlink EPERM", symlink("x", A "/link"));
	SHOW("cgroup.type", A "/cgroup.type");
	SHOW("cgroup.events", A "/cgroup.events");
	SHOW("cgroup.stat", A "/cgroup.stat");
	SHOW("cgroup.max.depth", A "/cgroup.max.depth");
	R("cgroup.max.descendants 1", write_text(A "/cgroup.max.descendants", "1"));
	R("mkdir EAGAIN beyond it", mkdir(A "/c", 0755));
	R("cgroup.max.depth EINVAL", write_text(A "/cgroup.max.depth", "x"));
	R("cgroup.max.depth ERANGE", write_text(A "/cgroup.max.depth", "-1"));
	R("cgroup.max.descendants max", write_text(A "/cgroup.max.descendants", "max\n"));
}

static void controllers(void)
{
	R("cgroup.subtree_control EINVAL", write_text(ROOT "/cgroup.subtree_control", "+nonsense"));
	R("cgroup.subtree_control EINVAL without a sign", write_text(ROOT "/cgroup.subtree_control", "memory"));
	R("cgroup.subtree_control ENOENT a has none", write_text(A "/cgroup.subtree_control", "+memory"));
	SHOW("cgroup.controllers of a", A "/cgroup.controllers");
	R("cgroup.subtree_control", write_text(ROOT "/cgroup.subtree_control", "+memory"));
	SHOW("cgroup.controllers of a now", A "/cgroup.controllers");
	SHOW("cgroup.subtree_control of a", A "/cgroup.subtree_control");
	SHOW("memory.max", A "/memory.max");
	SHOW("memory.swap.max", A "/memory.swap.max");
	SHOW("memory.current", A "/memory.current");
	SHOW("memory.events", A "/memory.events");
	SHOW("memory.oom.group", A "/memory.oom.group");
	R("a gives memory on", write_text(A "/cgroup.subtree_control", "+memory"));
	R("cgroup.subtree_control EBUSY the root's while a gives it on", write_text(ROOT "/cgroup.subtree_control", "-memory"));
	R("a does not any more", write_text(A "/cgroup.subtree_control", "-memory"));
}

static void limits(void)
{
	static const char *const texts[] = { "10485760", "16M", "1G\n", "  8m  ", "4095", "0x100000", "max", "max\n", "-1", "x", "1 2", "" };
	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char name[64];
		snprintf(name, sizeof name, "memory.max %u", i);
		R(name, write_text(A "/memory.max", texts[i]));
		SHOW("  then", A "/memory.max");
	}
	R("memory.max", write_text(A "/memory.max", "max"));
	R("memory.oom.group EINVAL", write_text(A "/memory.oom.group", "2"));
	R("memory.oom.group", write_text(A "/memory.oom.group", "1"));
	SHOW("  then", A "/memory.oom.group");
	R("memory.oom.group", write_text(A "/memory.oom.group", "0"));
	R("write EINVAL memory.current", write_text(A "/memory.current", "1"));
}

static void members(void)
{
	char pid[16];
	R("cgroup.procs ESRCH", write_text(A "/cgroup.procs", "99999"));
	R("cgroup.procs EINVAL", write_text(A "/cgroup.procs", "x"));
	R("cgroup.procs 0", write_text(A "/cgroup.procs", "0"));
	SHOW("/proc/self/cgroup", "/proc/self/cgroup");
	snprintf(pid, sizeof pid, "%d", getpid());
	YES("cgroup.procs names us", !strcmp(read_text(A "/cgroup.procs"), pid));
	SHOW("cgroup.events", A "/cgroup.events");
	R("rmdir EBUSY with a process", rmdir(A "/b") || rmdir(A));
	R("mkdir", mkdir(A "/b", 0755));
	R("cgroup.subtree_control EBUSY with a process", write_text(A "/cgroup.subtree_control", "+memory"));
	pid_t child = fork();
	if (!child)
		_exit(strcmp(read_text("/proc/self/cgroup"), "0::/a") != 0);
	int status;
	waitpid(child, &status, 0);
	YES("a child is where its parent is", status == 0);
	R("cgroup.procs to a/b", write_text(A "/b/cgroup.procs", "0"));
	SHOW("/proc/self/cgroup", "/proc/self/cgroup");
	SHOW("cgroup.events of a", A "/cgroup.events");
	R("cgroup.subtree_control", write_text(A "/cgroup.subtree_control", "+memory"));
	R("cgroup.procs EBUSY a gives memory on", write_text(A "/cgroup.procs", "0"));
	R("cgroup.procs to the root", write_text(ROOT "/cgroup.procs", "0"));
	SHOW("/proc/self/cgroup", "/proc/self/cgroup");
	R("cgroup.subtree_control", write_text(A "/cgroup.subtree_control", "-memory"));
}

/* What the child touches is charged to its group, within what per-CPU stocks hide on Linux. */
static void charges(void)
{
	int ready[2], go[2];
	char c;
	if (pipe(ready) || pipe(go))
		return;
	R("cgroup.subtree_control", write_text(A "/cgroup.subtree_control", "+memory"));
	pid_t child = fork();
	if (!child) {
		write_text(A "/b/cgroup.procs", "0");
		char *p = mmap(NULL, M(8), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(p, 1, M(8));
		if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(0);
	}
	if (read(ready[0], &c, 1) != 1)
		return;
	long now = atol(read_text(A "/b/memory.current")), above = atol(read_text(A "/memory.current"));
	YES("memory.current is what was touched", now >= (long)M(8) && now < (long)M(9));
	YES("memory.current counts for the parent", above >= now && above < now + (long)M(1));
	YES("memory.stat anon", becomes(A "/b/memory.stat", "anon", M(8), M(8) + K(512)));
	if (write(go[1], "x", 1) != 1)
		return;
	waitpid(child, NULL, 0);
	now = atol(read_text(A "/b/memory.current"));
	YES("memory.current afterwards", now < (long)M(1));
	close(ready[0]), close(ready[1]), close(go[0]), close(go[1]);
}

static int touch_in_b(size_t bytes)
{
	int status;
	pid_t child = fork();
	if (!child) {
		write_text(A "/b/cgroup.procs", "0");
		char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(p, 1, bytes);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return status;
}

static void at_the_limit(void)
{
	struct pollfd f = { .fd = open(A "/b/memory.events", O_RDONLY), .events = POLLPRI };
	char text[512];
	R("memory.max", write_text(A "/memory.max", "16M"));
	R("memory.swap.max", write_text(A "/memory.swap.max", "0"));
	YES("below the limit of the group above", touch_in_b(M(8)) == 0);
	YES("poll memory.events", read(f.fd, text, sizeof text) > 0 && poll(&f, 1, 0) == 0);
	YES("beyond the limit of the group above", touch_in_b(M(32)) == SIGKILL);
	YES("poll memory.events POLLPRI after a kill", poll(&f, 1, 0) == 1 && f.revents & POLLPRI);
	close(f.fd);
	out("memory.events oom_kill: a %ld, a/b %ld, a's own %ld\n", value(A "/memory.events", "oom_kill"), value(A "/b/memory.events", "oom_kill"),
	    value(A "/memory.events.local", "oom_kill"));
	YES("memory.events oom", value(A "/memory.events", "oom") > 0 && value(A "/b/memory.events", "oom") == 0);
	YES("memory.events max", value(A "/memory.events", "max") > 0);
	YES("memory.peak", atol(read_text(A "/memory.peak")) <= (long)(M(16) + K(256)) && atol(read_text(A "/memory.peak")) > (long)M(15));
	R("memory.max", write_text(A "/memory.max", "max"));
	YES("without a limit", touch_in_b(M(32)) == 0);
}

/* Clean pages of files make room for those to come. */
static void file_pages(void)
{
	static char buf[1 << 16];
	int fd = open("/tmp/cgroup-file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	R("memory.max", write_text(A "/b/memory.max", "4M"));
	int status;
	pid_t child = fork();
	if (!child) {
		write_text(A "/b/cgroup.procs", "0");
		for (unsigned i = 0; i < 32; i++)
			if (write(fd, buf, sizeof buf) != (ssize_t)sizeof buf)
				_exit(1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	YES("write of 2 MiB in a group of 4", status == 0);
	bool is_there = becomes(A "/b/memory.stat", "shmem", M(2), M(2) + K(256));
	YES("pages of tmpfs are shmem and file", is_there && value(A "/b/memory.stat", "file") >= value(A "/b/memory.stat", "shmem"));
	R("ftruncate", ftruncate(fd, 0));
	YES("memory.stat shmem afterwards", becomes(A "/b/memory.stat", "shmem", 0, K(256)));
	close(fd);
	unlink("/tmp/cgroup-file");
	R("memory.max", write_text(A "/b/memory.max", "max"));
}

/* A process that does nothing in a/b, and is there already. */
static pid_t sleeper_in_b(void)
{
	pid_t pid = fork();
	if (!pid) {
		write_text(A "/b/cgroup.procs", "0");
		pause();
		_exit(0);
	}
	while (strlen(read_text(A "/b/cgroup.procs")) == 0)
		usleep(1000);
	return pid;
}

static void whole_group(void)
{
	int status, sleeper_status;
	R("memory.oom.group", write_text(A "/memory.oom.group", "1"));
	R("memory.max", write_text(A "/memory.max", "16M"));
	pid_t sleeper = sleeper_in_b();
	status = touch_in_b(M(32));
	waitpid(sleeper, &sleeper_status, 0);
	YES("memory.oom.group kills all", status == SIGKILL && sleeper_status == SIGKILL);
	out("memory.events oom_group_kill: %ld\n", value(A "/memory.events", "oom_group_kill"));
	R("memory.max", write_text(A "/memory.max", "max"));
	sleeper = sleeper_in_b();
	R("cgroup.kill ERANGE", write_text(A "/cgroup.kill", "2"));
	R("cgroup.kill", write_text(A "/cgroup.kill", "1"));
	waitpid(sleeper, &sleeper_status, 0);
	YES("cgroup.kill kills all below", sleeper_status == SIGKILL);
}

static void end(void)
{
	R("memory.reclaim EINVAL", write_text(A "/memory.reclaim", "x"));
	R("rmdir a/b", rmdir(A "/b"));
	int fd = open(A "/memory.max", O_RDONLY);
	char c;
	R("rmdir a", rmdir(A));
	R("read ENODEV of a removed group", read(fd, &c, 1));
	R("rmdir ENOENT", rmdir(A));
	R("cgroup.subtree_control", write_text(ROOT "/cgroup.subtree_control", "-memory"));
}

int main(void)
{
	tree();
	controllers();
	limits();
	members();
	charges();
	at_the_limit();
	file_pages();
	whole_group();
	end();
	return 0;
}

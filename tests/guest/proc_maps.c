/* SPDX-License-Identifier: MIT */
/* /proc/PID/map_files, coredump_filter and syscall. */
#include "check.h"
#include <dirent.h>
#include <sys/prctl.h>

static char dir[64];

/* Links and where they lead, of regions in [lo, lo + n pages). */
static void list(const char *name, const char *lo, size_t n)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	out("%s:", name);
	while (d && (e = readdir(d))) {
		unsigned long s, end;
		char to[256] = "", path[384];
		struct stat st;
		if (sscanf(e->d_name, "%lx-%lx", &s, &end) != 2 || s < (unsigned long)lo || s >= (unsigned long)lo + n * PAGE)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		ssize_t len = readlink(path, to, sizeof to - 1);
		lstat(path, &st);
		out(" [%lu,%lu %s mode %o type %d]", (s - (unsigned long)lo) / PAGE, (end - (unsigned long)lo) / PAGE, len > 0 ? to : errno_name(errno), st.st_mode, e->d_type);
	}
	if (d)
		closedir(d);
	out("\n");
}

static void map_files(void)
{
	char path[256], buf[8] = "";
	char *p = window(8);
	int fd = open("/tmp/mapped", O_RDWR | O_CREAT, 0600), ro = open("/tmp/mapped", O_RDONLY);
	ftruncate(fd, 4 * PAGE);
	mmap(p, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	mmap(p + 3 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, ro, 0);
	mmap(p + 5 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	p[0] = 'A';
	snprintf(dir, sizeof dir, "/proc/%d/map_files", getpid());
	list("map_files", p, 8);
	unlink("/tmp/mapped");
	list("map_files after unlink", p, 8);
	snprintf(path, sizeof path, "%s/%lx-%lx", dir, (unsigned long)p, (unsigned long)p + 2 * PAGE);
	int again;
	OK("map_files open what has no name", again = open(path, O_RDWR));
	R("map_files read", read(again, buf, 1));
	out("map_files read: %s\n", buf);
	snprintf(path, sizeof path, "%s/%lx-%lx", dir, (unsigned long)p, (unsigned long)p + PAGE);
	R("map_files ENOENT not a region", open(path, O_RDONLY));
	snprintf(path, sizeof path, "%s/0%lx-%lx", dir, (unsigned long)p, (unsigned long)p + 2 * PAGE);
	R("map_files ENOENT another spelling", open(path, O_RDONLY));
	snprintf(path, sizeof path, "%s/%lx-%lx", dir, (unsigned long)p + 5 * PAGE, (unsigned long)p + 6 * PAGE);
	R("map_files ENOENT no file", open(path, O_RDONLY));
	snprintf(path, sizeof path, "%s/%lx-%lx", dir, (unsigned long)p, (unsigned long)p + 2 * PAGE);
	CHILD("map_files another user") {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(99);
		R("map_files EACCES", open(path, O_RDONLY));
	}
	CHILD("map_files without the right") {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(99);
		prctl(PR_SET_DUMPABLE, 1);
		char own[256], to[256];
		snprintf(own, sizeof own, "/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + 2 * PAGE);
		OK("map_files readlink of one's own", readlink(own, to, sizeof to));
		R("map_files EPERM", open(own, O_RDONLY));
	}
}

static void filter(void)
{
	out("coredump_filter: %s\n", read_text("/proc/self/coredump_filter"));
	R("coredump_filter write", write_text("/proc/self/coredump_filter", "0x7f"));
	out("coredump_filter: %s\n", read_text("/proc/self/coredump_filter"));
	R("coredump_filter write all", write_text("/proc/self/coredump_filter", "0xffff"));
	out("coredump_filter: %s\n", read_text("/proc/self/coredump_filter"));
	R("coredump_filter EINVAL", write_text("/proc/self/coredump_filter", "x"));
	R("coredump_filter write 3", write_text("/proc/self/coredump_filter", "3\n"));
	CHILD("coredump_filter child") out("coredump_filter inherited: %s\n", read_text("/proc/self/coredump_filter"));
}

static void syscalls(void)
{
	int p[2];
	char name[64], c;
	unsigned long nr, a, b;
	pipe(p);
	pid_t pid = fork();
	if (pid == 0) {
		read(p[0], &c, 1);
		_exit(0);
	}
	wait_in_call(pid, SYS_read);
	snprintf(name, sizeof name, "/proc/%d/syscall", pid);
	const char *text = read_text(name);
	int n = sscanf(text, "%lu 0x%lx 0x%lx", &nr, &a, &b);
	out("syscall of a sleeper: %d %lu %s %s\n", n, nr, (int)a == p[0] ? "right" : "wrong", b == (unsigned long)&c ? "right" : "wrong");
	write(p[1], "x", 1);
	waitpid(pid, NULL, 0);
	text = read_text("/proc/self/syscall");
	out("syscall of one's own: %d\n", atoi(text));
	volatile int *turns = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	if (pid == 0)
		for (;;)
			*turns = 1;
	while (!*turns) /* who has not returned from fork yet would stop in it */
		sleep_ms(1);
	snprintf(name, sizeof name, "/proc/%d/syscall", pid);
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	text = read_text(name);
	out("syscall of one that stands still outside of calls: %.2s\n", text);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	map_files();
	filter();
	syscalls();
	return 0;
}

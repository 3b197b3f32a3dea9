/* SPDX-License-Identifier: MIT */
/* Locks of files on a disk: byte ranges of processes (POSIX) and of open files (OFD), flock, leases. Runs on ext2. */
#include "check.h"
#include <sys/file.h>

static long lock(int fd, int cmd, int type, long start, long len)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(fd, cmd, &fl);
}

static void asked(const char *name, int fd, int cmd, int type, long start, long len)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	if (fcntl(fd, cmd, &fl))
		out("%s: %s\n", name, errno_name(errno));
	else
		out("%s: type %d whence %d from %ld length %ld by %s\n", name, fl.l_type, fl.l_whence, (long)fl.l_start, (long)fl.l_len,
		    fl.l_pid == getppid() ? "parent" : fl.l_pid == -1 ? "an open file" : fl.l_pid == 0 ? "nobody" : "someone");
}

static void ranges(void)
{
	int fd = temp_file("l", 2), rd = open("l", O_RDONLY), wr = open("l", O_WRONLY), p[2];
	pipe(p);
	R("fcntl F_SETLK F_WRLCK", lock(fd, F_SETLK, F_WRLCK, 10, 10));
	R("fcntl F_SETLK F_RDLCK beside", lock(fd, F_SETLK, F_RDLCK, 20, 10));
	R("fcntl F_SETLK EBADF read lock of a write-only file", lock(wr, F_SETLK, F_RDLCK, 0, 1));
	R("fcntl F_SETLK EBADF write lock of a read-only file", lock(rd, F_SETLK, F_WRLCK, 0, 1));
	R("fcntl F_SETLK EBADF", lock(999, F_SETLK, F_RDLCK, 0, 1));
	R("fcntl F_SETLK EINVAL type", lock(fd, F_SETLK, 77, 0, 1));
	R("fcntl F_SETLK EINVAL negative", lock(fd, F_SETLK, F_RDLCK, -5, 1));
	R("fcntl F_SETLK EOVERFLOW", lock(fd, F_SETLK, F_RDLCK, INT64_MAX, 2));
	R("fcntl F_SETLK negative length", lock(fd, F_SETLK, F_WRLCK, 100, -10));
	R("fcntl F_SETLK EFAULT", fcntl(fd, F_SETLK, (void *)8));
	R("fcntl F_SETLK pipe", lock(p[0], F_SETLK, F_RDLCK, 0, 1));
	CHILD("locks seen by the child")
	{
		asked("fcntl F_GETLK in the middle", fd, F_GETLK, F_RDLCK, 15, 1);
		asked("fcntl F_GETLK whole file", fd, F_GETLK, F_WRLCK, 0, 0);
		asked("fcntl F_GETLK read beside read", fd, F_GETLK, F_RDLCK, 20, 10);
		asked("fcntl F_GETLK negative length", fd, F_GETLK, F_WRLCK, 95, 1);
		asked("fcntl F_GETLK free", fd, F_GETLK, F_WRLCK, 50, 10);
		R("fcntl F_SETLK EAGAIN", lock(fd, F_SETLK, F_WRLCK, 5, 10));
		R("fcntl F_SETLK read beside read", lock(fd, F_SETLK, F_RDLCK, 25, 5));
		R("fcntl F_SETLK EAGAIN read", lock(fd, F_SETLK, F_RDLCK, 15, 10));
	}
	R("fcntl F_SETLK F_UNLCK in the middle", lock(fd, F_SETLK, F_UNLCK, 13, 3));
	CHILD("split lock")
	{
		asked("fcntl F_GETLK first part", fd, F_GETLK, F_WRLCK, 10, 100);
		R("fcntl F_SETLK in the gap", lock(fd, F_SETLK, F_WRLCK, 13, 3));
		asked("fcntl F_GETLK second part", fd, F_GETLK, F_WRLCK, 13, 100);
	}
	close(open("l", O_RDONLY));
	CHILD("closing any descriptor lets go of all")
	{
		asked("fcntl F_GETLK after close", fd, F_GETLK, F_WRLCK, 0, 0);
	}
	R("fcntl F_SETLKW", lock(fd, F_SETLKW, F_WRLCK, 0, 0));
	pid_t pid = fork();
	if (pid == 0) {
		_exit(lock(fd, F_SETLKW, F_WRLCK, 0, 0) ? 1 : 0);
	}
	wait_in_call(pid, SYS_fcntl);
	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	wait_for("fcntl F_SETLKW woken", pid);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void deadlock(void)
{
	int fd = open("l", O_RDWR), p[2], q[2];
	char c;
	pipe(p), pipe(q);
	lock(fd, F_SETLK, F_WRLCK, 0, 1);
	pid_t pid = fork();
	if (pid == 0) {
		lock(fd, F_SETLK, F_WRLCK, 1, 1);
		write(p[1], "x", 1);
		_exit(lock(fd, F_SETLKW, F_WRLCK, 0, 1) ? 1 : 0);
	}
	read(p[0], &c, 1);
	wait_in_call(pid, SYS_fcntl);
	R("fcntl F_SETLKW EDEADLK", lock(fd, F_SETLKW, F_WRLCK, 1, 1));
	lock(fd, F_SETLK, F_UNLCK, 0, 1);
	wait_for("deadlock's other side", pid);
	pid = fork();
	if (pid == 0) {
		lock(fd, F_SETLK, F_WRLCK, 0, 1);
		write(p[1], "x", 1);
		read(q[0], &c, 1);
		_exit(0);
	}
	read(p[0], &c, 1);
	struct sigaction sa = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval it = { { 0, 20000 }, { 0, 50000 } };
	setitimer(ITIMER_REAL, &it, NULL);
	R("fcntl F_SETLKW EINTR", lock(fd, F_SETLKW, F_WRLCK, 0, 1));
	R("flock EINTR free", flock(fd, LOCK_EX));
	it = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	setitimer(ITIMER_REAL, &it, NULL);
	write(q[1], "x", 1);
	wait_for("holder", pid);
	flock(fd, LOCK_UN);
}

static void of_open_files(void)
{
	int a = open("l", O_RDWR), b = open("l", O_RDWR), c = dup(a);
	R("fcntl F_OFD_SETLK", lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	R("fcntl F_OFD_SETLK EAGAIN other open file", lock(b, F_OFD_SETLK, F_WRLCK, 5, 10));
	R("fcntl F_OFD_SETLK duplicate", lock(c, F_OFD_SETLK, F_RDLCK, 5, 10));
	asked("fcntl F_OFD_GETLK", b, F_OFD_GETLK, F_WRLCK, 0, 0);
	asked("fcntl F_OFD_GETLK own", a, F_OFD_GETLK, F_WRLCK, 0, 0);
	asked("fcntl F_GETLK of an OFD lock", b, F_GETLK, F_WRLCK, 0, 0);
	R("fcntl F_SETLK EAGAIN against OFD", lock(b, F_SETLK, F_WRLCK, 0, 1));
	CHILD("OFD locks are inherited")
	{
		R("fcntl F_OFD_SETLK through the parent's", lock(a, F_OFD_SETLK, F_WRLCK, 0, 20));
		R("fcntl F_OFD_SETLK EAGAIN in the child", lock(b, F_OFD_SETLK, F_WRLCK, 0, 20));
	}
	struct flock fl = { .l_type = F_WRLCK, .l_pid = 5, .l_len = 1 };
	R("fcntl F_OFD_SETLK EINVAL l_pid", fcntl(a, F_OFD_SETLK, &fl));
	close(a);
	R("fcntl F_OFD_SETLK EAGAIN while a duplicate is open", lock(b, F_OFD_SETLK, F_WRLCK, 0, 1));
	close(c);
	R("fcntl F_OFD_SETLKW after the last close", lock(b, F_OFD_SETLKW, F_WRLCK, 0, 1));
	R("fcntl F_OFD_SETLK EBADF", lock(999, F_OFD_SETLK, F_WRLCK, 0, 1));
	close(b);
}

static void whole(void)
{
	int a = open("l", O_RDONLY), b = open("l", O_RDONLY), c = dup(a);
	R("flock LOCK_SH", flock(a, LOCK_SH));
	R("flock LOCK_SH other", flock(b, LOCK_SH));
	R("flock EWOULDBLOCK", flock(b, LOCK_EX | LOCK_NB));
	R("flock LOCK_UN", flock(b, LOCK_UN));
	R("flock LOCK_EX upgrades", flock(a, LOCK_EX));
	R("flock EWOULDBLOCK other", flock(b, LOCK_SH | LOCK_NB));
	R("flock duplicate", flock(c, LOCK_SH | LOCK_NB));
	R("flock beside fcntl", lock(open("l", O_RDWR), F_SETLK, F_WRLCK, 0, 0));
	R("flock EBADF", flock(999, LOCK_SH));
	R("flock EBADF O_PATH", flock(open("l", O_PATH), LOCK_SH));
	R("flock EINVAL", flock(a, 0));
	R("flock EINVAL several", flock(a, LOCK_SH | LOCK_EX));
	R("flock directory", flock(open(".", O_RDONLY), LOCK_EX));
	close(a);
	R("flock EWOULDBLOCK until the last close", (flock(c, LOCK_EX), flock(b, LOCK_EX | LOCK_NB)));
	close(c);
	R("flock after the last close", flock(b, LOCK_EX | LOCK_NB));
	pid_t pid = fork();
	if (pid == 0)
		_exit(flock(open("l", O_RDONLY), LOCK_EX) ? 1 : 0);
	wait_in_call(pid, SYS_flock);
	flock(b, LOCK_UN);
	wait_for("flock woken", pid);
}

/* The lines of a file that have `word`, process numbers told by name, without the disk's. */
static void lines(const char *name, const char *file, const char *word, pid_t child)
{
	char text[4096], *next;
	int fd = open(file, O_RDONLY), n = 0;
	for (ssize_t got; (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0;)
		n += got;
	close(fd);
	text[n] = 0;
	for (char *l = text; *l; l = next) {
		next = l + strcspn(l, "\n");
		next += *next == '\n';
		char head[64], device[32], from[32], to[32];
		int pid;
		if (memcmp(l, word, strlen(word)) && !strstr(l, word))
			continue;
		if (sscanf(l, "%63[^\n]", head) != 1)
			continue;
		char *type = strstr(head, "WRITE ") ? strstr(head, "WRITE ") : strstr(head, "READ ");
		if (!type || sscanf(strchr(type, ' '), "%d %31s %31s %31s", &pid, device, from, to) != 4 || !strchr(device, ':'))
			continue;
		char *number = type + strcspn(type, "-0123456789");
		out("%s:%.*s%s from %s to %s\n", name, (int)(number - strchr(head, ' ')), strchr(head, ' '),
		    pid == getpid() ? "parent" : pid == child ? "child" : pid == -1 ? "an open file" : "someone", from, to);
	}
}

static void listed(void)
{
	int a = open("l", O_RDWR), b = open("l", O_RDWR), w = open("whole", O_RDWR | O_CREAT, 0600);
	char name[64];
	lock(a, F_SETLK, F_WRLCK, 10, 10), lock(a, F_SETLK, F_RDLCK, 100, 0), lock(b, F_OFD_SETLK, F_RDLCK, 50, 5);
	flock(w, LOCK_EX);
	pid_t first = fork();
	if (first == 0)
		_exit(lock(b, F_SETLKW, F_WRLCK, 15, 1) != 0);
	wait_in_call(first, SYS_fcntl);
	lines("/proc/locks", "/proc/locks", "ADVISORY", first);
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", a);
	lines("/proc/PID/fdinfo lock", name, "lock:", 0);
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", b);
	lines("/proc/PID/fdinfo lock of an open file", name, "lock:", 0);
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", w);
	lines("/proc/PID/fdinfo flock", name, "lock:", 0);
	lock(a, F_SETLK, F_UNLCK, 0, 0);
	wait_for("the waiter has it then", first);
	close(a), close(b), close(w);
	lines("/proc/locks afterwards", "/proc/locks", "ADVISORY", 0);
}

int main(void)
{
	ranges();
	deadlock();
	of_open_files();
	whole();
	listed();
	return 0;
}

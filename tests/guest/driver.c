/* SPDX-License-Identifier: MIT */
/*
 * Runs every program of a directory, one after the other, and prints what each printed between
 * marks, so that one boot serves all of them:
 *
 *     @@ begin NAME
 *     |a line of its output
 *     @@ end NAME exit 0
 *
 * As process 1 it mounts what the programs need and powers the machine off at the end. It asks little
 * of a young kernel: output goes through a file, waiting is polling.
 *
 *     driver DIRECTORY [PREFIX...]      only names that start with one of the prefixes
 *
 * Each program has a directory of its own in /tmp, or in that which the environment names WORK.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 40000

static void write_all(const char *s, size_t n)
{
	while (n) {
		ssize_t w = write(1, s, n);
		if (w <= 0)
			return;
		s += w;
		n -= w;
	}
}

static void print_output(const char *path)
{
	static char buf[1 << 16], line[2 << 16];
	size_t n = 0;
	int fd = open(path, O_RDONLY);
	line[n++] = '|';
	for (ssize_t r; fd >= 0 && (r = read(fd, buf, sizeof buf)) > 0;) {
		for (ssize_t i = 0; i < r; i++) {
			line[n++] = buf[i];
			if (buf[i] != '\n' && n < sizeof line - 2)
				continue;
			write_all(line, n);
			line[0] = '|';
			n = 1;
		}
	}
	if (n > 1) {
		line[n++] = '\n';
		write_all(line, n);
	}
	if (fd >= 0)
		close(fd);
}

static void start(const char *path, const char *name, const char *out)
{
	char work[300];
	int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600), null = open("/dev/null", O_RDONLY);
	dup2(null, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	for (int i = 3; i < 20; i++)
		close(i);
	setsid();
	snprintf(work, sizeof work, "%s/work.%s", getenv("WORK") ? getenv("WORK") : "/tmp", name);
	mkdir(work, 0755);
	if (chdir(work))
		_exit(126);
	char *argv[] = { (char *)path, NULL }, *envp[] = { "PATH=/bin:/usr/bin", "HOME=/", NULL };
	setpriority(PRIO_PROCESS, 0, 0); /* a test before may have changed ours */
	execve(path, argv, envp);
	_exit(127);
}

static void run(const char *dir, const char *name)
{
	char path[512], head[600];
	const char *out = "/tmp/driver.out";
	struct timespec tick = { 0, 3000000 };
	int st = 0, waited = 0;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	write_all(head, snprintf(head, sizeof head, "@@ begin %s\n", name));
	unlink(out);
	pid_t pid = fork();
	if (pid == 0)
		start(path, name, out);
	for (; waitpid(pid, &st, WNOHANG) == 0; waited += 3) {
		if (waited > TIMEOUT_MS)
			kill(pid, SIGKILL);
		nanosleep(&tick, NULL);
	}
	kill(-pid, SIGKILL);
	for (int ms = 0; ms < TIMEOUT_MS / 10; ms += 3) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (kill(-pid, 0))
			break; /* what they had is given back */
		nanosleep(&tick, NULL);
	}
	print_output(out);
	const char *how = waited > TIMEOUT_MS ? "timeout" : WIFSIGNALED(st) ? "signal" : "exit";
	write_all(head, snprintf(head, sizeof head, "@@ end %s %s %d\n", name, how,
				 WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st)));
}

static void mount_all(void)
{
	mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/dev", 0755), mkdir("/tmp", 01777);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mkdir("/dev/shm", 01777), mkdir("/dev/pts", 0755);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
	mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666");
	int console = open("/dev/console", O_RDWR);
	if (console >= 0) {
		dup2(console, 0);
		dup2(console, 1);
		dup2(console, 2);
	}
}

static bool is_wanted(const char *name, int n, char **prefixes)
{
	for (int i = 0; i < n; i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return n == 0;
}

int main(int argc, char **argv)
{
	bool is_init = getpid() == 1;
	const char *dir = "/tests";
	struct dirent **list;
	if (is_init)
		mount_all(); /* words of the kernel's command line are no arguments of ours */
	else if (argc > 1)
		dir = argv[1];
	struct rlimit fixed[] = { { 1024, 4096 }, { 8 << 20, RLIM_INFINITY }, { 8 << 20, 8 << 20 } };
	setrlimit(RLIMIT_NOFILE, &fixed[0]);
	setrlimit(RLIMIT_STACK, &fixed[1]);
	setrlimit(RLIMIT_MEMLOCK, &fixed[2]);
	umask(022);
	setpriority(PRIO_PROCESS, 0, 0);
	int n = scandir(dir, &list, NULL, alphasort);
	for (int i = 0; i < n; i++)
		if (list[i]->d_name[0] != '.' && is_wanted(list[i]->d_name, is_init ? 0 : argc - 2, argv + 2))
			run(dir, list[i]->d_name);
	write_all("@@ done\n", 8);
	if (is_init) {
		sync();
		reboot(RB_POWER_OFF);
	}
	return 0;
}

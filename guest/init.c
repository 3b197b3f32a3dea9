/* SPDX-License-Identifier: MIT */
/*
 * PID 1 inside: mounts what programs expect, starts programs for the quire command over a virtio port
 * (protocol.h), reaps orphans, powers off. Booted without that port it is a small init: a shell on the
 * console, with job control. With root= it first enters the root on a disk (root.c). Runs on Quire and on
 * Linux alike.
 *
 * One loop polls everything: the port, the output of each session, and the input that a session's
 * program has not taken yet. A session ends when its program has ended and its output is drained.
 */
#define _GNU_SOURCE
#include "protocol.h"
#include "root.h"
#include "session.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int child_pipe[2]; /* a byte for each SIGCHLD */
static char command_line[4096];

static void on_child(int sig)
{
	int saved = errno;
	(void)sig;
	if (write(child_pipe[1], "c", 1) < 0) {
		/* full: the reader is about to look anyway */
	}
	errno = saved;
}

static void mount_at(const char *type, const char *at, const char *data)
{
	mkdir(at, 0755);
	if (mount(type, at, type, 0, data) && errno != EBUSY && errno != ENODEV)
		fprintf(stderr, "init: mount %s on %s: %s\n", type, at, strerror(errno));
}

static void mount_first(void)
{
	mount_at("devtmpfs", "/dev", "mode=0755");
	mount_at("proc", "/proc", "");
	mount_at("sysfs", "/sys", "");
}

/* on_disk: /tmp is the disk's, as in Debian, so that large files there are no shared memory. */
static void mount_rest(bool on_disk)
{
	mount_at("devpts", "/dev/pts", "mode=0620,ptmxmode=0666");
	mount_at("tmpfs", "/dev/shm", "mode=1777");
	mount_at("tmpfs", "/run", "mode=0755");
	mount_at("cgroup2", "/sys/fs/cgroup", "");
	if (!on_disk)
		mount_at("tmpfs", "/tmp", "mode=1777");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

static void read_command_line(void)
{
	int fd = open("/proc/cmdline", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, command_line, sizeof(command_line) - 1);
	command_line[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Drivers that a modular kernel needs for the port, in the order of the file that lists them. */
static void load_modules(void)
{
	char name[128], path[160];
	FILE *list = fopen("/lib/modules/order", "r");
	while (list && fgets(name, sizeof(name), list)) {
		name[strcspn(name, "\n")] = '\0';
		snprintf(path, sizeof(path), "/lib/modules/%s", name);
		int fd = open(path, O_RDONLY);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			fprintf(stderr, "init: module %s: %s\n", name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	if (list)
		fclose(list);
}

/* The agent's port; a driver may still be finding it. */
static int open_port(void)
{
	for (int i = 0; i < 500; i++) {
		int fd = open("/dev/vport0p1", O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
	return -1;
}

/* With checks on (quire run --debug): are the memory manager's structures whole? */
static void validate(void)
{
	char text[512] = "<2>init: validate: "; /* urgent: shown although the console is quiet */
	size_t len = strlen(text);
	int fd = open("/proc/quire/validate", O_RDONLY), log = open("/dev/kmsg", O_WRONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text + len, sizeof(text) - len - 1);
	if (n > 0 && log >= 0)
		(void)!write(log, text, len + (size_t)n);
	close(fd);
	close(log);
}

static void power_off(void)
{
	if (strstr(command_line, "quire.leaks"))
		validate();
	root_leave();
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		session_child_ended(pid, status);
}

static bool read_fully(int fd, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, (char *)buf + done, len - done);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return false;
		if (n > 0)
			done += (size_t)n;
	}
	return true;
}

/* One message from the command; false: the other side is gone. */
static bool handle_message(int port)
{
	static char payload[MAX_PAYLOAD + 1];
	struct frame_header h;
	if (!read_fully(port, &h, sizeof(h)) || h.len > MAX_PAYLOAD || !read_fully(port, payload, h.len))
		return false;
	payload[h.len] = '\0';
	switch (h.type) {
	case MSG_RUN:
		session_start(h.channel, payload, h.len);
		break;
	case MSG_INPUT:
		session_input(h.channel, payload, h.len);
		break;
	case MSG_EOF:
		session_input_ended(h.channel);
		break;
	case MSG_WINSIZE:
		session_winsize(h.channel, payload);
		break;
	case MSG_SIGNAL:
		session_signal(h.channel, atoi(payload));
		break;
	case MSG_POWEROFF:
		power_off();
	}
	return true;
}

static void serve(int port)
{
	struct pollfd fds[2 + 4 * MAX_SESSIONS];
	session_init(port);
	for (;;) {
		fds[0] = (struct pollfd){ port, POLLIN, 0 };
		fds[1] = (struct pollfd){ child_pipe[0], POLLIN, 0 };
		int n = 2 + session_poll_prepare(fds + 2);
		if (poll(fds, (nfds_t)n, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents & POLLIN) {
			char drain[64];
			while (read(child_pipe[0], drain, sizeof(drain)) > 0)
				;
			reap();
		}
		session_poll_done(fds + 2, n - 2);
		if (fds[0].revents & POLLIN) {
			if (!handle_message(port))
				break;
		} else if (fds[0].revents & (POLLHUP | POLLERR)) {
			break; /* nobody at the other end any more */
		}
	}
	power_off();
}

/* One program, of which nobody hears before it has ended: its frames go to a device in RAM. So nothing outside the machine
 * has a part in the run, and it repeats. */
static void run_batch(const char *device)
{
	static char request[MAX_PAYLOAD];
	struct pollfd fds[1 + 4 * MAX_SESSIONS];
	int out = open(device, O_WRONLY | O_CLOEXEC), in = open("/quire-request", O_RDONLY | O_CLOEXEC);
	ssize_t len = in < 0 ? -1 : read(in, request, sizeof(request));
	if (out < 0 || len <= 0) {
		fprintf(stderr, "init: %s or /quire-request: %s\n", device, strerror(errno));
		power_off();
	}
	session_init(out);
	session_start(0, request, (size_t)len);
	session_input_ended(0);
	while (session_any()) {
		fds[0] = (struct pollfd){ child_pipe[0], POLLIN, 0 };
		int n = session_poll_prepare(fds + 1);
		if (poll(fds, (nfds_t)n + 1, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents & POLLIN) {
			char drain[64];
			while (read(child_pipe[0], drain, sizeof(drain)) > 0)
				;
			reap();
		}
		session_poll_done(fds + 1, n);
	}
	fsync(out);
	power_off();
}

static void shell_on_console(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		int fd = open("/dev/console", O_RDWR);
		for (int i = 0; i < 3 && fd >= 0; i++)
			dup2(fd, i);
		if (fd > 2)
			close(fd);
		ioctl(0, TIOCSCTTY, 1);
		setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
		setenv("HOME", "/root", 1);
		setenv("TERM", "vt100", 0);
		if (chdir("/root"))
			(void)!chdir("/");
		execl("/bin/sh", "-sh", NULL);
		perror("init: /bin/sh");
		_exit(127);
	}
	for (int status;;) {
		pid_t ended = wait(&status);
		if (ended == pid || (ended < 0 && errno == ECHILD))
			break;
	}
	power_off();
}

int main(void)
{
	if (getpid() != 1) {
		fprintf(stderr, "init: meant to be process 1 of a guest\n");
		return 1;
	}
	mount_first();
	read_command_line();
	load_modules();
	if (!root_enter(command_line))
		power_off();
	mount_rest(root_option(command_line, "root", NULL, 0));
	if (!swap_enter(command_line))
		power_off();
	sethostname("quire", 5);
	signal(SIGPIPE, SIG_IGN);
	char batch[64];
	bool is_batch = root_option(command_line, "quire.batch", batch, sizeof(batch));
	if (!is_batch && !root_option(command_line, "quire.agent", NULL, 0))
		shell_on_console();
	if (pipe2(child_pipe, O_CLOEXEC | O_NONBLOCK)) {
		perror("init: pipe");
		power_off();
	}
	signal(SIGCHLD, on_child);
	if (is_batch)
		run_batch(batch);
	int port = open_port();
	if (port < 0) {
		fprintf(stderr, "init: no /dev/vport0p1: %s\n", strerror(errno));
		power_off();
	}
	serve(port);
}

/* SPDX-License-Identifier: MIT */
/*
 * Sessions: start, input with a window, output, end. See init.c.
 *
 * Each of a program's three streams is a pipe or the session's terminal, as the request says. What the
 * terminal prints (also the echo of its input) comes out of one descriptor, its master side.
 */
#define _GNU_SOURCE
#include "session.h"
#include "protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct session {
	bool used, has_ended, input_ended;
	pid_t pid;
	int status;
	int in, out, err;  /* our ends of pipes; -1: none, or closed */
	int master;        /* the terminal's; -1: none */
	bool master_ended; /* nobody has the terminal open */
	bool reads_tty;
	char *input;       /* not yet taken */
	size_t input_len;
};

struct request {
	char *argv[1024], *env[1024];
	int argc, envc, tty, rows, cols; /* tty: bit N, stream N is a terminal */
	const char *cwd, *user;
};

static struct session sessions[MAX_SESSIONS];
static int the_port;

static void send_frame(int type, int channel, const void *data, size_t len)
{
	static char frame[sizeof(struct frame_header) + MAX_PAYLOAD];
	struct frame_header h = { .len = (uint32_t)len, .type = (uint8_t)type, .channel = (uint8_t)channel };
	memcpy(frame, &h, sizeof(h));
	memcpy(frame + sizeof(h), data, len);
	for (size_t done = 0; done < sizeof(h) + len;) {
		ssize_t n = write(the_port, frame + done, sizeof(h) + len - done);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0)
			done += (size_t)n;
	}
}

static void send_number(int type, int channel, long v)
{
	char text[24];
	send_frame(type, channel, text, (size_t)snprintf(text, sizeof(text), "%ld", v));
}

void session_init(int port)
{
	the_port = port;
	send_frame(MSG_HELLO, 0, "", 0);
}

bool session_any(void)
{
	for (int i = 0; i < MAX_SESSIONS; i++)
		if (sessions[i].used)
			return true;
	return false;
}

static struct session *session_at(int channel)
{
	return channel < MAX_SESSIONS && sessions[channel].used ? &sessions[channel] : NULL;
}

static void parse(struct request *r, const char *s, size_t len)
{
	memset(r, 0, sizeof(*r));
	for (const char *end = s + len; s < end; s += strlen(s) + 1) {
		if (!strncmp(s, "arg=", 4) && r->argc < 1023)
			r->argv[r->argc++] = (char *)s + 4;
		else if (!strncmp(s, "env=", 4) && r->envc < 1023)
			r->env[r->envc++] = (char *)s + 4;
		else if (!strncmp(s, "tty=", 4))
			r->tty = atoi(s + 4);
		else if (!strncmp(s, "rows=", 5))
			r->rows = atoi(s + 5);
		else if (!strncmp(s, "cols=", 5))
			r->cols = atoi(s + 5);
		else if (!strncmp(s, "cwd=", 4))
			r->cwd = s + 4;
		else if (!strncmp(s, "user=", 5))
			r->user = s + 5;
	}
}

/* In the child: becomes the user; 0 or errno. */
static int become(const char *name)
{
	struct passwd *pw = getpwnam(name);
	if (!pw)
		return EINVAL;
	if (initgroups(name, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid))
		return errno;
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", name, 1);
	return 0;
}

/* The user's own shell, as a login shell: what a request without a program asks for. */
static void exec_login_shell(void)
{
	char name[256];
	const struct passwd *pw = getpwuid(getuid());
	const char *shell = pw && *pw->pw_shell ? pw->pw_shell : "/bin/sh", *base = strrchr(shell, '/');
	snprintf(name, sizeof(name), "-%s", base ? base + 1 : shell);
	setenv("SHELL", shell, 1);
	execl(shell, name, NULL);
}

static void run_child(const struct request *r, const int streams[3], int slave, int report)
{
	setsid();
	if (slave >= 0)
		ioctl(slave, TIOCSCTTY, 0);
	for (int i = 0; i < 3; i++)
		dup2(streams[i], i);
	for (int s = 1; s < 65; s++)
		signal(s, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	clearenv();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	for (int i = 0; i < r->envc; i++)
		putenv(r->env[i]);
	int failed = r->user && *r->user ? become(r->user) : 0;
	if (!failed && chdir(r->cwd && *r->cwd ? r->cwd : "/"))
		failed = errno;
	if (!failed) {
		if (r->argc)
			execvp(r->argv[0], r->argv);
		else
			exec_login_shell();
		failed = errno;
	}
	if (write(report, &failed, sizeof(failed)) < 0) {
		/* the parent sees the exit status instead */
	}
	_exit(failed == ENOENT ? 127 : 126);
}

static int open_tty(struct session *s, const struct request *r)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) || unlockpt(master))
		return -1;
	struct winsize ws = { .ws_row = (unsigned short)r->rows, .ws_col = (unsigned short)r->cols };
	ioctl(master, TIOCSWINSZ, &ws);
	fcntl(master, F_SETFL, O_NONBLOCK);
	s->master = master;
	return open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void forget(struct session *s)
{
	close_fd(&s->in);
	close_fd(&s->out);
	close_fd(&s->err);
	close_fd(&s->master);
	free(s->input);
	memset(s, 0, sizeof(*s));
}

/* Opens the terminal and pipes: streams[] are the program's ends. 0 or errno. */
static int open_streams(struct session *s, const struct request *r, int streams[3], int *slave)
{
	int *ours[3] = { &s->in, &s->out, &s->err };
	if (r->tty && (*slave = open_tty(s, r)) < 0)
		return errno;
	for (int i = 0; i < 3; i++) {
		int ends[2];
		if (r->tty & 1 << i) {
			streams[i] = *slave;
			continue;
		}
		if (pipe2(ends, O_CLOEXEC))
			return errno;
		streams[i] = ends[i ? 1 : 0];
		*ours[i] = ends[i ? 0 : 1];
		fcntl(*ours[i], F_SETFL, O_NONBLOCK);
	}
	s->reads_tty = r->tty & 1;
	return 0;
}

/* Starts the program. 0 or the errno of what it failed at. */
static int start(struct session *s, const struct request *r)
{
	int streams[3] = { -1, -1, -1 }, slave = -1, report[2] = { -1, -1 };
	int failed = open_streams(s, r, streams, &slave);
	if (!failed && pipe2(report, O_CLOEXEC))
		failed = errno;
	if (!failed && (s->pid = fork()) == 0)
		run_child(r, streams, slave, report[1]);
	if (s->pid < 0)
		failed = errno;
	close_fd(&report[1]);
	for (int i = 0; i < 3; i++)
		if (streams[i] != slave)
			close_fd(&streams[i]);
	close_fd(&slave);
	int at_exec;
	if (!failed && read(report[0], &at_exec, sizeof(at_exec)) == sizeof(at_exec))
		failed = at_exec;
	close_fd(&report[0]);
	return failed;
}

void session_start(int channel, const char *strings, size_t len)
{
	static struct request r;
	struct session *s = &sessions[channel % MAX_SESSIONS];
	if (s->used)
		return;
	parse(&r, strings, len);
	*s = (struct session){ .used = true, .in = -1, .out = -1, .err = -1, .master = -1 };
	int failed = start(s, &r);
	if (failed) {
		send_number(MSG_FAILED, channel, failed);
		forget(s);
	}
}

static int input_fd(const struct session *s) { return s->reads_tty ? s->master : s->in; }

/* Gives the program what it takes of the input that waits. */
static void feed(struct session *s)
{
	size_t done = 0;
	while (done < s->input_len) {
		ssize_t n = write(input_fd(s), s->input + done, s->input_len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) { /* nobody reads any more: the rest is dropped */
			done = s->input_len;
			s->input_ended = true;
		}
		if (n < 0)
			break;
		done += (size_t)n;
	}
	memmove(s->input, s->input + done, s->input_len - done);
	s->input_len -= done;
	if (done)
		send_number(MSG_TAKEN, (int)(s - sessions), (long)done);
	if (s->input_ended && !s->input_len)
		close_fd(&s->in);
}

void session_input(int channel, const char *data, size_t len)
{
	struct session *s = session_at(channel);
	if (!s)
		return;
	if (input_fd(s) < 0) { /* taken, by nobody */
		send_number(MSG_TAKEN, channel, (long)len);
		return;
	}
	char *grown = realloc(s->input, s->input_len + len);
	if (!grown)
		return;
	s->input = grown;
	memcpy(s->input + s->input_len, data, len);
	s->input_len += len;
	feed(s);
}

void session_input_ended(int channel)
{
	struct session *s = session_at(channel);
	if (!s)
		return;
	if (s->reads_tty) {
		session_input(channel, "\004", 1);
		return;
	}
	s->input_ended = true;
	feed(s);
}

void session_winsize(int channel, const char *rows_cols)
{
	struct session *s = session_at(channel);
	struct winsize ws = { 0 };
	if (s && s->master >= 0 && sscanf(rows_cols, "%hu %hu", &ws.ws_row, &ws.ws_col) == 2)
		ioctl(s->master, TIOCSWINSZ, &ws);
}

void session_signal(int channel, int sig)
{
	struct session *s = session_at(channel);
	if (s && s->pid > 0 && !s->has_ended)
		kill(-s->pid, sig);
}

void session_child_ended(pid_t pid, int status)
{
	for (int i = 0; i < MAX_SESSIONS; i++)
		if (sessions[i].used && sessions[i].pid == pid) {
			sessions[i].has_ended = true;
			sessions[i].status = status;
		}
}

/* How much may be left in a stream when its program has ended: others may go on writing to it. */
#define MAX_LEFT_PIECES 17

/* Passes on what is there; false: the end of the stream. */
static bool relay(struct session *s, int fd, int type)
{
	static char buf[MAX_PAYLOAD];
	for (int pieces = 0; pieces < MAX_LEFT_PIECES; pieces++) {
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		send_frame(type, (int)(s - sessions), buf, (size_t)n);
		if (!s->has_ended)
			return true; /* one piece a round: others wait too */
	}
	return true;
}

int session_poll_prepare(struct pollfd *fds)
{
	int n = 0;
	for (int i = 0; i < MAX_SESSIONS; i++) {
		struct session *s = &sessions[i];
		if (!s->used)
			continue;
		if (s->out >= 0)
			fds[n++] = (struct pollfd){ s->out, POLLIN, 0 };
		if (s->err >= 0)
			fds[n++] = (struct pollfd){ s->err, POLLIN, 0 };
		if (s->master >= 0 && !s->master_ended)
			fds[n++] = (struct pollfd){ s->master, POLLIN, 0 };
		if (input_fd(s) >= 0 && s->input_len)
			fds[n++] = (struct pollfd){ input_fd(s), POLLOUT, 0 };
	}
	return n;
}

static void finish(struct session *s)
{
	if (s->out >= 0)
		relay(s, s->out, MSG_OUTPUT);
	if (s->err >= 0)
		relay(s, s->err, MSG_ERROR);
	if (s->master >= 0)
		relay(s, s->master, MSG_TERMINAL);
	send_number(MSG_EXIT, (int)(s - sessions), s->status);
	forget(s);
}

static void stream_ready(struct session *s, const struct pollfd *p)
{
	if (p->events & POLLOUT) {
		if (p->fd == input_fd(s))
			feed(s);
	} else if (p->fd == s->out) {
		if (!relay(s, s->out, MSG_OUTPUT))
			close_fd(&s->out);
	} else if (p->fd == s->err) {
		if (!relay(s, s->err, MSG_ERROR))
			close_fd(&s->err);
	} else if (p->fd == s->master) {
		s->master_ended = !relay(s, s->master, MSG_TERMINAL); /* it stays open for input */
	}
}

void session_poll_done(const struct pollfd *fds, int n)
{
	for (int k = 0; k < n; k++)
		for (int i = 0; fds[k].revents && i < MAX_SESSIONS; i++)
			if (sessions[i].used)
				stream_ready(&sessions[i], &fds[k]);
	for (int i = 0; i < MAX_SESSIONS; i++)
		if (sessions[i].used && sessions[i].has_ended)
			finish(&sessions[i]);
}

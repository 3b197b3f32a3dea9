/* SPDX-License-Identifier: MIT */
/* Sessions: start, input with a window, output, end. See init.c. */
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
	int in, out, err; /* pipes, or the pty's master three times over; -1 = closed */
	bool is_tty;
	char *input;      /* not yet taken */
	size_t input_len;
};

struct request {
	char *argv[1024], *env[1024];
	int argc, envc, tty, rows, cols;
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

static void run_child(const struct request *r, int in, int out, int err, int report)
{
	setsid();
	if (r->tty)
		ioctl(in, TIOCSCTTY, 0);
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
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
		execvp(r->argv[0], r->argv);
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
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	s->in = s->out = master;
	s->err = -1;
	return slave;
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
	if (!s->is_tty)
		close_fd(&s->out);
	close_fd(&s->err);
	free(s->input);
	memset(s, 0, sizeof(*s));
}

void session_start(int channel, const char *strings, size_t len)
{
	static struct request r;
	struct session *s = &sessions[channel % MAX_SESSIONS];
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 }, report[2], failed = 0;
	if (s->used)
		return;
	parse(&r, strings, len);
	memset(s, 0, sizeof(*s));
	s->used = true;
	s->is_tty = r.tty;
	if (r.tty) {
		in[0] = open_tty(s, &r);
		out[1] = err[1] = in[0];
		failed = in[0] < 0 ? errno : 0;
	} else if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
		failed = errno;
	} else {
		s->in = in[1];
		s->out = out[0];
		s->err = err[0];
		fcntl(s->err, F_SETFL, O_NONBLOCK);
	}
	if (!failed && pipe2(report, O_CLOEXEC))
		failed = errno;
	if (failed) {
		send_number(MSG_FAILED, channel, failed);
		forget(s);
		return;
	}
	fcntl(s->in, F_SETFL, O_NONBLOCK);
	fcntl(s->out, F_SETFL, O_NONBLOCK);
	s->pid = fork();
	if (s->pid == 0)
		run_child(&r, in[0], out[1], err[1], report[1]);
	close(report[1]);
	close(in[0]);
	if (!r.tty) {
		close(out[1]);
		close(err[1]);
	}
	if (s->pid < 0) {
		failed = errno;
	} else if (read(report[0], &failed, sizeof(failed)) != sizeof(failed)) {
		failed = 0;
	}
	close(report[0]);
	if (failed) {
		send_number(MSG_FAILED, channel, failed);
		forget(s);
	}
}

/* Gives the program what it takes of the input that waits. */
static void feed(struct session *s)
{
	size_t done = 0;
	while (done < s->input_len) {
		ssize_t n = write(s->in, s->input + done, s->input_len - done);
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
	if (s->input_ended && !s->input_len && !s->is_tty)
		close_fd(&s->in);
}

void session_input(int channel, const char *data, size_t len)
{
	struct session *s = session_at(channel);
	if (!s)
		return;
	if (s->in < 0) { /* taken, by nobody */
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
	if (!s || s->in < 0)
		return;
	if (s->is_tty) {
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
	if (s && s->is_tty && sscanf(rows_cols, "%hu %hu", &ws.ws_row, &ws.ws_col) == 2)
		ioctl(s->in, TIOCSWINSZ, &ws);
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

/* Passes on what is there; false: the end of the stream. */
static bool relay(struct session *s, int fd, int type)
{
	static char buf[MAX_PAYLOAD];
	for (;;) {
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
		if (s->in >= 0 && s->input_len)
			fds[n++] = (struct pollfd){ s->in, POLLOUT, 0 };
	}
	return n;
}

static void finish(struct session *s)
{
	if (s->out >= 0)
		relay(s, s->out, MSG_OUTPUT);
	if (s->err >= 0)
		relay(s, s->err, MSG_ERROR);
	send_number(MSG_EXIT, (int)(s - sessions), s->status);
	forget(s);
}

void session_poll_done(const struct pollfd *fds, int n)
{
	for (int k = 0; k < n; k++) {
		if (!fds[k].revents)
			continue;
		for (int i = 0; i < MAX_SESSIONS; i++) {
			struct session *s = &sessions[i];
			if (!s->used)
				continue;
			if (fds[k].fd == s->out && fds[k].events & POLLIN && !relay(s, s->out, MSG_OUTPUT)) {
				if (s->is_tty)
					s->out = -1; /* the master stays open for input */
				else
					close_fd(&s->out);
			} else if (fds[k].fd == s->err && fds[k].events & POLLIN && !relay(s, s->err, MSG_ERROR)) {
				close_fd(&s->err);
			} else if (fds[k].fd == s->in && fds[k].events & POLLOUT) {
				feed(s);
			}
		}
	}
	for (int i = 0; i < MAX_SESSIONS; i++)
		if (sessions[i].used && sessions[i].has_ended)
			finish(&sessions[i]);
}

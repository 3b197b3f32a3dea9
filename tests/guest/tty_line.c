/* SPDX-License-Identifier: MIT */
/* Pseudo terminals and the line discipline: editing, echo, modes, signals, job control, hang-ups. */
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

/* What a terminal shows, printable. */
static const char *shown(const char *s, long n)
{
	static char buf[8192];
	char *o = buf;
	if (n < 0)
		return errno_name(errno);
	for (long i = 0; i < n && o < buf + sizeof buf - 8; i++) {
		unsigned char c = s[i];
		if (c == '\n')
			o += sprintf(o, "\\n");
		else if (c == '\r')
			o += sprintf(o, "\\r");
		else if (c < 32 || c > 126)
			o += sprintf(o, "\\%03o", c);
		else
			*o++ = c;
	}
	*o = 0;
	return buf;
}

static void settle(void) { wait_quiet(); }

static void show_read(const char *name, int fd)
{
	char buf[4096];
	struct pollfd p = { fd, POLLIN, 0 };
	settle();
	if (poll(&p, 1, 100) == 0) {
		out("%s: nothing\n", name);
		return;
	}
	errno = 0;
	long n = read(fd, buf, sizeof buf);
	out("%s: %ld %s\n", name, n, shown(buf, n));
}

static void type(const char *s) { write(master, s, strlen(s)); }

static void open_pair(void)
{
	char name[64];
	int unlock = 0;
	master = posix_openpt(O_RDWR | O_NOCTTY);
	ioctl(master, TIOCSPTLCK, &unlock);
	ptsname_r(master, name, sizeof name);
	slave = open(name, O_RDWR | O_NOCTTY);
}

static void close_pair(void)
{
	close(slave);
	close(master);
}

static void opening(void)
{
	char name[64];
	int lock = 0, n = -1;
	struct stat st;
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	OK("open ptmx", master);
	R("ioctl TIOCGPTN", ioctl(master, TIOCGPTN, &n));
	R("ioctl TIOCGPTLCK", ioctl(master, TIOCGPTLCK, &lock));
	VAL("new pty is locked", lock);
	ptsname_r(master, name, sizeof name);
	R("open slave EIO locked", open(name, O_RDWR | O_NOCTTY));
	R("grantpt", grantpt(master));
	R("unlockpt", unlockpt(master));
	slave = open(name, O_RDWR | O_NOCTTY);
	OK("open slave", slave);
	fstat(slave, &st);
	VAL("slave major", (st.st_rdev >> 8) & 0xfff);
	YES("isatty", isatty(slave));
	YES("isatty master", isatty(master));
	close(slave);
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	OK("ioctl TIOCGPTPEER", slave);
	close_pair();
	R("stat slave ENOENT after close", stat(name, &st));
}

static void print_termios(const char *name, int fd)
{
	struct termios t;
	tcgetattr(fd, &t);
	out("%s: %x %x %x %x %u cc", name, t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, t.c_line);
	for (int i = 0; i < 19; i++)
		out(" %u", t.c_cc[i]);
	out("\n");
}

static void set_flags(tcflag_t iset, tcflag_t iclear, tcflag_t oset, tcflag_t oclear, tcflag_t lset, tcflag_t lclear)
{
	struct termios t;
	tcgetattr(slave, &t);
	t.c_iflag = (t.c_iflag | iset) & ~iclear;
	t.c_oflag = (t.c_oflag | oset) & ~oclear;
	t.c_lflag = (t.c_lflag | lset) & ~lclear;
	tcsetattr(slave, TCSANOW, &t);
}

/* Types into a fresh canonical terminal; shows echo and what a program reads. */
static void edit(const char *name, const char *keys)
{
	char label[96];
	open_pair();
	type(keys);
	snprintf(label, sizeof label, "edit %s echo", name);
	show_read(label, master);
	snprintf(label, sizeof label, "edit %s line", name);
	show_read(label, slave);
	close_pair();
}

static void editing(void)
{
	edit("plain", "hello\n");
	edit("carriage return", "hello\r");
	edit("VERASE", "helx\177lo\n");
	edit("VERASE too many", "ab\177\177\177c\n");
	edit("VERASE control", "a\001\177b\n");
	edit("VERASE tab", "ab\tc\177\177d\n");
	edit("VKILL", "hello\025bye\n");
	edit("VWERASE", "one two three\027\027x\n");
	edit("VWERASE punctuation", "one,two..\027x\n");
	edit("VREPRINT", "abc\022d\n");
	edit("VLNEXT", "a\026\003b\n");
	edit("VLNEXT erase", "a\026\177\177b\n");
	edit("VEOF", "abc\004");
	edit("VEOF empty", "\004");
	edit("control echo", "\001\002\033[A\n");
	edit("no newline", "abc");
	open_pair();
	type("one\ntwo\n");
	show_read("first of two lines", slave);
	show_read("second of two lines", slave);
	type("abc\004def\n");
	char c[3];
	settle();
	out("exact read before EOF mark: %ld\n", (long)read(slave, c, 3));
	show_read("line after EOF mark", slave);
	type("partial line\n");
	settle();
	read(slave, c, 3);
	show_read("rest of a line", slave);
	int n = -1;
	type("12345\n678");
	settle();
	R("ioctl FIONREAD", ioctl(slave, FIONREAD, &n));
	VAL("FIONREAD counts lines only", n);
	close_pair();
	open_pair();
	set_flags(0, 0, 0, 0, 0, ECHO);
	type("quiet\n");
	show_read("ECHO off", master);
	set_flags(0, 0, 0, 0, ECHONL, 0);
	type("quiet\n");
	show_read("ECHONL", master);
	set_flags(0, 0, 0, 0, ECHO, ECHOE);
	type("ab\177c\n");
	show_read("ECHOE off", master);
	set_flags(0, 0, 0, 0, ECHOE | ECHOPRT, 0);
	type("abc\177\177d\n");
	show_read("ECHOPRT", master);
	set_flags(0, 0, 0, 0, 0, ECHOPRT | ECHOKE);
	type("abc\025d\n");
	show_read("ECHOKE off", master);
	set_flags(0, 0, 0, 0, 0, ECHOCTL);
	type("\001\002\n");
	show_read("ECHOCTL off", master);
	close_pair();
}

static void input_modes(void)
{
	char big[5000];
	open_pair();
	set_flags(0, ICRNL, 0, 0, 0, ECHO);
	type("a\rb\n");
	show_read("ICRNL off", slave);
	set_flags(IGNCR, 0, 0, 0, 0, 0);
	type("a\rb\n");
	show_read("IGNCR", slave);
	set_flags(INLCR, IGNCR, 0, 0, 0, ICANON);
	type("a\nb");
	show_read("INLCR raw", slave);
	set_flags(ISTRIP, INLCR, 0, 0, 0, 0);
	type("\341\342");
	show_read("ISTRIP", slave);
	set_flags(IUTF8, ISTRIP, 0, 0, ICANON | ECHO, 0);
	type("x\303\244\177y\n");
	show_read("IUTF8 erase echo", master);
	show_read("IUTF8 erase", slave);
	close_pair();
	open_pair();
	set_flags(0, 0, 0, 0, 0, ECHO);
	memset(big, 'a', sizeof big);
	fcntl(master, F_SETFL, O_NONBLOCK);
	long done = 0, n;
	while (done < 5000 && (n = write(master, big, 5000 - done)) > 0) {
		done += n;
		settle();
	}
	type("\n");
	settle();
	n = read(slave, big, sizeof big);
	VAL("longest canonical line", n);
	out("longest line ends: %s\n", shown(big + n - 3, 3));
	close_pair();
}

static void raw_modes(void)
{
	struct termios t;
	char buf[16];
	open_pair();
	print_termios("termios default", slave);
	tcgetattr(slave, &t);
	cfmakeraw(&t);
	R("tcsetattr raw", tcsetattr(slave, TCSANOW, &t));
	print_termios("termios raw", slave);
	type("ab");
	show_read("raw read", slave);
	show_read("raw no echo", master);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &t);
	R("VMIN 0 VTIME 0", read(slave, buf, 4));
	t.c_cc[VTIME] = 1;
	tcsetattr(slave, TCSANOW, &t);
	R("VMIN 0 VTIME 1", read(slave, buf, 4));
	t.c_cc[VMIN] = 3;
	t.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &t);
	if (fork() == 0) {
		for (int i = 0; i < 3; i++) {
			wait_in_call(getppid(), SYS_read);
			type("x");
		}
		_exit(0);
	}
	R("VMIN 3", read(slave, buf, 16));
	wait(NULL);
	type("x");
	R("VMIN 3 less asked", read(slave, buf, 1));
	t.c_cc[VMIN] = 5;
	t.c_cc[VTIME] = 2;
	tcsetattr(slave, TCSANOW, &t);
	type("xy");
	R("VMIN 5 VTIME 2", read(slave, buf, 16));
	fcntl(slave, F_SETFL, O_NONBLOCK);
	R("read EAGAIN", read(slave, buf, 1));
	type("left over");
	settle();
	t.c_lflag |= ICANON;
	tcsetattr(slave, TCSANOW, &t);
	show_read("raw bytes become a line", slave);
	type("gone");
	settle();
	R("tcsetattr TCSAFLUSH", tcsetattr(slave, TCSAFLUSH, &t));
	type("\n");
	show_read("TCSAFLUSH dropped input", slave);
	close_pair();
}

static void output_modes(void)
{
	open_pair();
	R("write", write(slave, "a\nb\tc\n", 6));
	show_read("ONLCR", master);
	set_flags(0, 0, XTABS, 0, 0, 0);
	write(slave, "ab\tc\n", 5);
	show_read("XTABS", master);
	set_flags(0, 0, OCRNL, 0, 0, 0);
	write(slave, "a\r", 2);
	show_read("OCRNL", master);
	set_flags(0, 0, ONOCR, OCRNL, 0, 0);
	write(slave, "\r\nx\ry", 5);
	show_read("ONOCR", master);
	set_flags(0, 0, OLCUC, ONOCR, 0, 0);
	write(slave, "abc\n", 4);
	show_read("OLCUC", master);
	set_flags(0, 0, 0, OPOST, 0, 0);
	write(slave, "a\nb", 3);
	show_read("OPOST off", master);
	set_flags(0, 0, OPOST, OLCUC, 0, 0);
	fcntl(slave, F_SETFL, O_NONBLOCK);
	type("\023");
	settle();
	R("write EAGAIN after XOFF", write(slave, "x", 1));
	type("\021");
	settle();
	R("write after XON", write(slave, "x", 1));
	show_read("flow control is not echoed", master);
	R("tcflow TCOOFF", tcflow(slave, TCOOFF));
	R("write EAGAIN after TCOOFF", write(slave, "x", 1));
	R("tcflow TCOON", tcflow(slave, TCOON));
	R("write after TCOON", write(slave, "y", 1));
	R("tcflow EINVAL", tcflow(slave, 17));
	R("tcflush EINVAL", tcflush(slave, 17));
	R("tcflush", tcflush(slave, TCIOFLUSH));
	R("tcdrain", tcdrain(slave));
	R("tcsendbreak", tcsendbreak(slave, 0));
	close_pair();
}

static volatile int winches;
static void count_winch(int sig) { winches++; }

static void windows(void)
{
	struct winsize w = { 0 };
	int v = -1;
	pid_t p;
	open_pair();
	R("ioctl TIOCGWINSZ", ioctl(slave, TIOCGWINSZ, &w));
	out("window at first: %d %d\n", w.ws_row, w.ws_col);
	w.ws_row = 33;
	w.ws_col = 101;
	R("ioctl TIOCSWINSZ master", ioctl(master, TIOCSWINSZ, &w));
	memset(&w, 0, sizeof w);
	ioctl(slave, TIOCGWINSZ, &w);
	out("window then: %d %d\n", w.ws_row, w.ws_col);
	R("ioctl TIOCGPGRP ENOTTY", ioctl(slave, TIOCGPGRP, &p));
	R("ioctl TIOCGSID ENOTTY", ioctl(slave, TIOCGSID, &p));
	R("ioctl TIOCGETD", ioctl(slave, TIOCGETD, &v));
	VAL("line discipline", v);
	R("ioctl EFAULT", ioctl(slave, TIOCGWINSZ, 8));
	R("ioctl ENOTTY", ioctl(slave, 0x54ee, &v));
	R("ioctl TIOCSCTTY EPERM", ioctl(slave, TIOCSCTTY, 0));
	R("ioctl TIOCNOTTY ENOTTY", ioctl(slave, TIOCNOTTY, 0));
	v = 1;
	R("ioctl TIOCPKT", ioctl(master, TIOCPKT, &v));
	write(slave, "hi", 2);
	show_read("packet of data", master);
	tcflow(slave, TCOOFF);
	show_read("packet of stop", master);
	tcflow(slave, TCOON);
	show_read("packet of start", master);
	tcflush(slave, TCIFLUSH);
	show_read("packet of flush", master);
	close_pair();
}

static void hangups(void)
{
	char c;
	open_pair();
	struct pollfd p = { master, POLLIN | POLLOUT, 0 };
	poll(&p, 1, 0);
	VAL("poll master", p.revents);
	write(slave, "last words", 10);
	close(slave);
	show_read("master reads what is left", master);
	R("master read EIO", read(master, &c, 1));
	p.revents = 0;
	poll(&p, 1, 0);
	VAL("poll POLLHUP master", p.revents & POLLHUP);
	close(master);
	open_pair();
	close(master);
	R("slave read at hang-up", read(slave, &c, 1));
	R("slave write EIO", write(slave, "x", 1));
	struct termios t;
	R("slave tcgetattr EIO", tcgetattr(slave, &t));
	p.fd = slave;
	p.revents = 0;
	poll(&p, 1, 0);
	VAL("poll slave hung up", p.revents);
	close(slave);
}

/* ---- sessions ---- */

static volatile int got[65];
static void note(int sig) { got[sig]++; }

static void leader(void)
{
	char name[64], c;
	pid_t pg = -1;
	int st;
	ptsname_r(master, name, sizeof name);
	close(slave);
	R("setsid", setsid() == getpid());
	R("open /dev/tty ENXIO", open("/dev/tty", O_RDWR));
	slave = open(name, O_RDWR);
	int own = open("/dev/tty", O_RDWR);
	OK("open /dev/tty", own);
	YES("tcgetpgrp", tcgetpgrp(slave) == getpid());
	YES("tcgetsid", tcgetsid(slave) == getpid());
	YES("tcgetpgrp of master", tcgetpgrp(master) == getpid());
	R("ioctl TIOCSCTTY again", ioctl(slave, TIOCSCTTY, 0));
	R("tcsetpgrp EPERM", tcsetpgrp(slave, getpgid(getppid())));
	R("tcsetpgrp ESRCH", tcsetpgrp(slave, 0x3fffff));
	R("ioctl TIOCSPGRP EINVAL", ioctl(slave, TIOCSPGRP, &pg));
	for (int s = 1; s < 32; s++)
		signal(s, note);
	type("\003");
	settle();
	VAL("VINTR gives SIGINT", got[SIGINT]);
	type("\034");
	settle();
	VAL("VQUIT gives SIGQUIT", got[SIGQUIT]);
	type("\032");
	settle();
	VAL("VSUSP gives SIGTSTP", got[SIGTSTP]);
	show_read("signal characters are shown", master);
	type("lost\003kept\n");
	show_read("signal flushes input", slave);
	show_read("and output", master);
	struct winsize w = { 10, 20, 0, 0 };
	ioctl(master, TIOCSWINSZ, &w);
	settle();
	VAL("SIGWINCH", got[SIGWINCH]);
	ioctl(master, TIOCSWINSZ, &w);
	settle();
	VAL("no SIGWINCH for the same size", got[SIGWINCH]);
	R("ioctl TIOCSTI", ioctl(slave, TIOCSTI, "q"));
	type("\n");
	show_read("TIOCSTI", slave);
	tcflush(slave, TCIOFLUSH);
	/* A background group is stopped for reading and, with TOSTOP, for writing. */
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		for (int s = 1; s < 32; s++)
			signal(s, SIG_DFL);
		read(slave, &c, 1);
		_exit(c);
	}
	setpgid(pid, pid);
	waitpid(pid, &st, WUNTRACED);
	show_status("background read", st);
	R("tcsetpgrp", tcsetpgrp(slave, pid));
	kill(pid, SIGCONT);
	type("A\n");
	waitpid(pid, &st, WUNTRACED);
	show_status("foreground read", st);
	signal(SIGTTOU, SIG_IGN);
	R("tcsetpgrp with SIGTTOU ignored", tcsetpgrp(slave, getpid()));
	tcflush(slave, TCIOFLUSH);
	set_flags(0, 0, 0, 0, TOSTOP, 0);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_DFL);
		write(slave, "x", 1);
		_exit(3);
	}
	setpgid(pid, pid);
	waitpid(pid, &st, WUNTRACED);
	show_status("background write with TOSTOP", st);
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTIN, SIG_IGN);
		errno = 0;
		result("background read EIO with SIGTTIN ignored", read(slave, &c, 1));
		result("background write with SIGTTOU ignored", write(slave, "x", 1));
		_exit(0);
	}
	setpgid(pid, pid);
	waitpid(pid, &st, 0);
	/* The leader ends: its foreground group gets SIGHUP. */
	int p[2];
	pid_t self = getpid();
	pipe(p);
	pid = fork();
	if (pid == 0) {
		signal(SIGHUP, note);
		signal(SIGCONT, note);
		write(p[1], "x", 1);
		while (getppid() == self) /* the terminal is given up before */
			usleep(1000);
		VAL("SIGHUP when the leader ends", got[SIGHUP]);
		fcntl(slave, F_SETFL, O_NONBLOCK);
		R("read after the leader ended", read(slave, &c, 1));
		R("open /dev/tty after the leader ended", open("/dev/tty", O_RDWR));
		_exit(0);
	}
	read(p[0], &c, 1);
	_exit(0);
}

static void sessions(void)
{
	int st, p[2];
	open_pair();
	pipe(p);
	pid_t pid = fork();
	if (pid == 0) {
		close(p[0]);
		leader();
	}
	close(p[1]);
	char c;
	read(p[0], &c, 1); /* until the last of them has ended */
	waitpid(pid, &st, 0);
	show_status("leader", st);
	close_pair();
	/* Closing the master hangs up. */
	open_pair();
	pid = fork();
	if (pid == 0) {
		char name[64];
		ptsname_r(master, name, sizeof name);
		setsid();
		close(slave);
		slave = open(name, O_RDWR);
		close(master);
		pause();
		_exit(1);
	}
	wait_in_call(pid, SYS_pause);
	close_pair();
	waitpid(pid, &st, 0);
	show_status("master closed", st);
}

int main(void)
{
	CHILD("tty_line") /* no leader of a session: a terminal does not become its own, to end it by a hang-up */
	{
		alarm(60); /* a read that never ends fails the comparison, not the run */
		opening();
		editing();
		input_modes();
		raw_modes();
		output_modes();
		windows();
		hangups();
		sessions();
	}
	return 0;
}

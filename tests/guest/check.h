/* SPDX-License-Identifier: MIT */
/*
 * What every guest test uses: it runs a case and prints one line "name: result". The tests judge
 * nothing themselves; the same binary runs under Linux and in Quire and the two texts are compared.
 * So nothing that differs from run to run may be printed: no addresses, process numbers or times.
 *
 * A name starts with the call and the flag or error it is about ("mmap EINVAL length 0"): the table
 * in tests/differential/table.txt finds its cases by that.
 *
 * Output goes straight to write(2): nothing is buffered that a fork could duplicate.
 */
#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define K(n) ((n) * 1024UL)
#define M(n) ((n) * 1024UL * 1024UL)

__attribute__((format(printf, 1, 2))) static inline void out(const char *fmt, ...)
{
	char buf[4096];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof buf - 1)
		n = sizeof buf - 1;
	for (int done = 0; done < n;) {
		ssize_t w = write(1, buf + done, n - done);
		if (w <= 0)
			break;
		done += w;
	}
}

static inline const char *errno_name(int e)
{
	static char other[16];
	const char *s = strerrorname_np(e);
	if (s)
		return s;
	snprintf(other, sizeof other, "errno %d", e);
	return other;
}

static inline const char *signal_name(int sig)
{
	static char buf[4][24];
	static int turn;
	char *b = buf[turn++ & 3];
	const char *s = sigabbrev_np(sig);
	if (s)
		snprintf(b, 24, "SIG%s", s);
	else
		snprintf(b, 24, "signal %d", sig);
	return b;
}

/* Prints a result of a call in the C library's manner: -1 with errno, or a value. */
static inline long result(const char *name, long r)
{
	int e = errno;
	if (r == -1)
		out("%s: %s\n", name, errno_name(e));
	else
		out("%s: %ld\n", name, r);
	errno = e;
	return r;
}

/* As result, for values that may not be printed (addresses, descriptors, process numbers). */
static inline long result_ok(const char *name, long r)
{
	int e = errno;
	if (r == -1)
		out("%s: %s\n", name, errno_name(e));
	else
		out("%s: ok\n", name);
	errno = e;
	return r;
}

/* One write to a file that is there. 0 or -1 with errno; a short write is one too. */
static inline int write_text(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	long n = write(fd, text, strlen(text));
	int e = errno;
	close(fd);
	errno = e;
	return n == (long)strlen(text) ? 0 : -1;
}

/* Up to 511 bytes of a file, without a line end behind them, or the error's name; valid for three further calls. */
static inline const char *read_text(const char *file)
{
	static char buf[4][512];
	static int turn;
	char *b = buf[turn++ & 3];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	long n = fd < 0 ? -1 : read(fd, b, sizeof(buf[0]) - 1);
	int e = errno;
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return errno_name(e);
	b[n] = 0;
	if (n && b[n - 1] == '\n')
		b[n - 1] = 0;
	return b;
}

#define R(name, expr)  (errno = 0, result((name), (long)(expr)))
#define OK(name, expr) (errno = 0, result_ok((name), (long)(expr)))
#define YES(name, cond) out("%s: %s\n", (name), (cond) ? "yes" : "no")
#define VAL(name, v)   out("%s: %ld\n", (name), (long)(v))
#define SC(...)        syscall(__VA_ARGS__)

/* ---- touching memory ---- */

static sigjmp_buf touch_jump;
static volatile sig_atomic_t touch_sig, touch_code;
static void *volatile touch_addr;

static void touch_handler(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	touch_sig = sig;
	touch_code = si->si_code;
	touch_addr = si->si_addr;
	siglongjmp(touch_jump, 1);
}

static inline void touch_setup(void)
{
	struct sigaction sa = { .sa_sigaction = touch_handler, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static inline const char *touch_name(const volatile void *p)
{
	static char buf[64];
	const char *code = "?";
	if (touch_sig == SIGSEGV)
		code = touch_code == SEGV_MAPERR ? "SEGV_MAPERR" : touch_code == SEGV_ACCERR ? "SEGV_ACCERR" :
		       touch_code == SI_KERNEL ? "SI_KERNEL" : "?";
	else if (touch_sig == SIGBUS)
		code = touch_code == BUS_ADRERR ? "BUS_ADRERR" : touch_code == BUS_ADRALN ? "BUS_ADRALN" : "?";
	snprintf(buf, sizeof buf, "%s %s%s", signal_name(touch_sig), code, touch_addr == (void *)p ? "" : " (other address)");
	return buf;
}

/* Reads one byte: "=value", or the signal it led to. */
static inline const char *get(const volatile void *p)
{
	static char buf[64];
	touch_setup();
	if (sigsetjmp(touch_jump, 1) == 0) {
		snprintf(buf, sizeof buf, "=%d", *(const volatile unsigned char *)p);
		return buf;
	}
	return touch_name(p);
}

/* Writes one byte: "ok", or the signal it led to. */
static inline const char *put(volatile void *p, int v)
{
	touch_setup();
	if (sigsetjmp(touch_jump, 1) == 0) {
		*(volatile unsigned char *)p = v;
		return "ok";
	}
	return touch_name(p);
}

/* Executes a `ret` at p. */
static inline const char *run(void *p)
{
	touch_setup();
	if (sigsetjmp(touch_jump, 1) == 0) {
		((void (*)(void))p)();
		return "ok";
	}
	return touch_name(p);
}

#define GET(name, p)    out("%s: %s\n", (name), get(p))
#define PUT(name, p, v) out("%s: %s\n", (name), put(p, v))
#define RUN(name, p)    out("%s: %s\n", (name), run(p))

/* ---- processes ---- */

static inline void show_status(const char *name, int st)
{
	if (WIFEXITED(st))
		out("%s: exit %d\n", name, WEXITSTATUS(st));
	else if (WIFSIGNALED(st))
		out("%s: killed by %s%s\n", name, signal_name(WTERMSIG(st)), WCOREDUMP(st) ? " (core)" : "");
	else if (WIFSTOPPED(st))
		out("%s: stopped by %s\n", name, signal_name(WSTOPSIG(st)));
	else if (WIFCONTINUED(st))
		out("%s: continued\n", name);
	else
		out("%s: status %x\n", name, st);
}

static inline int wait_for(const char *name, pid_t pid)
{
	int st = 0;
	pid_t r;
	do
		r = waitpid(pid, &st, 0);
	while (r == -1 && errno == EINTR);
	if (r != pid)
		out("%s: wait failed with %s\n", name, errno_name(errno));
	else
		show_status(name, st);
	return st;
}

/* Runs the block in a child and prints how it ended: CHILD("name") { ... } */
#define CHILD(name)                                                                             \
	for (pid_t child_pid_ = fork(), child_once_ = 1; child_once_ || (child_pid_ == 0 && (_exit(0), 0)); \
	     child_once_ = 0)                                                                           \
		if (child_pid_ != 0) {                                                                      \
			wait_for((name), child_pid_);                                                           \
		} else

static inline void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}

/* ---- waiting for others ---- */

static inline double clock_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The letter of a task's stat: R, S, T, Z ... 0: there is no such task (any more). */
static inline char task_state(pid_t tid)
{
	char file[32];
	snprintf(file, sizeof file, "/proc/%d/stat", tid);
	const char *end = strrchr(read_text(file), ')');
	return end ? end[2] : 0;
}

static inline bool has_ended(char state) { return state == 0 || state == 'Z' || state == 'X'; }

static inline bool is_in_call(pid_t tid, long nr)
{
	char file[32], *end;
	snprintf(file, sizeof file, "/proc/%d/syscall", tid);
	const char *text = read_text(file);
	return task_state(tid) == 'S' && strtol(text, &end, 10) == nr && end != text;
}

/*
 * Until a task sleeps in a call, or stands still ('T', 't'): looked at, for no time is long enough on a busy machine.
 * One that has ended does neither: the case goes on, and what it prints shows that.
 */
static inline void wait_in_call(pid_t tid, long nr)
{
	while (!is_in_call(tid, nr) && !has_ended(task_state(tid)))
		sleep_ms(1);
}

static inline void wait_state(pid_t tid, char state)
{
	for (char now; (now = task_state(tid)) != state && !has_ended(now);)
		sleep_ms(1);
}

/*
 * Until nobody else runs, as /proc/loadavg tells: what the kernel does behind one's back, to move a terminal's characters
 * for instance, is done then. Holds with one CPU; a machine that others work on too is given up after a while.
 */
static inline void wait_quiet(void)
{
	for (int i = 0; i < 100; i++) {
		const char *others = strchr(read_text("/proc/loadavg"), '/');
		if (others && !strncmp(others - 2, " 1", 2))
			break;
		sleep_ms(1);
	}
}

/* ---- memory ---- */

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static inline char *anon(size_t len, int prot, int flags)
{
	char *p = mmap(NULL, len, prot, MAP_ANONYMOUS | flags, -1, 0);
	if (p == MAP_FAILED) {
		out("setup: mmap failed with %s\n", errno_name(errno));
		_exit(99);
	}
	return p;
}

/* A window of n pages of reserved address space with a free page on both sides, for layouts. */
static inline char *window(size_t n)
{
	char *p = anon((n + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	munmap(p, (n + 2) * PAGE);
	return p + PAGE;
}

static inline int temp_file(const char *name, size_t pages)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buf[PAGE];
	for (size_t i = 0; i < pages; i++) {
		memset(buf, 'a' + (int)(i % 26), sizeof buf);
		if (write(fd, buf, sizeof buf) != sizeof buf)
			out("setup: write failed with %s\n", errno_name(errno));
	}
	return fd;
}

/* Prints the regions of [lo, lo + n pages) from /proc/self/maps, in pages relative to lo. */
static inline void maps(const char *name, const void *lo, size_t n)
{
	unsigned long from = (unsigned long)lo, to = from + n * PAGE;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	out("%s:", name);
	while (f && fgets(line, sizeof line, f)) {
		unsigned long s, e, off;
		char perm[8];
		int at = 0;
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s%n", &s, &e, perm, &off, &at) < 4 || e <= from || s >= to)
			continue;
		char *path = line + at;
		path += strspn(path, " ");
		path[strcspn(path, "\n")] = 0;
		char *base = strrchr(path, '/');
		out(" [%ld,%ld %s", ((long)s - (long)from) / (long)PAGE, ((long)e - (long)from) / (long)PAGE, perm);
		if (*path)
			out(" %s+%lu", base ? base + 1 : path, off / PAGE);
		out("]");
	}
	if (f)
		fclose(f);
	out("\n");
}

/* A field of /proc/self/status or smaps-like file, in its own unit; -1 when missing. */
static inline long proc_field(const char *file, const char *field)
{
	char line[512];
	long v = -1;
	FILE *f = fopen(file, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			v = atol(line + strlen(field) + 1);
	if (f)
		fclose(f);
	return v;
}

static inline long minor_faults(void)
{
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt;
}

#endif

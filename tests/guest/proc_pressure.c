/* SPDX-License-Identifier: MIT */
/* /proc/pressure: what it shows, what may be written, and a trigger that fires. */
#include "check.h"
#include <poll.h>
#include <sys/stat.h>

static const char *const names[] = { "io", "memory", "cpu" };

static void path_of(char *buf, const char *name) { sprintf(buf, "/proc/pressure/%s", name); }

/* Digits become N: how many there are before the point says nothing. */
static void show_format(const char *name)
{
	char path[64], text[512], shown[512];
	path_of(path, name);
	int fd = open(path, O_RDONLY), n = 0;
	long len = read(fd, text, sizeof text - 1);
	if (len < 0) {
		out("read of %s: %s\n", name, errno_name(errno));
		return;
	}
	text[len] = 0;
	for (char *p = text; *p; p++) {
		bool is_digit = *p >= '0' && *p <= '9', is_fraction = p > text && p[-1] == '.';
		if (is_digit && !is_fraction && n && shown[n - 1] == 'N' && !(n > 1 && shown[n - 2] == '.'))
			continue;
		shown[n++] = is_digit ? 'N' : *p == '\n' ? '/' : *p;
	}
	shown[n] = 0;
	out("format of %s: %s\n", name, shown);
	out("%s: read at the end: %ld\n", name, (long)read(fd, text, sizeof text));
	char again[512];
	long len2 = pread(fd, again, 4, 0);
	out("%s: pread of 4 bytes: %ld %.4s\n", name, len2, again);
	close(fd);
	struct stat st;
	stat(path, &st);
	out("%s: mode %o, size %ld\n", name, st.st_mode, (long)st.st_size);
}

static unsigned long long total(const char *name, const char *kind)
{
	char path[64], line[128];
	unsigned long long v = 0;
	path_of(path, name);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, kind, 4))
			v = strtoull(strstr(line, "total=") + 6, NULL, 10);
	if (f)
		fclose(f);
	return v;
}

/* Each on a new descriptor; `len` bytes of text. */
static void set(const char *name, const char *text, size_t len)
{
	char path[64], title[128];
	path_of(path, name);
	int fd = open(path, O_RDWR);
	snprintf(title, sizeof title, "%s: '%.*s' of %zu bytes", name, (int)strcspn(text, "\n"), text, len);
	R(title, write(fd, text, len));
	close(fd);
}

static void settings(void)
{
	static const char *const texts[] = {
		"some 150000 1000000", "full 150000 1000000", "some 500000 500000",  "some 150000 499999",  "some 150000 10000001", "some 0 1000000",
		"some 1000001 1000000", "some 150000",        "150000 1000000",      "some x 1000000",      "none 150000 1000000",  " some 150000 1000000",
		"some  150000  1000000", "some\t150000 1000000", "some 150000 1000000 7", "some 150000 1000000x", "some150000 1000000", "full 150000 10000000",
		"some -1 1000000", "some +150000 1000000", "some 0x10 1000000",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		set("memory", texts[i], strlen(texts[i]) + 1);
	set("memory", "some 150000 1000000\n", 20);
	set("memory", "some 150000 1000000", 19); /* the last digit is lost */
	set("memory", "some 150000 5000000", 19);
	set("memory", "some 150000 1000000             ", 32);
	set("memory", "some 150000 1000000                       ", 40);
	set("memory", "", 0);
	set("memory", "", 1);
	set("io", "full 150000 1000000", 20);
	set("cpu", "some 150000 1000000", 20);
	set("cpu", "full 150000 1000000", 20);
	int fd = open("/proc/pressure/memory", O_RDWR);
	R("write EFAULT", write(fd, (void *)16, 20));
	R("write, a first trigger", write(fd, "some 150000 1000000", 20));
	R("write EBUSY a second trigger", write(fd, "some 150000 1000000", 20));
	char buf[4];
	R("read beside the trigger", read(fd, buf, 4));
	R("lseek SEEK_SET", lseek(fd, 0, SEEK_SET));
	R("lseek EINVAL SEEK_END", lseek(fd, 0, SEEK_END));
	close(fd);
	fd = open("/proc/pressure/memory", O_RDONLY);
	R("write EBADF read-only", write(fd, "some 150000 1000000", 20));
	close(fd);
	int by_root = open("/proc/pressure/memory", O_RDWR);
	CHILD("without privileges") {
		if (setuid(1000))
			_exit(1);
		OK("open for reading", open("/proc/pressure/memory", O_RDONLY));
		OK("open for writing", open("/proc/pressure/cpu", O_WRONLY));
		static const char *const texts[] = { "some 150000 1000000", "some 150000 2000000", "some 150000 3000000", "full 150000 4000000", "some 1 500000", "some 1 10000000" };
		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
			set("memory", texts[i], strlen(texts[i]) + 1);
		R("write to what root opened", write(by_root, "some 150000 1000000", 20));
		_exit(0);
	}
}

static void show_poll(const char *name, int fd, short events, int timeout)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, 1, timeout);
	out("%s: %d %x\n", name, n, (unsigned)p.revents);
}

static void polls(void)
{
	int fd = open("/proc/pressure/cpu", O_RDWR);
	show_poll("poll without a trigger", fd, POLLPRI, 0);
	show_poll("poll without a trigger, for input", fd, POLLIN | POLLOUT, 0);
	close(fd);
	fd = open("/proc/pressure/io", O_RDWR);
	R("a trigger on io", write(fd, "full 9000000 10000000", 22));
	show_poll("poll of a quiet trigger", fd, POLLPRI, 0);
	show_poll("poll of a quiet trigger with time", fd, POLLPRI, 700);
	show_poll("poll of a quiet trigger, for input", fd, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM, 0);
	close(fd);
}

/* Two processes for one CPU: one of them always waits. */
static void busy(void)
{
	cpu_set_t one;
	pid_t pids[2];
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof one, &one);
	int fd = open("/proc/pressure/cpu", O_RDWR);
	R("a trigger on cpu", write(fd, "some 400000 4000000", 20)); /* once in four seconds: between two polls it is quiet */
	unsigned long long before = total("cpu", "some"), full = total("cpu", "full"), memory = total("memory", "full");
	for (int i = 0; i < 2; i++)
		if (!(pids[i] = fork()))
			for (;;)
				;
	show_poll("poll while two are busy", fd, POLLPRI, 10000);
	show_poll("poll, it has been taken", fd, POLLPRI, 0);
	sleep_ms(5000);
	show_poll("poll, five seconds later", fd, POLLPRI, 10000);
	unsigned long long grown = total("cpu", "some") - before;
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	YES("some of the CPU's time grows while two are busy", grown > 4000000);
	YES("full does not", total("cpu", "full") == full);
	YES("nor does memory's", total("memory", "full") - memory < 100000);
	char line[128];
	FILE *f = fopen("/proc/pressure/cpu", "r");
	double avg10 = 0;
	if (f && fgets(line, sizeof line, f))
		avg10 = atof(line + strlen("some avg10="));
	YES("avg10 after more than five seconds", avg10 > 20 && avg10 < 95);
	close(fd);
}

int main(void)
{
	for (int i = 0; i < 3; i++)
		show_format(names[i]);
	settings();
	polls();
	busy();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Runs a program while the record of the memory manager is on (/proc/quire/trace), and passes the record on, with a
 * sample of the machine's figures every so often. Started by `quire trace` and `quire report`.
 *
 *   tracer [-o FILE] [-s RECORDS] [-i SAMPLE_MS] [-r REGIONS_MS] [-m BYTES] [-q] [-d] -e "EVENT..." -- PROGRAM ARGS...
 *
 * -m: the program may use so much memory: it runs in a group of its own (/sys/fs/cgroup).
 * -q: what the program prints is thrown away.
 * FILE gets chunks, each a type and a length (two little-endian words) and so many bytes: see enum chunk. -d: nothing is
 * written before the program has ended, so that no device disturbs it. What tracer itself does is not recorded.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRACE "/proc/quire/trace/"
#define GROUP "/sys/fs/cgroup/traced"
#define POLL_NS 1000000l /* between looks at the rings */

enum chunk {
	CHUNK_FORMAT = 1,  /* the text of TRACE "format" */
	CHUNK_NAMES = 2,   /* "ns N", before all records, and lines "pid name" of what runs then */
	CHUNK_RECORDS = 3, /* the time (u64, ns) before which all is complete, then records */
	CHUNK_SAMPLE = 4,  /* "ns N", lines of meminfo, "process pid name rss swap tables" in kB */
	CHUNK_REGIONS = 6, /* (-r) "ns N", "pid N", and what smaps says; the accessed bits are cleared then, so that the next one tells
	                    * what was used since */
	CHUNK_END = 5,     /* the program's wait status (u32), its pid (u32), the time (u64) */
};

static int out = -1, records_fd;
static bool is_deferred, is_quiet;
static char *kept; /* with -d */
static size_t kept_len, kept_room;

static void fail(const char *what)
{
	fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void write_all(const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(out, (const char *)data + done, len - done);
		if (n < 0 && errno != EINTR)
			fail("the record");
		done += n > 0 ? (size_t)n : 0;
	}
}

static void keep(const void *data, size_t len)
{
	if (kept_len + len > kept_room) {
		kept_room = (kept_len + len) * 2;
		kept = realloc(kept, kept_room);
		if (!kept)
			fail("memory for the record");
	}
	memcpy(kept + kept_len, data, len);
	kept_len += len;
}

static void put(const void *data, size_t len)
{
	if (is_deferred)
		keep(data, len);
	else
		write_all(data, len);
}

static void put_chunk(uint32_t type, const void *data, size_t len)
{
	uint32_t header[2] = { type, (uint32_t)len };
	put(header, sizeof(header));
	put(data, len);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;
	if (fd < 0)
		return 0;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = 0;
	close(fd);
	return len;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- what is passed on ---- */

static void put_format(void)
{
	static char text[16384];
	size_t len = read_file(TRACE "format", text, sizeof(text));
	if (!len)
		fail(TRACE "format (a record is kept by Quire, not by Linux)");
	put_chunk(CHUNK_FORMAT, text, len);
}

static void each_process(void (*fn)(int pid, char *text, size_t size, size_t *len), char *text, size_t size, size_t *len)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			fn(atoi(e->d_name), text, size, len);
	if (d)
		closedir(d);
}

static void append(char *text, size_t size, size_t *len, const char *more)
{
	size_t n = strlen(more);
	if (*len + n < size) {
		memcpy(text + *len, more, n + 1);
		*len += n;
	}
}

static void add_name(int pid, char *text, size_t size, size_t *len)
{
	char path[64], comm[64], line[160];
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (!read_file(path, comm, sizeof(comm)))
		return;
	comm[strcspn(comm, "\n")] = 0;
	snprintf(line, sizeof(line), "%d %s\n", pid, comm);
	append(text, size, len, line);
}

static void put_names(void)
{
	static char text[32768];
	size_t len = (size_t)snprintf(text, sizeof(text), "ns %llu\n", (unsigned long long)now_ns());
	each_process(add_name, text, sizeof(text), &len);
	put_chunk(CHUNK_NAMES, text, len);
}

static long field(const char *status, const char *name)
{
	const char *at = strstr(status, name);
	return at ? atol(at + strlen(name)) : -1;
}

static void add_process(int pid, char *text, size_t size, size_t *len)
{
	static char status[4096];
	char path[64], line[200], name[32] = "";
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (pid == getpid() || !read_file(path, status, sizeof(status)) || field(status, "VmRSS:") < 0)
		return; /* a thread of the kernel, or gone */
	sscanf(status, "Name:\t%31[^\n]", name);
	snprintf(line, sizeof(line), "process %d %ld %ld %ld %s\n", pid, field(status, "VmRSS:"), field(status, "VmSwap:"), field(status, "VmPTE:"), name);
	append(text, size, len, line);
}

static void put_sample(void)
{
	static char text[65536], meminfo[8192];
	size_t len = (size_t)snprintf(text, sizeof(text), "ns %llu\n", (unsigned long long)now_ns());
	read_file("/proc/meminfo", meminfo, sizeof(meminfo));
	append(text, sizeof(text), &len, meminfo);
	each_process(add_process, text, sizeof(text), &len);
	put_chunk(CHUNK_SAMPLE, text, len);
}

static void put_regions_of(int pid, char *text, size_t size, size_t *len)
{
	char path[64];
	(void)len;
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	size_t n = (size_t)snprintf(text, size, "ns %llu\npid %d\n", (unsigned long long)now_ns(), pid), had = n;
	if (pid == 1 || pid == getpid())
		return;
	n += read_file(path, text + n, size - n);
	if (n == had)
		return;
	put_chunk(CHUNK_REGIONS, text, n);
	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	write_file(path, "1");
}

static void put_regions(void)
{
	static char text[1 << 20];
	each_process(put_regions_of, text, sizeof(text), NULL);
}

/* All that the rings hold. */
static void put_records(void)
{
	static struct {
		uint64_t complete_ns;
		char records[48 * 8192];
	} c;
	ssize_t n;
	do {
		c.complete_ns = now_ns();
		n = read(records_fd, c.records, sizeof(c.records));
		if (n > 0)
			put_chunk(CHUNK_RECORDS, &c, sizeof(c.complete_ns) + (size_t)n);
	} while (n > (ssize_t)sizeof(c.records) / 2);
}

/* ---- the program ---- */

static pid_t start(char **argv, int *go)
{
	int gate[2];
	char c;
	if (pipe2(gate, O_CLOEXEC))
		fail("pipe");
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		close(gate[1]);
		if (read(gate[0], &c, 1) != 1)
			_exit(125);
		if (is_quiet) {
			int null = open("/dev/null", O_WRONLY);
			dup2(null, 1);
			dup2(null, 2);
		}
		execvp(argv[0], argv);
		int status = errno == ENOENT ? 127 : 126;
		fprintf(stderr, "quire: %s: %s\n", argv[0], status == 127 ? "not found in the guest" : strerror(errno));
		_exit(status);
	}
	close(gate[0]);
	*go = gate[1];
	return pid;
}

static void confine(pid_t pid, const char *limit)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", pid);
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if ((mkdir(GROUP, 0755) && errno != EEXIST) || write_file(GROUP "/memory.max", limit) || write_file(GROUP "/cgroup.procs", number))
		fail(GROUP);
}

/* Is something that is done every so many milliseconds (0: never) due? */
static bool is_due(uint64_t *next, long ms)
{
	bool is_now = ms && now_ns() >= *next;
	if (is_now)
		*next = now_ns() + (uint64_t)ms * 1000000u;
	return is_now;
}

static int watch(pid_t pid, long sample_ms, long regions_ms)
{
	uint64_t next_sample = 0, next_regions = 0;
	int status;
	for (;;) {
		pid_t ended = waitpid(pid, &status, WNOHANG);
		put_records();
		if (ended == pid)
			return status;
		if (is_due(&next_sample, sample_ms))
			put_sample();
		if (is_due(&next_regions, regions_ms))
			put_regions();
		nanosleep(&(struct timespec){ 0, POLL_NS }, NULL);
	}
}

/* The device may still be on its way. */
static int open_out(const char *path)
{
	for (int i = 0; i < 500; i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != ENXIO)
			return fd;
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
	return -1;
}

/* Ends as the program did. */
static int end_like(int status)
{
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	const char *path = "/dev/vport0p2", *events = "all", *size = NULL, *limit = "0";
	long sample_ms = 0, regions_ms = 0;
	int option, go;
	while ((option = getopt(argc, argv, "+o:s:i:r:m:e:dq")) != -1) {
		if (option == 'o')
			path = optarg;
		else if (option == 's')
			size = optarg;
		else if (option == 'i')
			sample_ms = atol(optarg);
		else if (option == 'r')
			regions_ms = atol(optarg);
		else if (option == 'm')
			limit = optarg;
		else if (option == 'e')
			events = optarg;
		else if (option == 'q')
			is_quiet = true;
		else if (option == 'd')
			is_deferred = true;
		else
			return 125;
	}
	if (optind == argc) {
		fprintf(stderr, "tracer: no program\n");
		return 125;
	}
	if ((out = open_out(path)) < 0)
		fail(path);
	if (size && write_file(TRACE "size", size))
		fail(TRACE "size");
	put_format();
	put_names();
	if ((records_fd = open(TRACE "records", O_RDONLY | O_CLOEXEC)) < 0)
		fail(TRACE "records");
	pid_t pid = start(argv + optind, &go);
	if (strcmp(limit, "0"))
		confine(pid, limit);
	signal(SIGINT, SIG_IGN); /* the program's, which ends it or not */
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	write_file("/proc/self/oom_score_adj", "-1000"); /* what ends the program shall be told */
	mlockall(MCL_CURRENT | MCL_FUTURE); /* a reader that waits for memory loses records */
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 50 });
	if (write_file(TRACE "events", events))
		fail("events");
	if (write(go, "g", 1) != 1)
		fail("the program");
	close(go);
	int status = watch(pid, sample_ms, regions_ms);
	write_file(TRACE "events", "");
	put_records();
	if (sample_ms)
		put_sample();
	struct {
		uint32_t status, pid;
		uint64_t ns;
	} end = { (uint32_t)status, (uint32_t)pid, now_ns() };
	put_chunk(CHUNK_END, &end, sizeof(end));
	if (is_deferred) {
		write_all(kept, kept_len);
		fsync(out);
	}
	close(out);
	return end_like(status);
}

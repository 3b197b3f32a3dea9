/* SPDX-License-Identifier: MIT */
/*
 * Known amounts of memory for tools to find. Each word is a load, done in the order given; then "ready" is printed, and
 * the program holds what it has until it is killed. With "once" as the last word it ends instead.
 *
 *   name=WORD    what the program is called from here on
 *   anon=MIB     private memory, every page written
 *   shared=MIB   shared memory, every page written
 *   locked=MIB   private memory, written and locked
 *   file=MIB     the beginning of /root/data, mapped and read
 *   pageout=MIB  private memory, written, then sent to swap
 *   swapin=MIB   the same, then read again once it is no longer in memory
 *   major=MIB    the beginning of /root/data, mapped and read page by page from the disk
 *   read=MIB     the beginning of /root/data, read from the disk
 *   threads=N    further threads that wait, each called "worker"
 *   fork=N       children that hold the same, and have read the latest mapping
 *   spin=MS      that much CPU time
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define MIB  (1ul << 20)
#define DATA "/root/data"

static char *latest; /* mapping */
static size_t latest_len;

static char *map(size_t len, int flags, int fd)
{
	int rights = fd < 0 ? PROT_READ | PROT_WRITE : PROT_READ;
	char *p = mmap(NULL, len, rights, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (p == MAP_FAILED)
		err(2, "mmap of %zu bytes", len);
	latest = p;
	latest_len = len;
	madvise(p, len, MADV_NOHUGEPAGE); /* one fault for each page; EINVAL where there are no huge ones */
	return p;
}

static void write_pages(char *p, size_t len)
{
	for (size_t at = 0; at < len; at += PAGE)
		((volatile char *)p)[at] = (char)(at / PAGE | 1);
}

static void read_pages(const char *p, size_t len)
{
	for (size_t at = 0; at < len; at += PAGE)
		(void)((const volatile char *)p)[at];
}

static char *write_new(size_t len, int flags)
{
	char *p = map(len, flags, -1);
	write_pages(p, len);
	return p;
}

static char *send_out(size_t len)
{
	char *p = write_new(len, MAP_PRIVATE);
	if (madvise(p, len, MADV_PAGEOUT))
		err(2, "MADV_PAGEOUT");
	return p;
}

static size_t nr_resident(char *p, size_t len)
{
	static unsigned char in[1 << 16];
	size_t nr = 0;
	if (mincore(p, len, in))
		err(2, "mincore");
	for (size_t i = 0; i < len / PAGE; i++)
		nr += in[i] & 1;
	return nr;
}

/* Linux keeps what it has written to swap until memory is short: so it is made short, a bit at a time. */
static void swap_in(size_t len)
{
	char *p = send_out(len), *more[64];
	unsigned nr = 0;
	while (nr_resident(p, len) && nr < 64)
		more[nr++] = write_new(8 * MIB, MAP_PRIVATE);
	while (nr)
		munmap(more[--nr], 8 * MIB);
	read_pages(p, len);
}

static int open_data(int is_dropped)
{
	int fd = open(DATA, O_RDONLY);
	if (fd < 0)
		err(2, DATA);
	if (is_dropped)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return fd;
}

static void map_file(size_t len, int is_dropped)
{
	int fd = open_data(is_dropped);
	char *p = map(len, MAP_SHARED, fd);
	if (is_dropped)
		madvise(p, len, MADV_RANDOM); /* one page for each fault */
	read_pages(p, len);
	close(fd);
}

static void read_file(size_t len)
{
	int fd = open_data(1);
	char *buffer = map(MIB, MAP_PRIVATE, -1);
	for (size_t at = 0; at < len; at += MIB)
		if (pread(fd, buffer, MIB, (off_t)at) != (ssize_t)MIB)
			err(2, "reading " DATA);
	munmap(buffer, MIB);
	close(fd);
}

static sem_t named;

static void *worker(void *arg)
{
	prctl(PR_SET_NAME, "worker");
	sem_post(&named);
	for (;;)
		pause();
	return arg;
}

static void start_threads(unsigned long n)
{
	pthread_attr_t attr;
	pthread_t t;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	while (n--) {
		if (pthread_create(&t, &attr, worker, NULL))
			errx(2, "no thread");
		sem_wait(&named);
	}
}

/* Each reads the latest mapping: what is shared is in its page tables too then. */
static void fork_children(unsigned long n)
{
	int ready[2];
	char c;
	if (pipe(ready))
		err(2, "pipe");
	while (n--) {
		pid_t pid = fork();
		if (pid < 0)
			err(2, "fork");
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, 9);
			read_pages(latest, latest_len);
			if (write(ready[1], "r", 1) != 1)
				_exit(2);
			for (;;)
				pause();
		}
		if (read(ready[0], &c, 1) != 1)
			err(2, "child");
	}
}

static void spin(unsigned long ms)
{
	struct timespec t;
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while ((unsigned long)t.tv_sec * 1000 + (unsigned long)t.tv_nsec / 1000000 < ms);
}

static void load(const char *what, const char *value)
{
	unsigned long n = strtoul(value, NULL, 10);
	size_t len = n * MIB;
	if (!strcmp(what, "name"))
		prctl(PR_SET_NAME, value);
	else if (!strcmp(what, "anon"))
		write_new(len, MAP_PRIVATE);
	else if (!strcmp(what, "shared"))
		write_new(len, MAP_SHARED);
	else if (!strcmp(what, "locked")) {
		if (mlock(write_new(len, MAP_PRIVATE), len))
			err(2, "mlock");
	} else if (!strcmp(what, "file"))
		map_file(len, 0);
	else if (!strcmp(what, "pageout"))
		send_out(len);
	else if (!strcmp(what, "swapin"))
		swap_in(len);
	else if (!strcmp(what, "major"))
		map_file(len, 1);
	else if (!strcmp(what, "read"))
		read_file(len);
	else if (!strcmp(what, "threads"))
		start_threads(n);
	else if (!strcmp(what, "fork"))
		fork_children(n);
	else if (!strcmp(what, "spin"))
		spin(n);
	else
		errx(2, "no load %s", what);
}

int main(int argc, char **argv)
{
	int is_once = argc > 1 && !strcmp(argv[argc - 1], "once");
	for (int i = 1; i < argc - is_once; i++) {
		char word[64], *value;
		snprintf(word, sizeof(word), "%s", argv[i]);
		value = strchr(word, '=');
		if (!value)
			errx(2, "%s: no load", argv[i]);
		*value++ = 0;
		load(word, value);
	}
	puts("ready");
	fflush(stdout);
	while (!is_once)
		pause();
	return 0;
}

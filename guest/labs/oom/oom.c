/* SPDX-License-Identifier: MIT */
/* Memory runs out, twice: once for one process that grows, once among four of which each has its own oom_score_adj. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1l << 20)

static long meminfo(const char *name)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			kb = atol(line + strlen(name) + 1);
	if (f)
		fclose(f);
	return kb;
}

static void adjust(int adj)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "w");
	if (!f || fprintf(f, "%d", adj) < 0 || fclose(f))
		exit(2);
}

static char *take(long bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(3);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	memset(p, 1, bytes);
	return p;
}

static void memory(const char *when)
{
	printf("%s, MemFree = %ld\n%s, Cached = %ld\n%s, MemAvailable = %ld\n", when, meminfo("MemFree"), when, meminfo("Cached"), when, meminfo("MemAvailable"));
	fflush(stdout);
}

/* ---- one that grows ---- */

/* Has so much of a file cached that it shows when it goes. */
static void fill_cache(long bytes)
{
	int fd = open("cached", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *buf = take(MIB);
	for (long at = 0; at < bytes; at += MIB)
		if (write(fd, buf, MIB) != MIB)
			exit(4);
	fsync(fd);
	for (long at = 0; at < bytes; at += MIB)
		if (pread(fd, buf, MIB, at) != MIB)
			exit(4);
	munmap(buf, MIB);
	close(fd);
}

/* Grows by `step` for every byte it can write. */
static pid_t grower(int adj, long step, int *out)
{
	int fd[2];
	if (pipe(fd))
		exit(5);
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, "grower");
		adjust(adj);
		for (char c = 'x';;) {
			take(step);
			if (write(fd[1], &c, 1) != 1)
				exit(6);
		}
	}
	close(fd[1]);
	*out = fd[0];
	return pid;
}

static void one_grows(void)
{
	int fd, st;
	long step = 16 * MIB;
	fill_cache(meminfo("MemAvailable") / 4 << 10);
	memory("before");
	pid_t pid = grower(0, step, &fd);
	char c;
	printf("     taken     free   cached available (kB)\n");
	for (long taken = 0; read(fd, &c, 1) == 1;) {
		taken += step >> 10;
		printf("%10ld %8ld %8ld %9ld\n", taken, meminfo("MemFree"), meminfo("Cached"), meminfo("MemAvailable"));
		fflush(stdout);
	}
	waitpid(pid, &st, 0);
	close(fd);
	printf("the grower ended by signal = %d\nthe grower's number = %d\n", WIFSIGNALED(st) ? WTERMSIG(st) : 0, (int)pid);
	memory("after");
}

/* ---- four ---- */

static struct {
	const char *name;
	int adj, share; /* thousandths of what is available */
	pid_t pid;
} four[] = {
	{ "ssh-daemon", -1000, 20 }, { "python-server", 0, 220 }, { "db-backup", 500, 100 }, { "browser", 0, 300 },
};

static long number_of(pid_t pid, const char *file)
{
	char name[64], text[32] = "";
	snprintf(name, sizeof name, "/proc/%d/%s", (int)pid, file);
	FILE *f = fopen(name, "r");
	if (f && !fgets(text, sizeof text, f))
		text[0] = 0;
	if (f)
		fclose(f);
	return atol(text);
}

static void start_four(void)
{
	long available = meminfo("MemAvailable");
	for (int i = 0; i < 4; i++) {
		int fd[2];
		char c;
		if (pipe(fd))
			exit(5);
		four[i].pid = fork();
		if (!four[i].pid) {
			prctl(PR_SET_NAME, four[i].name);
			adjust(four[i].adj);
			take(available / 1000 * four[i].share << 10);
			if (write(fd[1], "x", 1) != 1)
				exit(6);
			for (;;)
				pause();
		}
		if (read(fd[0], &c, 1) != 1)
			exit(7);
		close(fd[0]);
		close(fd[1]);
		printf("%s: MiB = %ld\n%s: oom_score_adj = %ld\n%s: oom_score = %ld\n", four[i].name, available / 1000 * four[i].share >> 10, four[i].name,
		       number_of(four[i].pid, "oom_score_adj"), four[i].name, number_of(four[i].pid, "oom_score"));
	}
	fflush(stdout);
}

/* A fifth, which is never killed, takes whatever comes free, until three of the four are gone. */
static void among_four(void)
{
	int fd;
	start_four();
	pid_t hungry = grower(-1000, 65536, &fd);
	for (int nr = 1; nr <= 3;) {
		int st;
		pid_t pid = wait(&st);
		for (int i = 0; i < 4; i++)
			if (pid == four[i].pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL)
				printf("killed %d = %s\n", nr++, four[i].name);
		fflush(stdout);
	}
	kill(hungry, SIGKILL);
	waitpid(hungry, NULL, 0);
	printf("the ssh-daemon lives = %d\n", kill(four[0].pid, 0) == 0);
	for (int i = 0; i < 4; i++)
		kill(four[i].pid, SIGKILL);
}

int main(int argc, char **argv)
{
	adjust(-1000); /* the observer stays */
	if (argc > 1)
		among_four();
	else
		one_grows();
	fflush(stdout);
	return system("dmesg | grep -E 'invoked oom-killer|oom-kill:|Killed process|oom_reaper|oom killer' | sed 's/^\\[ *[0-9.]*\\] //'");
}

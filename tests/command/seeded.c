/* SPDX-License-Identifier: MIT */
/*
 * Eight programs at the same time, each with two threads that draw at the same time: what each of them
 * drew and where it lies, in the order of their numbers. Timers interrupt the clones of the parent.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAMS 8

static unsigned long drawn[2];

static void *draw(void *arg)
{
	unsigned long *to = arg;
	for (int i = 0; i < 200; i++)
		getrandom(to, sizeof(*to), 0);
	return NULL;
}

static int one(const char *number)
{
	pthread_t threads[2];
	unsigned long mine;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, draw, &drawn[i]);
	for (int i = 0; i < 500; i++)
		getrandom(&mine, sizeof(mine), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	void *mapped = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	printf("%s self: %lx stack %p map %p heap %p\n", number, mine, (void *)&threads, mapped, sbrk(0));
	printf("%s thread 0: %lx\n%s thread 1: %lx\n", number, drawn[0], number, drawn[1]);
	return 0;
}

static void on_alarm(int sig) { (void)sig; }

int main(int argc, char **argv)
{
	int ends[PROGRAMS][2];
	char number[8], text[4096];
	if (argc > 1)
		return one(argv[1]);
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 300 }, { 0, 300 } }, NULL);
	for (int i = 0; i < PROGRAMS; i++) {
		snprintf(number, sizeof(number), "%d", i);
		if (pipe(ends[i]))
			return 1;
		if (fork() == 0) {
			setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
			dup2(ends[i][1], 1);
			execl("/proc/self/exe", argv[0], number, NULL);
			_exit(127);
		}
		close(ends[i][1]);
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	for (int i = 0; i < PROGRAMS; i++)
		for (ssize_t n; (n = read(ends[i][0], text, sizeof(text))) > 0;)
			if (write(1, text, (size_t)n) != n)
				return 1;
	while (wait(NULL) > 0)
		;
	return 0;
}

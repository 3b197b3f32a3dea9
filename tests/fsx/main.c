/* SPDX-License-Identifier: MIT */
/*
 *     fsx SEED PROCESSES OPERATIONS DIRECTORY [DEVICE]
 *
 * Works in DIRECTORY; with DEVICE, an ext2 file system is mounted there first, and again after half of the
 * operations and at the end: what was written must then come from the disk. Ends with "fsx: ok" and status 0.
 */
#include "fsx.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BULK (16L << 20)

static void *shared_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		fsx_fail(NULL, "no memory for the model");
	return p;
}

static void init_model(void)
{
	pthread_mutexattr_t attr;
	model = shared_memory(sizeof *model);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	for (int i = 0; i < NR_SLOTS; i++)
		pthread_mutex_init(&model->slot[i].lock, &attr);
}

/* The first process also keeps one large file whose contents follow from the place: it fills what memory there is. */
static uint64_t bulk_word(long at, long round)
{
	return (uint64_t)at * 0x9e3779b97f4a7c15 ^ (uint64_t)round << 56;
}

static void bulk(FILE *f, long *at, long *round)
{
	uint64_t words[8192];
	for (long i = 0; i < 8192; i++)
		words[i] = bulk_word(*at + i, *round);
	if (fseek(f, *at * 8, SEEK_SET) || fwrite(words, 1, sizeof words, f) != sizeof words)
		fsx_fail(NULL, "write of the large file");
	long back = fsx_between(0, BULK / 8 / 8192) * 8192;
	long expected = back <= *at ? *round : *round - 1;
	if (expected >= 0) {
		if (fseek(f, back * 8, SEEK_SET) || fread(words, 1, sizeof words, f) != sizeof words)
			fsx_fail(NULL, "read of the large file at %ld", back * 8);
		for (long i = 0; i < 8192; i++)
			if (words[i] != bulk_word(back + i, expected))
				fsx_fail(NULL, "the large file at %ld has %lx", (back + i) * 8, (unsigned long)words[i]);
	}
	*at += 8192;
	if (*at * 8 == BULK) {
		*at = 0;
		++*round;
	}
}

static void work(int number, uint64_t seed, long nr_ops)
{
	static struct view views[NR_SLOTS];
	FILE *f = NULL;
	long at = 0, round = 0;
	worker = number;
	fsx_state = seed * 1000003 + number;
	for (int i = 0; i < NR_SLOTS; i++) {
		views[i].own_data = mmap(NULL, MAX_FILE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (views[i].own_data == MAP_FAILED)
			fsx_fail(NULL, "no memory");
	}
	if (number == 0 && !(f = fopen("bulk", "w+")))
		fsx_fail(NULL, "create of the large file");
	for (long i = 0; i < nr_ops && !model->failed; i++) {
		fsx_step(views);
		if (f && i % 4 == 0)
			bulk(f, &at, &round);
	}
	_exit(0);
}

static void round_of(int nr_workers, uint64_t seed, long nr_ops)
{
	int status;
	for (int i = 0; i < nr_workers; i++)
		if (fork() == 0)
			work(i, seed, nr_ops / nr_workers);
	for (int i = 0; i < nr_workers; i++) {
		pid_t pid = wait(&status);
		if (pid < 0 || !WIFEXITED(status))
			fsx_fail(NULL, "a process ended with status %x", status);
		if (WEXITSTATUS(status))
			model->failed = 1;
	}
}

static void attach(const char *device, const char *where)
{
	if (device && mount(device, where, "ext2", 0, NULL))
		fsx_fail(NULL, "mount of %s", device);
	if (chdir(where))
		fsx_fail(NULL, "chdir %s", where);
}

static void detach(const char *device, const char *where)
{
	chdir("/");
	if (device && umount(where))
		fsx_fail(NULL, "umount of %s", where);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	uint64_t seed = strtoull(argv[1], NULL, 0);
	int nr_workers = atoi(argv[2]);
	const char *where = argv[4], *device = argv[5];
	if (nr_workers < 1 || nr_workers > MAX_WORKERS)
		return 2;
	init_model();
	attach(device, where);
	for (int i = 0; i < NR_DIRS; i++)
		mkdir((char[]){ 'd', '0' + i, 0 }, 0755);
	for (int half = 0; half < 2; half++) {
		round_of(nr_workers, seed * 2 + half, atol(argv[3]) / 2);
		if (model->failed)
			return 1;
		fsx_verify_all("at the end of a round");
		detach(device, where);
		attach(device, where);
		fsx_verify_all("after another mount");
	}
	detach(device, where);
	printf("fsx: ok\n");
	return 0;
}

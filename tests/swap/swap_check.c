/* SPDX-License-Identifier: MIT */
/*
 * Fills more memory than there is and checks every byte of it.
 *
 *     swap_check MIB PROCESSES ROUNDS SEED [DIRECTORY]
 *
 * Each page holds words that follow from its region, its number and a version. There are private pages (40 %), shared
 * anonymous ones (30 %), pages of a shared mapping of a file in DIRECTORY (15 %), and each process has pages of
 * its own (15 % in all); 16 pages are locked. In every round as many children as PROCESSES says
 * inherit the private pages, check and change some (copy-on-write), change those shared pages that are theirs,
 * fill and check pages of their own, and fork in turn, while the parent changes its private pages. In the
 * end everything is checked. A wrong word is reported with what it should be and what page it belongs to.
 * Runs on Linux and Quire alike.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE   4096ul
#define WORDS  (PAGE / sizeof(uint64_t))
#define LOCKED 16u

enum kind { PRIVATE = 1, SHARED, FILE_SHARED, OWN, LOCK };

struct area {
	enum kind kind;
	unsigned char *base;
	uint32_t *version; /* by page; shared where the pages are */
	uint32_t nr;
	uint32_t salt;     /* who it belongs to, for OWN */
};

static uint64_t random_state;
static unsigned nr_processes, nr_rounds;
static struct area private, shared, file, locked;

static uint64_t draw(void)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static uint32_t below(uint32_t n) { return (uint32_t)(draw() % n); }

/* ---- pages ---- */

static uint64_t id_of(const struct area *a, uint32_t page, uint32_t version)
{
	return (uint64_t)a->kind << 60 | (uint64_t)(a->salt & 0xff) << 52 | (uint64_t)(page & 0xfffffff) << 24 | (version & 0xffffff);
}

static uint64_t word(uint64_t id, unsigned i) { return i ? (id + i) * 0x9e3779b97f4a7c15ull ^ (id >> 7) * i : id; }

static void fill(struct area *a, uint32_t page, uint32_t version)
{
	uint64_t *p = (uint64_t *)(a->base + page * PAGE), id = id_of(a, page, version);
	for (unsigned i = 0; i < WORDS; i++)
		p[i] = word(id, i);
	a->version[page] = version;
}

static void say_id(const char *what, uint64_t id)
{
	printf("  %s %016llx: kind %llu, owner %llu, page %llu, version %llu\n", what, (unsigned long long)id, (unsigned long long)(id >> 60),
	       (unsigned long long)(id >> 52 & 0xff), (unsigned long long)(id >> 24 & 0xfffffff), (unsigned long long)(id & 0xffffff));
}

static bool check(const struct area *a, uint32_t page, const char *when)
{
	const uint64_t *p = (const uint64_t *)(a->base + page * PAGE);
	uint64_t id = id_of(a, page, a->version[page]);
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t seen = p[i];
		if (seen == word(id, i))
			continue;
		printf("WRONG in process %d, %s: word %u of %p is %016llx, not %016llx; looked at again: %016llx\n", (int)getpid(), when, i, (void *)p,
		       (unsigned long long)seen, (unsigned long long)word(id, i), (unsigned long long)((volatile const uint64_t *)p)[i]);
		say_id("should be", id);
		say_id("first word", p[0]);
		fflush(stdout);
		return false;
	}
	return true;
}

static bool check_all(const struct area *a, const char *when)
{
	bool good = true;
	for (uint32_t page = 0; page < a->nr && good; page++)
		good = check(a, page, when);
	return good;
}

static bool check_some(const struct area *a, uint32_t nr, const char *when)
{
	bool good = true;
	while (a->nr && nr-- && good)
		good = check(a, below(a->nr), when);
	return good;
}

static void *map(size_t len, int flags, int fd)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (p == MAP_FAILED) {
		perror("swap_check: mmap");
		exit(2);
	}
	return p;
}

static struct area make(enum kind kind, uint32_t nr, int flags, int fd, uint32_t salt)
{
	struct area a = { .kind = kind, .nr = nr, .salt = salt };
	if (!nr)
		return a;
	a.base = map(nr * PAGE, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd);
	a.version = map(nr * sizeof(a.version[0]), (flags & (MAP_PRIVATE | MAP_SHARED)) | MAP_ANONYMOUS, -1);
	return a;
}

static void drop(struct area *a)
{
	munmap(a->base, a->nr * PAGE);
	munmap(a->version, a->nr * sizeof(a->version[0]));
}

/* ---- processes ---- */

/* Pages of its own: filled in order, changed at random, given back in part, moved, checked. */
static bool own_pages(uint32_t nr, unsigned me)
{
	struct area a = make(OWN, nr, MAP_PRIVATE, -1, me);
	bool good = true;
	for (uint32_t page = 0; page < nr; page++)
		fill(&a, page, 1);
	for (uint32_t k = 0; k < nr / 4; k++)
		fill(&a, below(nr), 2 + below(1000));
	uint32_t from = below(nr), len = below(nr - from) / 4;
	if (len) {
		madvise(a.base + from * PAGE, len * PAGE, MADV_DONTNEED);
		for (uint32_t page = from; page < from + len && good; page++) {
			if (*(uint64_t *)(a.base + page * PAGE + 8 * below(WORDS))) {
				printf("WRONG in process %d: page %u is not zero after MADV_DONTNEED\n", (int)getpid(), page);
				good = false;
			}
			fill(&a, page, 3);
		}
	}
	unsigned char *to = mremap(a.base, nr * PAGE, nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map(nr * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
	if (to == MAP_FAILED) {
		perror("swap_check: mremap");
		return false;
	}
	a.base = to;
	good = good && check_all(&a, "own pages");
	drop(&a);
	return good;
}

/* The shared pages whose turn it is: nobody else writes them in this round. */
static bool change_shared(struct area *a, unsigned me, unsigned round)
{
	bool good = true;
	for (uint32_t page = me; page < a->nr && good; page += nr_processes) {
		if (below(2))
			continue;
		good = check(a, page, "shared before a change");
		fill(a, page, round * 16 + below(16) + 1);
		good = good && check(a, page, "shared after a change");
	}
	return good;
}

static int child(unsigned me, unsigned round, uint32_t nr_own)
{
	random_state ^= (uint64_t)(me + 1) << 32 | round;
	bool good = check_some(&private, private.nr / 8, "private in a child");
	for (uint32_t k = 0; k < private.nr / 16; k++)
		fill(&private, below(private.nr), 0x800000 | me << 16 | below(0xffff));
	good = good && change_shared(&shared, me, round) && change_shared(&file, me, round);
	pid_t grandchild = fork();
	if (grandchild == 0) {
		random_state ^= 0x5555;
		bool fine = check_some(&private, private.nr / 8, "private in a grandchild");
		for (uint32_t k = 0; k < private.nr / 64; k++)
			fill(&private, below(private.nr), 0x400000 | below(0xffff));
		fine = fine && check_some(&private, private.nr / 8, "private in a grandchild, after changes");
		_exit(fine ? 0 : 1);
	}
	good = good && own_pages(nr_own, me) && check_all(&locked, "what the parent has locked");
	good = good && check_some(&private, private.nr / 4, "private in a child, after changes");
	int status = 0;
	if (grandchild > 0)
		waitpid(grandchild, &status, 0);
	return good && !status ? 0 : 1;
}

static bool is_resident(const struct area *a)
{
	unsigned char there[LOCKED];
	bool good = !mincore(a->base, a->nr * PAGE, there);
	for (uint32_t i = 0; i < a->nr && good; i++)
		good = there[i] & 1;
	if (!good)
		printf("WRONG: locked pages are not in memory\n");
	return good;
}

static bool run_round(unsigned round, uint32_t nr_own)
{
	bool good = true;
	int status;
	fflush(stdout);
	for (unsigned me = 0; me < nr_processes; me++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(child(me, round, nr_own));
		if (pid < 0) {
			perror("swap_check: fork");
			return false;
		}
	}
	for (uint32_t k = 0; k < private.nr / 8; k++) {
		uint32_t page = below(private.nr);
		good = good && check(&private, page, "private in the parent");
		fill(&private, page, round << 8 | below(256));
	}
	while (wait(&status) > 0)
		if (status) {
			printf("a child ended with status %x\n", (unsigned)status);
			good = false;
		}
	return good && check_some(&private, private.nr / 8, "private after a round") && check_some(&shared, shared.nr / 4, "shared after a round") &&
	       check_some(&file, file.nr / 4, "file after a round") && check_all(&locked, "locked") && is_resident(&locked);
}

/* ---- all of it ---- */

static int open_file(const char *folder, uint32_t nr)
{
	char name[512];
	snprintf(name, sizeof(name), "%s/swap_check.%d", folder, (int)getpid());
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)(nr * PAGE))) {
		perror(name);
		exit(2);
	}
	unlink(name);
	return fd;
}

static void set_up(uint32_t pages, const char *folder)
{
	uint32_t part = pages / 20;
	private = make(PRIVATE, 8 * part, MAP_PRIVATE, -1, 0);
	shared = make(SHARED, 6 * part, MAP_SHARED, -1, 0);
	if (folder)
		file = make(FILE_SHARED, 3 * part, MAP_SHARED, open_file(folder, 3 * part), 0);
	locked = make(LOCK, LOCKED, MAP_PRIVATE, -1, 0);
	struct area *const all[] = { &private, &shared, &file, &locked };
	for (unsigned i = 0; i < 4; i++)
		for (uint32_t page = 0; page < all[i]->nr; page++)
			fill(all[i], page, 1);
	if (mlock(locked.base, locked.nr * PAGE))
		perror("swap_check: mlock");
}

static long long counter(const char *name)
{
	char line[128];
	long long v = 0;
	FILE *f = fopen("/proc/vmstat", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ')
			v = atoll(line + strlen(name));
	if (f)
		fclose(f);
	return v;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: swap_check MIB PROCESSES ROUNDS SEED [DIRECTORY]\n");
		return 2;
	}
	uint32_t pages = (uint32_t)atoi(argv[1]) * 256;
	nr_processes = (unsigned)atoi(argv[2]);
	nr_rounds = (unsigned)atoi(argv[3]);
	random_state = strtoull(argv[4], NULL, 0);
	long long out = counter("pswpout"), in = counter("pswpin");
	set_up(pages, argc > 5 ? argv[5] : NULL);
	bool good = check_all(&private, "private, just filled") && check_all(&shared, "shared, just filled") && check_all(&file, "file, just filled");
	for (unsigned round = 1; round <= nr_rounds && good; round++)
		good = run_round(round, pages / 20 * 3 / nr_processes);
	good = good && check_all(&private, "private at the end") && check_all(&shared, "shared at the end") && check_all(&file, "file at the end");
	printf("swap_check: %s (seed %s: %u MiB, %u processes, %u rounds; %lld pages out, %lld in)\n", good ? "ok" : "FAILED", argv[4], pages / 256,
	       nr_processes, nr_rounds, counter("pswpout") - out, counter("pswpin") - in);
	return good ? 0 : 1;
}

/* SPDX-License-Identifier: MIT */
/*
 * The figures of /proc/vmstat, zoneinfo, buddyinfo, slabinfo and meminfo under loads of known size. Kernels
 * count in batches and keep things of their own, so a change is compared with what it must be, give or
 * take a tenth.
 */
#include "check.h"
#include <pthread.h>
#include <sys/prctl.h>

static char text[1 << 18];

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = 0, r;
	while (fd >= 0 && (r = read(fd, text + n, sizeof text - 1 - (size_t)n)) > 0)
		n += r;
	text[n] = 0;
	close(fd);
	return text;
}

/* The value behind a word at the start of a line; -1: there is none. */
static long value(const char *path, const char *name)
{
	size_t len = strlen(name);
	for (char *line = strtok(slurp(path), "\n"); line; line = strtok(NULL, "\n")) {
		line += strspn(line, " ");
		if (!strncmp(line, name, len) && (line[len] == ' ' || line[len] == ':'))
			return atol(line + len + 1);
	}
	return -1;
}

static long vmstat(const char *name) { return value("/proc/vmstat", name); }

/* The sum over all zones of what stands behind a word. */
static long zones(const char *name)
{
	char word[40];
	long sum = 0, v;
	for (char *line = strtok(slurp("/proc/zoneinfo"), "\n"); line; line = strtok(NULL, "\n")) {
		if (!strncmp(line, "  pages", 7))
			line += 7;
		if (sscanf(line, "%39s %ld", word, &v) == 2 && !strcmp(word, name))
			sum += v;
	}
	return sum;
}

static long buddy_pages(void)
{
	long sum = 0;
	for (char *line = strtok(slurp("/proc/buddyinfo"), "\n"); line; line = strtok(NULL, "\n")) {
		char *p = strstr(line, "zone");
		p += 4;
		p += strspn(p, " ");
		p += strcspn(p, " ");
		for (int order = 0; order < 11; order++)
			sum += strtol(p, &p, 10) << order;
	}
	return sum;
}

static bool is_near(long got, long want)
{
	long slack = labs(want) / 10 + 400;
	return got >= want - slack && got <= want + slack;
}

#define NEAR(name, got, want)                                                          \
	do {                                                                           \
		long got_ = (got), want_ = (want);                                     \
		if (is_near(got_, want_))                                              \
			out("%s: as it must be\n", (name));                            \
		else                                                                   \
			out("%s: %ld where it must be %ld\n", (name), got_, want_);   \
	} while (0)

static const char *const names[] = { "nr_free_pages", "nr_anon_pages", "nr_shmem", "nr_file_pages", "nr_mapped", "nr_page_table_pages",
				     "nr_unevictable", "nr_mlock", "nr_kernel_stack", "pgfault", "pgfree" };
enum { FREE, ANON_PAGES, SHMEM, FILE_PAGES, MAPPED, TABLES, UNEVICTABLE, MLOCK, STACK_KB, FAULTS, FREED, NR };

static long before[NR], free_in_zones, free_in_buddy;

static void take(void)
{
	for (int i = 0; i < NR; i++)
		before[i] = vmstat(names[i]);
	free_in_zones = zones("free");
	free_in_buddy = buddy_pages();
}

static long grown(int i) { return vmstat(names[i]) - before[i]; }

static void shape(void)
{
	for (int i = 0; i < NR; i++)
		out("vmstat %s: %s\n", names[i], vmstat(names[i]) >= 0 ? "there" : "missing");
	long managed = zones("managed");
	YES("zoneinfo managed is MemTotal", managed * 4 == value("/proc/meminfo", "MemTotal"));
	YES("zoneinfo present, spanned", managed <= zones("present") && zones("present") <= zones("spanned"));
	YES("zoneinfo watermarks", zones("min") > 0 && zones("min") < zones("low") && zones("low") < zones("high"));
	NEAR("zoneinfo free is nr_free_pages", zones("free"), vmstat("nr_free_pages"));
	NEAR("zoneinfo nr_free_pages is nr_free_pages", zones("nr_free_pages"), vmstat("nr_free_pages"));
	NEAR("buddyinfo is nr_free_pages", buddy_pages(), vmstat("nr_free_pages"));
	NEAR("meminfo MemFree is nr_free_pages", value("/proc/meminfo", "MemFree") / 4, vmstat("nr_free_pages"));
	NEAR("zoneinfo nr_anon_pages is nr_anon_pages", zones("nr_anon_pages"), vmstat("nr_anon_pages"));
	NEAR("zoneinfo nr_file_pages is nr_file_pages", zones("nr_file_pages"), vmstat("nr_file_pages"));
	NEAR("meminfo Slab is its parts", value("/proc/meminfo", "Slab") / 4, vmstat("nr_slab_reclaimable") + vmstat("nr_slab_unreclaimable"));
}

static void private_memory(void)
{
	size_t n = 8192;
	char *p = anon(n * PAGE, RW, MAP_PRIVATE);
	madvise(p, n * PAGE, MADV_NOHUGEPAGE);
	take();
	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = 1;
	NEAR("touch nr_free_pages", grown(FREE), -(long)n);
	NEAR("touch zoneinfo free", zones("free") - free_in_zones, -(long)n);
	NEAR("touch buddyinfo", buddy_pages() - free_in_buddy, -(long)n);
	NEAR("touch nr_anon_pages", grown(ANON_PAGES), (long)n);
	NEAR("touch nr_page_table_pages", grown(TABLES), (long)n / 512);
	YES("touch pgfault", grown(FAULTS) >= (long)n);
	take();
	mlock(p, 4096 * PAGE);
	NEAR("mlock nr_mlock", grown(MLOCK), 4096);
	NEAR("mlock nr_unevictable", grown(UNEVICTABLE), 4096);
	NEAR("mlock zoneinfo nr_mlock", zones("nr_mlock"), vmstat("nr_mlock"));
	munlock(p, 4096 * PAGE);
	NEAR("munlock nr_mlock", grown(MLOCK), 0);
	take();
	munmap(p, n * PAGE);
	NEAR("munmap nr_free_pages", grown(FREE), (long)n);
	NEAR("munmap buddyinfo", buddy_pages() - free_in_buddy, (long)n);
	NEAR("munmap nr_anon_pages", grown(ANON_PAGES), -(long)n);
	YES("munmap pgfree", grown(FREED) >= (long)n);
}

static void shared_memory(void)
{
	size_t n = 4096;
	int fd = memfd_create("load", 0);
	take();
	if (ftruncate(fd, (off_t)(n * PAGE)) || fallocate(fd, 0, 0, (off_t)(n * PAGE)))
		out("memfd: %s\n", errno_name(errno));
	NEAR("memfd nr_shmem", grown(SHMEM), (long)n);
	NEAR("memfd nr_file_pages", grown(FILE_PAGES), (long)n);
	NEAR("memfd nr_free_pages", grown(FREE), -(long)n);
	NEAR("memfd nr_mapped", grown(MAPPED), 0);
	char *p = mmap(NULL, n * PAGE, RW, MAP_SHARED | MAP_POPULATE, fd, 0);
	NEAR("mmap nr_mapped", grown(MAPPED), (long)n);
	munmap(p, n * PAGE);
	NEAR("munmap nr_mapped", grown(MAPPED), 0);
	close(fd);
	NEAR("close nr_shmem", grown(SHMEM), 0);
	NEAR("close nr_free_pages", grown(FREE), 0);
}

struct cache { long active, total, size, per_slab, pages, active_slabs, slabs; };

static bool parse_cache(const char *line, char name[64], struct cache *c)
{
	return sscanf(line, "%63s %ld %ld %ld %ld %ld : tunables %*d %*d %*d : slabdata %ld %ld", name, &c->active, &c->total, &c->size,
		      &c->per_slab, &c->pages, &c->active_slabs, &c->slabs) == 8;
}

static long active_of(const char *wanted)
{
	char name[64];
	struct cache c;
	for (char *line = strtok(slurp("/proc/slabinfo"), "\n"); line; line = strtok(NULL, "\n"))
		if (parse_cache(line, name, &c) && !strcmp(name, wanted))
			return c.active;
	return -1;
}

static void slabs(void)
{
	char name[64];
	struct cache c;
	int nr = 0;
	bool good = true;
	long pages = 0;
	char *line = strtok(slurp("/proc/slabinfo"), "\n");
	out("slabinfo: %s\n", line ? line : "");
	line = strtok(NULL, "\n");
	out("slabinfo: %s\n", line ? line : "");
	while ((line = strtok(NULL, "\n")) != NULL) {
		bool parsed = parse_cache(line, name, &c);
		good &= parsed && c.active <= c.total && c.active_slabs <= c.slabs && c.total == c.slabs * c.per_slab && c.size > 0 &&
			c.per_slab * c.size <= c.pages * (long)PAGE;
		pages += c.slabs * c.pages;
		nr++;
	}
	YES("slabinfo fields agree", good && nr > 20);
	NEAR("slabinfo pages are the counters'", pages, vmstat("nr_slab_reclaimable") + vmstat("nr_slab_unreclaimable"));
	int p[400][2];
	struct rlimit r = { 1000, 1000 };
	setrlimit(RLIMIT_NOFILE, &r);
	long files = active_of("filp");
	for (int i = 0; i < 400; i++)
		pipe(p[i]);
	NEAR("slabinfo filp of 800 files", active_of("filp") - files, 800);
}

static void *wait_for_end(void *arg) { return read((int)(long)arg, text, 0) ? NULL : (void *)(long)pause(); }

static void stacks(void)
{
	pthread_t t[64];
	take();
	for (int i = 0; i < 64; i++)
		pthread_create(&t[i], NULL, wait_for_end, (void *)0L);
	long kb = grown(STACK_KB);
	YES("nr_kernel_stack of 64 threads", kb >= 64 * 16 && kb <= 64 * 16 + 160);
	NEAR("meminfo KernelStack", value("/proc/meminfo", "KernelStack"), vmstat("nr_kernel_stack"));
	NEAR("zoneinfo nr_kernel_stack", zones("nr_kernel_stack"), vmstat("nr_kernel_stack"));
}

int main(void)
{
	shape();
	private_memory();
	shared_memory();
	CHILD("slabs") {
		slabs();
	}
	CHILD("stacks") {
		stacks();
	}
	return 0;
}

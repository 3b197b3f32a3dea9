/* SPDX-License-Identifier: MIT */
/* What the tests share: the machine, a file, bytes through the MMU. */
#include "tests.h"
#include <asm/errno.h>
#include <hal/log.h>
#include <mm/commit.h>
#include <mm/leaf.h>
#include <mm/migrate.h>
#include <mm/pagetable.h>
#include <mm/slab.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <stdio.h>

static struct host_config host_config;
static u64 frames_at_start;

static u64 frames_free(void)
{
	for (unsigned cpu = hal_nr_cpus(); cpu-- > 0;) {
		host_be_cpu(cpu);
		slab_drain();
		frame_drain_pcp();
	}
	return frame_nr_free();
}

/* Free frames, and those of the map of table numbers, which only grows. */
static u64 frames_to_be_back(void)
{
	u64 nr = frames_free();
	for (unsigned i = 0; i < TABLE_NR_CHUNKS && table_chunks[i]; i++)
		nr++;
	return nr;
}

static void machine_start(struct host_config c)
{
	host_config = c;
	hal_debug_checks = true;
	host_machine_create(&c);
	struct space *s = space_create(); /* first use of caches */
	space_put(s);
	frames_at_start = frames_to_be_back();
}

void machine_keep_frames(void) { frames_at_start = frames_to_be_back(); }

void machine_up(u64 ram_bytes, unsigned cpus)
{
	machine_start((struct host_config){ .ram_bytes = ram_bytes, .nr_cpus = cpus, .nr_nodes = 1, .seed = 1 });
}

void machine_up_with_nodes(u64 ram_bytes, unsigned cpus, unsigned nodes)
{
	machine_start((struct host_config){ .ram_bytes = ram_bytes, .nr_cpus = cpus, .nr_nodes = nodes, .seed = 1 });
}

void machine_up_free_running(u64 ram_bytes, unsigned cpus)
{
	machine_start((struct host_config){ .ram_bytes = ram_bytes, .nr_cpus = cpus, .nr_nodes = 1, .seed = 1, .threads = true });
}

void machine_down(void)
{
	const char *broken = frame_validate();
	if (!broken)
		broken = slab_validate();
	if (broken)
		fail_msg("%s", broken);
	assert_int_equal(frames_to_be_back(), frames_at_start);
	assert_int_equal(stat_read(STAT_NR_ANON_PAGES), 0);
	assert_int_equal(stat_read(STAT_NR_MAPPED), 0);
	assert_int_equal(stat_read(STAT_NR_FILE_PAGES), 0);
	assert_int_equal(stat_read(STAT_NR_PAGE_TABLE), 0);
	assert_int_equal(stat_read(STAT_NR_COMPANION), 0);
	assert_int_equal(space_committed(), 0);
	host_machine_destroy();
}

void assert_valid(struct space *s)
{
	const char *broken = space_validate(s);
	if (broken)
		fail_msg("%s", broken);
}

static struct test_file *file_of(struct mapping *m) { return container_of(m, struct test_file, mapping); }
static u64 test_size(struct mapping *m) { return READ_ONCE(file_of(m)->size); }
static void test_get(void *file) { __atomic_fetch_add(&((struct test_file *)file)->refs, 1, __ATOMIC_RELAXED); }
static void test_put(void *file) { __atomic_fetch_sub(&((struct test_file *)file)->refs, 1, __ATOMIC_RELAXED); }

static const struct mapping_ops ops = { .size = test_size, .file_get = test_get, .file_put = test_put };

void file_init(struct test_file *f, u64 size)
{
	mapping_init(&f->mapping, &ops, MAPPING_SHMEM);
	f->size = size;
	f->refs = 0;
}

void file_truncate(struct test_file *f, u64 size)
{
	WRITE_ONCE(f->size, size);
	mapping_truncate(&f->mapping, size);
	if (!host_config.threads)
		assert_null(mapping_validate(&f->mapping));
}

uaddr_t map(struct space *s, uaddr_t at, u64 len, u32 prot, u32 flags, struct test_file *f, u64 offset)
{
	uaddr_t out = 0;
	struct mmap_request q = { .addr = at, .len = len, .prot = prot, .flags = flags | (at ? MAP_FIXED : 0) | (f ? 0 : MAP_ANONYMOUS),
		                      .mapping = f ? &f->mapping : NULL, .file = f, .offset = offset,
		                      .file_readable = true, .file_writable = true };
	assert_int_equal(space_mmap(s, &q, &out), 0);
	return out;
}

void put_byte(uaddr_t addr, u8 value)
{
	struct fault_verdict v;
	if (host_store(addr, &value, 1, &v) != 1)
		fail_msg("write at %#lx: verdict %u signal %u", (unsigned long)addr, v.kind, v.sig);
}

u8 get_byte(uaddr_t addr)
{
	struct fault_verdict v;
	u8 value = 0;
	if (host_load(addr, &value, 1, &v) != 1)
		fail_msg("read at %#lx: verdict %u signal %u", (unsigned long)addr, v.kind, v.sig);
	return value;
}

struct fault_verdict try_write(uaddr_t addr)
{
	struct fault_verdict v;
	u8 b = 0;
	assert_int_equal(host_store(addr, &b, 1, &v), 0);
	return v;
}

struct fault_verdict try_read(uaddr_t addr)
{
	struct fault_verdict v;
	u8 b;
	assert_int_equal(host_load(addr, &b, 1, &v), 0);
	return v;
}

/* ---- swap ---- */

struct host_disk *swap_disk(u64 pages, u64 delay_ns)
{
	struct host_disk_config c = { .name = "swap", .nr_sectors = pages * 8, .delay_ns = delay_ns, .worker_cpu = SWAP_WORKER_CPU };
	return host_disk_create(&c);
}

int swap_on(struct host_disk *d, u64 pages, int priority, unsigned *out)
{
	struct swap_extent e = { 0, pages, 0 };
	struct swap_config c = { .dev = host_disk_device(d), .extents = &e, .nr_extents = 1, .nr_pages = pages, .priority = priority };
	return swap_area_add(&c, out);
}

void push_out(struct host_disk *disk, struct space *s, uaddr_t at, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct leaf l;
		struct frame *f = NULL;
		if (!leaf_lock(s, at + i * PAGE_SIZE, &l))
			continue;
		pte_t e = hal_entry_load(l.entry);
		if (pte_is_mapped(e) && !pte_is_special(e)) {
			f = pte_frame(e);
			frame_get(f);
		}
		leaf_unlock(&l);
		if (!f)
			continue;
		unsigned started;
		assert_true(frame_busy_trylock(f));
		swap_out(&f, 1, &started);
	}
	host_disk_run(disk);
}

struct frame *mapped_frame(struct space *s, uaddr_t addr)
{
	struct frame *f = NULL;
	struct leaf l;
	rwlock_read(&s->lock);
	if (leaf_lock(s, addr, &l)) {
		pte_t e = hal_entry_load(l.entry);
		if (pte_is_mapped(e) && !pte_is_special(e) && !pte_is_migrating(e)) {
			f = pte_frame(e);
			frame_get(f);
		}
		leaf_unlock(&l);
	}
	rwlock_read_unlock(&s->lock);
	return f;
}

int move_page_of(struct frame *f)
{
	struct frame *to = frame_alloc(0, ALLOC_USER, FRAME_ANON);
	int err = to ? frame_migrate(f, to) : -ENOMEM;
	if (err && to)
		frame_put(to);
	frame_put(f);
	return err;
}

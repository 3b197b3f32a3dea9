/* SPDX-License-Identifier: MIT */
/*
 * What several CPUs do at once in one space and its children, with a model of what each must see; for
 * free-running threads (thread_test.c) and for CPUs in turns (turns_test.c).
 *
 * Each CPU owns a slot of pages, which no other CPU changes, so it knows what they must hold; several
 * slots lie in one leaf table. Next to the slots all CPUs use one shared file that CPU 0 truncates and
 * punches now and then; each has its own byte of every page. Children are left to whichever CPU comes by:
 * so the sharers of a table change it on several CPUs at once.
 *
 *   |slot 0|slot 1|slot 2|slot 3|file, shared|file, private and read-only|
 */
#include "live.h"
#include <mm/inspect.h>
#include <mm/leaf.h>
#include <mm/pagetable.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <stdlib.h>
#include <string.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul
#define FILE_AT (AT + LIVE_MAX_CPUS * LIVE_SLOT_PAGES * PAGE_SIZE)
#define VIEW_AT (FILE_AT + LIVE_FILE_PAGES * PAGE_SIZE)

struct space *live_space;
struct test_file live_file;

#define SWAP_PAGES 4096u
static struct host_disk *live_disk;
static unsigned live_area;

/* A child that nobody runs, and what its forker's slot holds in it. */
struct orphan {
	struct space *space;
	struct live_cpu model;
};
static struct orphan *orphans[LIVE_MAX_CPUS];

static unsigned rnd(struct live_cpu *c, unsigned n) { return (unsigned)rand_r(&c->seed) % n; }
static uaddr_t page_addr(const struct live_cpu *c, unsigned i) { return AT + (c->id * LIVE_SLOT_PAGES + i) * PAGE_SIZE; }

static unsigned pick_range(struct live_cpu *c, unsigned *nr)
{
	unsigned first = rnd(c, LIVE_SLOT_PAGES);
	*nr = min(1 + rnd(c, 20), LIVE_SLOT_PAGES - first);
	return first;
}

static void op_map(struct live_cpu *c, struct space *s)
{
	unsigned nr, first = pick_range(c, &nr);
	uaddr_t out;
	struct mmap_request q = { .addr = page_addr(c, first), .len = nr * PAGE_SIZE, .prot = RW,
		                      .flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS };
	CHECK(space_mmap(s, &q, &out) == 0);
	for (unsigned i = first; i < first + nr; i++)
		c->pages[i] = (struct live_page){ true, true, 0 };
}

static void op_unmap(struct live_cpu *c, struct space *s)
{
	unsigned nr, first = pick_range(c, &nr);
	CHECK(space_munmap(s, page_addr(c, first), nr * PAGE_SIZE) == 0);
	memset(&c->pages[first], 0, nr * sizeof(struct live_page));
}

static void op_protect(struct live_cpu *c, struct space *s)
{
	unsigned first = rnd(c, LIVE_SLOT_PAGES), writable = rnd(c, 3) != 0;
	int err = space_mprotect(s, page_addr(c, first), PAGE_SIZE, writable ? RW : PROT_READ);
	CHECK(err == (c->pages[first].is_mapped ? 0 : -12));
	if (!err)
		c->pages[first].is_writable = writable;
}

static void op_discard(struct live_cpu *c, struct space *s)
{
	unsigned nr, first = pick_range(c, &nr);
	space_madvise(s, page_addr(c, first), nr * PAGE_SIZE, MADV_DONTNEED);
	for (unsigned i = first; i < first + nr; i++)
		c->pages[i].value = 0;
}

/* One page to another place of the slot. */
static void op_move(struct live_cpu *c, struct space *s)
{
	unsigned from = rnd(c, LIVE_SLOT_PAGES), to = rnd(c, LIVE_SLOT_PAGES);
	uaddr_t out;
	if (from == to || !c->pages[from].is_mapped)
		return;
	int err = space_mremap(s, page_addr(c, from), PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, page_addr(c, to), &out);
	CHECK(err == 0);
	c->pages[to] = c->pages[from];
	c->pages[from] = (struct live_page){ false, false, 0 };
}

/* Of a slot: often one of the first, which are being moved often too. */
static unsigned some_page(struct live_cpu *c) { return rnd(c, rnd(c, 2) ? 3 : LIVE_SLOT_PAGES); }

/* A byte through the MMU, or as ptrace does it: with a reference to the frame in hand. */
static bool access_byte(struct live_cpu *c, struct space *s, uaddr_t at, u8 *b, bool write)
{
	struct fault_verdict v;
	if (rnd(c, 3) == 0)
		return space_access(s, at, b, 1, write, false) == 1;
	return (write ? host_store(at, b, 1, &v) : host_load(at, b, 1, &v)) == 1;
}

static void touch_own(struct live_cpu *c, struct space *s)
{
	for (unsigned n = 0; n < 20; n++) {
		unsigned i = some_page(c), write = rnd(c, 2);
		struct live_page *p = &c->pages[i];
		u8 b = write ? (u8)rnd(c, 256) : 0;
		bool done = access_byte(c, s, page_addr(c, i), &b, write);
		CHECK(done == (p->is_mapped && (!write || p->is_writable)));
		if (done && write)
			p->value = b;
		else if (done)
			CHECK(b == p->value);
	}
}

/* Whatever there is in the others' slots: so this CPU caches translations that they change. */
static void look_at_others(struct live_cpu *c)
{
	struct fault_verdict v;
	u8 b;
	for (unsigned n = 0; n < 10; n++)
		host_load(AT + rnd(c, LIVE_MAX_CPUS * LIVE_SLOT_PAGES) * PAGE_SIZE, &b, 1, &v);
}

/* A byte of the file is what this thread stored last, or zero after a truncation. */
static void touch_file(struct live_cpu *c)
{
	unsigned i = rnd(c, LIVE_FILE_PAGES);
	uaddr_t at = FILE_AT + i * PAGE_SIZE + c->id;
	struct fault_verdict v;
	u8 b = (u8)rnd(c, 256), back = 0;
	if (rnd(c, 2) && host_store(at, &b, 1, &v) == 1)
		c->written[i] = b;
	if (host_load(at, &back, 1, &v) == 1)
		CHECK(back == 0 || back == c->written[i]);
	if (host_load(VIEW_AT + i * PAGE_SIZE + c->id, &back, 1, &v) == 1)
		CHECK(back == 0 || back == c->written[i]);
}

static bool count_place(struct space *s, uaddr_t addr, pte_t e, void *arg)
{
	(void)s, (void)e;
	CHECK(addr >= FILE_AT && addr < VIEW_AT + LIVE_FILE_PAGES * PAGE_SIZE);
	++*(unsigned *)arg;
	return true;
}

/* Pages of the space and of the file move to other frames, whoever uses them meanwhile. */
static void move_frames(struct live_cpu *c)
{
	for (unsigned n = 0; n < 6; n++) {
		unsigned slot = rnd(c, LIVE_MAX_CPUS);
		struct frame *f = mapped_frame(live_space, AT + (slot * LIVE_SLOT_PAGES + some_page(c)) * PAGE_SIZE);
		if (f)
			move_page_of(f);
		f = mapping_find(&live_file.mapping, rnd(c, LIVE_FILE_PAGES));
		if (f)
			move_page_of(f);
	}
}

static void look_around(struct live_cpu *c)
{
	struct frame *f = mapping_find(&live_file.mapping, rnd(c, LIVE_FILE_PAGES));
	unsigned places = 0;
	if (f) {
		walk_back(f, count_place, &places);
		frame_put(f);
	}
}

/* The whole slot at once: whole tables go. */
static void op_discard_all(struct live_cpu *c, struct space *s)
{
	space_madvise(s, page_addr(c, 0), LIVE_SLOT_PAGES * PAGE_SIZE, MADV_DONTNEED);
	for (unsigned i = 0; i < LIVE_SLOT_PAGES; i++)
		c->pages[i].value = 0;
}

static void op_unmap_all(struct live_cpu *c, struct space *s)
{
	CHECK(space_munmap(s, page_addr(c, 0), LIVE_SLOT_PAGES * PAGE_SIZE) == 0);
	memset(c->pages, 0, sizeof(c->pages));
}

/* ---- children ---- */

static void orphan_end(struct orphan *o)
{
	if (!o)
		return;
	space_put(o->space);
	free(o);
}

/* A space is as its forker left it: what it writes there stays its own. */
static void live_in(struct live_cpu *c, struct orphan *o)
{
	static void (*const ops[])(struct live_cpu *, struct space *) = { op_unmap, op_move, op_protect, op_discard, op_discard_all,
		                                                              op_unmap_all, op_map };
	o->model.seed = c->seed;
	host_switch(o->space);
	for (unsigned round = 0; round < 3; round++) {
		touch_own(&o->model, o->space);
		ops[rnd(&o->model, ARRAY_SIZE(ops))](&o->model, o->space);
		look_at_others(&o->model);
		touch_file(c);
	}
	host_switch(live_space);
	c->seed = o->model.seed;
}

static void adopt(struct live_cpu *c)
{
	struct orphan *o = __atomic_exchange_n(&orphans[rnd(c, LIVE_MAX_CPUS)], NULL, __ATOMIC_ACQ_REL);
	if (!o)
		return;
	live_in(c, o);
	orphan_end(o);
}

static void fork_and_leave(struct live_cpu *c)
{
	struct orphan *o = malloc(sizeof(*o));
	CHECK(o && space_fork(live_space, &o->space) == 0);
	o->model = *c;
	if (rnd(c, 2))
		live_in(c, o);
	orphan_end(__atomic_exchange_n(&orphans[rnd(c, LIVE_MAX_CPUS)], o, __ATOMIC_ACQ_REL));
}

static void change_file(struct live_cpu *c)
{
	if (rnd(c, 2)) {
		file_truncate(&live_file, rnd(c, LIVE_FILE_PAGES) * PAGE_SIZE);
		file_truncate(&live_file, LIVE_FILE_PAGES * PAGE_SIZE);
	} else {
		u64 first = rnd(c, LIVE_FILE_PAGES);
		mapping_punch(&live_file.mapping, first * PAGE_SIZE, (first + 1 + rnd(c, 8)) * PAGE_SIZE);
	}
}

/* ---- swap ---- */

/* The busy frame at addr with a reference, or NULL. */
static struct frame *take_page(struct space *s, uaddr_t addr)
{
	struct leaf l;
	struct frame *f = NULL;
	if (!leaf_lock(s, addr, &l))
		return NULL;
	pte_t e = hal_entry_load(l.entry);
	if (pte_is_mapped(e) && !pte_is_special(e) && frame_busy_trylock(pte_frame(e))) {
		f = pte_frame(e);
		frame_get(f);
	}
	leaf_unlock(&l);
	return f;
}

/* A stretch of pages, whosever they are, goes to swap. */
static void page_out(struct live_cpu *c)
{
	struct frame *frames[SWAP_BATCH];
	unsigned nr = 0, nr_started, first = rnd(c, LIVE_MAX_CPUS * LIVE_SLOT_PAGES + LIVE_FILE_PAGES);
	rwlock_read(&live_space->lock);
	for (unsigned i = 0; i < SWAP_BATCH; i++) {
		frames[nr] = take_page(live_space, AT + (first + i) * PAGE_SIZE);
		nr += frames[nr] != NULL;
	}
	rwlock_read_unlock(&live_space->lock);
	swap_out(frames, nr, &nr_started);
}

/* ---- the life ---- */

void live_begin(void)
{
	live_disk = swap_disk(SWAP_PAGES, 0);
	CHECK(swap_on(live_disk, SWAP_PAGES, -1, &live_area) == 0);
	live_space = space_create();
	file_init(&live_file, LIVE_FILE_PAGES * PAGE_SIZE);
	map(live_space, FILE_AT, LIVE_FILE_PAGES * PAGE_SIZE, RW, MAP_SHARED, &live_file, 0);
	map(live_space, VIEW_AT, LIVE_FILE_PAGES * PAGE_SIZE, PROT_READ, MAP_PRIVATE, &live_file, 0);
}

void live_rounds(struct live_cpu *c, unsigned nr)
{
	static void (*const ops[])(struct live_cpu *, struct space *) = { op_map, op_map, op_unmap, op_protect, op_discard, op_move };
	host_switch(live_space);
	for (unsigned round = 0; round < nr; round++) {
		ops[rnd(c, ARRAY_SIZE(ops))](c, live_space);
		touch_own(c, live_space);
		look_at_others(c);
		touch_file(c);
		if (rnd(c, 4) == 0)
			look_around(c);
		if (rnd(c, 3) == 0)
			page_out(c);
		if (c->id == 1 && rnd(c, 50) == 0) { /* the pages come back, on to the next area */
			CHECK(swap_area_remove(live_area) == 0);
			CHECK(swap_on(live_disk, SWAP_PAGES, -1, &live_area) == 0);
		}
		if (rnd(c, 3) == 0)
			move_frames(c);
		if (rnd(c, 6) == 0)
			fork_and_leave(c);
		if (rnd(c, 6) == 0)
			adopt(c);
		if (c->id == 0 && rnd(c, 4) == 0)
			change_file(c);
	}
}

const char *live_validate(void)
{
	host_disk_settle(live_disk);
	const char *broken = space_validate(live_space);
	for (unsigned i = 0; i < LIVE_MAX_CPUS && !broken; i++)
		if (orphans[i])
			broken = space_validate(orphans[i]->space);
	if (!broken)
		broken = mapping_validate(&live_file.mapping);
	if (!broken)
		broken = swap_validate();
	if (!broken)
		broken = slab_validate();
	if (!broken)
		broken = frame_validate();
	return broken ? broken : host_tlb_validate();
}

void live_end(void)
{
	for (unsigned i = 0; i < LIVE_MAX_CPUS; i++) {
		orphan_end(orphans[i]);
		orphans[i] = NULL;
	}
	space_put(live_space);
	CHECK(live_file.refs == 0);
	mapping_destroy(&live_file.mapping);
	host_disk_settle(live_disk);
	CHECK(swap_area_remove(live_area) == 0); /* pages that nobody has any more may still be in the cache */
	CHECK(swap_nr_cached() == 0);
	host_disk_destroy(live_disk);
}

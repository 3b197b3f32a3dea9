/* SPDX-License-Identifier: MIT */
/* The machine contract, include/hal: memory, clock, entries, the page walker, the TLB. */
#include "conformance.h"
#include <hal/cpu.h>
#include <hal/entry.h>
#include <hal/mem.h>
#include <hal/mmu.h>
#include <hal/time.h>
#include <linux/mman.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/mman.h>
#include <mm/pagetable.h>
#include <mm/space.h>

#define AT 0x10000000ul
#define NR_PAGES 4u

/* ---- memory ---- */

static const char *ram_ranges_are_sorted_and_sane(const struct conformance_machine *m)
{
	const struct hal_ram_range *r;
	unsigned nr = hal_ram_ranges(&r);
	u64 sum = 0;
	EXPECT(nr > 0);
	for (unsigned i = 0; i < nr; i++) {
		EXPECT(r[i].start < r[i].end);
		EXPECT(((r[i].start | r[i].end) & ~PAGE_MASK) == 0);
		EXPECT(i == 0 || r[i - 1].end <= r[i].start);
		EXPECT(r[i].node < FRAME_MAX_NODES);
		EXPECT(r[i].end >> PAGE_SHIFT <= frame_max_pfn());
		sum += r[i].end - r[i].start;
	}
	EXPECT(sum <= hal_ram_total());
	return NULL;
}

static const char *frame_pointers_and_numbers_are_inverse(const struct conformance_machine *m)
{
	struct frame *f = frame_alloc(1, ALLOC_KERNEL, FRAME_KERNEL);
	EXPECT(f);
	pfn_t pfn = frame_pfn(f);
	char *p = hal_frame_ptr(pfn);
	bool ok = ((uintptr_t)p & ~PAGE_MASK) == 0 && hal_ptr_pfn(p) == pfn && hal_ptr_pfn(p + PAGE_SIZE - 1) == pfn &&
	          (char *)hal_frame_ptr(pfn + 1) == p + PAGE_SIZE && pfn_frame(pfn) == f && &hal_frames()[pfn] == f;
	frame_free(f, 1);
	EXPECT(ok);
	return NULL;
}

static const char *pages_are_zeroed_and_copied_whole(const struct conformance_machine *m)
{
	struct frame *f = frame_alloc(2, ALLOC_KERNEL, FRAME_KERNEL);
	EXPECT(f);
	u8 *p = frame_ptr(f);
	memset(p, 0xee, 4 * PAGE_SIZE);
	for (u64 i = 0; i < PAGE_SIZE; i++)
		p[PAGE_SIZE + i] = (u8)(i * 7);
	hal_page_copy(frame_pfn(f) + 2, frame_pfn(f) + 1);
	bool copied = memcmp(p + PAGE_SIZE, p + 2 * PAGE_SIZE, PAGE_SIZE) == 0;
	bool around = p[PAGE_SIZE - 1] == 0xee && p[3 * PAGE_SIZE] == 0xee;
	hal_page_zero(frame_pfn(f) + 1);
	u64 sum = 0;
	for (u64 i = 0; i < PAGE_SIZE; i++)
		sum += p[PAGE_SIZE + i];
	around = around && p[PAGE_SIZE - 1] == 0xee && p[2 * PAGE_SIZE + 1] == 7;
	frame_free(f, 2);
	EXPECT(copied);
	EXPECT(sum == 0);
	EXPECT(around);
	return NULL;
}

/* ---- CPU, clock, randomness ---- */

static const char *interrupt_state_nests(const struct conformance_machine *m)
{
	bool before = hal_irq_enabled();
	unsigned long outer = hal_irq_save();
	unsigned long inner = hal_irq_save();
	bool inside = hal_irq_enabled();
	hal_irq_restore(inner);
	bool still = hal_irq_enabled() == inside;
	hal_irq_restore(outer);
	EXPECT(still);
	EXPECT(hal_irq_enabled() == before);
	EXPECT(hal_cpu_id() < hal_nr_cpus() && hal_nr_cpus() <= HAL_MAX_CPUS);
	return NULL;
}

static const char *clock_never_goes_back(const struct conformance_machine *m)
{
	u64 last = hal_clock_ns(), first = last;
	for (unsigned i = 0; i < 10000; i++) {
		u64 now = hal_clock_ns();
		EXPECT(now >= last);
		last = now;
	}
	EXPECT(last > first);
	return NULL;
}

static const char *random_words_differ_in_every_bit(const struct conformance_machine *m)
{
	u64 ones = 0, zeros = 0, last = hal_random();
	for (unsigned i = 0; i < 64; i++) {
		u64 v = hal_random();
		EXPECT(v != last);
		ones |= v;
		zeros |= ~v;
		last = v;
	}
	EXPECT(ones == ~0ull && zeros == ~0ull);
	return NULL;
}

/* ---- entries ---- */

static const char *entries_change_atomically(const struct conformance_machine *m)
{
	pte_t e = { 0 }, seen = { 5 };
	hal_entry_store(&e, (pte_t){ 0x1067 });
	EXPECT(hal_entry_load(&e).bits == 0x1067);
	EXPECT(hal_entry_exchange(&e, (pte_t){ 0x2067 }).bits == 0x1067);
	EXPECT(!hal_entry_cmpxchg(&e, &seen, (pte_t){ 1 }) && seen.bits == 0x2067);
	EXPECT(hal_entry_cmpxchg(&e, &seen, (pte_t){ 0x3067 }) && e.bits == 0x3067);
	EXPECT(hal_entry_test_and_clear(&e, PTE_DIRTY | PTE_ACCESSED).bits == 0x3067);
	EXPECT(e.bits == (0x3067 & ~(PTE_DIRTY | PTE_ACCESSED)));
	return NULL;
}

/* ---- the page walker and the TLB ---- */

/* A loaded space with NR_PAGES resident pages at AT and as many one leaf table further; page i holds
 * bytes i + 1, those of the second table i + 101. */
static struct space *space_with_pages(const struct conformance_machine *m)
{
	struct space *s = space_create();
	uaddr_t out;
	if (!s)
		return NULL;
	m->use(s);
	for (unsigned t = 0; t < 2; t++) {
		struct mmap_request q = { .addr = AT + t * LEAF_SPAN, .len = NR_PAGES * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
			                      .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };
		if (space_mmap(s, &q, &out))
			return NULL;
		for (unsigned i = 0; i < NR_PAGES; i++)
			if (!m->store(q.addr + i * PAGE_SIZE, (u8)(t * 100 + i + 1)))
				return NULL;
	}
	return s;
}

static void space_done(const struct conformance_machine *m, struct space *s)
{
	m->use(NULL);
	space_put(s);
}

/* The entry that maps addr at `level`. */
static pte_t *entry_of(struct space *s, uaddr_t addr, unsigned level)
{
	struct frame *t = pfn_frame(s->root_pfn);
	for (unsigned l = HAL_LEVELS; l > level; l--)
		t = pte_frame(hal_entry_load(&table_entries(t)[table_index(addr, l)]));
	return &table_entries(t)[table_index(addr, level)];
}

static void flush(struct space *s, uaddr_t start, uaddr_t end, bool tables)
{
	hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, start, end, tables);
}

static u8 byte_at(const struct conformance_machine *m, uaddr_t addr)
{
	u8 b = 0xff;
	return m->load(addr, &b) ? b : 0xff;
}

static const char *check_accessed_and_dirty(const struct conformance_machine *m, struct space *s)
{
	pte_t *leaf = entry_of(s, AT, 1), *upper = entry_of(s, AT, 2);
	hal_entry_test_and_clear(leaf, PTE_ACCESSED | PTE_DIRTY);
	hal_entry_test_and_clear(upper, PTE_ACCESSED);
	flush(s, 0, ~0ul, true);
	EXPECT(byte_at(m, AT) == 1);
	EXPECT(pte_is_accessed(hal_entry_load(leaf)) && !pte_is_dirty(hal_entry_load(leaf)));
	EXPECT(pte_is_accessed(hal_entry_load(upper)));
	EXPECT(m->store(AT, 1));
	EXPECT(pte_is_dirty(hal_entry_load(leaf)));
	hal_entry_test_and_clear(leaf, PTE_ACCESSED | PTE_DIRTY);
	flush(s, AT, AT + PAGE_SIZE, false);
	EXPECT(!pte_is_accessed(hal_entry_load(leaf))); /* nothing touches it by itself */
	EXPECT(m->store(AT, 1));
	EXPECT(pte_is_accessed(hal_entry_load(leaf)) && pte_is_dirty(hal_entry_load(leaf)));
	return NULL;
}

/* mm/ takes W above a table as the sign of sharing: a write under it faults, and the sole sharer sets
 * W again. So W comes back exactly when the walker honoured its absence. */
static const char *check_rights_over_levels(const struct conformance_machine *m, struct space *s)
{
	pte_t *upper = entry_of(s, AT, 2), *leaf = entry_of(s, AT, 1);
	hal_entry_test_and_clear(upper, PTE_WRITE);
	flush(s, 0, ~0ul, true);
	EXPECT(byte_at(m, AT + PAGE_SIZE) == 2);
	EXPECT(!pte_is_writable(hal_entry_load(upper)) && pte_is_writable(hal_entry_load(leaf)));
	EXPECT(m->store(AT, 1));
	EXPECT(pte_is_writable(hal_entry_load(upper)));
	return NULL;
}

static const char *check_gained_rights(const struct conformance_machine *m, struct space *s)
{
	pte_t *leaf = entry_of(s, AT, 1);
	hal_entry_test_and_clear(leaf, PTE_WRITE);
	flush(s, AT, AT + PAGE_SIZE, false);
	EXPECT(byte_at(m, AT) == 1);
	hal_entry_store(leaf, pte_set(hal_entry_load(leaf), PTE_WRITE));
	hal_tlb_flush_local(AT);
	EXPECT(m->store(AT, 1));
	return NULL;
}

static void swap_entries(pte_t *a, pte_t *b)
{
	pte_t e = hal_entry_load(a);
	e = hal_entry_exchange(b, e);
	hal_entry_store(a, e);
}

static const char *check_flush_of_pages(const struct conformance_machine *m, struct space *s)
{
	pte_t *a = entry_of(s, AT, 1), *b = entry_of(s, AT + PAGE_SIZE, 1);
	EXPECT(byte_at(m, AT) == 1 && byte_at(m, AT + PAGE_SIZE) == 2);
	swap_entries(a, b);
	flush(s, AT, AT + 2 * PAGE_SIZE, false);
	u8 first = byte_at(m, AT), second = byte_at(m, AT + PAGE_SIZE);
	swap_entries(a, b);
	flush(s, AT, AT + 2 * PAGE_SIZE, false);
	EXPECT(first == 2 && second == 1);
	EXPECT(byte_at(m, AT) == 1 && byte_at(m, AT + PAGE_SIZE) == 2);
	return NULL;
}

static const char *check_flush_of_tables(const struct conformance_machine *m, struct space *s)
{
	pte_t *a = entry_of(s, AT, 2), *b = entry_of(s, AT + LEAF_SPAN, 2);
	EXPECT(byte_at(m, AT) == 1 && byte_at(m, AT + LEAF_SPAN) == 101);
	swap_entries(a, b);
	flush(s, AT, AT + 2 * LEAF_SPAN, true);
	u8 first = byte_at(m, AT), second = byte_at(m, AT + LEAF_SPAN);
	swap_entries(a, b);
	flush(s, 0, ~0ul, true);
	EXPECT(first == 101 && second == 1);
	EXPECT(byte_at(m, AT) == 1 && byte_at(m, AT + LEAF_SPAN) == 101);
	return NULL;
}

static const char *check_roots(const struct conformance_machine *m, struct space *s)
{
	struct space *other = space_with_pages(m);
	EXPECT(other);
	bool apart = m->store(AT, 77);
	m->use(s);
	u8 here = byte_at(m, AT);
	m->use(other);
	u8 there = byte_at(m, AT);
	space_done(m, other);
	m->use(s);
	EXPECT(apart && here == 1 && there == 77);
	return NULL;
}

static const char *in_space(const struct conformance_machine *m, const char *(*check)(const struct conformance_machine *, struct space *))
{
	struct space *s = space_with_pages(m);
	EXPECT(s);
	const char *broken = check(m, s);
	if (!broken)
		broken = space_validate(s);
	space_done(m, s);
	return broken;
}

static const char *walker_sets_accessed_and_dirty(const struct conformance_machine *m) { return in_space(m, check_accessed_and_dirty); }
static const char *rights_are_those_of_all_levels(const struct conformance_machine *m) { return in_space(m, check_rights_over_levels); }
static const char *gained_rights_need_a_local_flush(const struct conformance_machine *m) { return in_space(m, check_gained_rights); }
static const char *flush_ends_old_translations(const struct conformance_machine *m) { return in_space(m, check_flush_of_pages); }
static const char *flush_of_tables_ends_upper_ones(const struct conformance_machine *m) { return in_space(m, check_flush_of_tables); }
static const char *roots_are_apart(const struct conformance_machine *m) { return in_space(m, check_roots); }

/* Another CPU uses the space, then does nothing but wait, so that what it caches stays; after the change
 * it looks again. */
struct peer {
	const struct conformance_machine *m;
	struct space *space;
	uaddr_t addr;
	u8 before, after;
	u32 step; /* 1: it has looked, 2: the space has changed, 3: it has looked again and left */
};

static void peer_step(struct peer *p, u32 step) { __atomic_store_n(&p->step, step, __ATOMIC_RELEASE); }

static void peer_wait(struct peer *p, u32 step)
{
	while (__atomic_load_n(&p->step, __ATOMIC_ACQUIRE) < step)
		hal_cpu_pause();
}

static void peer_main(void *arg)
{
	struct peer *p = arg;
	p->m->use(p->space);
	p->before = byte_at(p->m, p->addr);
	peer_step(p, 1);
	peer_wait(p, 2);
	p->after = byte_at(p->m, p->addr);
	p->m->use(NULL);
	peer_step(p, 3);
}

/* Swaps the entries of `level` that map AT and AT + distance while the other CPU has one of them cached. */
static const char *check_flush_elsewhere(const struct conformance_machine *m, struct space *s, unsigned level, u64 distance, u8 there)
{
	static struct peer p; /* not the caller's stack: the other CPU may still be leaving it */
	p = (struct peer){ .m = m, .space = s, .addr = AT };
	if (!m->spawn_elsewhere(peer_main, &p))
		return hal_nr_cpus() > 1 ? "no other CPU runs it" : NULL;
	peer_wait(&p, 1);
	pte_t *a = entry_of(s, AT, level), *b = entry_of(s, AT + distance, level);
	swap_entries(a, b);
	flush(s, AT, AT + distance + PAGE_SIZE, level > 1);
	peer_step(&p, 2);
	peer_wait(&p, 3);
	swap_entries(a, b);
	flush(s, 0, ~0ul, true);
	EXPECT(p.before == 1 && p.after == there);
	return NULL;
}

static const char *check_flush_of_pages_elsewhere(const struct conformance_machine *m, struct space *s)
{
	return check_flush_elsewhere(m, s, 1, PAGE_SIZE, 2);
}

static const char *check_flush_of_tables_elsewhere(const struct conformance_machine *m, struct space *s)
{
	return check_flush_elsewhere(m, s, 2, LEAF_SPAN, 101);
}

static const char *flush_reaches_other_cpus(const struct conformance_machine *m) { return in_space(m, check_flush_of_pages_elsewhere); }
static const char *flush_of_tables_reaches_other_cpus(const struct conformance_machine *m) { return in_space(m, check_flush_of_tables_elsewhere); }

static const char *no_access_means_signal(const struct conformance_machine *m)
{
	struct space *s = space_with_pages(m);
	u8 b;
	EXPECT(s);
	bool outside = m->load(AT - PAGE_SIZE, &b) || m->store(AT - PAGE_SIZE, 1) || m->load(HAL_USER_END - 1, &b);
	int err = space_mprotect(s, AT, PAGE_SIZE, PROT_READ);
	bool read = m->load(AT, &b), write = m->store(AT, 1);
	int none = space_mprotect(s, AT, PAGE_SIZE, PROT_NONE);
	bool hidden = m->load(AT, &b);
	space_done(m, s);
	EXPECT(!outside);
	EXPECT(!err && read && !write);
	EXPECT(!none && !hidden);
	return NULL;
}

const struct conformance_test conformance_hal_tests[] = {
	{ "hal: RAM ranges are sorted and sane", ram_ranges_are_sorted_and_sane },
	{ "hal: frame pointers and numbers are inverse", frame_pointers_and_numbers_are_inverse },
	{ "hal: pages are zeroed and copied whole", pages_are_zeroed_and_copied_whole },
	{ "hal: interrupt state nests", interrupt_state_nests },
	{ "hal: the clock never goes back", clock_never_goes_back },
	{ "hal: random words differ in every bit", random_words_differ_in_every_bit },
	{ "hal: entries change atomically", entries_change_atomically },
	{ "hal: the walker sets accessed and dirty", walker_sets_accessed_and_dirty },
	{ "hal: rights are those of all levels", rights_are_those_of_all_levels },
	{ "hal: gained rights need a local flush", gained_rights_need_a_local_flush },
	{ "hal: a flush ends old translations", flush_ends_old_translations },
	{ "hal: a flush of tables ends upper ones", flush_of_tables_ends_upper_ones },
	{ "hal: a flush reaches other CPUs", flush_reaches_other_cpus },
	{ "hal: a flush of tables reaches other CPUs", flush_of_tables_reaches_other_cpus },
	{ "hal: roots are apart", roots_are_apart },
	{ "hal: no access means a signal", no_access_means_signal },
	{ NULL, NULL },
};

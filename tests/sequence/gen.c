/* SPDX-License-Identifier: MIT */
/*
 * From a seed to a list of operations. Nothing is known of what an operation will do: which calls
 * succeed is left to the machines. Only which processes exist is kept track of.
 *
 * Ranges are drawn so that they meet: half of them lie in a hot part around a table boundary, some are
 * whole tables, few are long.
 */
#include "sequence.h"
#include <linux/mman.h>

#define PROT_RW (PROT_READ | PROT_WRITE)

uint32_t seq_random(uint64_t *s)
{
	/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016 */
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return (uint32_t)((*s * 2685821657736338717ull) >> 32);
}

static uint64_t state;

static unsigned rnd(unsigned n)
{
	return seq_random(&state) % n;
}

static unsigned place_pages(unsigned place)
{
	return place == SEQ_PLACE_ARENA ? SEQ_ARENA_PAGES - 8 : place == SEQ_PLACE_HEAP ? SEQ_HEAP_PAGES : SEQ_SLOT_PAGES;
}

static void pick_range(struct seq_op *op)
{
	unsigned pages = place_pages(op->place), how = rnd(10);
	if (op->place == SEQ_PLACE_ARENA && how < 5) {
		op->page = 600 + rnd(48);
		op->nr = 1 + rnd(12);
	} else if (op->place == SEQ_PLACE_ARENA && how == 5) {
		op->page = rnd(2) ? 112 : 624;
		op->nr = 512;
	} else {
		op->page = rnd(pages);
		op->nr = 1 + (rnd(8) ? rnd(20) : rnd(pages));
	}
	if (op->page + op->nr > pages)
		op->nr = pages - op->page;
}

static void pick_place(struct seq_op *op)
{
	unsigned how = rnd(12);
	op->place = how < 8 ? SEQ_PLACE_ARENA : how < 10 ? SEQ_PLACE_SLOT + rnd(SEQ_SLOTS) : SEQ_PLACE_HEAP;
	pick_range(op);
}

static uint32_t pick_prot(void)
{
	static const uint32_t prots[] = { PROT_RW, PROT_RW, PROT_RW, PROT_RW, PROT_READ, PROT_READ, PROT_NONE, PROT_WRITE,
					  PROT_READ | PROT_EXEC };
	return prots[rnd(sizeof prots / sizeof *prots)];
}

static uint32_t pick_advice(void)
{
	static const uint32_t advice[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_DONTNEED, MADV_DONTNEED, MADV_REMOVE, MADV_REMOVE,
					   MADV_WILLNEED, MADV_DONTFORK, MADV_DOFORK, MADV_DOFORK, MADV_WIPEONFORK,
					   MADV_KEEPONFORK, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_POPULATE_WRITE,
					   MADV_COLD, MADV_SEQUENTIAL, MADV_NORMAL, MADV_DONTDUMP, MADV_DODUMP };
	return advice[rnd(sizeof advice / sizeof *advice)];
}

static uint32_t pick_map_flags(void)
{
	uint32_t flags = 0;
	if (rnd(8) == 0)
		flags |= MAP_POPULATE;
	if (rnd(12) == 0)
		flags |= MAP_NORESERVE;
	if (rnd(16) == 0)
		flags |= MAP_LOCKED;
	if (rnd(12) == 0)
		flags |= MAP_FIXED_NOREPLACE;
	return flags;
}

static void pick_remap(struct seq_op *op)
{
	op->place = SEQ_PLACE_ARENA;
	pick_range(op);
	if (op->kind == SEQ_REMAP_PAGE)
		op->nr = rnd(12) ? 1 : 0;
	op->nr2 = rnd(3) ? op->nr : op->kind == SEQ_REMAP_PAGE ? rnd(5) : 1 + rnd(op->nr + 20);
	op->flags = rnd(4) ? MREMAP_MAYMOVE | (rnd(4) ? MREMAP_FIXED : 0) : 0;
	if ((op->flags & MREMAP_FIXED) && op->nr == op->nr2 && rnd(5) == 0)
		op->flags |= MREMAP_DONTUNMAP;
	op->page2 = rnd(SEQ_ARENA_PAGES - 8);
	if (rnd(2)) /* congruent: tables can move whole */
		op->page2 = (op->page2 / 512 * 512 + (op->page + 400) % 512 + 112) % (SEQ_ARENA_PAGES - 8);
	if (op->page2 + op->nr2 > SEQ_ARENA_PAGES - 8u)
		op->nr2 = SEQ_ARENA_PAGES - 8u - op->page2;
}

static const uint8_t weights[SEQ_NR_KINDS] = {
	[SEQ_MAP_ANON] = 10, [SEQ_MAP_SHARED_ANON] = 4, [SEQ_MAP_FILE] = 9, [SEQ_MAP_ANY] = 5, [SEQ_UNMAP] = 8, [SEQ_PROTECT] = 10,
	[SEQ_ADVISE] = 10, [SEQ_FREE] = 2, [SEQ_LOCK] = 3, [SEQ_UNLOCK] = 3, [SEQ_SYNC] = 2, [SEQ_CORE] = 3, [SEQ_REMAP_PAGE] = 7,
	[SEQ_REMAP_FRESH] = 7, [SEQ_BREAK] = 5, [SEQ_WRITE] = 30, [SEQ_READ] = 22, [SEQ_FILE_WRITE] = 4, [SEQ_FILE_READ] = 3,
	[SEQ_TRUNCATE] = 2, [SEQ_PUNCH] = 2, [SEQ_FORK] = 7, [SEQ_EXIT] = 5, [SEQ_MAPS] = 5,
};

static enum seq_kind pick_kind(void)
{
	unsigned sum = 0, kind = 0;
	for (unsigned k = 0; k < SEQ_NR_KINDS; k++)
		sum += weights[k];
	for (unsigned r = rnd(sum); r >= weights[kind]; kind++)
		r -= weights[kind];
	return kind;
}

static void pick(struct seq_op *op)
{
	op->kind = pick_kind();
	op->thread = rnd(2);
	op->value = 1 + rnd(255);
	op->step = 1 + rnd(3);
	op->file = rnd(SEQ_FILES);
	pick_place(op);
	op->prot = pick_prot();
	op->page2 = rnd(SEQ_FILE_PAGES);
	switch (op->kind) {
	case SEQ_MAP_FILE:
		op->flags = (rnd(2) ? MAP_SHARED : MAP_PRIVATE) | pick_map_flags();
		break;
	case SEQ_MAP_ANON:
	case SEQ_MAP_SHARED_ANON:
		op->flags = (op->kind == SEQ_MAP_ANON ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS | pick_map_flags();
		break;
	case SEQ_MAP_ANY:
		op->place = SEQ_PLACE_SLOT + rnd(SEQ_SLOTS - 1);
		op->page = 0;
		op->nr = 1 + rnd(SEQ_SLOT_PAGES);
		op->flags = MAP_PRIVATE | MAP_ANONYMOUS | (rnd(6) ? 0 : MAP_POPULATE);
		break;
	case SEQ_ADVISE:
		op->advice = pick_advice();
		break;
	case SEQ_LOCK:
		op->flags = rnd(3) == 0;
		break;
	case SEQ_SYNC:
		op->flags = rnd(3) == 0 ? MS_SYNC : rnd(2) ? MS_ASYNC : MS_INVALIDATE;
		break;
	case SEQ_REMAP_PAGE:
	case SEQ_REMAP_FRESH:
		pick_remap(op);
		break;
	case SEQ_TRUNCATE:
		op->page2 = rnd(SEQ_FILE_PAGES + 1);
		break;
	case SEQ_PUNCH:
		op->nr2 = 1 + rnd(40);
		break;
	case SEQ_BREAK:
		op->place = SEQ_PLACE_HEAP;
		op->page = rnd(SEQ_HEAP_PAGES + 1);
		op->nr = 0;
		break;
	default:
		break;
	}
}

/* The first operations fill the arena and the heap. */
static void furnish(struct seq_op *op, unsigned n)
{
	static const struct seq_op first[] = {
		{ .kind = SEQ_MAP_ANON, .page = 500, .nr = 400, .prot = PROT_RW, .flags = MAP_PRIVATE | MAP_ANONYMOUS },
		{ .kind = SEQ_MAP_FILE, .page = 580, .nr = 40, .prot = PROT_RW, .flags = MAP_SHARED, .page2 = 30 },
		{ .kind = SEQ_MAP_FILE, .page = 635, .nr = 60, .prot = PROT_RW, .flags = MAP_PRIVATE, .page2 = 50 },
		{ .kind = SEQ_MAP_ANON, .page = 60, .nr = 300, .prot = PROT_RW, .flags = MAP_PRIVATE | MAP_ANONYMOUS },
		{ .kind = SEQ_BREAK, .place = SEQ_PLACE_HEAP, .page = 40 },
		{ .kind = SEQ_MAP_SHARED_ANON, .page = 1000, .nr = 150, .prot = PROT_RW, .flags = MAP_SHARED | MAP_ANONYMOUS },
	};
	op->proc = 0;
	op->kind = first[n].kind, op->place = first[n].place, op->page = first[n].page, op->nr = first[n].nr;
	op->prot = first[n].prot, op->flags = first[n].flags, op->page2 = first[n].page2;
}

unsigned seq_generate(uint64_t seed, unsigned nr, struct seq_op *ops)
{
	bool alive[SEQ_PROCS] = { true }, forked[SEQ_PROCS] = { false };
	unsigned n = 0;
	state = (seed + 1) * 0x9e3779b97f4a7c15ull;
	for (unsigned i = 0; i < 4; i++)
		rnd(2);
	if (nr > SEQ_MAX_OPS)
		nr = SEQ_MAX_OPS;
	while (n < nr) {
		struct seq_op *op = &ops[n];
		*op = (struct seq_op){ 0 };
		do
			op->proc = rnd(3) ? 0 : rnd(SEQ_PROCS);
		while (!alive[op->proc]);
		pick(op);
		if (n < 6) /* something to work on */
			furnish(op, n);
		if (op->kind == SEQ_CORE && forked[op->proc])
			continue;
		if (op->kind == SEQ_FORK) {
			op->page2 = 1 + rnd(SEQ_PROCS - 1);
			if (alive[op->page2])
				continue;
			alive[op->page2] = forked[op->page2] = true;
		}
		if (op->kind == SEQ_EXIT) {
			op->proc = 1 + rnd(SEQ_PROCS - 1);
			if (!alive[op->proc])
				continue;
			alive[op->proc] = false;
		}
		n++;
	}
	return n;
}

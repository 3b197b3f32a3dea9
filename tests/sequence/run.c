/* SPDX-License-Identifier: MIT */
/* Carries operations out on a machine and writes the log. */
#include "sequence.h"
#include <errno.h>
#include <linux/mman.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void seq_print(struct seq_text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(t->data + t->len, sizeof t->data - t->len, fmt, ap);
	va_end(ap);
	t->len += n > 0 ? n : 0;
	if (t->len >= sizeof t->data)
		t->len = sizeof t->data - 1;
}

static uint64_t place_base(const struct seq_state *st, unsigned place)
{
	return place == SEQ_PLACE_ARENA ? SEQ_ARENA : place == SEQ_PLACE_HEAP ? st->heap : st->slot[place - SEQ_PLACE_SLOT];
}

static unsigned place_pages(const struct seq_state *st, unsigned place)
{
	return place == SEQ_PLACE_ARENA ? SEQ_ARENA_PAGES : place == SEQ_PLACE_HEAP ? SEQ_HEAP_PAGES :
	       st->slot_pages[place - SEQ_PLACE_SLOT];
}

static void show(struct seq_text *t, long r)
{
	if (r < 0)
		seq_print(t, " = error %ld", -r);
	else
		seq_print(t, " = ok");
}

/* ---- regions, coalesced: whether neighbours that are alike merge is not compared ---- */

struct listing {
	struct seq_text *t;
	uint64_t from, to;
	struct seq_region last;
	bool any;
};

static void list_last(struct listing *l)
{
	const struct seq_region *r = &l->last;
	if (!l->any)
		return;
	seq_print(l->t, " %lu-%lu%c%c%c%c", (unsigned long)((r->start - l->from) / SEQ_PAGE), (unsigned long)((r->end - l->from) / SEQ_PAGE),
		  r->prot & 1 ? 'r' : '-', r->prot & 2 ? 'w' : '-', r->prot & 4 ? 'x' : '-', r->prot & 8 ? 's' : 'p');
	if (r->file >= 0)
		seq_print(l->t, "f%d+%lu", r->file, (unsigned long)r->pgoff);
}

static void list_one(const struct seq_region *region, void *arg)
{
	struct listing *l = arg;
	struct seq_region r = *region;
	if (r.start < l->from) {
		r.pgoff += (l->from - r.start) / SEQ_PAGE;
		r.start = l->from;
	}
	if (r.end > l->to)
		r.end = l->to;
	bool alike = l->any && l->last.end == r.start && l->last.prot == r.prot && l->last.file == r.file &&
		     (r.file < 0 || l->last.pgoff + (l->last.end - l->last.start) / SEQ_PAGE == r.pgoff);
	if (alike) {
		l->last.end = r.end;
		return;
	}
	list_last(l);
	l->last = r;
	l->any = true;
}

static void list(const struct seq_state *st, const struct seq_machine *m, unsigned place, struct seq_text *t)
{
	uint64_t base = place_base(st, place);
	if (!base)
		return;
	struct listing l = { .t = t, .from = base, .to = base + place_pages(st, place) * SEQ_PAGE };
	seq_print(t, " [%u:", place);
	m->regions(l.from, l.to, list_one, &l);
	list_last(&l);
	seq_print(t, "]");
}

/* ---- touching ---- */

static void show_fault(struct seq_text *t, seq_fault_t f)
{
	seq_print(t, " %s%d", f / 16 == 11 ? "segv" : f / 16 == 7 ? "bus" : "?", f % 16);
}

static void touch(const struct seq_op *op, uint64_t base, const struct seq_machine *m, struct seq_text *t)
{
	for (unsigned i = 0; i < op->nr && i < 12u * op->step; i += op->step) {
		uint64_t at = base + (op->page + i) * SEQ_PAGE + 123;
		uint8_t v = op->value + i;
		seq_fault_t f = op->kind == SEQ_WRITE ? m->store(at, v) : m->load(at, &v);
		if (f)
			show_fault(t, f);
		else if (op->kind == SEQ_READ)
			seq_print(t, " %02x", v);
		else
			seq_print(t, " ok");
	}
}

/* ---- operations that are more than one call ---- */

static void map_any(const struct seq_op *op, struct seq_state *st, const struct seq_machine *m, struct seq_text *t)
{
	unsigned slot = op->place - SEQ_PLACE_SLOT;
	if (st->slot[slot])
		m->munmap(st->slot[slot], st->slot_pages[slot] * SEQ_PAGE);
	long r = m->mmap(0, op->nr * SEQ_PAGE, op->prot, op->flags, -1, 0);
	st->slot[slot] = r < 0 ? 0 : r;
	st->slot_pages[slot] = op->nr;
	show(t, r);
}

/* A slot goes as a whole: in a hole of it the kernel might put another slot. */
static void unmap(const struct seq_op *op, struct seq_state *st, uint64_t addr, uint64_t len, const struct seq_machine *m,
		  struct seq_text *t)
{
	if (op->place < SEQ_PLACE_SLOT)
		return show(t, m->munmap(addr, len));
	unsigned slot = op->place - SEQ_PLACE_SLOT;
	show(t, m->munmap(st->slot[slot], st->slot_pages[slot] * SEQ_PAGE));
	st->slot[slot] = 0;
}

static void remap(const struct seq_op *op, struct seq_state *st, const struct seq_machine *m, struct seq_text *t)
{
	uint64_t from = SEQ_ARENA + op->page * SEQ_PAGE, to = op->flags & MREMAP_FIXED ? SEQ_ARENA + op->page2 * SEQ_PAGE : 0;
	bool may_choose = (op->flags & MREMAP_MAYMOVE) && !(op->flags & MREMAP_FIXED);
	if (may_choose && st->slot[SEQ_SLOT_MOVED]) {
		m->munmap(st->slot[SEQ_SLOT_MOVED], st->slot_pages[SEQ_SLOT_MOVED] * SEQ_PAGE);
		st->slot[SEQ_SLOT_MOVED] = 0;
	}
	long r = m->mremap(from, op->nr * SEQ_PAGE, op->nr2 * SEQ_PAGE, op->flags, to);
	if (r < 0)
		return show(t, r);
	seq_print(t, (uint64_t)r == from ? " = stays" : " = moved");
	if (may_choose && (uint64_t)r != from) {
		st->slot[SEQ_SLOT_MOVED] = r;
		st->slot_pages[SEQ_SLOT_MOVED] = op->nr2 > SEQ_SLOT_PAGES ? SEQ_SLOT_PAGES : op->nr2;
		if (op->nr2 > SEQ_SLOT_PAGES)
			m->munmap(r + SEQ_SLOT_PAGES * SEQ_PAGE, (op->nr2 - SEQ_SLOT_PAGES) * SEQ_PAGE);
	}
}

/* The range is one region for certain: it is mapped just before, unlike what is beside it. */
static void remap_fresh(const struct seq_op *op, struct seq_state *st, const struct seq_machine *m, struct seq_text *t)
{
	uint64_t from = SEQ_ARENA + op->page * SEQ_PAGE;
	bool is_file = op->file == 1;
	long r = m->mmap(from, op->nr * SEQ_PAGE, PROT_READ | PROT_WRITE,
			 (is_file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS) | MAP_FIXED, is_file ? 1 : -1, is_file ? op->value : 0);
	if (r < 0)
		return show(t, r);
	for (unsigned i = 0; i < op->nr; i += 1 + op->nr / 9)
		m->store(from + i * SEQ_PAGE + 123, op->value + i);
	remap(op, st, m, t);
}

/* After MADV_FREE a page may read as before or as zero until it is written: so it is written at once. */
static void free_and_write(const struct seq_op *op, uint64_t base, const struct seq_machine *m, struct seq_text *t)
{
	unsigned nr = op->nr > 16 ? 16 : op->nr;
	show(t, m->madvise(base + op->page * SEQ_PAGE, nr * SEQ_PAGE, MADV_FREE));
	for (unsigned i = 0; i < nr; i++) {
		seq_fault_t f = m->store(base + (op->page + i) * SEQ_PAGE + 123, op->value + i);
		if (f) /* not writable: drop it for certain */
			m->madvise(base + (op->page + i) * SEQ_PAGE, SEQ_PAGE, MADV_DONTNEED);
	}
}

static void core(const struct seq_op *op, uint64_t base, const struct seq_machine *m, struct seq_text *t)
{
	static unsigned char vec[SEQ_ARENA_PAGES];
	unsigned nr = op->nr > 40 ? 40 : op->nr;
	long r = m->mincore(base + op->page * SEQ_PAGE, nr * SEQ_PAGE, vec);
	show(t, r);
	for (unsigned i = 0; r >= 0 && i < nr; i++)
		seq_print(t, "%s%d", i ? "" : " ", vec[i] & 1);
}

static void file_op(const struct seq_op *op, const struct seq_machine *m, struct seq_text *t)
{
	uint8_t v = 0;
	long r;
	switch (op->kind) {
	case SEQ_FILE_WRITE:
		r = m->file_write(op->file, op->page2, op->value);
		break;
	case SEQ_FILE_READ:
		r = m->file_read(op->file, op->page2, &v);
		seq_print(t, " %02x", v);
		break;
	case SEQ_TRUNCATE:
		r = m->file_truncate(op->file, op->page2);
		break;
	default:
		r = m->file_punch(op->file, op->page2, op->nr2);
		break;
	}
	show(t, r);
}

void seq_run(const struct seq_op *op, struct seq_state *st, const struct seq_machine *m, struct seq_text *t)
{
	uint64_t base = place_base(st, op->place), addr = base + op->page * SEQ_PAGE, len = op->nr * SEQ_PAGE;
	uint32_t fixed = op->flags & MAP_FIXED_NOREPLACE ? 0 : MAP_FIXED;
	if (!base && op->kind != SEQ_MAP_ANY && op->kind != SEQ_MAPS && op->kind < SEQ_FILE_WRITE) {
		seq_print(t, " no such place");
		return;
	}
	if (op->place >= SEQ_PLACE_SLOT && op->kind != SEQ_MAP_ANY && op->kind != SEQ_MAPS && op->kind < SEQ_FILE_WRITE &&
	    op->page + op->nr > place_pages(st, op->place)) {
		seq_print(t, " beyond the place");
		return;
	}
	switch (op->kind) {
	case SEQ_MAP_ANON:
	case SEQ_MAP_SHARED_ANON:
		return show(t, m->mmap(addr, len, op->prot, op->flags | fixed, -1, 0));
	case SEQ_MAP_FILE:
		return show(t, m->mmap(addr, len, op->prot, op->flags | fixed, op->file, op->page2));
	case SEQ_MAP_ANY:
		return map_any(op, st, m, t);
	case SEQ_UNMAP:
		return unmap(op, st, addr, len, m, t);
	case SEQ_PROTECT:
		return show(t, m->mprotect(addr, len, op->prot));
	case SEQ_ADVISE:
		return show(t, m->madvise(addr, len, op->advice));
	case SEQ_FREE:
		return free_and_write(op, base, m, t);
	case SEQ_LOCK:
		return show(t, m->mlock(addr, len, op->flags));
	case SEQ_UNLOCK:
		return show(t, m->munlock(addr, len));
	case SEQ_SYNC:
		return show(t, m->msync(addr, len, op->flags));
	case SEQ_CORE:
		return core(op, base, m, t);
	case SEQ_REMAP_PAGE:
		return remap(op, st, m, t);
	case SEQ_REMAP_FRESH:
		return remap_fresh(op, st, m, t);
	case SEQ_BREAK:
		seq_print(t, " = page %ld", (m->brk(st->heap + op->page * SEQ_PAGE) - (long)st->heap) / (long)SEQ_PAGE);
		return;
	case SEQ_WRITE:
	case SEQ_READ:
		return touch(op, base, m, t);
	case SEQ_MAPS:
		for (unsigned place = 0; place < SEQ_PLACE_SLOT + SEQ_SLOTS; place++)
			list(st, m, place, t);
		return;
	default:
		return file_op(op, m, t);
	}
}

static const char *const names[SEQ_NR_KINDS] = {
	"mmap", "mmap shared", "mmap file", "mmap anywhere", "munmap", "mprotect", "madvise", "madvise free", "mlock", "munlock", "msync",
	"mincore", "mremap", "mmap+mremap", "brk", "write", "read", "pwrite", "pread", "ftruncate", "punch", "fork", "exit", "maps",
};

void seq_describe(const struct seq_op *op, struct seq_text *t)
{
	seq_print(t, "p%u.%u %s", op->proc, op->thread, names[op->kind]);
	if (op->kind == SEQ_FORK)
		seq_print(t, " p%u", op->page2);
	else if (op->kind >= SEQ_FILE_WRITE && op->kind <= SEQ_PUNCH)
		seq_print(t, " f%u+%u,%u", op->file, op->page2, op->nr2);
	else if (op->kind != SEQ_EXIT && op->kind != SEQ_MAPS)
		seq_print(t, " %u:%u,%u", op->place, op->page, op->nr);
	if (op->kind == SEQ_MAP_FILE)
		seq_print(t, " f%u+%u", op->file, op->page2);
	if (op->kind <= SEQ_MAP_ANY || op->kind == SEQ_PROTECT)
		seq_print(t, " prot %x", op->prot);
	if (op->kind == SEQ_REMAP_PAGE || op->kind == SEQ_REMAP_FRESH)
		seq_print(t, " to %u,%u", op->page2, op->nr2);
	if (op->flags)
		seq_print(t, " flags %x", op->flags);
	if (op->kind == SEQ_ADVISE)
		seq_print(t, " advice %u", op->advice);
}

void seq_final(struct seq_state *st, const struct seq_machine *m, struct seq_text *t)
{
	uint64_t hash = 14695981039346656037ull; /* FNV-1a */
	unsigned nr_faults = 0;
	for (unsigned place = 0; place < SEQ_PLACE_SLOT + SEQ_SLOTS; place++) {
		uint64_t base = place_base(st, place);
		if (!base)
			continue;
		list(st, m, place, t);
		for (unsigned i = 0; i < place_pages(st, place); i++) {
			uint8_t v = 0;
			seq_fault_t f = m->load(base + i * SEQ_PAGE + 123, &v);
			nr_faults += f != 0;
			hash = (hash ^ (f ? 1000u + f : v)) * 1099511628211ull;
		}
	}
	seq_print(t, " contents %016lx faults %u", (unsigned long)hash, nr_faults);
}

bool seq_is_skipped(const char *skips, unsigned i)
{
	while (skips && *skips) {
		char *end;
		unsigned long first = strtoul(skips, &end, 10), last = first;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (first <= i && i <= last)
			return true;
		skips = *end ? end + 1 : NULL;
	}
	return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of memory calls, for three machines: Linux, Quire in QEMU, and mm/ on the host.
 *
 * A seed gives a list of operations (gen.c), the same on every machine. run.c carries an operation
 * out through a small table of functions that a machine provides, and writes one line of log about it:
 * the result, what was read, how a touch faulted, the regions. Nothing judges: the logs are compared.
 *
 * Addresses are never logged. Memory lies in places: the arena (fixed), the heap (from the break), and
 * slots, whose addresses the kernel chose. Within a place, positions are page numbers.
 *
 * What Linux leaves open or decides by its own history is avoided: reading after MADV_FREE, moving
 * more than a page that may belong to several regions (whether neighbours merge depends on Linux's
 * anon_vma), and what mincore says in a forked process.
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEQ_PAGE        4096ul
#define SEQ_ARENA       0x100000190000ul /* 400 pages into a table: boundaries at pages 112, 624, 1136 */
#define SEQ_ARENA_PAGES 1200u
#define SEQ_SLOTS       6u
#define SEQ_SLOT_MOVED  5u /* where mremap put what it moved */
#define SEQ_SLOT_PAGES  64u
#define SEQ_HEAP_PAGES  64u
#define SEQ_PROCS       5u
#define SEQ_FILES       2u
#define SEQ_FILE_PAGES  400u
#define SEQ_MAX_OPS     400u

enum seq_kind {
	SEQ_MAP_ANON, SEQ_MAP_SHARED_ANON, SEQ_MAP_FILE, SEQ_MAP_ANY, SEQ_UNMAP, SEQ_PROTECT, SEQ_ADVISE, SEQ_FREE,
	SEQ_LOCK, SEQ_UNLOCK, SEQ_SYNC, SEQ_CORE, SEQ_REMAP_PAGE, SEQ_REMAP_FRESH, SEQ_BREAK, SEQ_WRITE, SEQ_READ,
	SEQ_FILE_WRITE, SEQ_FILE_READ, SEQ_TRUNCATE, SEQ_PUNCH, SEQ_FORK, SEQ_EXIT, SEQ_MAPS, SEQ_NR_KINDS
};

/* Places: 0 the arena, 1 the heap, 2.. the slots. */
#define SEQ_PLACE_ARENA 0
#define SEQ_PLACE_HEAP  1
#define SEQ_PLACE_SLOT  2

struct seq_op {
	uint8_t kind, proc, thread, place;
	uint16_t page, nr;   /* range in the place, in pages */
	uint16_t page2, nr2; /* target of mremap; file position; the other process */
	uint32_t prot, flags, advice;
	uint8_t file, value, step;
};

/* Fills ops for a seed; returns their number (at most SEQ_MAX_OPS). */
unsigned seq_generate(uint64_t seed, unsigned nr, struct seq_op *ops);
uint32_t seq_random(uint64_t *state);

/* How a touch ended: 0, or signal * 16 + si_code. */
typedef int seq_fault_t;

struct seq_region {
	uint64_t start, end;
	uint32_t prot; /* 1 r, 2 w, 4 x, 8 shared */
	int file;      /* -1: anonymous (shared anonymous too), else its number */
	uint64_t pgoff;
};

/* Calls return 0 or more, or -errno. */
struct seq_machine {
	long (*mmap)(uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags, int file, uint64_t pgoff);
	long (*munmap)(uint64_t addr, uint64_t len);
	long (*mprotect)(uint64_t addr, uint64_t len, uint32_t prot);
	long (*mremap)(uint64_t addr, uint64_t len, uint64_t new_len, uint32_t flags, uint64_t to);
	long (*madvise)(uint64_t addr, uint64_t len, int advice);
	long (*brk)(uint64_t addr);
	long (*mincore)(uint64_t addr, uint64_t len, unsigned char *vec);
	long (*mlock)(uint64_t addr, uint64_t len, bool on_fault);
	long (*munlock)(uint64_t addr, uint64_t len);
	long (*msync)(uint64_t addr, uint64_t len, int flags);
	seq_fault_t (*load)(uint64_t addr, uint8_t *value);
	seq_fault_t (*store)(uint64_t addr, uint8_t value);
	long (*file_read)(int file, uint64_t page, uint8_t *value);
	long (*file_write)(int file, uint64_t page, uint8_t value);
	long (*file_truncate)(int file, uint64_t pages);
	long (*file_punch)(int file, uint64_t page, uint64_t nr);
	/* Regions that meet [from, to), in order, each given to fn. */
	void (*regions)(uint64_t from, uint64_t to, void (*fn)(const struct seq_region *, void *), void *arg);
};

/* What a process remembers; copied at fork. */
struct seq_state {
	uint64_t heap;
	uint64_t slot[SEQ_SLOTS]; /* 0: none */
	uint16_t slot_pages[SEQ_SLOTS];
};

struct seq_text {
	char data[8192];
	size_t len;
};
__attribute__((format(printf, 2, 3))) void seq_print(struct seq_text *t, const char *fmt, ...);

/* Carries out one operation (all but FORK and EXIT) and appends its result to t. */
void seq_run(const struct seq_op *op, struct seq_state *st, const struct seq_machine *m, struct seq_text *t);
/* Name and arguments of an operation. */
void seq_describe(const struct seq_op *op, struct seq_text *t);
/* Reads every page of every place: values, faults and regions of one process. */
void seq_final(struct seq_state *st, const struct seq_machine *m, struct seq_text *t);
/* Is operation i in a list such as "3,7-12"? NULL: no. */
bool seq_is_skipped(const char *skips, unsigned i);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Sequences on the host port: the calls go to mm/ directly, touches through the software MMU and its
 * TLB, and every validator runs after every operation. Arguments and log as in real.c; further
 *
 *     --no-validate    only the log
 *
 * The two threads of a process are two CPUs, each of which keeps the translations of what it ran last.
 */
#include "sequence.h"
#include <host/machine.h>
#include <hal/log.h>
#include <linux/mman.h>
#include <mm/mapping.h>
#include <mm/mman.h>
#include <mm/region.h>
#include <mm/slab.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NR_SHARED 512
#define HEAP_BASE 0x40000000ul

/* A shmem object: one of the sequence's files, or what a shared anonymous region shows. */
struct object {
	struct mapping mapping;
	u64 size;
	int refs, number; /* number: -1 shared anonymous */
	bool is_used;
};

static struct object objects[SEQ_FILES + NR_SHARED];
static struct {
	struct space *space;
	struct seq_state state;
} procs[SEQ_PROCS];
static unsigned current;
static bool validate = true;

static struct object *object_of(struct mapping *m) { return container_of(m, struct object, mapping); }
static u64 object_size(struct mapping *m) { return object_of(m)->size; }
static void object_get(void *o) { ((struct object *)o)->refs++; }
static void object_put(void *o) { ((struct object *)o)->refs--; }
static const struct mapping_ops object_ops = { .size = object_size, .file_get = object_get, .file_put = object_put };

static void object_init(struct object *o, u64 size, int number)
{
	mapping_init(&o->mapping, &object_ops, MAPPING_SHMEM);
	o->size = size;
	o->refs = 0;
	o->number = number;
	o->is_used = true;
}

static void object_drop(struct object *o)
{
	mapping_destroy(&o->mapping);
	o->is_used = false;
}

static struct object *object_shared(u64 size)
{
	for (unsigned i = SEQ_FILES; i < ARRAY_SIZE(objects); i++) {
		struct object *o = &objects[i];
		if (o->is_used && o->refs == 0)
			object_drop(o);
		if (!o->is_used) {
			object_init(o, size, -1);
			return o;
		}
	}
	abort();
}

/* ---- the machine ---- */

static struct space *space(void) { return procs[current].space; }

static long h_mmap(uint64_t a, uint64_t len, uint32_t prot, uint32_t flags, int file, uint64_t pgoff)
{
	struct object *o = file >= 0 ? &objects[file] : (flags & MAP_TYPE) == MAP_SHARED ? object_shared(len) : NULL;
	struct mmap_request q = { .addr = a, .len = len, .prot = prot, .flags = flags, .mapping = o ? &o->mapping : NULL, .file = o,
		                      .offset = pgoff * SEQ_PAGE, .file_readable = true, .file_writable = true };
	uaddr_t out = 0;
	int err = space_mmap(space(), &q, &out);
	return err ? err : (long)out;
}
static long h_munmap(uint64_t a, uint64_t len) { return space_munmap(space(), a, len); }
static long h_mprotect(uint64_t a, uint64_t len, uint32_t prot) { return space_mprotect(space(), a, len, prot); }
static long h_mremap(uint64_t a, uint64_t len, uint64_t new_len, uint32_t flags, uint64_t to)
{
	uaddr_t out = 0;
	int err = space_mremap(space(), a, len, new_len, flags, to, &out);
	return err ? err : (long)out;
}
static long h_madvise(uint64_t a, uint64_t len, int advice) { return space_madvise(space(), a, len, advice); }
static long h_brk(uint64_t a) { return (long)space_brk(space(), a); }
static long h_mincore(uint64_t a, uint64_t len, unsigned char *vec) { return space_mincore(space(), a, len / SEQ_PAGE, vec); }
static long h_mlock(uint64_t a, uint64_t len, bool on_fault) { return space_mlock(space(), a, len, on_fault); }
static long h_munlock(uint64_t a, uint64_t len) { return space_munlock(space(), a, len); }
static long h_msync(uint64_t a, uint64_t len, int flags) { return space_msync(space(), a, len, flags); }

static seq_fault_t fault_of(const struct fault_verdict *v)
{
	return v->kind == FAULT_SIGNAL ? v->sig * 16 + v->code : 9 * 16;
}

static seq_fault_t h_load(uint64_t at, uint8_t *value)
{
	struct fault_verdict v;
	return host_load(at, value, 1, &v) == 1 ? 0 : fault_of(&v);
}

static seq_fault_t h_store(uint64_t at, uint8_t value)
{
	struct fault_verdict v;
	return host_store(at, &value, 1, &v) == 1 ? 0 : fault_of(&v);
}

static long h_file_read(int f, uint64_t page, uint8_t *value)
{
	if (page * SEQ_PAGE + 123 >= objects[f].size)
		return 0;
	struct frame *frame = mapping_find(&objects[f].mapping, page);
	*value = frame ? ((uint8_t *)frame_ptr(frame))[123] : 0;
	if (frame)
		frame_put(frame);
	return 1;
}

static long h_file_write(int f, uint64_t page, uint8_t value)
{
	struct frame *frame;
	int err = mapping_get(&objects[f].mapping, page, ALLOC_USER, &frame);
	if (err)
		return err;
	((uint8_t *)frame_ptr(frame))[123] = value;
	frame_put(frame);
	if (objects[f].size < page * SEQ_PAGE + 124)
		objects[f].size = page * SEQ_PAGE + 124;
	return 1;
}

static long h_file_truncate(int f, uint64_t pages)
{
	objects[f].size = pages * SEQ_PAGE;
	mapping_truncate(&objects[f].mapping, objects[f].size);
	return 0;
}

static long h_file_punch(int f, uint64_t page, uint64_t nr)
{
	mapping_punch(&objects[f].mapping, page * SEQ_PAGE, (page + nr) * SEQ_PAGE);
	return 0;
}

static void h_regions(uint64_t from, uint64_t to, void (*fn)(const struct seq_region *, void *), void *arg)
{
	rwlock_read(&space()->lock);
	for (struct region *r = region_lookup(space(), from); r && r->start < to; r = region_next(r)) {
		struct seq_region s = { r->start, r->end,
					(!!(r->flags & REGION_READ)) | !!(r->flags & REGION_WRITE) * 2 | !!(r->flags & REGION_EXEC) * 4 |
						!!(r->flags & REGION_SHARED) * 8,
					r->file ? ((struct object *)r->file)->number : -1, r->pgoff };
		fn(&s, arg);
	}
	rwlock_read_unlock(&space()->lock);
}

static const struct seq_machine host = {
	h_mmap, h_munmap, h_mprotect, h_mremap, h_madvise, h_brk, h_mincore, h_mlock, h_munlock, h_msync,
	h_load, h_store, h_file_read, h_file_write, h_file_truncate, h_file_punch, h_regions,
};

/* ---- running ---- */

static uint64_t hash;
static bool verbose;

static void record(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)s[i]) * 1099511628211ull;
	if (verbose)
		fwrite(s, 1, n, stdout);
}

static void run_as(unsigned proc, unsigned cpu)
{
	current = proc;
	host_be_cpu(cpu);
	host_switch(procs[proc].space);
}

static void end_process(unsigned proc)
{
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		host_be_cpu(cpu);
		if (host_loaded() == procs[proc].space)
			host_switch(NULL);
	}
	space_put(procs[proc].space);
	procs[proc].space = NULL;
}

/* What an operation may have broken: every space, every file. */
static const char *broken(void)
{
	const char *what = NULL;
	for (unsigned p = 0; p < SEQ_PROCS && !what; p++)
		if (procs[p].space)
			what = space_validate(procs[p].space);
	for (unsigned i = 0; i < ARRAY_SIZE(objects) && !what; i++)
		if (objects[i].is_used)
			what = mapping_validate(&objects[i].mapping);
	return what;
}

static u64 frames_free(void)
{
	for (unsigned cpu = 2; cpu-- > 0;) {
		host_be_cpu(cpu);
		slab_drain();
		frame_drain_pcp();
	}
	return frame_nr_free();
}

static struct seq_op ops[SEQ_MAX_OPS];
static struct seq_text text;

static void run_op(unsigned i)
{
	struct seq_op *op = &ops[i];
	char head[32];
	text.len = 0;
	record(head, (size_t)snprintf(head, sizeof head, "%3u ", i));
	seq_describe(op, &text);
	run_as(op->proc, op->thread);
	if (op->kind == SEQ_EXIT) {
		end_process(op->proc);
	} else if (op->kind == SEQ_FORK) {
		int err = space_fork(procs[op->proc].space, &procs[op->page2].space);
		procs[op->page2].state = procs[op->proc].state;
		seq_print(&text, err ? " = error %d" : " = child", -err);
	} else {
		seq_run(op, &procs[op->proc].state, &host, &text);
	}
	seq_print(&text, "\n");
	record(text.data, text.len);
}

static void begin(void)
{
	memset(procs, 0, sizeof procs);
	for (unsigned i = 0; i < SEQ_FILES; i++)
		object_init(&objects[i], SEQ_FILE_PAGES / 2 * SEQ_PAGE, i);
	procs[0].space = space_create();
	procs[0].space->mmap_base = 0x7ffff0000000;
	procs[0].space->brk_start = procs[0].space->brk = HEAP_BASE;
	procs[0].state.heap = HEAP_BASE;
}

static void finish(void)
{
	for (unsigned p = 0; p < SEQ_PROCS; p++) {
		if (!procs[p].space)
			continue;
		text.len = 0;
		run_as(p, 0);
		seq_print(&text, "final");
		seq_final(&procs[p].state, &host, &text);
		seq_print(&text, "\n");
		record(text.data, text.len);
		end_process(p);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(objects); i++)
		if (objects[i].is_used)
			object_drop(&objects[i]);
}

static int run_seed(uint64_t seed, unsigned nr, const char *skips, u64 frames)
{
	const char *what = NULL;
	unsigned i;
	hash = 14695981039346656037ull;
	nr = seq_generate(seed, nr, ops);
	begin();
	for (i = 0; i < nr && !what; i++) {
		struct seq_op *op = &ops[i];
		if (seq_is_skipped(skips, i) || !procs[op->proc].space || (op->kind == SEQ_FORK && procs[op->page2].space))
			continue;
		run_op(i);
		if (validate)
			what = broken();
	}
	if (what) {
		printf("seed %lu broken after operation %u: %s\n", (unsigned long)seed, i - 1, what);
		exit(2);
	}
	finish();
	if (frames_free() == frames && validate && ((what = frame_validate()) || (what = slab_validate()))) {
		printf("seed %lu broken at its end: %s\n", (unsigned long)seed, what);
		exit(2);
	}
	if (frames_free() != frames) {
		printf("seed %lu leaks %ld frames\n", (unsigned long)seed, (long)(frames - frames_free()));
		exit(2);
	}
	printf("seed %lu hash %016lx\n", (unsigned long)seed, (unsigned long)hash);
	fflush(stdout);
	return 0;
}

static void run_spec(char *spec, u64 frames)
{
	char *at;
	uint64_t first = strtoull(spec, &at, 10), last = first;
	unsigned nr = 120;
	if (*at == '-')
		last = strtoull(at + 1, &at, 10);
	if (*at == '/')
		nr = (unsigned)strtoul(at + 1, &at, 10);
	for (uint64_t seed = first; seed <= last; seed++)
		run_seed(seed, nr, *at == '/' ? at + 1 : NULL, frames);
}

int main(int argc, char **argv)
{
	host_machine_create(&(struct host_config){ .ram_bytes = 96ul << 20, .nr_cpus = 2, .nr_nodes = 1, .seed = 1 });
	hal_debug_checks = true;
	begin(); /* first use of caches and table numbers */
	finish();
	u64 frames = frames_free();
	host_context.has_ipc_lock = true;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-v"))
			verbose = true;
		else if (!strcmp(argv[i], "--no-validate"))
			validate = false;
		else
			run_spec(argv[i], frames);
	}
	host_machine_destroy();
	return 0;
}

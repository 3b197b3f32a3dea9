/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator's face: per-CPU stacks of single frames over the nodes' buddy lists.
 *
 * A single frame comes from one of this CPU's stacks, one for each mobility, which are refilled and drained in
 * batches; kernel code is not preempted and interrupts never allocate, so it needs no lock. A freed frame goes
 * to the stack of its page block. Larger blocks go to the nodes directly, nearest first. When everything is
 * below the minimum watermark the allocation reclaims memory, if it may wait, and in the end has a process
 * killed for it (mm/reclaim/oom.c).
 *
 * F1  Every frame of managed RAM has one of the kinds of enum frame_kind; RESERVED ones are never given.
 * F2  MemFree = sum of the nodes' free_pages and of the CPUs' stacks.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/compact.h>
#include <mm/group.h>
#include <mm/host.h>
#include <mm/inject.h>
#include <mm/oom.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <mm/trace.h>

struct node frame_nodes[FRAME_MAX_NODES];
unsigned frame_node_count;
struct cpu_pcps frame_pcps[HAL_MAX_CPUS];

static u64 max_pfn, total_pages;
unsigned frame_long_way; /* atomic: allocations with one of these ALLOC_*: charged, or all while failures are injected */

#define CHARGED_ALLOCS (ALLOC_ACCOUNT | ALLOC_GROUP_MASK)

void frame_charge_allocs(unsigned alloc)
{
	__atomic_fetch_or(&frame_long_way, alloc & CHARGED_ALLOCS, __ATOMIC_RELAXED); /* first: what stays charged is so all the time */
	__atomic_fetch_and(&frame_long_way, ~(CHARGED_ALLOCS & ~alloc), __ATOMIC_RELAXED);
}

/* Kinds with a gauge of their own here; the others are counted by their owners. */
#define COUNTED_KINDS (1u << FRAME_STACK | 1u << FRAME_COMPANION | 1u << FRAME_KERNEL | 1u << FRAME_SPECIAL)

static __attribute__((noinline)) void count_kind(enum frame_kind kind, s64 pages)
{
	if (kind == FRAME_COMPANION)
		stat_add(STAT_NR_COMPANION, pages);
	else
		stat_add(STAT_NR_KERNEL_MISC, pages);
}

static inline void pcp_push(struct pcp *p, struct frame *f)
{
	f->next_free = p->top;
	p->top = f;
	p->nr++;
}

static inline struct frame *pcp_pop(struct pcp *p)
{
	struct frame *f = p->top;
	p->top = f->next_free;
	p->nr--;
	return f;
}

/* How many pages may leave the node. */
static u64 node_budget(const struct node *n, unsigned alloc)
{
	u64 keep = watermark_floor(n, alloc);
	return n->free_pages > keep ? n->free_pages - keep : 0;
}

/* Small blocks first, so that large ones stay whole. */
static void pcp_take(struct pcp *p, struct node *n, unsigned alloc)
{
	enum frame_mobility m = alloc_mobility(alloc);
	for (u64 budget; p->nr < PCP_BATCH && (budget = node_budget(n, alloc)) != 0;) {
		unsigned order = budget >= PCP_BATCH ? PCP_ORDER : 0;
		struct frame *f = buddy_take_small(n, &order, m);
		if (!f)
			return;
		for (unsigned i = 1u << order; i-- > 0;) {
			WRITE_ONCE(f[i].kind, FRAME_PCP);
			pcp_push(p, &f[i]);
		}
	}
}

static bool pcp_refill(struct pcp *p, unsigned alloc)
{
	for (unsigned i = 0; i < frame_node_count && !p->nr; i++) {
		struct node *n = &frame_nodes[i];
		spin_lock(&n->lock);
		pcp_take(p, n, alloc);
		spin_unlock(&n->lock);
	}
	return p->nr != 0;
}

/* Pops frames as long as they are neighbours in memory, up or down, and more than `keep` are left: a
 * process's pages come and go in order. Returns the lowest of *nr frames. */
static struct frame *pcp_pop_run(struct pcp *p, u32 keep, u32 *nr)
{
	struct frame *first = pcp_pop(p), *last = first, *top = p->top;
	u32 max_nr = p->nr - keep;
	long step = top == first + 1 && top->node == first->node ? 1 : -1;
	u32 more = 0;
	for (; more < max_nr && top == last + step && top->node == first->node; more++) {
		last = top;
		top = top->next_free;
	}
	p->top = top;
	p->nr -= more;
	*nr = more + 1;
	return step > 0 ? first : last;
}

/* Gives back nr neighbours as the largest blocks that they make up. */
static void give_run(struct node *n, struct frame *f, u32 nr)
{
	while (nr) {
		unsigned order = min(31u - (unsigned)__builtin_clz(nr), (unsigned)FRAME_BLOCK_ORDER); /* of one page block */
		pfn_t pfn = frame_pfn(f);
		if (pfn)
			order = min(order, (unsigned)__builtin_ctzl(pfn));
		buddy_give(n, f, order);
		f += 1ul << order;
		nr -= 1u << order;
	}
}

static __attribute__((noinline)) void pcp_drain(struct pcp *p, u32 keep)
{
	struct node *locked = NULL;
	while (p->nr > keep) {
		u32 nr;
		struct frame *f = pcp_pop_run(p, keep, &nr);
		struct node *n = &frame_nodes[f->node];
		if (n != locked) {
			if (locked)
				spin_unlock(&locked->lock);
			spin_lock(&n->lock);
			locked = n;
		}
		give_run(n, f, nr);
	}
	if (locked)
		spin_unlock(&locked->lock);
}

static struct frame *alloc_block(unsigned order, unsigned alloc)
{
	for (unsigned i = 0; i < frame_node_count; i++) {
		struct node *n = &frame_nodes[i];
		spin_lock(&n->lock);
		struct frame *f = watermark_ok(n, order, alloc) ? buddy_take(n, order, alloc_mobility(alloc)) : NULL;
		spin_unlock(&n->lock);
		if (f)
			return f;
	}
	return NULL;
}

/* From the lists, after which the worker may be needed. */
static struct frame *take(unsigned order, unsigned alloc)
{
	struct pcp *p = &frame_pcps[hal_cpu_id()].of[alloc_mobility(alloc)];
	struct frame *f = order ? alloc_block(order, alloc) : p->top || pcp_refill(p, alloc) ? pcp_pop(p) : NULL;
	if (watermark_is_low())
		reclaim_wake();
	return f;
}

/* What waits in this CPU's stacks may be of use elsewhere: as part of a block, or for another mobility. */
static struct frame *drain_and_take(unsigned order, unsigned alloc)
{
	frame_drain_pcp();
	return take(order, alloc);
}

static struct frame *compact_and_take(unsigned order, unsigned alloc)
{
	if (!compact_for(order))
		return NULL;
	struct frame *f = take(order, alloc);
	stat_add(f ? STAT_COMPACT_SUCCESS : STAT_COMPACT_FAIL, 1);
	return f;
}

#define RECLAIM_ROUNDS 16 /* without a page to show for it */

/* Nothing is free for it: takes memory back until something is. */
static struct frame *take_hard(unsigned order, unsigned alloc)
{
	for (unsigned idle = 0, rounds = 0;; rounds++) {
		u64 freed = reclaim_pages(max(1ul << order, (u64)PCP_BATCH), alloc);
		bool is_victim = host_current()->may_use_reserves;
		struct frame *f = drain_and_take(order, is_victim ? alloc | ALLOC_VICTIM : alloc);
		if (!f && order)
			f = compact_and_take(order, alloc);
		if (f || is_victim)
			return f;
		if (order > OOM_MAX_ORDER) { /* what was freed need not make a block */
			if (!freed || rounds == RECLAIM_ROUNDS)
				return NULL;
			continue;
		}
		idle = freed ? 0 : idle + 1;
		if (idle && (idle == RECLAIM_ROUNDS || !reclaim_nr_listed())) {
			if (!oom_make_room(order, alloc))
				return NULL;
			idle = 0;
		}
	}
}

/* Blocks, what is charged to a memory group, and everything while failures are injected. */
static __attribute__((noinline)) struct frame *alloc_slow(unsigned order, unsigned alloc, enum frame_kind kind)
{
	struct frame *f = NULL;
	s32 group = alloc & READ_ONCE(frame_long_way) ? mem_group_charge_alloc(order, alloc, kind) : 0;
	if (group >= 0 && !inject_strikes(INJECT_FRAMES)) {
		f = take(order, alloc);
		if (!f)
			f = drain_and_take(order, alloc);
		if (!f && order && (alloc & ALLOC_WAIT))
			f = compact_and_take(order, alloc);
		if (!f && (alloc & ALLOC_WAIT))
			f = take_hard(order, alloc);
	}
	if (!f) {
		if (order)
			compact_wake(order);
		trace_point(TRACE_NO_MEMORY, order, alloc, kind, 0);
		if (group > 0)
			mem_group_uncharge((u32)group, order, mem_group_kind_of(kind));
		return NULL;
	}
	enum frame_kind tail = kind == FRAME_SLAB ? FRAME_SLAB_TAIL : kind;
	for (u64 i = 0; i < 1ul << order; i++) {
		frame_prepare(&f[i], i ? 0 : order, i ? tail : kind);
		if (i)
			f[i].refs = 0;
		if (alloc & ALLOC_ZERO)
			hal_page_zero(frame_pfn(f) + i);
	}
	f->group = (u16)group;
	stat_add(STAT_PGALLOC, 1l << order);
	if (COUNTED_KINDS & 1u << kind)
		count_kind(kind, 1l << order);
	return f;
}

/* From the CPU's stack for pages of mobility m; NULL: the long way. */
static inline struct frame *alloc_fast(unsigned alloc, enum frame_mobility m, enum frame_kind kind)
{
	unsigned cpu = hal_cpu_id();
	struct pcp *p = &frame_pcps[cpu].of[m];
	struct frame *f = p->top;
	if (unlikely(!f || (alloc | ALLOC_ANY) & READ_ONCE(frame_long_way)))
		return NULL;
	p->top = f->next_free;
	p->nr--;
	frame_prepare(f, 0, kind);
	mm_stat_cpus[cpu].count[STAT_PGALLOC]++;
	if (alloc & ALLOC_ZERO)
		hal_page_zero(frame_pfn(f));
	return f;
}

struct frame *frame_alloc(unsigned order, unsigned alloc, enum frame_kind kind)
{
	struct frame *f = likely(!order) ? alloc_fast(alloc, alloc_mobility(alloc), kind) : NULL;
	if (unlikely(!f))
		return alloc_slow(order, alloc, kind);
	if (unlikely(COUNTED_KINDS & 1u << kind))
		count_kind(kind, 1);
	return f;
}

struct frame *frame_alloc_zeroed_page(void)
{
	struct frame *f = alloc_fast(ALLOC_PAGE | ALLOC_ZERO, FRAME_MOVABLE, FRAME_ANON);
	return likely(f) ? f : alloc_slow(0, ALLOC_PAGE | ALLOC_ZERO, FRAME_ANON);
}

struct frame *frame_alloc_page(void)
{
	struct frame *f = alloc_fast(ALLOC_PAGE, FRAME_MOVABLE, FRAME_ANON);
	return likely(f) ? f : alloc_slow(0, ALLOC_PAGE, FRAME_ANON);
}

static __attribute__((noinline)) void free_block(struct frame *f, unsigned order)
{
	struct node *n = &frame_nodes[f->node];
	stat_add(STAT_PGFREE, 1l << order);
	spin_lock(&n->lock);
	buddy_give(n, f, order);
	spin_unlock(&n->lock);
}

void frame_free(struct frame *f, unsigned order)
{
	unsigned cpu = hal_cpu_id();
	struct pcp *p = &frame_pcps[cpu].of[READ_ONCE(f->mobility)];
	ASSERT(f->kind >= FRAME_KERNEL && f->nr_slots == 0);
	if (unlikely(COUNTED_KINDS & 1u << f->kind))
		count_kind(f->kind, -(1l << order));
	if (unlikely(f->group))
		mem_group_uncharge_frame(f, order);
	if (unlikely(order)) {
		free_block(f, order);
		return;
	}
	mm_stat_cpus[cpu].count[STAT_PGFREE]++;
	WRITE_ONCE(f->kind, FRAME_PCP);
	pcp_push(p, f);
	if (unlikely(p->nr > frame_pcp_high))
		pcp_drain(p, frame_pcp_high / 2);
}

void frame_put_last(struct frame *f)
{
	ASSERT(f->kind != FRAME_TABLE); /* table_put gives its number back */
	lru_remove(f);
	frame_free(f, 0);
}

void frame_put_to_buddy(struct frame *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	ASSERT((f->kind == FRAME_ANON || f->kind == FRAME_CACHE) && f->nr_slots == 0);
	lru_remove(f);
	if (unlikely(f->group))
		mem_group_uncharge_frame(f, 0);
	free_block(f, 0);
}

/* One of a page block that is not for movable frames. */
static __attribute__((noinline)) void push_elsewhere(struct frame *f, u16 kind_mobility)
{
	struct pcp *p = &frame_pcps[hal_cpu_id()].of[kind_mobility >> 8];
	if (unlikely(f->group))
		mem_group_uncharge_frame(f, 0);
	ASSERT((kind_mobility & 0xff) == FRAME_ANON || (kind_mobility & 0xff) == FRAME_CACHE);
	WRITE_ONCE(f->kind, FRAME_PCP);
	pcp_push(p, f);
	if (unlikely(p->nr > frame_pcp_high))
		pcp_drain(p, frame_pcp_high / 2);
}

/* ANON or CACHE, in a page block for movable frames? */
static inline bool is_movable_user(u16 kind_mobility)
{
	_Static_assert(FRAME_CACHE == FRAME_ANON + 1, "one comparison");
	return (u16)(kind_mobility - (FRAME_MOVABLE << 8 | FRAME_ANON)) <= 1;
}

void frame_put_user(struct frame *f)
{
	if (unlikely(frame_flags(f) & FRAME_SWAPCACHE))
		swap_cache_release(f);
	frame_put(f);
}

/* Frees pages that nobody refers to. */
static void free_many(struct frame *const *frames, unsigned nr)
{
	unsigned cpu = hal_cpu_id(), nr_elsewhere = 0;
	struct pcp *p = &frame_pcps[cpu].of[FRAME_MOVABLE];
	struct frame *top = p->top;
	for (struct frame *const *end = frames + nr; frames < end; frames++) {
		struct frame *f = *frames;
		ASSERT(f->nr_slots == 0);
		u16 what = READ_ONCE(f->kind_mobility); /* once: the page block may change sides */
		if (unlikely(!is_movable_user(what))) {
			push_elsewhere(f, what);
			nr_elsewhere++;
			continue;
		}
		if (unlikely(f->group))
			mem_group_uncharge_frame(f, 0);
		WRITE_ONCE(f->kind, FRAME_PCP);
		f->next_free = top;
		top = f;
	}
	p->top = top;
	p->nr += nr - nr_elsewhere;
	mm_stat_cpus[cpu].count[STAT_PGFREE] += nr;
	if (unlikely(p->nr > frame_pcp_high))
		pcp_drain(p, frame_pcp_high / 2);
}

#define PUT_AT_ONCE 64u

void frame_put_many(struct frame *const *frames, unsigned nr)
{
	struct frame *dead[PUT_AT_ONCE];
	while (nr) {
		unsigned n = min(nr, PUT_AT_ONCE), nr_dead = 0;
		u32 any = 0;
		for (struct frame *const *end = frames + n; frames < end; frames++) {
			struct frame *f = *frames;
			u32 flags = frame_flags(f);
			if (unlikely(flags & FRAME_SWAPCACHE))
				swap_cache_release(f);
			if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) != 0)
				continue;
			any |= flags;
			dead[nr_dead++] = f;
		}
		if (any & (FRAME_LRU | FRAME_MLOCKED))
			lru_remove_many(dead, nr_dead);
		free_many(dead, nr_dead);
		nr -= n;
	}
}

void frame_drain_pcp(void)
{
	/* Only this CPU's list may be touched; the caller runs on each CPU in turn. */
	struct cpu_pcps *c = &frame_pcps[hal_cpu_id()];
	for (unsigned m = 0; m < FRAME_NR_MOBILITIES; m++)
		pcp_drain(&c->of[m], 0);
}

/* ---- boot ---- */

static void free_range(struct node *n, pfn_t start, pfn_t end)
{
	while (start < end) {
		unsigned order = start ? (unsigned)__builtin_ctzl(start) : FRAME_MAX_ORDER;
		if (order > FRAME_MAX_ORDER)
			order = FRAME_MAX_ORDER;
		while (start + (1ul << order) > end)
			order--;
		buddy_give(n, pfn_frame(start), order);
		start += 1ul << order;
	}
}

void frame_add_range(paddr_t start, paddr_t end, unsigned node)
{
	struct node *n = &frame_nodes[node];
	pfn_t from = PAGE_ALIGN_UP(start) >> PAGE_SHIFT, to = end >> PAGE_SHIFT;
	if (from >= to)
		return;
	spin_lock(&n->lock);
	n->start = n->managed ? min(n->start, from) : from;
	n->end = max(n->end, to);
	n->managed += to - from;
	mobility_of_new(from, to);
	total_pages += to - from;
	for (pfn_t p = from; p < to; p++)
		pfn_frame(p)->node = (u8)node;
	free_range(n, from, to);
	spin_unlock(&n->lock);
	watermark_init();
}

void frame_init(void)
{
	const struct hal_ram_range *ranges;
	unsigned nr = hal_ram_ranges(&ranges);
	max_pfn = ranges[nr - 1].end >> PAGE_SHIFT;
	ASSERT(hal_frame_array(max_pfn, sizeof(struct frame)) == hal_frames());
	nr = hal_ram_ranges(&ranges);
	total_pages = 0;
	frame_node_count = 0;
	for (unsigned i = 0; i < FRAME_MAX_NODES; i++) {
		memset(&frame_nodes[i], 0, sizeof(frame_nodes[i]));
		spin_lock_init(&frame_nodes[i].lock, RANK_BUDDY);
		for (unsigned m = 0; m < FRAME_NR_MOBILITIES; m++)
			for (unsigned o = 0; o <= FRAME_MAX_ORDER; o++)
				list_init(&frame_nodes[i].free[m][o]);
	}
	memset(frame_pcps, 0, sizeof(frame_pcps));
	for (unsigned i = 0; i < nr; i++) {
		frame_node_count = max(frame_node_count, ranges[i].node + 1u);
		frame_add_range(ranges[i].start, ranges[i].end, ranges[i].node);
	}
}

/* ---- figures ---- */

unsigned frame_nr_nodes(void) { return frame_node_count; }
u64 frame_total(void) { return total_pages; }
u64 frame_max_pfn(void) { return max_pfn; }

static READS_COUNTS u32 pcp_pages_of(unsigned cpu)
{
	u32 n = 0;
	for (unsigned m = 0; m < FRAME_NR_MOBILITIES; m++)
		n += READ_ONCE(frame_pcps[cpu].of[m].nr);
	return n;
}

static u64 pcp_pages(void)
{
	u64 n = 0;
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++)
		n += pcp_pages_of(i);
	return n;
}

void frame_pcp_stat(unsigned cpu, struct frame_pcp_stat *out)
{
	*out = (struct frame_pcp_stat){ .count = pcp_pages_of(cpu), .high = FRAME_NR_MOBILITIES * frame_pcp_high, .batch = PCP_BATCH };
}

u64 frame_nr_free(void)
{
	u64 n = pcp_pages();
	for (unsigned i = 0; i < frame_node_count; i++)
		n += READ_ONCE(frame_nodes[i].free_pages);
	return n;
}

void frame_node_stat(unsigned node, struct frame_node_stat *out)
{
	struct node *n = &frame_nodes[node];
	spin_lock(&n->lock);
	*out = (struct frame_node_stat){
		.start_pfn = n->start,
		.spanned = n->end - n->start,
		.present = n->managed,
		.managed = n->managed,
		.free = n->free_pages,
		.free_pcp = node == 0 ? pcp_pages() : 0,
		.wmark_min = n->wmark_min,
		.wmark_low = n->wmark_low,
		.wmark_high = n->wmark_high,
	};
	for (unsigned m = 0; m < FRAME_NR_MOBILITIES; m++)
		for (unsigned o = 0; o <= FRAME_MAX_ORDER; o++)
			out->nr_free_blocks[o] += n->nr_blocks[m][o];
	spin_unlock(&n->lock);
}

u64 frame_nr_of_kind(enum frame_kind kind)
{
	u64 n = 0;
	for (unsigned i = 0; i < frame_node_count; i++)
		for (pfn_t p = frame_nodes[i].start; p < frame_nodes[i].end; p++)
			n += pfn_frame(p)->kind == kind;
	return n;
}

/* SPDX-License-Identifier: MIT */
/* What a group's figures are, and whether they are true. */
#include "internal.h"
#include <lib/string.h>

static void add_lists(struct mem_group_stat *out, const struct lru *l)
{
	for (unsigned i = 0; i < LRU_NR_LISTS; i++) {
		u64 nr = READ_ONCE(l->nr[i]);
		if (i == LRU_UNEVICTABLE)
			out->unevictable += nr;
		else if (i != LRU_ISOLATED)
			*(lru_list_is_active(l, i) ? &out->active[l->type] : &out->inactive[l->type]) += nr;
	}
}

void mem_group_stat(struct mem_group *top, struct mem_group_stat *out)
{
	memset(out, 0, sizeof(*out));
	for (struct mem_group *g = NULL; (g = mem_group_next(top, g)) != NULL;) {
		for (unsigned k = 0; k < MEM_GROUP_NR_KINDS; k++)
			out->nr_of_kind[k] += (u64)max(READ_ONCE(g->nr_of_kind[k]), (s64)0);
		for (unsigned t = 0; t < LRU_NR_TYPES; t++) {
			add_lists(out, &g->lru.lru[t]);
			out->refaults[t] += READ_ONCE(g->lru.nr_refaults[t]);
		}
		out->nr_scanned += READ_ONCE(g->nr_scanned);
		out->nr_stolen += READ_ONCE(g->nr_stolen);
	}
}

void mem_group_show_stat(struct mem_group *g, void (*line)(const char *name, u64 value, void *arg), void *arg)
{
	struct mem_group_stat s;
	mem_group_stat(g, &s);
	const u64 *n = s.nr_of_kind;
	line("anon", n[MEM_GROUP_ANON] << PAGE_SHIFT, arg);
	line("file", (n[MEM_GROUP_FILE] + n[MEM_GROUP_SHMEM]) << PAGE_SHIFT, arg);
	line("kernel", (n[MEM_GROUP_TABLES] + n[MEM_GROUP_STACKS]) << PAGE_SHIFT, arg);
	line("kernel_stack", n[MEM_GROUP_STACKS] << PAGE_SHIFT, arg);
	line("pagetables", n[MEM_GROUP_TABLES] << PAGE_SHIFT, arg);
	line("shmem", n[MEM_GROUP_SHMEM] << PAGE_SHIFT, arg);
	line("inactive_anon", s.inactive[LRU_ANON] << PAGE_SHIFT, arg);
	line("active_anon", s.active[LRU_ANON] << PAGE_SHIFT, arg);
	line("inactive_file", s.inactive[LRU_FILE] << PAGE_SHIFT, arg);
	line("active_file", s.active[LRU_FILE] << PAGE_SHIFT, arg);
	line("unevictable", s.unevictable << PAGE_SHIFT, arg);
	line("workingset_refault_anon", s.refaults[LRU_ANON], arg);
	line("workingset_refault_file", s.refaults[LRU_FILE], arg);
	line("pgscan", s.nr_scanned, arg);
	line("pgsteal", s.nr_stolen, arg);
}

/* ---- validation ---- */

/* Charges of one group, counted in the frames. Slots are compared with swap by swap_validate's caller. */
static const char *validate_group(struct mem_group *g)
{
	s64 found[MEM_GROUP_NR_KINDS] = { 0 };
	for (pfn_t p = 0; p < frame_max_pfn(); p++) {
		const struct frame *f = pfn_frame(p);
		if (f->kind == FRAME_TABLE ? f->owner == g->lru.number : f->kind > FRAME_PCP && f->group == g->lru.number)
			found[f->kind == FRAME_CACHE && frame_flags(f) & FRAME_SHMEM ? MEM_GROUP_SHMEM : mem_group_kind_of(f->kind)]++;
	}
	for (unsigned k = 0; k < MEM_GROUP_NR_KINDS; k++)
		if (k != MEM_GROUP_STACKS && found[k] != g->nr_of_kind[k])
			return "memory group: what it is charged for is not there";
	return NULL;
}

/* The usage of a group is what it and those below it were charged. */
static bool usage_is_right(struct mem_group *top)
{
	struct mem_group_stat s;
	s64 sum = 0;
	mem_group_stat(top, &s);
	for (unsigned k = 0; k < MEM_GROUP_NR_KINDS; k++)
		sum += (s64)s.nr_of_kind[k];
	return sum == top->memory.usage;
}

const char *mem_group_validate(void)
{
	for (struct mem_group *g = mem_group_next(&mem_root, mem_group_next(&mem_root, NULL)); g; g = mem_group_next(&mem_root, g)) {
		const char *broken = validate_group(g);
		if (!broken && !usage_is_right(g))
			broken = "memory group: the usage is not the sum of the charges";
		if (broken) {
			mem_group_put(g);
			return broken;
		}
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of evicted pages, so that policies can tell how soon they came back (the refault distance).
 *
 * A ghost is one 64-bit word in a table of as many words as the machine has pages, in sets of one cache
 * line: the clock of its group when the page went, five bits of its policy, which policy that was, whether the page
 * had been active, and a tag.
 * Set and tag come from a hash of the page's place: the number of its file and the index there, or its swap
 * entry. A full set loses its oldest ghost. Words are read and written atomically, without locks: what is lost
 * in a race, or taken for another page's by an equal tag (one in 2^19), is a hint and not a page.
 *
 * Nothing is allocated after boot. Linux keeps the same in the slots of the file's index; there, ghosts
 * need memory and a shrinker.
 * Source: Linux, mm/workingset.c (refault distance), for what the distance means.
 */
#include "internal.h"
#include <lib/hash.h>
#include <mm/mapping.h>

#define SET_WORDS   8u
#define CHUNK_WORDS ((PAGE_SIZE << FRAME_MAX_ORDER) / sizeof(u64))
#define MAX_CHUNKS  1024u /* for 2 TiB of RAM; beyond, the table stays as large */

/* 63..32 clock | 31..27 word | 26..24 policy | 23 was active | 22..0 tag, never 0 */
#define TAG_MASK     0x7fffffull
#define WAS_ACTIVE   (1ull << 23)
#define POLICY_SHIFT 24
#define WORD_SHIFT   27
#define CLOCK_SHIFT  32

static u64 *chunks[MAX_CHUNKS];
static u64 nr_words; /* a power of two, or 0 */
s64 workingset_nr_ghosts;

void workingset_init(void)
{
	u64 want = SET_WORDS;
	nr_words = 0;
	workingset_nr_ghosts = 0;
	while (want < frame_total() && want < MAX_CHUNKS * CHUNK_WORDS)
		want *= 2;
	u64 bytes = min(want * sizeof(u64), PAGE_SIZE << FRAME_MAX_ORDER);
	unsigned order = 0;
	while (PAGE_SIZE << order < bytes)
		order++;
	for (u64 i = 0; i * bytes < want * sizeof(u64); i++) {
		struct frame *f = frame_alloc(order, ALLOC_ZERO, FRAME_KERNEL);
		if (!f)
			return;
		chunks[i] = frame_ptr(f);
	}
	nr_words = want;
}

/* A page's place as a number; false: it has none that it could come back to. */
static bool place_of(const struct lru *l, const struct frame *f, u64 *out)
{
	u64 file = f->kind == FRAME_CACHE ? f->mapping->id : 0;
	if (f->kind == FRAME_ANON && !(frame_flags(f) & FRAME_SWAPCACHE))
		return false;
	u64 h = (file ^ (u64)l->group->serial << 32) * 0x9e3779b97f4a7c15ull + f->index;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
	*out = h ^ h >> 32;
	return true;
}

static u64 *set_of(u64 place)
{
	u64 at = (place >> 24) * SET_WORDS & (nr_words - 1);
	return chunks[at / CHUNK_WORDS] + at % CHUNK_WORDS;
}

static u64 tag_of(u64 place) { return (place & TAG_MASK) | 1; }

static u32 clock_of(u64 ghost) { return (u32)(ghost >> CLOCK_SHIFT); }

/* The word of the same place from before, which it has left unseen; else an empty one of the set, or the oldest. */
static u64 *room_in(u64 *set, u64 tag, u32 now)
{
	u64 *room = set;
	for (unsigned i = 0; i < SET_WORDS; i++) {
		u64 w = READ_ONCE(set[i]), r = READ_ONCE(*room);
		if ((w & TAG_MASK) == tag)
			return &set[i];
		if (r && (!w || now - clock_of(w) > now - clock_of(r)))
			room = &set[i];
	}
	return room;
}

void workingset_remember(struct lru *l, const struct frame *f, const struct policy *p, unsigned word)
{
	u64 place;
	if (!nr_words || !place_of(l, f, &place))
		return;
	u32 now = (u32)lru_clock(l);
	u64 *room = room_in(set_of(place), tag_of(place), now);
	u64 ghost = (u64)now << CLOCK_SHIFT | (u64)(word & 31) << WORD_SHIFT | (u64)policy_number(p) << POLICY_SHIFT |
	            (frame_flags(f) & FRAME_WAS_ACTIVE ? WAS_ACTIVE : 0) | tag_of(place);
	u64 old = __atomic_exchange_n(room, ghost, __ATOMIC_RELAXED);
	if (!old)
		__atomic_fetch_add(&workingset_nr_ghosts, 1, __ATOMIC_RELAXED);
	else if ((old & TAG_MASK) != tag_of(place))
		stat_add(STAT_WORKINGSET_NODERECLAIM, 1);
}

bool workingset_refault(struct lru *l, const struct frame *f, struct refault *out)
{
	u64 place;
	if (!nr_words || !place_of(l, f, &place))
		return false;
	u64 *set = set_of(place), tag = tag_of(place);
	for (unsigned i = 0; i < SET_WORDS; i++) {
		u64 w = READ_ONCE(set[i]);
		if ((w & TAG_MASK) != tag || !__atomic_compare_exchange_n(&set[i], &w, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		__atomic_fetch_sub(&workingset_nr_ghosts, 1, __ATOMIC_RELAXED);
		out->distance = (u32)lru_clock(l) - clock_of(w);
		out->was_active = w & WAS_ACTIVE;
		bool is_own = (w >> POLICY_SHIFT & 7) == policy_number(READ_ONCE(l->policy));
		out->word = is_own ? (unsigned)(w >> WORD_SHIFT & 31) : 0;
		return true;
	}
	return false;
}

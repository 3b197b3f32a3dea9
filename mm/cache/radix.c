/* SPDX-License-Identifier: MIT */
/*
 * Radix tree over page numbers: 64 ways per node, as high as the largest index needs. A tree of height
 * 0 is one item of index 0 with no node at all.
 *
 * X1  A node's `nr` counts its non-NULL children; no node is empty.
 * X2  A tag's bit is set in a node exactly when the child is tagged (lowest level) or has it in one of
 *     its own bits. An item that leaves loses its tags.
 */
#include <asm/errno.h>
#include <hal/log.h>
#include <lib/string.h>
#include <mm/radix.h>
#include <mm/slab.h>

#define SHIFT 6
#define WAYS  RADIX_WAYS

struct radix_node {
	u32 nr;
	u64 tags[RADIX_NR_TAGS]; /* one bit per child */
	void *children[WAYS];
};

static inline unsigned way(u64 index, unsigned level) { return (index >> ((level - 1) * SHIFT)) & (WAYS - 1); }

static struct slab_cache *node_cache;

void radix_init_cache(void)
{
	node_cache = slab_cache_create("radix_tree_node", sizeof(struct radix_node), 0, SLAB_RECLAIMABLE);
	ASSERT(node_cache);
}

/* Levels needed for index. */
static unsigned height_for(u64 index)
{
	unsigned h = 0;
	for (; index; index >>= SHIFT)
		h++;
	return h;
}

static bool is_reachable(const struct radix_tree *t, u64 index)
{
	return t->height * SHIFT >= 64 || index >> (t->height * SHIFT) == 0;
}

unsigned radix_missing(const struct radix_tree *t, u64 index)
{
	unsigned need = height_for(index);
	if (!t->top)
		return need;
	unsigned grow = need > t->height ? need - t->height : 0;
	if (grow)
		return grow + need - 1; /* new levels above, then the path down from the new top */
	unsigned level = t->height;
	const struct radix_node *n = t->top;
	while (level > 1 && n) {
		n = n->children[way(index, level)];
		level--;
	}
	return n ? 0 : level;
}

int radix_reserve(struct radix_reserve *r, unsigned nr_nodes, unsigned alloc)
{
	ASSERT(nr_nodes <= ARRAY_SIZE(r->nodes));
	for (r->nr = 0; r->nr < nr_nodes; r->nr++) {
		r->nodes[r->nr] = slab_alloc(node_cache, alloc | ALLOC_ZERO);
		if (!r->nodes[r->nr]) {
			radix_release(r);
			return -ENOMEM;
		}
	}
	return 0;
}

void radix_release(struct radix_reserve *r)
{
	while (r->nr)
		slab_free(node_cache, r->nodes[--r->nr]);
}

static struct radix_node *take(struct radix_reserve *r)
{
	return r->nodes[--r->nr];
}

/* The node of the lowest level that holds index; NULL: it is not there yet. */
static inline struct radix_node *leaf_of(const struct radix_tree *t, u64 index)
{
	if (!t->height || !is_reachable(t, index))
		return NULL;
	struct radix_node *n = t->top;
	for (unsigned shift = (t->height - 1) * SHIFT; shift && n; shift -= SHIFT)
		n = n->children[(index >> shift) & (WAYS - 1)];
	return n;
}

int radix_insert(struct radix_tree *t, u64 index, void *item, struct radix_reserve *r)
{
	struct radix_node *leaf = leaf_of(t, index);
	if (likely(leaf)) { /* no node is missing */
		void **place = &leaf->children[way(index, 1)];
		if (*place)
			return -EEXIST;
		*place = item;
		leaf->nr++;
		return 0;
	}
	if (r->nr < radix_missing(t, index))
		return -EAGAIN;
	if (!t->top)
		t->height = height_for(index);
	while (!is_reachable(t, index)) {
		struct radix_node *n = take(r);
		n->children[0] = t->top;
		n->nr = 1;
		for (unsigned tag = 0; tag < RADIX_NR_TAGS; tag++)
			n->tags[tag] = t->height ? ((struct radix_node *)t->top)->tags[tag] != 0 : t->top_tags >> tag & 1;
		t->top_tags = 0;
		t->top = n;
		t->height++;
	}
	void **link = &t->top;
	struct radix_node *parent = NULL;
	for (unsigned level = t->height; level > 0; level--) {
		struct radix_node *n = *link;
		if (!n) {
			n = take(r);
			*link = n;
			if (parent)
				parent->nr++;
		}
		parent = n;
		link = &n->children[way(index, level)];
	}
	if (*link)
		return -EEXIST;
	*link = item;
	if (parent)
		parent->nr++;
	return 0;
}

unsigned radix_insert_many(struct radix_tree *t, u64 index, void *const *items, unsigned nr)
{
	struct radix_node *leaf = leaf_of(t, index);
	unsigned n = 0;
	if (!leaf)
		return 0;
	nr = min(nr, WAYS - way(index, 1));
	for (void **place = &leaf->children[way(index, 1)]; n < nr && !place[n]; n++)
		place[n] = items[n];
	leaf->nr += n;
	return n;
}

void *radix_lookup(const struct radix_tree *t, u64 index)
{
	if (!t->height)
		return index == 0 ? t->top : NULL;
	const struct radix_node *leaf = leaf_of(t, index);
	return leaf ? leaf->children[way(index, 1)] : NULL;
}

void radix_replace(struct radix_tree *t, u64 index, void *item)
{
	struct radix_node *leaf = leaf_of(t, index);
	void **place = t->height ? &leaf->children[way(index, 1)] : &t->top;
	ASSERT(*place);
	*place = item;
}

unsigned radix_stretch(const struct radix_tree *t, u64 index, unsigned max, void *const **items)
{
	unsigned first = index & (WAYS - 1), nr = min(max, WAYS - first);
	*items = NULL;
	if (!t->height) {
		if (index == 0 && t->top)
			*items = &t->top;
		return index == 0 ? 1 : nr;
	}
	const struct radix_node *n = leaf_of(t, index);
	if (n)
		*items = &n->children[first];
	return nr;
}

/* The nodes from the top to the one that holds index; false when it has no item. */
static bool path_to(const struct radix_tree *t, u64 index, struct radix_node **path)
{
	void *p = t->top;
	for (unsigned level = t->height; level > 0 && p; level--) {
		path[level] = p;
		p = path[level]->children[way(index, level)];
	}
	return p != NULL;
}

/* The path's nodes from `level` up learn that the child on the path has (or has no) tagged item. */
static void tag_path(const struct radix_tree *t, u64 index, struct radix_node **path, unsigned level, enum radix_tag tag, bool set)
{
	for (; level <= t->height; level++) {
		struct radix_node *n = path[level];
		u64 before = n->tags[tag], bit = 1ull << way(index, level);
		n->tags[tag] = set ? before | bit : before & ~bit;
		if (set ? before : n->tags[tag]) /* the levels above know already, or have others */
			break;
	}
}

bool radix_tag(struct radix_tree *t, u64 index, enum radix_tag tag, bool set)
{
	struct radix_node *path[12], *leaf = leaf_of(t, index);
	u64 mark = 1ull << way(index, 1);
	if (likely(leaf)) { /* often the levels above know already, or need not know */
		if (!leaf->children[way(index, 1)] || !!(leaf->tags[tag] & mark) == set)
			return leaf->children[way(index, 1)] && set;
		if (leaf->tags[tag] & ~mark) {
			leaf->tags[tag] ^= mark;
			return !set;
		}
	}
	if (!is_reachable(t, index) || !path_to(t, index, path))
		return false;
	if (!t->height) {
		bool was = t->top_tags >> tag & 1;
		t->top_tags = (u8)(set ? t->top_tags | 1u << tag : t->top_tags & ~(1u << tag));
		return was;
	}
	bool was = path[1]->tags[tag] >> way(index, 1) & 1;
	if (was != set)
		tag_path(t, index, path, 1, tag, set);
	return was;
}

/* As radix_tag_many, in the node of `index`; which: bits of the node. */
static u64 tag_in_node(struct radix_tree *t, u64 index, u64 which, enum radix_tag tag, bool set)
{
	struct radix_node *path[12], *leaf = leaf_of(t, index);
	if (!leaf) /* a tree without nodes */
		return radix_tag(t, index, tag, set) != set;
	u64 before = leaf->tags[tag], after = set ? before | which : before & ~which;
	leaf->tags[tag] = after;
	if (unlikely(!before != !after) && t->height > 1 && path_to(t, index, path))
		tag_path(t, index, path, 2, tag, set);
	return before ^ after;
}

u64 radix_tag_many(struct radix_tree *t, u64 index, u64 which, enum radix_tag tag, bool set)
{
	unsigned first = way(index, 1);
	u64 changed = which << first ? tag_in_node(t, index, which << first, tag, set) >> first : 0;
	if (first && which >> (WAYS - first))
		changed |= tag_in_node(t, index + (WAYS - first), which >> (WAYS - first), tag, set) << (WAYS - first);
	return changed;
}

bool radix_is_tagged(const struct radix_tree *t, u64 index, enum radix_tag tag)
{
	const struct radix_node *leaf = leaf_of(t, index);
	return leaf ? leaf->tags[tag] >> way(index, 1) & 1 : !t->height && index == 0 && t->top_tags >> tag & 1;
}

u64 radix_next_tagged_many(const struct radix_tree *t, u64 *index, enum radix_tag tag, void *const **items)
{
	u64 at = *index;
	if (!t->top || !is_reachable(t, at))
		return 0;
	*items = &t->top;
	if (!t->height)
		return at == 0 ? t->top_tags >> tag & 1 : 0;
	for (;;) { /* down to the first tagged item at or behind `at`, or past an untagged stretch and again */
		const struct radix_node *n = t->top;
		for (unsigned shift = (t->height - 1) * SHIFT;; shift -= SHIFT) {
			unsigned here = (at >> shift) & (WAYS - 1);
			u64 rest = n->tags[tag] >> here;
			if (!rest) { /* nothing more in this node: on behind it */
				if (shift == (t->height - 1) * SHIFT)
					return 0;
				at = ((at >> (shift + SHIFT)) + 1) << (shift + SHIFT);
				if (!is_reachable(t, at))
					return 0;
				break;
			}
			unsigned skip = (unsigned)__builtin_ctzll(rest);
			if (skip)
				at = ((at >> shift) + skip) << shift;
			if (!shift) {
				*index = at;
				*items = &n->children[here + skip];
				return rest >> skip;
			}
			n = n->children[here + skip];
		}
	}
}

void *radix_next_tagged(const struct radix_tree *t, u64 *index, enum radix_tag tag)
{
	void *const *items;
	return radix_next_tagged_many(t, index, tag, &items) ? *items : NULL;
}

void *radix_remove(struct radix_tree *t, u64 index)
{
	struct radix_node *path[12];
	if (!is_reachable(t, index) || !path_to(t, index, path))
		return NULL;
	void *item = t->height ? path[1]->children[way(index, 1)] : t->top;
	for (unsigned tag = 0; t->height && tag < RADIX_NR_TAGS; tag++)
		if (unlikely(path[1]->tags[tag] >> way(index, 1) & 1))
			radix_tag(t, index, tag, false);
	/* Upwards: clear the link, drop nodes that became empty. */
	for (unsigned level = 1; level <= t->height; level++) {
		struct radix_node *n = path[level];
		n->children[way(index, level)] = NULL;
		if (--n->nr)
			return item;
		slab_free(node_cache, n);
	}
	radix_init(t);
	return item;
}

/* First item at or after *index below n; updates *index. */
static void *next_below(void *p, unsigned level, u64 *index)
{
	if (level == 0)
		return p;
	struct radix_node *n = p;
	unsigned shift = (level - 1) * SHIFT;
	for (unsigned i = (*index >> shift) & (WAYS - 1); i < WAYS; i++) {
		u64 next = ((*index >> shift) + 1) << shift; /* the first index of the next child */
		if (n->children[i]) {
			void *found = next_below(n->children[i], level - 1, index);
			if (found)
				return found;
		}
		*index = next;
	}
	return NULL;
}

void *radix_next(const struct radix_tree *t, u64 *index)
{
	if (!t->top || !is_reachable(t, *index))
		return NULL;
	if (!t->height)
		return *index == 0 ? t->top : NULL;
	return next_below(t->top, t->height, index);
}

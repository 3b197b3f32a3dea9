/* SPDX-License-Identifier: MIT */
/* Containers: red-black tree with augmentation, radix tree. */
#include "tests.h"
#include <lib/parse.h>
#include <lib/rbtree.h>
#include <mm/radix.h>
#include <hal/time.h>
#include <stdlib.h>

struct item {
	struct rb_node node;
	u64 key, sum;
};

static bool sum_up(struct rb_node *n)
{
	struct item *i = container_of(n, struct item, node);
	u64 sum = i->key;
	if (n->left)
		sum += container_of(n->left, struct item, node)->sum;
	if (n->right)
		sum += container_of(n->right, struct item, node)->sum;
	bool changed = sum != i->sum;
	i->sum = sum;
	return changed;
}

static void tree_add(struct rb_root *root, struct item *i)
{
	struct rb_node **link = &root->node, *parent = NULL;
	while (*link) {
		parent = *link;
		link = i->key < container_of(parent, struct item, node)->key ? &parent->left : &parent->right;
	}
	i->sum = i->key;
	rb_insert(root, &i->node, parent, link, sum_up);
}

static void rbtree_keeps_order_balance_and_sums(void **state)
{
	(void)state;
	enum { N = 500 };
	static struct item items[N];
	bool in[N] = { false };
	struct rb_root root = { NULL };
	u64 total = 0;
	srand(7);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned k = (unsigned)rand() % N;
		if (in[k]) {
			rb_erase(&root, &items[k].node, sum_up);
			total -= items[k].key;
		} else {
			items[k].key = k * 3 + 1;
			tree_add(&root, &items[k]);
			total += items[k].key;
		}
		in[k] = !in[k];
		assert_null(rb_validate(&root));
		if (root.node)
			assert_int_equal(container_of(root.node, struct item, node)->sum, total);
	}
	u64 last = 0;
	for (struct rb_node *n = rb_first(&root); n; n = rb_next(n)) {
		u64 key = container_of(n, struct item, node)->key;
		assert_true(key > last);
		last = key;
	}
}

static int radix_put(struct radix_tree *t, u64 index, void *item)
{
	struct radix_reserve r;
	assert_int_equal(radix_reserve(&r, radix_missing(t, index), ALLOC_KERNEL), 0);
	int err = radix_insert(t, index, item, &r);
	radix_release(&r);
	return err;
}

static void radix_finds_what_was_put_in_any_order(void **state)
{
	(void)state;
	static const u64 indexes[] = { 0, 1, 63, 64, 4095, 4096, 1ull << 30, (1ull << 52) - 1, 77, 100000 };
	machine_up(16ul << 20, 1);
	struct radix_tree t;
	radix_init(&t);
	for (unsigned i = 0; i < ARRAY_SIZE(indexes); i++) {
		assert_int_equal(radix_put(&t, indexes[i], (void *)&indexes[i]), 0);
		assert_int_equal(radix_put(&t, indexes[i], (void *)&indexes[i]), -17);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(indexes); i++)
		assert_ptr_equal(radix_lookup(&t, indexes[i]), &indexes[i]);
	assert_null(radix_lookup(&t, 2));
	assert_null(radix_lookup(&t, ~0ull));
	u64 index = 0, seen = 0, prev = 0;
	for (void *p; (p = radix_next(&t, &index)) != NULL; index++, seen++) {
		assert_int_equal(*(u64 *)p, index);
		assert_true(!seen || index > prev);
		prev = index;
	}
	assert_int_equal(seen, ARRAY_SIZE(indexes));
	for (unsigned i = 0; i < ARRAY_SIZE(indexes); i++)
		assert_ptr_equal(radix_remove(&t, indexes[i]), &indexes[i]);
	assert_null(t.top);
	machine_down();
}

static void radix_next_finds_a_lone_item_far_above(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	struct radix_tree t;
	radix_init(&t);
	int a, b;
	radix_put(&t, 5, &a);
	radix_put(&t, 64 * 64 * 3 + 7, &b);
	u64 index = 6;
	assert_ptr_equal(radix_next(&t, &index), &b);
	assert_int_equal(index, 64 * 64 * 3 + 7);
	radix_remove(&t, 5);
	radix_remove(&t, 64 * 64 * 3 + 7);
	machine_down();
}

static void radix_stretch_shows_neighbours(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	struct radix_tree t;
	void *const *items;
	int a[300];
	radix_init(&t);
	assert_int_equal(radix_stretch(&t, 0, 16, &items), 1);
	assert_null(items);
	assert_int_equal(radix_stretch(&t, 5, 16, &items), 16);
	assert_null(items);
	radix_put(&t, 0, &a[0]);
	assert_int_equal(radix_stretch(&t, 0, 16, &items), 1);
	assert_ptr_equal(items[0], &a[0]);
	for (unsigned i = 3; i < 300; i += 3)
		radix_put(&t, i, &a[i]);
	for (u64 first = 0; first < 400; first++) {
		for (u64 index = first, nr; index < first + 90; index += nr) {
			nr = radix_stretch(&t, index, (unsigned)(first + 90 - index), &items);
			assert_in_range(nr, 1, 64);
			for (u64 i = 0; i < nr; i++)
				assert_ptr_equal(items ? items[i] : NULL, radix_lookup(&t, index + i));
		}
	}
	assert_int_equal(radix_stretch(&t, ~0ull - 3, 4, &items), 4);
	assert_null(items);
	for (unsigned i = 0; i < 300; i += 3)
		assert_ptr_equal(radix_remove(&t, i), &a[i]);
	machine_down();
}

/* Tags of many at once against one at a time, over nodes' bounds, in trees of every height. */
static void radix_tags_many_as_one_by_one(void **state)
{
	(void)state;
	static const u64 bases[] = { 0, 60, 64 * 64 - 30, (1ull << 40) + 64 * 64 - 70 };
	static int item;
	machine_up(16ul << 20, 1);
	for (unsigned base = 0; base < ARRAY_SIZE(bases); base++) {
		struct radix_tree t;
		bool model[300] = { false };
		u64 first = bases[base], nr = base ? 300 : 1, seed = 1;
		radix_init(&t);
		for (u64 i = 0; i < nr; i++)
			radix_put(&t, first + i, &item);
		for (unsigned round = 0; round < 3000; round++) {
			u64 at = base ? (seed >> 20) % 236 : 0, which = base ? (seed * 0x9e3779b97f4a7c15ull) >> (seed >> 40) % 64 : 1, expected = 0;
			bool set = seed >> 33 & 1;
			for (u64 i = 0; i < 64; i++)
				if (which >> i & 1) {
					expected |= (u64)(model[at + i] != set) << i;
					model[at + i] = set;
				}
			assert_int_equal(radix_tag_many(&t, first + at, which, RADIX_DIRTY, set), expected);
			for (u64 i = 0; i < nr; i++)
				assert_int_equal(radix_is_tagged(&t, first + i, RADIX_DIRTY), model[i]);
			u64 index = first, seen = 0, tagged;
			void *const *items;
			while ((tagged = radix_next_tagged_many(&t, &index, RADIX_DIRTY, &items)) != 0) {
				for (; seen < index - first; seen++)
					assert_false(model[seen]);
				for (u64 n = 0; n < 64 && (n == 0 || (index + n) % 64); n++, seen++) {
					assert_int_equal(tagged >> n & 1, seen < nr && model[seen]);
					assert_true(!(tagged >> n & 1) || items[n] == &item);
				}
				index = first + seen;
			}
			for (; seen < nr; seen++)
				assert_false(model[seen]);
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		}
		for (u64 i = 0; i < nr; i++)
			radix_remove(&t, first + i);
		assert_null(t.top);
	}
	machine_down();
}

static void radix_inserts_neighbours_into_empty_places(void **state)
{
	(void)state;
	int a[200];
	void *items[200];
	machine_up(16ul << 20, 1);
	struct radix_tree t;
	radix_init(&t);
	for (unsigned i = 0; i < 200; i++)
		items[i] = &a[i];
	assert_int_equal(radix_insert_many(&t, 10, items + 10, 5), 0); /* no node there */
	radix_put(&t, 70, &a[70]);
	radix_put(&t, 100, &a[100]);
	assert_int_equal(radix_insert_many(&t, 70, items + 70, 5), 0);
	assert_int_equal(radix_insert_many(&t, 71, items + 71, 60), 29);
	assert_int_equal(radix_insert_many(&t, 101, items + 101, 60), 27);
	assert_int_equal(radix_insert_many(&t, 128, items + 128, 1), 0);
	for (u64 i = 70; i < 128; i++)
		assert_ptr_equal(radix_remove(&t, i), &a[i]);
	assert_null(t.top);
	machine_down();
}

static void sizes_have_units_and_limits(void **state)
{
	static const struct { const char *text; bool ok; u64 value; char end; } cases[] = {
		{ "4096", true, 4096, 0 }, { "0x10k", true, 16384, 0 }, { "3M,", true, 3ul << 20, ',' }, { "1G\n", true, 1ul << 30, '\n' },
		{ "2t", true, 2ul << 40, 0 }, { "1p", true, 1ul << 50, 0 }, { "15E", true, 15ul << 60, 0 }, { "16E", false, 0, 0 },
		{ "50%", true, 50, '%' }, { "k", false, 0, 0 }, { "", false, 0, 0 }, { "18446744073709551616", false, 0, 0 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *end;
		u64 v;
		assert_int_equal(parse_size(cases[i].text, &v, &end), cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(v, cases[i].value);
		assert_int_equal(*end, cases[i].end);
	}
}

int run_lib_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rbtree_keeps_order_balance_and_sums),
		cmocka_unit_test(sizes_have_units_and_limits),
		cmocka_unit_test(radix_finds_what_was_put_in_any_order),
		cmocka_unit_test(radix_next_finds_a_lone_item_far_above),
		cmocka_unit_test(radix_stretch_shows_neighbours),
		cmocka_unit_test(radix_tags_many_as_one_by_one),
		cmocka_unit_test(radix_inserts_neighbours_into_empty_places),
	};
	return run_group("lib", tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: MIT */
/* Frames and slabs under random load, against their validators. */
#include "tests.h"
#include <mm/frame.h>
#include <mm/slab.h>
#include <mm/stat.h>
#include <stdlib.h>
#include <string.h>

static void buddy_random_load_returns_everything(void **state)
{
	(void)state;
	enum { N = 400 };
	static struct frame *held[N];
	static unsigned orders[N];
	machine_up(32ul << 20, 1);
	memset(held, 0, sizeof(held));
	srand(11);
	for (unsigned step = 0; step < 6000; step++) {
		unsigned i = (unsigned)rand() % N;
		if (held[i]) {
			assert_int_equal(held[i]->owner, i);
			frame_free(held[i], orders[i]);
			held[i] = NULL;
		} else {
			orders[i] = (unsigned)rand() % 100 < 70 ? 0 : (unsigned)rand() % 6;
			held[i] = frame_alloc(orders[i], ALLOC_KERNEL, FRAME_KERNEL);
			if (held[i])
				held[i]->owner = i;
		}
		if (step % 50 == 0)
			assert_null(frame_validate());
	}
	for (unsigned i = 0; i < N; i++)
		if (held[i])
			frame_free(held[i], orders[i]);
	machine_down();
}

/* Frames that go back in order, up or down, or in none, join to the blocks that they came from. */
static void single_frames_go_back_as_blocks(void **state)
{
	(void)state;
	enum { N = 1500 };
	static struct frame *held[N];
	struct frame_node_stat before[2], after[2];
	machine_up_with_nodes(32ul << 20, 1, 2);
	srand(5);
	for (unsigned order = 0; order < 3; order++) {
		frame_drain_pcp();
		for (unsigned i = 0; i < 2; i++)
			frame_node_stat(i, &before[i]);
		for (unsigned i = 0; i < N; i++)
			held[i] = frame_alloc(0, ALLOC_USER, FRAME_ANON);
		frame_get(held[N / 2]); /* one that has another user stays */
		for (unsigned i = 0; i < N && order; i++) {
			unsigned k = order == 1 ? max(i, N - 1 - i) : i + (unsigned)rand() % (N - i);
			struct frame *f = held[k];
			held[k] = held[i];
			held[i] = f;
		}
		struct frame *kept = NULL;
		for (unsigned i = 0; i < N; i++)
			if (held[i]->refs == 2)
				kept = held[i];
		for (unsigned i = 0; i < N; i += 100)
			frame_put_many(held + i, 100);
		assert_null(frame_validate());
		assert_int_equal(kept->refs, 1);
		frame_put(kept);
		frame_drain_pcp();
		assert_null(frame_validate());
		for (unsigned i = 0; i < 2; i++) {
			frame_node_stat(i, &after[i]);
			assert_memory_equal(before[i].nr_free_blocks, after[i].nr_free_blocks, sizeof(before[i].nr_free_blocks));
		}
	}
	machine_down();
}

static void alloc_stops_at_the_watermark(void **state)
{
	(void)state;
	static struct frame *held[16384];
	unsigned n = 0;
	machine_up(16ul << 20, 1);
	while ((held[n] = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL)) != NULL)
		n++;
	struct frame_node_stat st;
	frame_node_stat(0, &st);
	assert_in_range(frame_nr_free(), st.wmark_min, st.wmark_min + 1);
	struct frame *reserve = frame_alloc(0, ALLOC_KERNEL | ALLOC_RESERVE, FRAME_KERNEL);
	assert_non_null(reserve);
	frame_free(reserve, 0);
	while (n)
		frame_free(held[--n], 0);
	machine_down();
}

static void slab_objects_do_not_overlap(void **state)
{
	(void)state;
	enum { N = 1000 };
	static unsigned char *held[N];
	machine_up(32ul << 20, 1);
	struct slab_cache *c = slab_cache_create("test", 72, 0, 0);
	memset(held, 0, sizeof(held));
	srand(13);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand() % N;
		if (held[i]) {
			for (unsigned k = 0; k < 72; k++)
				assert_int_equal(held[i][k], (unsigned char)i);
			slab_free(c, held[i]);
			held[i] = NULL;
		} else {
			held[i] = slab_alloc(c, ALLOC_KERNEL);
			memset(held[i], (int)i, 72);
		}
		if (step % 500 == 0)
			assert_null(slab_validate());
	}
	for (unsigned i = 0; i < N; i++)
		if (held[i])
			slab_free(c, held[i]);
	slab_cache_destroy(c);
	machine_down();
}

static void kmalloc_all_sizes(void **state)
{
	(void)state;
	machine_up(32ul << 20, 1);
	for (size_t size = 1; size < 100000; size = size * 5 / 4 + 1) {
		char *p = kmalloc(size, ALLOC_KERNEL | ALLOC_ZERO);
		assert_non_null(p);
		assert_true(kmalloc_size(p) >= size);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 1, size);
		kfree(p);
	}
	machine_down();
}

static void nodes_give_and_take_their_own(void **state)
{
	(void)state;
	enum { N = 3000 };
	static struct frame *held[N];
	unsigned seen[3] = { 0 };
	struct frame_node_stat before[3], after[3];
	machine_up_with_nodes(24ul << 20, 1, 3);
	assert_int_equal(frame_nr_nodes(), 3);
	u64 managed = 0;
	for (unsigned i = 0; i < 3; i++) {
		frame_node_stat(i, &before[i]);
		assert_true(before[i].wmark_min > 0 && before[i].wmark_min < before[i].wmark_low &&
		            before[i].wmark_low < before[i].wmark_high);
		managed += before[i].managed;
	}
	assert_int_equal(managed, frame_total());
	for (unsigned i = 0; i < N; i++) {
		held[i] = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
		assert_non_null(held[i]);
		unsigned node = held[i]->node;
		assert_in_range(frame_pfn(held[i]), before[node].start_pfn, before[node].start_pfn + before[node].spanned - 1);
		seen[node]++;
	}
	assert_true(seen[0] && seen[1]); /* the first is not enough for all */
	for (unsigned i = 0; i < N; i++)
		frame_free(held[i], 0);
	frame_drain_pcp();
	for (unsigned i = 0; i < 3; i++) {
		frame_node_stat(i, &after[i]);
		assert_int_equal(after[i].free, before[i].free);
	}
	machine_down();
}

/* min_free_kbytes = 4 * sqrt(RAM in KiB): Linux, Documentation/admin-guide/sysctl/vm.rst. */
static void watermarks_follow_linux_formula(void **state)
{
	(void)state;
	struct frame_node_stat n;
	machine_up(64ul << 20, 1);
	assert_int_equal(frame_min_free(), 1024);
	frame_node_stat(0, &n);
	assert_int_equal(n.wmark_min, 256);
	assert_int_equal(n.wmark_low, 256 + 64);
	assert_int_equal(n.wmark_high, 256 + 128);
	frame_set_min_free(4096);
	frame_node_stat(0, &n);
	assert_int_equal(n.wmark_min, 1024);
	frame_set_watermark_scale(1000); /* a tenth of the node from mark to mark */
	frame_node_stat(0, &n);
	assert_int_equal(n.wmark_low, 1024 + n.managed / 10);
	assert_int_equal(n.wmark_high, 1024 + 2 * (n.managed / 10));
	frame_set_watermark_scale(10);
	machine_down();
}

static void allocated_frames_start_clean(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
		struct frame *f = frame_alloc(order, ALLOC_KERNEL, FRAME_KERNEL);
		assert_non_null(f);
		assert_int_equal(frame_pfn(f) & ((1ul << order) - 1), 0);
		memset(frame_ptr(f), 0xff, PAGE_SIZE << order);
		f->slot = 77;
		f->flags = FRAME_DIRTY;
		frame_free(f, order);
		f = frame_alloc(order, ALLOC_KERNEL | ALLOC_ZERO, FRAME_KERNEL);
		assert_non_null(f);
		assert_int_equal(f->slot | f->nr_slots | f->flags, 0);
		assert_int_equal(f->refs, 1);
		const u64 *p = frame_ptr(f);
		for (u64 i = 0; i < (PAGE_SIZE << order) / sizeof(u64); i++)
			assert_int_equal(p[i], 0);
		frame_free(f, order);
	}
	assert_null(frame_alloc(FRAME_MAX_ORDER + 1, ALLOC_KERNEL, FRAME_KERNEL));
	machine_down();
}

static bool find_cache(const struct slab_stat *st, void *arg)
{
	struct slab_stat *want = arg;
	if (strcmp(st->name, want->name))
		return true;
	*want = *st;
	return false;
}

static struct slab_stat stat_of(const char *name)
{
	struct slab_stat st = { .name = name };
	slab_for_each(find_cache, &st);
	return st;
}

static void slab_figures_count_objects(void **state)
{
	(void)state;
	void *held[100];
	machine_up(16ul << 20, 1);
	struct slab_cache *c = slab_cache_create("figures", 200, 64, SLAB_RECLAIMABLE);
	u64 reclaimable = stat_read(STAT_NR_SLAB_RECLAIMABLE);
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++) {
		held[i] = slab_alloc(c, ALLOC_KERNEL);
		assert_int_equal((uintptr_t)held[i] & 63, 0);
	}
	struct slab_stat st = stat_of("figures");
	assert_int_equal(st.active_objects, ARRAY_SIZE(held));
	assert_int_equal(st.object_size, 256);
	assert_true(st.reclaimable);
	assert_true(st.total_objects >= st.active_objects);
	assert_int_equal(st.total_objects, st.total_slabs * st.objects_per_slab);
	assert_int_equal(stat_read(STAT_NR_SLAB_RECLAIMABLE) - reclaimable, st.total_slabs * st.pages_per_slab);
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++)
		slab_free(c, held[i]);
	slab_drain();
	st = stat_of("figures");
	assert_int_equal(st.active_objects + st.total_slabs, 0);
	assert_int_equal(stat_read(STAT_NR_SLAB_RECLAIMABLE), reclaimable);
	slab_cache_destroy(c);
	machine_down();
}

static void krealloc_keeps_the_content(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	char *p = krealloc(NULL, 5, ALLOC_KERNEL);
	strcpy(p, "abcd");
	for (size_t size = 8; size <= 1ul << 18; size *= 2) {
		p = krealloc(p, size, ALLOC_KERNEL);
		assert_non_null(p);
		assert_string_equal(p, "abcd");
	}
	assert_null(kmalloc(~0ul, ALLOC_KERNEL));
	assert_null(kmalloc((PAGE_SIZE << FRAME_MAX_ORDER) + 1, ALLOC_KERNEL));
	kfree(p);
	kfree(NULL);
	machine_down();
}

struct held {
	unsigned nr;
	u32 caller;
};

static void count_noted(const char *cache, u32 size, const struct slab_note *n, void *arg)
{
	struct held *h = arg;
	if (strcmp(cache, "noted"))
		return;
	assert_int_equal(size, 72);
	assert_int_equal(n->tid, 1);
	assert_true(!h->nr || n->caller == h->caller);
	h->caller = n->caller;
	h->nr++;
}

static unsigned nr_noted(void)
{
	struct held h = { 0 };
	slab_for_each_note(count_noted, &h);
	return h.nr;
}

static void notes_tell_what_is_held(void **state)
{
	(void)state;
	void *held[50];
	slab_keeps_notes = true;
	machine_up(16ul << 20, 1);
	struct slab_cache *c = slab_cache_create("noted", 72, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++) {
		held[i] = slab_alloc(c, i & 1 ? ALLOC_KERNEL | ALLOC_ZERO : ALLOC_KERNEL);
		memset(held[i], 0, 72); /* the note is not the caller's */
	}
	assert_int_equal(nr_noted(), ARRAY_SIZE(held));
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++) {
		slab_free(c, held[i]);
		assert_int_equal(nr_noted(), ARRAY_SIZE(held) - 1 - i);
	}
	slab_cache_destroy(c);
	for (size_t size = 8; size <= 8192; size *= 2) {
		void *p = kmalloc(size, ALLOC_KERNEL);
		assert_int_equal(kmalloc_size(p), size);
		kfree(p);
	}
	assert_null(slab_validate());
	machine_down();
	slab_keeps_notes = false;
}

int run_frame_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buddy_random_load_returns_everything),
		cmocka_unit_test(single_frames_go_back_as_blocks),
		cmocka_unit_test(alloc_stops_at_the_watermark),
		cmocka_unit_test(nodes_give_and_take_their_own),
		cmocka_unit_test(watermarks_follow_linux_formula),
		cmocka_unit_test(allocated_frames_start_clean),
		cmocka_unit_test(slab_objects_do_not_overlap),
		cmocka_unit_test(slab_figures_count_objects),
		cmocka_unit_test(kmalloc_all_sizes),
		cmocka_unit_test(krealloc_keeps_the_content),
		cmocka_unit_test(notes_tell_what_is_held),
	};
	return run_group("frame and slab", tests, ARRAY_SIZE(tests));
}

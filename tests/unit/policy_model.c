/* SPDX-License-Identifier: MIT */
/*
 * The models that the policies are held against. Each keeps what it knows of a page in a table by page number,
 * lists are arrays of page numbers (coldest first), and everything is searched from one end to the other.
 */
#include "policy_model.h"
#include <assert.h>
#include <string.h>

/* What all have in common: memory, time and ghosts. */
static struct {
	unsigned nr_frames, nr_resident;
	enum seeing seeing;
	bool anon;
	bool resident[MODEL_PAGES];
	bool accessed[MODEL_PAGES], dirty[MODEL_PAGES]; /* the page table's bits */
	bool was_evicted[MODEL_PAGES];
	unsigned evicted_at[MODEL_PAGES], memory_of[MODEL_PAGES]; /* clock; what the policy left behind */
	unsigned clock;
} m;

struct queue {
	unsigned nr;
	unsigned page[MODEL_PAGES];
};

static void push(struct queue *q, unsigned page) { q->page[q->nr++] = page; }

static unsigned take_at(struct queue *q, unsigned i)
{
	unsigned page = q->page[i];
	memmove(&q->page[i], &q->page[i + 1], (--q->nr - i) * sizeof(q->page[0]));
	return page;
}

static unsigned take_first(struct queue *q) { return take_at(q, 0); }

static int find(const struct queue *q, unsigned page)
{
	for (unsigned i = 0; i < q->nr; i++)
		if (q->page[i] == page)
			return (int)i;
	return -1;
}

static bool take(struct queue *q, unsigned page)
{
	int i = find(q, page);
	if (i >= 0)
		take_at(q, (unsigned)i);
	return i >= 0;
}

/* Reads and clears an accessed bit. */
static bool ask(unsigned page)
{
	bool was = m.accessed[page];
	m.accessed[page] = false;
	return was;
}

static void reset_memory(unsigned nr_frames, enum seeing seeing, bool anon)
{
	memset(&m, 0, sizeof(m));
	m.nr_frames = nr_frames;
	m.seeing = seeing;
	m.anon = anon;
}

/* The frame of every reference: evict() gives up a page, hit() sees a use, come() takes a page in. */
static int one_reference(unsigned page, bool is_write, bool *fault, unsigned (*evict)(unsigned *memory), void (*hit)(unsigned page),
                         void (*come)(unsigned page, int distance, unsigned memory))
{
	int victim = -1;
	*fault = !m.resident[page];
	if (*fault) {
		if (m.nr_resident == m.nr_frames) {
			unsigned memory = 0;
			victim = (int)evict(&memory);
			m.resident[victim] = false;
			m.accessed[victim] = m.dirty[victim] = false;
			m.nr_resident--;
			m.was_evicted[victim] = true;
			m.memory_of[victim] = memory;
			m.evicted_at[victim] = m.clock++;
		}
		come(page, m.was_evicted[page] ? (int)(m.clock - m.evicted_at[page]) : -1, m.was_evicted[page] ? m.memory_of[page] : 0);
		m.was_evicted[page] = false;
		m.resident[page] = true;
		m.nr_resident++;
	} else if (m.seeing == SEES_ALL && hit) {
		hit(page);
	}
	if (m.seeing == SEES_BITS)
		m.accessed[page] = true;
	m.dirty[page] |= is_write;
	return victim;
}

/* ---- FIFO ---- */

static struct queue fifo;

static void fifo_reset(unsigned n, enum seeing seeing, bool anon)
{
	reset_memory(n, seeing, anon);
	fifo.nr = 0;
}
static unsigned fifo_evict(unsigned *memory) { return take_first(&fifo); }
static void fifo_come(unsigned page, int distance, unsigned memory) { push(&fifo, page); }
static int fifo_reference(unsigned page, bool w, bool *fault) { return one_reference(page, w, fault, fifo_evict, NULL, fifo_come); }

/* ---- LRU, as in the textbook ---- */

static unsigned last_use[MODEL_PAGES], now;

static void exact_reset(unsigned n, enum seeing seeing, bool anon)
{
	reset_memory(n, seeing, anon);
	now = 0;
}

static void exact_use(unsigned page) { last_use[page] = ++now; }
static void exact_come(unsigned page, int distance, unsigned memory) { exact_use(page); }

static unsigned exact_evict(unsigned *memory)
{
	for (;;) {
		unsigned oldest = MODEL_PAGES;
		for (unsigned i = 0; i < MODEL_PAGES; i++)
			if (m.resident[i] && (oldest == MODEL_PAGES || last_use[i] < last_use[oldest]))
				oldest = i;
		if (!ask(oldest))
			return oldest;
		exact_use(oldest);
	}
}

static int exact_reference(unsigned page, bool w, bool *fault) { return one_reference(page, w, fault, exact_evict, exact_use, exact_come); }

/* ---- Linux's two lists ---- */

static struct queue inactive, active;
static bool referenced[MODEL_PAGES], was_active[MODEL_PAGES];

static void lists_reset(unsigned n, enum seeing seeing, bool anon)
{
	reset_memory(n, seeing, anon);
	inactive.nr = active.nr = 0;
}

/* Pages that a page that comes back competes with. */
static unsigned lists_size(void) { return m.anon ? 0 : active.nr; }

static void lists_come(unsigned page, int distance, unsigned memory)
{
	referenced[page] = was_active[page] = false;
	if (distance < 0 || (unsigned)distance > lists_size()) {
		push(&inactive, page);
		return;
	}
	was_active[page] = memory;
	m.clock++;
	push(&active, page);
}

static void lists_hit(unsigned page)
{
	if (!referenced[page]) {
		referenced[page] = true;
	} else if (take(&inactive, page)) {
		referenced[page] = false;
		push(&active, page);
		m.clock++;
	}
}

static void deactivate(unsigned page)
{
	was_active[page] = true;
	push(&inactive, page);
}

static unsigned lists_evict(unsigned *memory)
{
	for (;;) {
		for (unsigned i = 0; i < 2 && inactive.nr < active.nr; i++) {
			unsigned page = take_first(&active);
			ask(page);
			referenced[page] = false;
			deactivate(page);
		}
		if (!inactive.nr) {
			unsigned page = take_first(&active);
			ask(page);
			referenced[page] = false;
			deactivate(page);
			continue;
		}
		unsigned page = take_first(&inactive);
		bool used = ask(page), before = referenced[page];
		referenced[page] = false;
		if (!used) {
			*memory = was_active[page];
			return page;
		}
		if (m.anon || before) {
			push(&active, page);
			m.clock++;
		} else {
			referenced[page] = true;
			push(&inactive, page);
		}
	}
}

static int lists_reference(unsigned page, bool w, bool *fault) { return one_reference(page, w, fault, lists_evict, lists_hit, lists_come); }

/* ---- not used recently ---- */

static bool r_bit[MODEL_PAGES], m_bit[MODEL_PAGES];
static unsigned since[MODEL_PAGES]; /* in its class */
static unsigned since_tick, before_hand[4];

static void nur_reset(unsigned n, enum seeing seeing, bool anon)
{
	reset_memory(n, seeing, anon);
	now = since_tick = before_hand[2] = before_hand[3] = 0;
}

static void nur_set(unsigned page, bool r, bool modified)
{
	r_bit[page] = r;
	m_bit[page] = modified;
	since[page] = ++now;
}

static void nur_come(unsigned page, int distance, unsigned memory) { nur_set(page, true, false); }

static void nur_hit(unsigned page)
{
	if (!r_bit[page])
		nur_set(page, true, m_bit[page]);
}

/* Of the resident pages but `except`: how many there are in a class, and the oldest (-1: none). */
static unsigned nur_class(unsigned class, int except, int *oldest)
{
	unsigned nr = 0;
	*oldest = -1;
	for (unsigned i = 0; i < MODEL_PAGES; i++) {
		if (!m.resident[i] || (int)i == except || (r_bit[i] ? 2 : 0) + (m_bit[i] ? 1 : 0) != (int)class)
			continue;
		nr++;
		if (*oldest < 0 || since[i] < since[*oldest])
			*oldest = (int)i;
	}
	return nr;
}

static void nur_hand(void)
{
	int page = -1;
	for (unsigned class = 2; class < 4 && page < 0; class++) {
		nur_class(class, -1, &page);
		if (!before_hand[class])
			page = -1;
		before_hand[class] -= page >= 0;
		if (page < 0)
			before_hand[class] = 0;
	}
	if (page >= 0) {
		ask((unsigned)page);
		nur_set((unsigned)page, false, m.dirty[page]);
	}
}

static unsigned nur_evict(unsigned *memory)
{
	for (;;) {
		int page = -1, dummy;
		nur_hand();
		nur_hand();
		for (unsigned class = 0; class < 4 && page < 0; class++)
			nur_class(class, -1, &page);
		bool used = ask((unsigned)page);
		if (used && !r_bit[page]) {
			nur_set((unsigned)page, true, m.dirty[page]);
		} else if (m.dirty[page] && !m_bit[page]) {
			nur_set((unsigned)page, r_bit[page], true);
		} else {
			if (++since_tick > (m.nr_resident - 1) / 4) {
				since_tick = 0;
				before_hand[2] = nur_class(2, page, &dummy);
				before_hand[3] = nur_class(3, page, &dummy);
			}
			return (unsigned)page;
		}
	}
}

static int nur_reference(unsigned page, bool w, bool *fault) { return one_reference(page, w, fault, nur_evict, nur_hit, nur_come); }

/* ---- least frequently used ---- */

static unsigned uses[MODEL_PAGES], key[MODEL_PAGES], age;

static void lfu_reset(unsigned n, enum seeing seeing, bool anon)
{
	reset_memory(n, seeing, anon);
	now = age = 0;
}

static void lfu_set(unsigned page, unsigned count)
{
	uses[page] = count;
	key[page] = age + count;
	since[page] = ++now;
}

static void lfu_hit(unsigned page) { lfu_set(page, uses[page] < 31 ? uses[page] + 1 : 31); }

static void lfu_come(unsigned page, int distance, unsigned memory)
{
	lfu_set(page, distance >= 0 && (unsigned)distance <= m.nr_resident ? 1 + memory / 2 : 1);
}

static unsigned lfu_evict(unsigned *memory)
{
	for (;;) {
		int page = -1;
		for (int i = 0; i < MODEL_PAGES; i++)
			if (m.resident[i] && (page < 0 || key[i] < key[page] || (key[i] == key[page] && since[i] < since[page])))
				page = i;
		if (!ask((unsigned)page)) {
			age = key[page];
			*memory = uses[page];
			return (unsigned)page;
		}
		lfu_hit((unsigned)page);
	}
}

static int lfu_reference(unsigned page, bool w, bool *fault) { return one_reference(page, w, fault, lfu_evict, lfu_hit, lfu_come); }

/* ---- S3-FIFO ---- */

static struct queue small, big;

static void s3_reset(unsigned n, enum seeing seeing, bool anon)
{
	reset_memory(n, seeing, anon);
	small.nr = big.nr = 0;
}

static void s3_hit(unsigned page) { uses[page] += uses[page] < 3; }

static void s3_come(unsigned page, int distance, unsigned memory)
{
	uses[page] = 0;
	push(memory && distance >= 0 && (unsigned)distance <= m.nr_resident ? &big : &small, page);
}

static unsigned s3_evict(unsigned *memory)
{
	for (;;) {
		bool from_small = small.nr && (!big.nr || small.nr * 10 >= small.nr + big.nr);
		unsigned page = take_first(from_small ? &small : &big);
		bool used = ask(page);
		if (used)
			s3_hit(page);
		if (from_small && uses[page] >= 2) {
			uses[page] = 0;
			push(&big, page);
		} else if (from_small && used) {
			push(&small, page);
		} else if (!from_small && uses[page]) {
			uses[page]--;
			push(&big, page);
		} else {
			*memory = from_small;
			return page;
		}
	}
}

static int s3_reference(unsigned page, bool w, bool *fault) { return one_reference(page, w, fault, s3_evict, s3_hit, s3_come); }

/* ---- generations ---- */

static unsigned generation[MODEL_PAGES], oldest_generation, youngest_generation, evicted_of[4], returned_of[4];

static void mg_reset(unsigned n, enum seeing seeing, bool anon)
{
	reset_memory(n, seeing, anon);
	now = oldest_generation = 0;
	youngest_generation = 3;
	memset(evicted_of, 0, sizeof(evicted_of));
	memset(returned_of, 0, sizeof(returned_of));
}

static void mg_set(unsigned page, unsigned g)
{
	uses[page] = 0;
	generation[page] = g;
	since[page] = ++now;
}

static void mg_come(unsigned page, int distance, unsigned memory)
{
	referenced[page] = false;
	if (distance >= 0 && (unsigned)distance <= m.nr_resident) {
		returned_of[memory]++;
		mg_set(page, youngest_generation - 1);
	} else {
		mg_set(page, m.anon ? youngest_generation : oldest_generation);
	}
}

static void mg_hit(unsigned page)
{
	if (referenced[page])
		s3_hit(page);
	referenced[page] = true;
}

static int mg_oldest(void)
{
	int page = -1;
	for (int i = 0; i < MODEL_PAGES; i++)
		if (m.resident[i] && generation[i] == oldest_generation && (page < 0 || since[i] < since[page]))
			page = i;
	return page;
}

static unsigned mg_evict(unsigned *memory)
{
	for (;;) {
		int page = mg_oldest();
		if (page < 0) {
			if (youngest_generation == oldest_generation + 1) {
				youngest_generation++;
				for (unsigned i = 0; i < 4; i++) {
					evicted_of[i] /= 2;
					returned_of[i] /= 2;
				}
			}
			oldest_generation++;
			continue;
		}
		unsigned tier = uses[page];
		bool keep = tier && returned_of[tier] >= 8 && returned_of[tier] * (evicted_of[0] + 1) > (returned_of[0] + 1) * evicted_of[tier];
		referenced[page] = false;
		if (ask((unsigned)page)) {
			mg_set((unsigned)page, youngest_generation);
		} else if (keep) {
			mg_set((unsigned)page, oldest_generation + 1);
		} else {
			evicted_of[tier]++;
			*memory = tier;
			return (unsigned)page;
		}
	}
}

static int mg_reference(unsigned page, bool w, bool *fault) { return one_reference(page, w, fault, mg_evict, mg_hit, mg_come); }

const struct model policy_models[] = {
	{ "fifo", fifo_reset, fifo_reference },
	{ "lru-exact", exact_reset, exact_reference },
	{ "lru", lists_reset, lists_reference },
	{ "nur", nur_reset, nur_reference },
	{ "lfu", lfu_reset, lfu_reference },
	{ "s3fifo", s3_reset, s3_reference },
	{ "mglru", mg_reset, mg_reference },
};
const unsigned nr_policy_models = sizeof(policy_models) / sizeof(policy_models[0]);

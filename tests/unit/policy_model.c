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
		if (inactive.nr < active.nr) {
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

const struct model policy_models[] = {
	{ "fifo", fifo_reset, fifo_reference },
	{ "lru-exact", exact_reset, exact_reference },
	{ "lru", lists_reset, lists_reference },
};
const unsigned nr_policy_models = sizeof(policy_models) / sizeof(policy_models[0]);

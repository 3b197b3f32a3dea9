/* SPDX-License-Identifier: MIT */
/*
 * Reference strings: replayed in the guest, in a memory group, by the lab; and there and on the host port by the test
 * that both decide alike (tests/reclaim). Pages are numbers below REF_PAGES; the group has room for REF_LIMIT of them.
 */
#ifndef LABS_REFERENCES_H
#define LABS_REFERENCES_H

#include <stdbool.h>
#include <stdint.h>

#define REF_PAGES  400u
#define REF_LIMIT  240u   /* pages, those of the tables included */
#define REF_LENGTH 6000u
#define REF_AT     0x200000000000ul
#define REF_SWAP   2048u  /* pages of the swap area */
#define REF_FILE   1024u  /* pages of the file */

enum pattern { LOOP, ZIPF, SCAN_AND_HOT, PHASES, NR_PATTERNS };
static const char *const pattern_names[] = { "loop", "zipf", "scan+hot", "phases" };

struct references {
	enum pattern pattern;
	uint64_t state;
	unsigned n;
};

static inline uint32_t ref_draw(struct references *r, uint32_t below)
{
	r->state = r->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((r->state >> 33) * below >> 31);
}

/* The next page; *write: it is changed, not only read. */
static inline uint32_t ref_next(struct references *r, bool *write)
{
	unsigned n = r->n++;
	*write = ref_draw(r, 3) == 0;
	switch (r->pattern) {
	case LOOP: /* a little larger than memory */
		return n % 280;
	case ZIPF: { /* few pages often, many seldom */
		uint64_t x = ref_draw(r, 1u << 16);
		return (uint32_t)((x * x >> 16) * (x + 1) * REF_PAGES >> 32);
	}
	case SCAN_AND_HOT: /* 60 pages all the time, and once through the others */
		return n % 2 ? ref_draw(r, 60) : 60 + n / 2 % (REF_PAGES - 60);
	default: /* another 120 pages every 1,000 references */
		return (n / 1000 * 70 + ref_draw(r, 120)) % REF_PAGES;
	}
}

#endif

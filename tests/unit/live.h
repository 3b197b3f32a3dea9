/* SPDX-License-Identifier: MIT */
/* What several CPUs do at once in one space and its children; see live.c. */
#ifndef UNIT_LIVE_H
#define UNIT_LIVE_H

#include "tests.h"
#include <hal/log.h>

/* cmocka's assertions jump, which a thread of its own must not. */
#define CHECK(cond)                                                                                 \
	do {                                                                                            \
		if (!(cond))                                                                                \
			hal_panic("%s:%d: failed: %s", __FILE__, __LINE__, #cond);                              \
	} while (0)

#define LIVE_MAX_CPUS 4u
#define LIVE_SLOT_PAGES 100u
#define LIVE_FILE_PAGES 40u

struct live_page {
	bool is_mapped, is_writable;
	u8 value;
};

/* One CPU's model: all zero but for id (0 .. LIVE_MAX_CPUS - 1) and seed. */
struct live_cpu {
	unsigned id, seed;
	struct live_page pages[LIVE_SLOT_PAGES];
	u8 written[LIVE_FILE_PAGES]; /* last byte stored in the file's page */
};

extern struct space *live_space;
extern struct test_file live_file;

/* Makes the space and the file; frees them and the children that are left. */
void live_begin(void);
void live_end(void);
/* The calling CPU lives for nr rounds; at the end it has the space loaded. */
void live_rounds(struct live_cpu *c, unsigned nr);
/* While no CPU lives: what is broken, or NULL. */
const char *live_validate(void);

/* fn(NULL) on the calling CPU 0 and fn(i) on each other, in the order that the seed gives. */
void run_in_turns(u64 seed, unsigned nr_cpus, void (*fn)(void *));

#endif

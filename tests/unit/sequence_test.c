/* SPDX-License-Identifier: MIT */
/* Random sequences from seeds: QUIRE_SEED is the first (1), QUIRE_SEQUENCES how many (60). */
#include "tests.h"
#include <stdio.h>
#include <stdlib.h>

#define NR_OPS 120u

static unsigned long rng;

/* Source: Knuth, TAOCP vol. 2, 3.3.4 (MMIX's linear congruential generator). */
static unsigned next(unsigned n)
{
	rng = rng * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(rng >> 33) % n;
}

static void random_sequences_match_the_model(void **state)
{
	(void)state;
	const char *first = getenv("QUIRE_SEED"), *count = getenv("QUIRE_SEQUENCES");
	unsigned long seed = first ? strtoul(first, NULL, 0) : 1;
	unsigned long nr = count ? strtoul(count, NULL, 0) : 60;
	for (; nr; nr--, seed++) {
		machine_up(64ul << 20, 2);
		if (first || count)
			fprintf(stderr, "\rsequence %lu", seed);
		rng = seed;
		sequence_run(next, NR_OPS);
		machine_down();
	}
}

int run_sequence_tests(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_sequences_match_the_model) };
	return run_group("sequences", tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: MIT */
/* Runs the conformance tests of both contracts. */
#include "conformance.h"

static unsigned run_list(const struct conformance_machine *m, const struct conformance_test *t, unsigned *nr_run)
{
	unsigned failed = 0;
	for (; t->name; t++) {
		const char *broken = t->run(m);
		m->report(t->name, broken);
		failed += broken != 0;
		++*nr_run;
	}
	return failed;
}

unsigned conformance_run(const struct conformance_machine *m, unsigned *nr_run)
{
	*nr_run = 0;
	unsigned failed = run_list(m, conformance_hal_tests, nr_run);
	return failed + run_list(m, conformance_host_tests, nr_run);
}

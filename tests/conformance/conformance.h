/* SPDX-License-Identifier: MIT */
/*
 * The contracts include/hal and include/mm/host.h as tests that run on every machine: on the host in
 * tests/unit, in the kernel with quire.selftest=conformance. No C library, no thread of its own: what
 * differs between machines comes in a struct.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <hal/types.h>

struct space;

struct conformance_machine {
	/* Loads s on this CPU, as a task's space; NULL: none. */
	void (*use)(struct space *s);
	/* One byte of the loaded space, through the MMU. False: the fault was no mm matter (a signal). */
	bool (*load)(uaddr_t addr, u8 *out);
	bool (*store)(uaddr_t addr, u8 value);
	/* Runs fn(arg) beside the caller, in another task or thread that may sleep. */
	void (*spawn)(void (*fn)(void *), void *arg);
	/* The same on another CPU than the caller's; neither changes its CPU until the test is over. False: the
	 * machine has only one. */
	bool (*spawn_elsewhere)(void (*fn)(void *), void *arg);
	/* broken: what is, or NULL. */
	void (*report)(const char *name, const char *broken);
};

struct conformance_test {
	const char *name;
	const char *(*run)(const struct conformance_machine *m); /* NULL or what is broken */
};
extern const struct conformance_test conformance_hal_tests[], conformance_host_tests[]; /* a NULL name ends */

/* Runs all; returns how many failed. May sleep; hold no lock. */
unsigned conformance_run(const struct conformance_machine *m, unsigned *nr_run);

/* cost.c: calls line() for each figure: cost / pieces is what one piece costs. */
void cost_run(void (*line)(const char *name, u64 cost, u64 pieces));

#define EXPECT(cond)                                                                                \
	do {                                                                                            \
		if (!(cond))                                                                                \
			return #cond;                                                                           \
	} while (0)

#endif

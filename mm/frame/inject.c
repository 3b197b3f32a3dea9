/* SPDX-License-Identifier: MIT */
/* The countdown of mm/inject.h. */
#include "internal.h"
#include <hal/time.h>
#include <mm/host.h>
#include <mm/inject.h>

long inject_countdown = -1;

static unsigned counted_kinds;
static const struct host_context *counted_for; /* NULL: everybody */
static bool struck;
static unsigned random_one_in; /* 0: the countdown */
static u64 random_state;       /* atomic */

/* Allocations look at frame_long_way first. */
static void start(long n)
{
	WRITE_ONCE(inject_countdown, n);
	__atomic_fetch_or(&frame_long_way, ALLOC_ANY, __ATOMIC_RELAXED);
}

void inject_stop(void)
{
	WRITE_ONCE(inject_countdown, -1);
	__atomic_fetch_and(&frame_long_way, ~ALLOC_ANY, __ATOMIC_RELAXED);
}

void inject_failure(unsigned kinds, long n, const struct host_context *who)
{
	inject_stop();
	WRITE_ONCE(random_one_in, 0);
	counted_kinds = kinds;
	counted_for = who;
	WRITE_ONCE(struck, false);
	if (n >= 0)
		start(n);
}

void inject_random(unsigned one_in, u64 seed)
{
	inject_stop();
	WRITE_ONCE(random_one_in, one_in);
	WRITE_ONCE(random_state, seed);
	if (one_in)
		start(0);
}

bool inject_struck(void) { return READ_ONCE(struck); }

static bool random_strikes(unsigned one_in)
{
	return host_current()->may_fail && hal_random_mix64(__atomic_add_fetch(&random_state, HAL_RANDOM_STEP, __ATOMIC_RELAXED)) % one_in == 0;
}

bool inject_counts(unsigned kind)
{
	unsigned one_in = READ_ONCE(random_one_in);
	if (one_in)
		return random_strikes(one_in);
	if (!(counted_kinds & kind) || (counted_for && host_current() != counted_for))
		return false;
	if (__atomic_fetch_sub(&inject_countdown, 1, __ATOMIC_RELAXED) != 0)
		return false;
	WRITE_ONCE(struck, true);
	return true;
}

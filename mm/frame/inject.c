/* SPDX-License-Identifier: MIT */
/* The countdown of mm/inject.h. */
#include <mm/host.h>
#include <mm/inject.h>

long inject_countdown = -1;

static unsigned counted_kinds;
static const struct host_context *counted_for; /* NULL: everybody */
static bool struck;

void inject_failure(unsigned kinds, long n, const struct host_context *who)
{
	WRITE_ONCE(inject_countdown, -1);
	counted_kinds = kinds;
	counted_for = who;
	WRITE_ONCE(struck, false);
	WRITE_ONCE(inject_countdown, n);
}

void inject_stop(void) { WRITE_ONCE(inject_countdown, -1); }
bool inject_struck(void) { return READ_ONCE(struck); }

bool inject_counts(unsigned kind)
{
	if (!(counted_kinds & kind) || (counted_for && host_current() != counted_for))
		return false;
	if (__atomic_fetch_sub(&inject_countdown, 1, __ATOMIC_RELAXED) != 0)
		return false;
	WRITE_ONCE(struck, true);
	return true;
}

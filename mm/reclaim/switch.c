/* SPDX-License-Identifier: MIT */
/* The list of policies, which one is in use, and changing that. */
#include "internal.h"
#include "policy/policies.h"
#include <lib/string.h>
#include <mm/host.h>

static const struct policy *const policies[] = {
#define X(name) &policy_##name,
	POLICIES(X)
#undef X
};

static const struct policy *current_policy = &policy_lru;
static struct rwlock lock; /* RANK_POLICY: one switch at a time */

const struct policy *policy_at(unsigned i) { return i < ARRAY_SIZE(policies) ? policies[i] : NULL; }
const struct policy *policy_current(void) { return READ_ONCE(current_policy); }

const struct policy *policy_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++)
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	return NULL;
}

unsigned policy_number(const struct policy *p)
{
	unsigned i = 0;
	while (policies[i] != p)
		i++;
	return i;
}

void policy_switch(const struct policy *p)
{
	rwlock_write(&lock);
	if (p != current_policy) {
		WRITE_ONCE(current_policy, p);
		lru_switch_all(p);
	}
	rwlock_write_unlock(&lock);
}

const struct policy *policy_hold(void)
{
	rwlock_read(&lock);
	return current_policy;
}

void policy_release(void) { rwlock_read_unlock(&lock); }

void policy_init(void)
{
	rwlock_init(&lock, RANK_POLICY);
	current_policy = policies[0];
}

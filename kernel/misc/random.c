/* SPDX-License-Identifier: MIT */
/*
 * Repeatable randomness. On a machine with a seed, every task has a stream of its own, so that programs
 * that run at the same time do not take each other's numbers: what a task draws depends on the seed, on
 * its place in the tree of forks (the how-manieth child of which parent) and on how much it has drawn,
 * never on who was faster. A machine without a seed does not look at streams.
 *
 * A task has an identity and a state. The state counts on with each number drawn; the identity never
 * changes, and a child's identity is made of it and of the child's number. So drawing does not change
 * who the children are.
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
 */
#include <hal/time.h>
#include <kernel/entry.h>
#include <kernel/random.h>
#include <kernel/task.h>

#define STREAM_TAG 0x6a09e667f3bcc909ull /* tells an identity's stream from its children's identities */

static void begin(struct task *t, u64 id)
{
	t->random_id = id;
	t->random_state = hal_random_mix64(id ^ STREAM_TAG);
	t->nr_random_children = 0;
}

void random_inherit(struct task *t)
{
	const struct task *me = current;
	begin(t, hal_random_mix64(me->random_id + HAL_RANDOM_STEP * (me->nr_random_children + 1)));
}

void random_child_joined(void) { current->nr_random_children++; }

void random_begin(struct task *t) { begin(t, hal_random() | 1); }

u64 *kernel_random_state(void)
{
	struct task *me = current;
	return me->random_id ? &me->random_state : NULL;
}

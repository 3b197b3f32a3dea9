/* SPDX-License-Identifier: MIT */
/* Streams of random numbers, one for each task, for a machine that was given a seed (kernel/misc/random.c). */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include <hal/types.h>

struct task;

/* t, which the running task is making, gets a stream by its place among the running task's children. It is
 * counted as one of them when it has come to be: a clone that is undone and tried again changes nothing. */
void random_inherit(struct task *t);
void random_child_joined(void);

/* t's stream begins anew from what the running task draws. */
void random_begin(struct task *t);

#endif

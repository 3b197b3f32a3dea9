/* SPDX-License-Identifier: MIT */
/* Restartable sequences: a word in user memory that names the CPU, and short code that must not be interrupted. */
#ifndef KERNEL_RSEQ_H
#define KERNEL_RSEQ_H

#include <hal/context.h>
#include <kernel/task.h>

void rseq_fork(struct task *child, u64 clone_flags);
void rseq_exec(struct task *t);
/* Before a handler's frame is pushed: an interrupted sequence starts over at its abort address. */
void rseq_prepare_return(struct hal_regs *regs);
/* The running task was preempted or moved: updates the CPU numbers, aborts a sequence. */
void rseq_exit_to_user(struct hal_regs *regs);

#endif

/* SPDX-License-Identifier: MIT */
/* A process's own timers: setitimer, alarm, timer_create, RLIMIT_CPU. */
#ifndef KERNEL_TIMERS_H
#define KERNEL_TIMERS_H

#include <kernel/task.h>

void timers_exec(struct process *p);         /* timer_create's are gone, setitimer's stay */
void timers_exit_task(struct task *t);       /* timers that were to signal this thread */
void timers_exit_process(struct process *p); /* all end */

#endif

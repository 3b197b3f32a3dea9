/* SPDX-License-Identifier: MIT */
/* Descriptors that stand for a process. */
#ifndef KERNEL_PIDFD_H
#define KERNEL_PIDFD_H

#include <kernel/task.h>

/* A new close-on-exec descriptor of the running task for p: fd or -errno. flags: O_NONBLOCK or 0. */
int pidfd_install_new(struct process *p, u32 flags);
struct file;
/* The process behind f with a reference, or NULL: f is no pidfd. */
struct process *pidfd_process(struct file *f);

#endif

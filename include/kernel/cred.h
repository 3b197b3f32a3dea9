/* SPDX-License-Identifier: MIT */
/* Changing credentials. */
#ifndef KERNEL_CRED_H
#define KERNEL_CRED_H

#include <kernel/task.h>

/* A copy of the running task's credentials to change, or NULL: no memory. */
struct cred *cred_prepare(void);
/* The running task takes it (0 is returned, for the callers' convenience), or it is thrown away. */
int cred_commit(struct cred *c);
void cred_abort(struct cred *c);

#endif

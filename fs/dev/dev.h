/* SPDX-License-Identifier: MIT */
/* The pseudo devices of fs/dev. */
#ifndef FS_DEV_H
#define FS_DEV_H

#include "../internal.h"

void dev_mem_init(void);
void devtmpfs_init(void);

#endif

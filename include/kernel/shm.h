/* SPDX-License-Identifier: MIT */
/* System V shared memory, for /proc/sysvipc/shm and limits. */
#ifndef KERNEL_SHM_H
#define KERNEL_SHM_H

#include <hal/types.h>

struct shm_info_k {
	s32 key, id;
	u32 mode; /* with SHM_DEST and SHM_LOCKED */
	u32 uid, gid, cuid, cgid;
	u64 size, nattch, rss_bytes, swap_bytes;
	s32 cpid, lpid;
	s64 atime, dtime, ctime; /* seconds */
};

/* Calls fn for each segment by index until it returns false; fn must not sleep. */
void shm_for_each(bool (*fn)(const struct shm_info_k *, void *arg), void *arg);

extern u64 shm_max, shm_all; /* /proc/sys/kernel/shmmax (bytes), shmall (pages) */
extern u32 shm_mni;          /* /proc/sys/kernel/shmmni */

#endif

/* SPDX-License-Identifier: MIT */
/* Where bytes of a read or write come from or go to: user memory in pieces, or one kernel buffer. */
#ifndef FS_IOV_H
#define FS_IOV_H

#include <hal/types.h>

struct iovec_k { /* layout of struct iovec */
	uaddr_t base;
	u64 len;
};

struct iov {
	const struct iovec_k *vec; /* pieces not yet done; NULL with `kernel` set */
	unsigned nr;
	u64 offset;   /* bytes done of vec[0] */
	u64 left;     /* bytes left in all */
	char *kernel; /* != NULL: a kernel buffer instead */
};

void iov_init_user(struct iov *v, struct iovec_k *one, uaddr_t base, u64 len);
void iov_init_kernel(struct iov *v, void *buf, u64 len);

/* Move up to n bytes and advance; return bytes moved (short when user memory faults). */
size_t iov_copy_to(struct iov *v, const void *src, size_t n);   /* kernel -> caller (read) */
size_t iov_copy_from(struct iov *v, void *dst, size_t n);       /* caller -> kernel (write) */
size_t iov_zero(struct iov *v, size_t n);

/* Skips n bytes that were moved by other means. */
void iov_advance(struct iov *v, size_t n);

/* One directory entry at a time to getdents64. */
struct dir_emit {
	u64 pos; /* position after the entry just emitted */
	bool (*emit)(struct dir_emit *e, const char *name, size_t len, u64 ino, unsigned dt_type, u64 next_pos);
};

#endif

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

#define FS_MAX_RW  0x7ffff000ul /* most bytes of one read or write */
#define FS_IOV_MAX 1024

/* A whole stretch in the user half, as every call asks before it looks at what is there. */
bool user_range_ok(uaddr_t at, u64 len);

/* Pieces as the caller names them; few of them need no memory. */
struct iov_vector {
	struct iovec_k few[8], *vec;
	struct iov iov; /* all of them */
};

/* Reads nr pieces; the total is cut at FS_MAX_RW. 0 (iov_vector_free must follow), -EINVAL (too many, or a negative
 * length), -EFAULT (the vector, or a piece outside the user half), -ENOMEM. */
int iov_vector_get(struct iov_vector *v, uaddr_t uvec, u64 nr);
void iov_vector_free(struct iov_vector *v);

/* One directory entry at a time to getdents64. */
struct dir_emit {
	u64 pos; /* position after the entry just emitted */
	bool (*emit)(struct dir_emit *e, const char *name, size_t len, u64 ino, unsigned dt_type, u64 next_pos);
};

#endif

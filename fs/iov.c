/* SPDX-License-Identifier: MIT */
/*
 * The cursor over the caller's memory in a read or write: pieces of user memory or one kernel buffer.
 * Progress is kept in the cursor itself, so a short transfer leaves it at the first byte not moved.
 */
#include <fs/iov.h>
#include <hal/mmu.h>
#include <hal/uaccess.h>
#include <kernel/errno.h>
#include <lib/string.h>
#include <mm/slab.h>

void iov_init_user(struct iov *v, struct iovec_k *one, uaddr_t base, u64 len)
{
	one->base = base;
	one->len = len;
	*v = (struct iov){ .vec = one, .nr = 1, .left = len };
}

void iov_init_kernel(struct iov *v, void *buf, u64 len)
{
	*v = (struct iov){ .left = len, .kernel = buf };
}

void iov_advance(struct iov *v, size_t n)
{
	v->left -= n;
	if (v->kernel) {
		v->kernel += n;
		return;
	}
	v->offset += n;
	while (v->nr && v->offset >= v->vec->len) {
		v->offset -= v->vec->len;
		v->vec++;
		v->nr--;
	}
}

bool user_range_ok(uaddr_t at, u64 len) { return len <= HAL_USER_END && at <= HAL_USER_END - len; }

static int check_pieces(struct iovec_k *vec, u64 nr, u64 *total)
{
	*total = 0;
	for (u64 n = 0; n < nr; n++)
		if ((s64)vec[n].len < 0)
			return -EINVAL;
	for (u64 n = 0; n < nr; n++) {
		if (!user_range_ok(vec[n].base, vec[n].len))
			return -EFAULT;
		vec[n].len = min(vec[n].len, FS_MAX_RW - *total);
		*total += vec[n].len;
	}
	return 0;
}

int iov_vector_get(struct iov_vector *v, uaddr_t uvec, u64 nr)
{
	u64 total;
	v->vec = v->few;
	if (nr > FS_IOV_MAX)
		return -EINVAL;
	if (nr > ARRAY_SIZE(v->few) && !(v->vec = kmalloc(nr * sizeof(*v->vec), ALLOC_KERNEL)))
		return -ENOMEM;
	int err = copy_from_user(v->vec, uvec, nr * sizeof(*v->vec)) ? -EFAULT : check_pieces(v->vec, nr, &total);
	if (err)
		iov_vector_free(v);
	else
		v->iov = (struct iov){ .vec = v->vec, .nr = (unsigned)nr, .left = total };
	return err;
}

void iov_vector_free(struct iov_vector *v)
{
	if (v->vec != v->few)
		kfree(v->vec);
}

enum direction { TO_CALLER, FROM_CALLER, ZERO_CALLER };

/* Moves up to n bytes piece by piece; bytes moved. Apart, so that the usual case needs no frame. */
static __attribute__((noinline)) size_t move(struct iov *v, char *buf, size_t n, enum direction dir)
{
	size_t done = 0;
	n = min(n, (size_t)v->left);
	if (v->kernel) {
		if (dir == TO_CALLER)
			memcpy(v->kernel, buf, n);
		else if (dir == FROM_CALLER)
			memcpy(buf, v->kernel, n);
		else
			memset(v->kernel, 0, n);
		iov_advance(v, n);
		return n;
	}
	while (done < n) {
		if (v->vec->len == v->offset) { /* an empty piece */
			iov_advance(v, 0);
			continue;
		}
		size_t part = min(n - done, (size_t)(v->vec->len - v->offset));
		uaddr_t at = v->vec->base + v->offset;
		size_t bad = dir == TO_CALLER     ? copy_to_user(at, buf + done, part)
		             : dir == FROM_CALLER ? copy_from_user(buf + done, at, part)
		                                  : clear_user(at, part);
		done += part - bad;
		iov_advance(v, part - bad);
		if (bad)
			break;
	}
	return done;
}

/* The usual case: all of it inside the current piece. */
static inline bool is_simple(const struct iov *v, size_t n)
{
	return v->vec && n - 1 < v->left && n <= v->vec->len - v->offset;
}

static inline size_t simple_done(struct iov *v, size_t moved)
{
	v->left -= moved;
	v->offset += moved;
	return moved;
}

size_t iov_copy_to(struct iov *v, const void *src, size_t n)
{
	if (likely(is_simple(v, n)))
		return simple_done(v, n - copy_to_user(v->vec->base + v->offset, src, n));
	return move(v, (char *)src, n, TO_CALLER);
}

size_t iov_copy_from(struct iov *v, void *dst, size_t n)
{
	if (likely(is_simple(v, n)))
		return simple_done(v, n - copy_from_user(dst, v->vec->base + v->offset, n));
	return move(v, dst, n, FROM_CALLER);
}

size_t iov_zero(struct iov *v, size_t n)
{
	return move(v, NULL, n, ZERO_CALLER);
}

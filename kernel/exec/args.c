/* SPDX-License-Identifier: MIT */
/*
 * Arguments and environment on their way from the old program to the new: collected in kernel pages
 * while the old space is still there, counted against the limit that a stack of the new one sets
 * (Linux: a quarter of RLIMIT_STACK, at most 6 MiB, at least 128 KiB; strings and pointers together).
 */
#include "exec.h"
#include <asm/resource.h>
#include <hal/uaccess.h>
#include <lib/string.h>
#include <mm/slab.h>

int arg_store_init(struct arg_store *a)
{
	u64 limit = min(current->process->rlimits[RLIMIT_STACK].cur / 4, 6ull << 20);
	*a = (struct arg_store){ .limit = max(limit, 131072ull) };
	return 0;
}

void arg_store_free(struct arg_store *a)
{
	for (u64 i = 0; i < a->nr_pages; i++)
		kfree(a->pages[i]);
	kfree(a->pages);
	a->pages = NULL;
	a->nr_pages = 0;
}

/* The place for the next byte; makes a page when the last is full. */
static char *room(struct arg_store *a, u64 *bytes)
{
	u64 at = a->len % PAGE_SIZE;
	if (a->len / PAGE_SIZE == a->nr_pages) {
		if (a->nr_pages == a->capacity) {
			u64 want = a->capacity ? a->capacity * 2 : 8;
			char **p = krealloc(a->pages, want * sizeof(*p), ALLOC_KERNEL);
			if (!p)
				return NULL;
			a->pages = p;
			a->capacity = want;
		}
		char *page = kmalloc(PAGE_SIZE, ALLOC_KERNEL);
		if (!page)
			return NULL;
		a->pages[a->nr_pages++] = page;
	}
	*bytes = PAGE_SIZE - at;
	return a->pages[a->len / PAGE_SIZE] + at;
}

static int add_user_string(struct arg_store *a, uaddr_t s)
{
	u64 start = a->len;
	for (;;) {
		u64 bytes;
		char *dst = room(a, &bytes);
		if (!dst)
			return -ENOMEM;
		long n = strncpy_from_user(dst, s, bytes);
		if (n >= 0) {
			a->len += (u64)n + 1;
			return a->len - start > MAX_STRING ? -E2BIG : 0;
		}
		if (n != -ENAMETOOLONG)
			return -EFAULT;
		a->len += bytes;
		s += bytes;
		if (a->len - start > MAX_STRING || a->len > a->limit)
			return -E2BIG;
	}
}

int arg_store_add_vector(struct arg_store *a, uaddr_t vector, u64 *count)
{
	*count = 0;
	if (!vector)
		return 0;
	for (;;) {
		uaddr_t s;
		if (get_user(s, vector + *count * sizeof(s)))
			return -EFAULT;
		if (!s)
			return 0;
		int err = add_user_string(a, s);
		if (err)
			return err;
		++*count;
		if (a->limit <= sizeof(u64) || a->len > a->limit - sizeof(u64))
			return -E2BIG;
		a->limit -= sizeof(u64);
		if (*count % 1024 == 0 && host_current()->is_being_killed)
			return -ERESTARTNOHAND;
	}
}

int arg_store_add_kernel(struct arg_store *a, const char *s)
{
	u64 left = strlen(s) + 1;
	while (left) {
		u64 bytes;
		char *dst = room(a, &bytes);
		if (!dst)
			return -ENOMEM;
		bytes = min(bytes, left);
		memcpy(dst, s, bytes);
		a->len += bytes;
		s += bytes;
		left -= bytes;
	}
	return a->len > a->limit ? -E2BIG : 0;
}

u64 arg_store_strlen(const struct arg_store *a, u64 offset)
{
	u64 len = 0;
	for (;;) {
		u64 at = offset % PAGE_SIZE;
		u64 n = strnlen(a->pages[offset / PAGE_SIZE] + at, PAGE_SIZE - at);
		len += n;
		if (n < PAGE_SIZE - at)
			return len;
		offset += n;
	}
}

int arg_store_copy_out(const struct arg_store *a, u64 from, u64 to, uaddr_t dst)
{
	while (from < to) {
		u64 at = from % PAGE_SIZE, n = min(PAGE_SIZE - at, to - from);
		if (copy_to_user(dst, a->pages[from / PAGE_SIZE] + at, n))
			return -EFAULT;
		from += n;
		dst += n;
	}
	return 0;
}

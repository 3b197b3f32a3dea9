/* SPDX-License-Identifier: MIT */
/* User memory from kernel code: range check, then assembly that may fault (trap.S). */
#include "internal.h"
#include <asm/errno.h>
#include <hal/mmu.h>
#include <hal/uaccess.h>

size_t user_copy(void *dst, const void *src, size_t n);
size_t user_clear(void *dst, size_t n);
long user_strncpy(char *dst, const char *src, size_t n);
int user_load32(const u32 *p, u32 *out);
int user_cmpxchg32(u32 *p, u32 expected, u32 desired, u32 *out);

static inline void user_open(void)
{
	if (cpu_has_smap)
		__asm__ volatile("stac" ::: "memory", "cc");
}

static inline void user_close(void)
{
	if (cpu_has_smap)
		__asm__ volatile("clac" ::: "memory", "cc");
}

static inline bool is_user_range(uaddr_t addr, size_t len)
{
	return len <= HAL_USER_END && addr <= HAL_USER_END - len;
}

size_t copy_from_user(void *dst, uaddr_t src, size_t len)
{
	if (unlikely(!is_user_range(src, len)))
		return len;
	user_open();
	size_t left = user_copy(dst, (const void *)src, len);
	user_close();
	return left;
}

size_t copy_to_user(uaddr_t dst, const void *src, size_t len)
{
	if (unlikely(!is_user_range(dst, len)))
		return len;
	user_open();
	size_t left = user_copy((void *)dst, src, len);
	user_close();
	return left;
}

size_t clear_user(uaddr_t dst, size_t len)
{
	if (unlikely(!is_user_range(dst, len)))
		return len;
	user_open();
	size_t left = user_clear((void *)dst, len);
	user_close();
	return left;
}

long strncpy_from_user(char *dst, uaddr_t src, size_t size)
{
	if (unlikely(src >= HAL_USER_END))
		return -EFAULT;
	size_t room = min(size, HAL_USER_END - src);
	user_open();
	long n = user_strncpy(dst, (const char *)src, room);
	user_close();
	if (n == (long)room)
		return room == size ? -ENAMETOOLONG : -EFAULT;
	return n;
}

int user_load_u32(uaddr_t addr, u32 *out)
{
	if (unlikely(!is_user_range(addr, 4)))
		return -EFAULT;
	user_open();
	int err = user_load32((const u32 *)addr, out);
	user_close();
	return err;
}

int user_cmpxchg_u32(uaddr_t addr, u32 expected, u32 desired, u32 *out)
{
	if (unlikely(!is_user_range(addr, 4)))
		return -EFAULT;
	user_open();
	int err = user_cmpxchg32((u32 *)addr, expected, desired, out);
	user_close();
	return err;
}

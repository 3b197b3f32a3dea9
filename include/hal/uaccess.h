/* SPDX-License-Identifier: MIT */
/*
 * Access to the running task's user memory. Addresses are checked against HAL_USER_END; a page that is
 * absent is faulted in (so these may sleep; hold no spin lock). A bad address ends the copy.
 */
#ifndef HAL_UACCESS_H
#define HAL_UACCESS_H

#include <hal/types.h>

/* Return the number of bytes NOT copied: 0 = success. */
size_t copy_from_user(void *dst, uaddr_t src, size_t len) __attribute__((warn_unused_result));
size_t copy_to_user(uaddr_t dst, const void *src, size_t len) __attribute__((warn_unused_result));
size_t clear_user(uaddr_t dst, size_t len) __attribute__((warn_unused_result));

/* Copies a NUL-terminated string of at most size-1 bytes. Length without NUL; -EFAULT; -ENAMETOOLONG
 * when no NUL was found within size bytes. */
long strncpy_from_user(char *dst, uaddr_t src, size_t size);

/* One aligned 32-bit word, atomically; fault = -EFAULT. For futexes. */
int user_load_u32(uaddr_t addr, u32 *out);
/* *out = old value; stores new only when old == expected. */
int user_cmpxchg_u32(uaddr_t addr, u32 expected, u32 desired, u32 *out);

#define get_user(var, addr) (copy_from_user(&(var), (addr), sizeof(var)) ? -EFAULT : 0)
#define put_user(var, addr) ({ __typeof__(var) pu_ = (var); copy_to_user((addr), &pu_, sizeof(pu_)) ? -EFAULT : 0; })

#endif

/* SPDX-License-Identifier: MIT */
/* Where a context stands that is not running, and the names of the kernel's functions. */
#ifndef HAL_BACKTRACE_H
#define HAL_BACKTRACE_H

#include <hal/context.h>

/* Return addresses on its stack, the innermost first: how many. It neither runs nor ends meanwhile. */
unsigned hal_context_backtrace(const struct hal_context *c, u64 *addresses, unsigned max);
/* The function that addr lies in, how far into it, and how long it is; NULL: none. Any context. */
const char *hal_symbol(u64 addr, u64 *offset, u64 *size);

#endif

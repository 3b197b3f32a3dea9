/* SPDX-License-Identifier: MIT */
/* Names of the kernel's own functions. */
#ifndef X86_KSYMS_H
#define X86_KSYMS_H

#include <hal/types.h>

/* The function that addr lies in, and how far into it; NULL: none. Any context. */
const char *ksym_lookup(u64 addr, u64 *offset);

#endif

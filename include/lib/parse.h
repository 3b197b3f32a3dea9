/* SPDX-License-Identifier: MIT */
/* Numbers from text. */
#ifndef LIB_PARSE_H
#define LIB_PARSE_H

#include <hal/types.h>

/* Reads digits of the base (0: 0x.. is 16, 0.. is 8, else 10) at s. False: no digit, or too large.
 * *end (may be NULL) = the first character not read. */
bool parse_u64(const char *s, unsigned base, u64 *out, const char **end);

/* The same with K, M, G, T, P or E behind the digits, in either case, for multiples of 1,024; base 0. */
bool parse_size(const char *s, u64 *out, const char **end);

#endif

/* SPDX-License-Identifier: MIT */
/* Formatted text: the subset of C's printf that a kernel needs (no floating point). */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <hal/types.h>
#include <stdarg.h>

/* As C99: %[-0+ #][width|*][.precision|.*][hh|h|l|ll|z]{d,i,u,x,X,o,c,s,p,%}. The result is what the
 * text would take in full; buf always ends with NUL when size > 0. */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

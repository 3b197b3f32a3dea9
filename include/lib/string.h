/* SPDX-License-Identifier: MIT */
/* Memory and strings. The mem* functions come from the machine (the hosted C library, arch/x86_64). */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include <hal/types.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
size_t strcspn(const char *s, const char *reject);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *what);

/* Copies at most size-1 bytes and ends with NUL; returns strlen(src). */
size_t strlcpy_(char *dst, const char *src, size_t size);
#define strlcpy strlcpy_

#endif

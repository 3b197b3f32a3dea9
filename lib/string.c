/* SPDX-License-Identifier: MIT */
/* String functions that hosted C libraries lack. */
#include <lib/string.h>

size_t strlcpy_(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);
	if (size) {
		size_t n = len < size - 1 ? len : size - 1;
		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return len;
}

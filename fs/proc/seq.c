/* SPDX-License-Identifier: MIT */
/* The growing text buffer behind generated files. */
#include <fs/seq.h>
#include <lib/format.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <stdarg.h>

#define FIRST_SIZE 1024u

/* Room for n more bytes and a NUL. */
static bool reserve(struct seq *s, size_t n)
{
	if (s->len + n + 1 <= s->size)
		return true;
	size_t size = s->size ? s->size : FIRST_SIZE;
	while (size < s->len + n + 1)
		size *= 2;
	char *buf = s->failed ? NULL : krealloc(s->buf, size, ALLOC_KERNEL);
	if (!buf) {
		s->failed = true;
		return false;
	}
	s->buf = buf;
	s->size = size;
	return true;
}

void seq_reserve(struct seq *s, size_t n) { (void)reserve(s, n); }

void seq_write(struct seq *s, const void *data, size_t len)
{
	if (!reserve(s, len))
		return;
	memcpy(s->buf + s->len, data, len);
	s->len += len;
}

void seq_puts(struct seq *s, const char *text) { seq_write(s, text, strlen(text)); }
void seq_putc(struct seq *s, char c) { seq_write(s, &c, 1); }

void seq_printf(struct seq *s, const char *fmt, ...)
{
	va_list ap;
	if (!reserve(s, 127))
		return;
	va_start(ap, fmt);
	size_t n = (size_t)vsnprintf(s->buf + s->len, s->size - s->len, fmt, ap);
	va_end(ap);
	if (s->len + n + 1 > s->size) {
		if (!reserve(s, n))
			return;
		va_start(ap, fmt);
		vsnprintf(s->buf + s->len, s->size - s->len, fmt, ap);
		va_end(ap);
	}
	s->len += n;
}

void seq_number_(struct seq *s, const char *before, size_t nr_before, u64 value, unsigned width, const char *after, size_t nr_after)
{
	char digits[24];
	unsigned n = 0;
	do
		digits[sizeof(digits) - ++n] = (char)('0' + value % 10);
	while (value /= 10);
	while (n < width && n < sizeof(digits))
		digits[sizeof(digits) - ++n] = ' ';
	if (!reserve(s, nr_before + n + nr_after))
		return;
	char *at = s->buf + s->len;
	memcpy(at, before, nr_before);
	memcpy(at + nr_before, digits + sizeof(digits) - n, n);
	memcpy(at + nr_before + n, after, nr_after);
	s->len += nr_before + n + nr_after;
}

void seq_pad(struct seq *s, size_t len)
{
	if (s->len >= len || !reserve(s, len - s->len))
		return;
	memset(s->buf + s->len, ' ', len - s->len);
	s->len = len;
}

void seq_escape(struct seq *s, const char *text, const char *escape)
{
	while (*text) {
		size_t n = strcspn(text, escape);
		seq_write(s, text, n);
		text += n;
		if (*text)
			seq_printf(s, "\\%03o", (unsigned)(u8)*text++);
	}
}

void seq_ranges(struct seq *s, u64 mask)
{
	bool first = true;
	for (unsigned i = 0; i < 64; i++) {
		if (!(mask >> i & 1))
			continue;
		unsigned end = i;
		while (end < 63 && mask >> (end + 1) & 1)
			end++;
		seq_printf(s, first ? "%u" : ",%u", i);
		if (end > i)
			seq_printf(s, "-%u", end);
		first = false;
		i = end;
	}
}

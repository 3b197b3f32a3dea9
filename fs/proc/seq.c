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

void seq_escape(struct seq *s, const char *text, const char *escape)
{
	for (; *text; text++) {
		if (strchr(escape, *text))
			seq_printf(s, "\\%03o", (unsigned)(u8)*text);
		else
			seq_putc(s, *text);
	}
}

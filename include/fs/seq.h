/* SPDX-License-Identifier: MIT */
/* Text that is generated for a reader: a growing buffer. */
#ifndef FS_SEQ_H
#define FS_SEQ_H

#include <hal/types.h>

struct seq {
	char *buf;
	size_t len, size; /* bytes used and allocated */
	bool failed;      /* no memory: what follows is lost, the read gives ENOMEM */
};

/* Room for n more bytes, so that adding them will not allocate. */
void seq_reserve(struct seq *s, size_t n);
void seq_write(struct seq *s, const void *data, size_t len);
void seq_puts(struct seq *s, const char *text);
void seq_putc(struct seq *s, char c);
void seq_printf(struct seq *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A literal, the decimal number to the right of `width` columns or wider, a literal: what printf would take ten times
 * as long for. */
#define seq_number(s, before, value, width, after) seq_number_(s, before, sizeof(before) - 1, value, width, after, sizeof(after) - 1)
void seq_number_(struct seq *s, const char *before, size_t nr_before, u64 value, unsigned width, const char *after, size_t nr_after);
/* The numbers whose bits are set, as "0-1,3". */
void seq_ranges(struct seq *s, u64 mask);
/* Blanks until the text is `len` bytes long. */
void seq_pad(struct seq *s, size_t len);
/* Text with the characters of `escape` (and backslash, if listed) as \ooo. */
void seq_escape(struct seq *s, const char *text, const char *escape);

#endif

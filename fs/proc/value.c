/* SPDX-License-Identifier: MIT */
/* Files that hold one value: what a sysctl and most of sysfs are. */
#include "proc.h"

int show_u32(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%u\n", READ_ONCE(*(u32 *)n->entry->data));
	return 0;
}

int show_u64(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%llu\n", (unsigned long long)READ_ONCE(*(u64 *)n->entry->data));
	return 0;
}

static int parse_bounded(struct pseudo_node *n, const char *text, s64 *v)
{
	int err = pseudo_parse_value(text, v);
	if (err)
		return err;
	return *v < n->entry->min || *v > n->entry->max ? -EINVAL : 0;
}

int store_u32(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	int err = parse_bounded(n, text, &v);
	if (!err)
		WRITE_ONCE(*(u32 *)n->entry->data, (u32)v);
	return err;
}

int store_u64(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	int err = parse_bounded(n, text, &v);
	if (!err)
		WRITE_ONCE(*(u64 *)n->entry->data, (u64)v);
	return err;
}

int show_text(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, n->entry->data);
	seq_putc(s, '\n');
	return 0;
}

int pseudo_parse_int(const char *text, s64 *v)
{
	if (!pseudo_parse_value(text, v))
		return *v == (s32)*v ? 0 : -ERANGE;
	while (*text == ' ' || *text == '\t' || *text == '\n' || *text == '-')
		text++;
	const char *digits = text;
	while (*text >= '0' && *text <= '9')
		text++;
	return text > digits && (!*text || *text == '\n') ? -ERANGE : -EINVAL;
}

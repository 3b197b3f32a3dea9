/* SPDX-License-Identifier: MIT */
/*
 * Scripts: `#! interpreter [one argument]`. The interpreter takes the script's place as the file, and
 * its path, the argument and the script's path take the place of argv[0]. A line that does not fit in
 * the first 256 bytes is accepted only when the interpreter's own path is complete.
 */
#include "exec.h"
#include <fs/vfs.h>
#include <lib/string.h>
#include <mm/slab.h>

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Cuts the line: *interp and *arg (NULL: none) point into buf. */
static int parse_line(char *buf, char **interp, char **arg)
{
	char *end = buf + EXEC_HEAD_SIZE - 1, *p = buf + 2;
	char *nl = p;
	while (nl < end && *nl != '\n' && *nl)
		nl++;
	bool is_cut = nl == end && *nl != '\n';
	while (p < nl && is_blank(*p))
		p++;
	if (p == nl)
		return -ENOEXEC; /* nothing after #! */
	*interp = p;
	while (p < nl && !is_blank(*p))
		p++;
	if (p == nl && is_cut)
		return -ENOEXEC; /* the path itself may be cut off */
	*arg = NULL;
	char *rest = p;
	while (rest < nl && is_blank(*rest))
		rest++;
	char *tail = nl;
	while (tail > rest && is_blank(tail[-1]))
		tail--;
	*tail = 0;
	*p = 0;
	if (rest < tail)
		*arg = rest;
	return 0;
}

/* prefix = interp [arg] then the old prefix with its first string replaced by `name`. */
static int set_prefix(struct exec *e, const char *interp, const char *arg, const char *name)
{
	u64 old = 0;
	if (e->prefix)
		old = strlen(e->prefix) + 1;
	u64 li = strlen(interp) + 1, la = arg ? strlen(arg) + 1 : 0, ln = strlen(name) + 1;
	u64 rest = e->prefix_len - old, len = li + la + ln + rest;
	char *p = kmalloc(len, ALLOC_KERNEL);
	if (!p)
		return -ENOMEM;
	memcpy(p, interp, li);
	if (arg)
		memcpy(p + li, arg, la);
	memcpy(p + li + la, name, ln);
	if (rest)
		memcpy(p + li + la + ln, e->prefix + old, rest);
	e->prefix_count = (e->prefix ? e->prefix_count - 1 : 0) + 2 + (arg != NULL);
	kfree(e->prefix);
	e->prefix = p;
	e->prefix_len = len;
	return 0;
}

int exec_script(struct exec *e)
{
	char line[EXEC_HEAD_SIZE + 1], *interp, *arg;
	memcpy(line, e->head, EXEC_HEAD_SIZE);
	line[EXEC_HEAD_SIZE] = 0;
	int err = parse_line(line, &interp, &arg);
	if (err)
		return err;
	if (e->fd_closes)
		return -ENOENT; /* the interpreter could not open it any more */
	err = set_prefix(e, interp, arg, e->prefix ? e->prefix : e->filename);
	if (err)
		return err;
	struct file *f = vfs_open_exec(AT_FDCWD, interp, LOOKUP_FOLLOW);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	file_put(e->file);
	e->file = f;
	return 0;
}

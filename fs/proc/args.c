/* SPDX-License-Identifier: MIT */
/*
 * What a process keeps in its own memory and Linux shows from there: arguments, environment, auxiliary
 * vector; then raw access to that memory (mem) and its page-table entries (pagemap).
 */
#include "proc.h"
#include <linux/auxvec.h>
#include <mm/inspect.h>
#include <mm/space.h>

#define PIECE_BYTES 4096u

/* Appends [from, to) of the space; what cannot be read ends it. Bytes. */
static size_t append_memory(struct seq *s, struct space *m, uaddr_t from, uaddr_t to)
{
	size_t done = 0;
	while (from < to) {
		char chunk[512];
		size_t want = min(sizeof(chunk), (size_t)(to - from)), n = space_access(m, from, chunk, want, false, true);
		seq_write(s, chunk, n);
		done += n;
		from += n;
		if (n < want)
			break;
	}
	return done;
}

/* A piece of [start, end); the cursor counts bytes. */
static int memory_piece(struct seq *s, struct space *m, uaddr_t start, uaddr_t end, u64 *cursor)
{
	if (start >= end || *cursor >= end - start)
		return 0;
	size_t want = min((size_t)(end - start - *cursor), (size_t)PIECE_BYTES), n = append_memory(s, m, start + *cursor, start + *cursor + want);
	*cursor += n;
	return n == want && *cursor < end - start;
}

int process_environ(struct seq *s, struct pseudo_node *n, u64 *cursor)
{
	struct space *m = node_space(n);
	if (!m)
		return 0;
	int ret = memory_piece(s, m, m->env_start, m->env_end, cursor);
	space_put(m);
	return ret;
}

/* A process that has overwritten the NUL behind its arguments shows one string, which may reach into
 * the environment (setproctitle). */
static int show_title(struct seq *s, struct space *m)
{
	uaddr_t end = max(m->args_end, m->env_end);
	append_memory(s, m, m->args_start, min(end, m->args_start + PIECE_BYTES));
	s->len = min(s->len, strnlen(s->buf ? s->buf : "", s->len) + 1);
	return 0;
}

int process_cmdline(struct seq *s, struct pseudo_node *n, u64 *cursor)
{
	struct space *m = node_space(n);
	int ret = 0;
	if (!m)
		return 0;
	if (m->args_end > m->args_start) {
		char last = 0;
		if (space_access(m, m->args_end - 1, &last, 1, false, true) == 1 && last)
			ret = *cursor ? 0 : show_title(s, m);
		else
			ret = memory_piece(s, m, m->args_start, m->args_end, cursor);
	}
	space_put(m);
	return ret;
}

/* From the initial stack: argc, arguments, NULL, environment, NULL, then the vector. */
int process_auxv(struct seq *s, struct pseudo_node *n)
{
	struct space *m = node_space(n);
	u64 argc, word = 1, pair[2] = { 1, 0 };
	if (!m)
		return 0;
	uaddr_t at = m->stack_start;
	if (space_access(m, at, &argc, 8, false, true) == 8 && argc < 1 << 20) {
		at += 8 * (argc + 2);
		for (unsigned i = 0; i < 1 << 20 && word; i++, at += 8)
			if (space_access(m, at, &word, 8, false, true) != 8)
				break;
		for (unsigned i = 0; i < 64 && !word && pair[0] != AT_NULL; i++, at += 16) {
			if (space_access(m, at, pair, 16, false, true) != 16)
				break;
			seq_write(s, pair, 16);
		}
	}
	space_put(m);
	return 0;
}

/* ---- mem ---- */

static long mem_move(struct file *f, struct iov *iov, u64 *pos, bool write)
{
	struct pseudo_node *n = pseudo_node_of(f->inode);
	struct space *m = node_space(n);
	char *page = kmalloc(PAGE_SIZE, ALLOC_KERNEL);
	long done = 0, err = 0;
	if (!m || !page) {
		if (m)
			space_put(m);
		kfree(page);
		return m ? -ENOMEM : 0;
	}
	while (iov->left && !err) {
		size_t want = min((size_t)iov->left, (size_t)(PAGE_SIZE - (*pos & ~PAGE_MASK))), got;
		if (write && iov_copy_from(iov, page, want) != want) {
			err = -EFAULT;
			break;
		}
		got = space_access(m, *pos, page, want, write, true);
		if (!write && iov_copy_to(iov, page, got) != got)
			err = -EFAULT;
		else if (got < want)
			err = -EIO;
		done += err == -EFAULT ? 0 : (long)got;
		*pos += got;
	}
	kfree(page);
	space_put(m);
	return done ? done : err;
}

static long mem_read(struct file *f, struct iov *iov, u64 *pos) { return mem_move(f, iov, pos, false); }
static long mem_write(struct file *f, struct iov *iov, u64 *pos) { return mem_move(f, iov, pos, true); }

s64 proc_any_seek(struct file *f, s64 offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += (s64)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

const struct file_ops process_mem_fops = { .read = mem_read, .write = mem_write, .seek = proc_any_seek, .name = "mem" };

/* ---- pagemap ---- */

#define PFN_MASK ((1ull << 55) - 1)

static long pagemap_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct pseudo_node *n = pseudo_node_of(f->inode);
	if ((*pos & 7) || (iov->left & 7))
		return -EINVAL;
	struct space *m = node_space(n);
	if (!m)
		return 0;
	bool show_pfn = capable(CAP_SYS_ADMIN);
	long done = 0;
	while (iov->left && *pos / 8 < HAL_USER_END >> PAGE_SHIFT) {
		u64 words[64];
		size_t nr = min((size_t)iov->left / 8, ARRAY_SIZE(words));
		nr = min(nr, (size_t)((HAL_USER_END >> PAGE_SHIFT) - *pos / 8));
		rwlock_read(&m->lock);
		for (size_t i = 0; i < nr; i++) {
			words[i] = space_pagemap_locked(m, (*pos / 8 + i) << PAGE_SHIFT);
			if (!show_pfn)
				words[i] &= ~PFN_MASK;
		}
		rwlock_read_unlock(&m->lock);
		size_t moved = iov_copy_to(iov, words, nr * 8);
		done += (long)moved;
		*pos += moved;
		if (moved < nr * 8) {
			space_put(m);
			return done ? done : -EFAULT;
		}
		cond_resched();
	}
	space_put(m);
	return done;
}

const struct file_ops process_pagemap_fops = { .read = pagemap_read, .seek = proc_any_seek, .name = "pagemap" };

/* ---- limits ---- */

int process_limits(struct seq *s, struct pseudo_node *n)
{
	static const struct {
		const char *name, *unit;
	} limits[16] = {
		{ "Max cpu time", "seconds" }, { "Max file size", "bytes" }, { "Max data size", "bytes" }, { "Max stack size", "bytes" },
		{ "Max core file size", "bytes" }, { "Max resident set", "bytes" }, { "Max processes", "processes" },
		{ "Max open files", "files" }, { "Max locked memory", "bytes" }, { "Max address space", "bytes" },
		{ "Max file locks", "locks" }, { "Max pending signals", "signals" }, { "Max msgqueue size", "bytes" },
		{ "Max nice priority", "" }, { "Max realtime priority", "" }, { "Max realtime timeout", "us" },
	};
	seq_printf(s, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		char text[2][24];
		u64 values[2] = { n->process->rlimits[i].cur, n->process->rlimits[i].max };
		for (unsigned k = 0; k < 2; k++) {
			if (values[k] == ~0ull)
				snprintf(text[k], sizeof(text[k]), "unlimited");
			else
				snprintf(text[k], sizeof(text[k]), "%llu", (unsigned long long)values[k]);
		}
		seq_printf(s, "%-25s %-20s %-20s ", limits[i].name, text[0], text[1]);
		if (*limits[i].unit)
			seq_printf(s, "%-10s", limits[i].unit);
		seq_putc(s, '\n');
	}
	return 0;
}

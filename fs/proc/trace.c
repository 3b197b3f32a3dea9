/* SPDX-License-Identifier: MIT */
/*
 * /proc/quire/trace: the record of what the memory manager decided (mm/trace.h).
 *
 *   events    what is recorded: names, "all", or nothing; the writer's own doings are not. Off at first
 *   format    "NUMBER NAME ARGUMENTS" for each event, as mm/trace.h explains
 *   size      records that each CPU's ring has room for; changed while nothing is recorded
 *   records   (binary) struct trace_record, CPU by CPU; what is read is gone. A record of number 65535 says how many its
 *             CPU has lost since the last read. No more now: 0 bytes
 *   text      the same as lines, "ns cpu tid name ARG ARG ARG ARG"
 */
#include "proc.h"
#include <hal/time.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include <mm/host.h>
#include <mm/slab.h>
#include <mm/trace.h>

#define LOST_EVENT 0xffffu

/* ---- what is recorded ---- */

static int show_events(struct seq *s, struct pseudo_node *n)
{
	u32 mask = READ_ONCE(trace_mask);
	for (unsigned e = 0; e < TRACE_NR; e++)
		if (mask >> e & 1)
			seq_printf(s, "%s\n", trace_name(e));
	return 0;
}

static u32 event_named(const char *name, size_t len)
{
	if (len == 3 && !memcmp(name, "all", 3))
		return (1u << TRACE_NR) - 1;
	for (unsigned e = 0; e < TRACE_NR; e++)
		if (strlen(trace_name(e)) == len && !memcmp(trace_name(e), name, len))
			return 1u << e;
	return 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == ','; }

static struct mutex settings = MUTEX_INIT(settings, RANK_INODE); /* one change at a time */

static int store_events(struct pseudo_node *n, char *text, size_t len)
{
	u32 mask = 0;
	for (char *at = text; *at;) {
		size_t word = 0;
		while (at[word] && !is_blank(at[word]))
			word++;
		u32 bit = word ? event_named(at, word) : 0;
		if (word && !bit)
			return -EINVAL;
		mask |= bit;
		at += word ? word : 1;
	}
	mutex_lock(&settings);
	int err = trace_enable(mask, host_tid());
	mutex_unlock(&settings);
	return err;
}

static int show_format(struct seq *s, struct pseudo_node *n)
{
	for (unsigned e = 0; e < TRACE_NR; e++)
		seq_printf(s, "%u %s %s\n", e, trace_name(e), trace_format(e));
	return 0;
}

static int show_size(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%u\n", trace_size());
	return 0;
}

static int store_size(struct pseudo_node *n, char *text, size_t len)
{
	s64 records;
	if (pseudo_parse_value(text, &records) || records < 0 || records > UINT32_MAX)
		return -EINVAL;
	mutex_lock(&settings);
	int err = trace_set_size((u32)records);
	mutex_unlock(&settings);
	return err;
}

/* ---- the records ---- */

/* Up to n of one CPU's, a loss before them. */
static unsigned take(unsigned cpu, struct trace_record *out, unsigned n)
{
	u64 lost;
	unsigned nr = trace_read(cpu, out + 1, n - 1, &lost);
	if (!lost) {
		memmove(out, out + 1, nr * sizeof(*out));
		return nr;
	}
	*out = (struct trace_record){ .ns = nr ? out[1].ns : hal_clock_ns(), .event = LOST_EVENT, .cpu = (u16)cpu, .args = { lost } };
	return nr + 1;
}

#define CHUNK 64u /* records that are copied at a time */

static long records_read(struct file *f, struct iov *iov, u64 *pos)
{
	long done = 0;
	struct trace_record *r = kmalloc(CHUNK * sizeof(*r), ALLOC_KERNEL);
	if (!r)
		return -ENOMEM;
	for (unsigned cpu = 0; cpu < hal_nr_cpus() && iov->left >= 2 * sizeof(*r);) {
		unsigned room = (unsigned)min(iov->left / sizeof(*r), (u64)CHUNK), nr = take(cpu, r, room);
		size_t moved = iov_copy_to(iov, r, nr * sizeof(*r));
		done += (long)moved;
		if (moved < nr * sizeof(*r)) {
			done = done ? done : -EFAULT;
			break;
		}
		if (nr + 1 < room)
			cpu++;
	}
	kfree(r);
	return done;
}

static const struct file_ops records_fops = { .read = records_read, .name = "trace" };

static int text_piece(struct seq *s, struct pseudo_node *n, u64 *cursor)
{
	struct trace_record r[16];
	if (*cursor >= hal_nr_cpus())
		return 0;
	unsigned nr = take((unsigned)*cursor, r, ARRAY_SIZE(r));
	for (unsigned i = 0; i < nr; i++) {
		if (r[i].event == LOST_EVENT)
			seq_printf(s, "# CPU %u lost %llu records\n", r[i].cpu, (unsigned long long)r[i].args[0]);
		else
			seq_printf(s, "%llu %u %u %s %#llx %#llx %#llx %#llx\n", (unsigned long long)r[i].ns, r[i].cpu, r[i].tid, trace_name(r[i].event),
			           (unsigned long long)r[i].args[0], (unsigned long long)r[i].args[1], (unsigned long long)r[i].args[2],
			           (unsigned long long)r[i].args[3]);
	}
	if (nr + 1 < ARRAY_SIZE(r))
		++*cursor;
	return 1;
}

const struct pseudo_entry proc_trace_entries[5] = {
	{ .name = "events", .mode = S_IFREG | 0600, .show = show_events, .store = store_events },
	FILE_ENTRY("format", show_format),
	{ .name = "size", .mode = S_IFREG | 0600, .show = show_size, .store = store_size },
	{ .name = "records", .mode = S_IFREG | 0400, .fops = &records_fops },
	{ .name = "text", .mode = S_IFREG | 0400, .piece = text_piece },
};

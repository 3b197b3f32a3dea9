/* SPDX-License-Identifier: MIT */
/* The counter table: names, help, sums; and the one derived figure everybody asks for. */
#include <mm/frame.h>
#include <mm/stat.h>

struct mm_stat_cpu mm_stat_cpus[HAL_MAX_CPUS];

static const struct {
	const char *name, *help;
} counters[STAT_NR] = {
#define X(id, name, help) [STAT_##id] = { name, help },
	MM_COUNTERS(X)
#undef X
};

READS_COUNTS u64 stat_read(enum mm_counter c)
{
	s64 sum = 0;
	for (unsigned i = 0; i < hal_nr_cpus(); i++)
		sum += READ_ONCE(mm_stat_cpus[i].count[c]);
	return sum > 0 ? (u64)sum : 0;
}

const char *stat_name(enum mm_counter c) { return counters[c].name; }
const char *stat_help(enum mm_counter c) { return counters[c].help; }

u64 stat_available(void)
{
	s64 reserve = 0, low = 0;
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat n;
		frame_node_stat(i, &n);
		reserve += (s64)n.wmark_high;
		low += (s64)n.wmark_low;
	}
	s64 available = (s64)frame_nr_free() - reserve;
	s64 cache = (s64)stat_read(STAT_NR_FILE_PAGES) - (s64)stat_read(STAT_NR_SHMEM);
	s64 slab = (s64)stat_read(STAT_NR_SLAB_RECLAIMABLE);
	available += cache - min(cache / 2, low);
	available += slab - min(slab / 2, low);
	return available > 0 ? (u64)available : 0;
}

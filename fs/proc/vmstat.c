/* SPDX-License-Identifier: MIT */
/*
 * /proc/vmstat and /proc/zoneinfo: Linux's figures in Linux's order, ours that it has not behind them. What there is no
 * mechanism for (huge pages, compressed swap, merging, moving between nodes by itself) has never happened: 0. Counters are
 * exact and of all nodes together; zoneinfo shows them with the first. Source: Linux 6.1, mm/vmstat.c.
 */
#include "proc.h"
#include <hal/cpu.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/stat.h>
#include <mm/writeback.h>

#define NEVER STAT_NR

struct line {
	const char *name;   /* NULL: the counter's */
	u8 counter;         /* enum mm_counter, or NEVER */
	u64 (*value)(void); /* instead, where it is not one counter */
};

#define COUNTER(id)  { NULL, STAT_##id, NULL }
#define AS(name, id) { name, STAT_##id, NULL }
#define ZERO(name)   { name, NEVER, NULL }
#define MADE(name, fn) { name, NEVER, fn }

static u64 nr_write_pending(void) { return stat_read(STAT_NR_FILE_DIRTY) + stat_read(STAT_NR_WRITEBACK); }

static const struct line of_zone[] = {
	MADE("nr_free_pages", frame_nr_free),
	AS("nr_zone_inactive_anon", NR_INACTIVE_ANON),
	AS("nr_zone_active_anon", NR_ACTIVE_ANON),
	AS("nr_zone_inactive_file", NR_INACTIVE_FILE),
	AS("nr_zone_active_file", NR_ACTIVE_FILE),
	AS("nr_zone_unevictable", NR_UNEVICTABLE),
	MADE("nr_zone_write_pending", nr_write_pending),
	COUNTER(NR_MLOCK),
	ZERO("nr_bounce"),
	ZERO("nr_zspages"),
	ZERO("nr_free_cma"),
	AS("numa_hit", PGALLOC),
	ZERO("numa_miss"),
	ZERO("numa_foreign"),
	ZERO("numa_interleave"),
	AS("numa_local", PGALLOC),
	ZERO("numa_other"),
};

static const struct line of_node[] = {
	COUNTER(NR_INACTIVE_ANON),
	COUNTER(NR_ACTIVE_ANON),
	COUNTER(NR_INACTIVE_FILE),
	COUNTER(NR_ACTIVE_FILE),
	COUNTER(NR_UNEVICTABLE),
	COUNTER(NR_SLAB_RECLAIMABLE),
	COUNTER(NR_SLAB_UNRECLAIMABLE),
	COUNTER(NR_ISOLATED_ANON),
	COUNTER(NR_ISOLATED_FILE),
	ZERO("workingset_nodes"), /* what is known of evicted pages lies beside the index of a file, not in it */
	COUNTER(WORKINGSET_REFAULT_ANON),
	COUNTER(WORKINGSET_REFAULT_FILE),
	COUNTER(WORKINGSET_ACTIVATE_ANON),
	COUNTER(WORKINGSET_ACTIVATE_FILE),
	COUNTER(WORKINGSET_RESTORE_ANON),
	COUNTER(WORKINGSET_RESTORE_FILE),
	COUNTER(WORKINGSET_NODERECLAIM),
	COUNTER(NR_ANON_PAGES),
	COUNTER(NR_MAPPED),
	COUNTER(NR_FILE_PAGES),
	COUNTER(NR_FILE_DIRTY),
	COUNTER(NR_WRITEBACK),
	ZERO("nr_writeback_temp"),
	COUNTER(NR_SHMEM),
	ZERO("nr_shmem_hugepages"),
	ZERO("nr_shmem_pmdmapped"),
	ZERO("nr_file_hugepages"),
	ZERO("nr_file_pmdmapped"),
	ZERO("nr_anon_transparent_hugepages"),
	AS("nr_vmscan_write", PSWPOUT), /* nothing else is written by reclaim: files are by their own workers */
	ZERO("nr_vmscan_immediate_reclaim"), /* pages that meet reclaim while they are written are passed by */
	COUNTER(NR_DIRTIED),
	COUNTER(NR_WRITTEN),
	ZERO("nr_throttled_written"),
	ZERO("nr_kernel_misc_reclaimable"),
	ZERO("nr_foll_pin_acquired"),
	ZERO("nr_foll_pin_released"),
	COUNTER(NR_KERNEL_STACK_KB),
	COUNTER(NR_PAGE_TABLE),
	ZERO("nr_sec_page_table_pages"),
	COUNTER(NR_SWAPCACHE),
	ZERO("pgpromote_success"),
	ZERO("pgpromote_candidate"),
};

static u64 dirty_threshold(void)
{
	u64 background, hard;
	writeback_thresholds(&background, &hard);
	return hard;
}

static u64 dirty_background_threshold(void)
{
	u64 background, hard;
	writeback_thresholds(&background, &hard);
	return background;
}

/* One zone for each node, which is called Normal. */
static const struct line events[] = {
	MADE("nr_dirty_threshold", dirty_threshold),
	MADE("nr_dirty_background_threshold", dirty_background_threshold),
	COUNTER(PGPGIN),
	COUNTER(PGPGOUT),
	COUNTER(PSWPIN),
	COUNTER(PSWPOUT),
	ZERO("pgalloc_dma"), ZERO("pgalloc_dma32"), COUNTER(PGALLOC), ZERO("pgalloc_movable"), ZERO("pgalloc_device"),
	ZERO("allocstall_dma"), ZERO("allocstall_dma32"), COUNTER(ALLOCSTALL), ZERO("allocstall_movable"), ZERO("allocstall_device"),
	ZERO("pgskip_dma"), ZERO("pgskip_dma32"), ZERO("pgskip_normal"), ZERO("pgskip_movable"), ZERO("pgskip_device"),
	COUNTER(PGFREE),
	COUNTER(PGACTIVATE),
	COUNTER(PGDEACTIVATE),
	ZERO("pglazyfree"), /* MADV_FREE frees at once */
	COUNTER(PGFAULT),
	COUNTER(PGMAJFAULT),
	ZERO("pglazyfreed"),
	COUNTER(PGREFILL),
	COUNTER(PGREUSE),
	COUNTER(PGSTEAL_KSWAPD),
	COUNTER(PGSTEAL_DIRECT),
	ZERO("pgdemote_kswapd"), ZERO("pgdemote_direct"),
	COUNTER(PGSCAN_KSWAPD),
	COUNTER(PGSCAN_DIRECT),
	ZERO("pgscan_direct_throttle"),
	COUNTER(PGSCAN_ANON),
	COUNTER(PGSCAN_FILE),
	COUNTER(PGSTEAL_ANON),
	COUNTER(PGSTEAL_FILE),
	ZERO("zone_reclaim_failed"),
	ZERO("pginodesteal"), /* inodes go when they have no pages left */
	COUNTER(SLABS_SCANNED),
	ZERO("kswapd_inodesteal"),
	ZERO("kswapd_low_wmark_hit_quickly"), ZERO("kswapd_high_wmark_hit_quickly"), /* its worker naps; ours waits until it is called */
	COUNTER(PAGEOUTRUN),
	ZERO("pgrotated"),
	COUNTER(DROP_PAGECACHE),
	COUNTER(DROP_SLAB),
	COUNTER(OOM_KILL),
	ZERO("numa_pte_updates"), ZERO("numa_huge_pte_updates"), ZERO("numa_hint_faults"), ZERO("numa_hint_faults_local"), ZERO("numa_pages_migrated"),
	COUNTER(PGMIGRATE_SUCCESS),
	COUNTER(PGMIGRATE_FAIL),
	ZERO("thp_migration_success"), ZERO("thp_migration_fail"), ZERO("thp_migration_split"),
	COUNTER(COMPACT_MIGRATE_SCANNED),
	COUNTER(COMPACT_FREE_SCANNED),
	COUNTER(COMPACT_ISOLATED),
	COUNTER(COMPACT_STALL),
	COUNTER(COMPACT_FAIL),
	COUNTER(COMPACT_SUCCESS),
	COUNTER(COMPACT_DAEMON_WAKE),
	COUNTER(COMPACT_DAEMON_MIGRATE_SCANNED),
	COUNTER(COMPACT_DAEMON_FREE_SCANNED),
	ZERO("htlb_buddy_alloc_success"), ZERO("htlb_buddy_alloc_fail"),
	COUNTER(UNEVICTABLE_CULLED),
	ZERO("unevictable_pgs_scanned"),
	COUNTER(UNEVICTABLE_RESCUED),
	COUNTER(UNEVICTABLE_MLOCKED),
	COUNTER(UNEVICTABLE_MUNLOCKED),
	COUNTER(UNEVICTABLE_CLEARED),
	ZERO("unevictable_pgs_stranded"),
	ZERO("thp_fault_alloc"), ZERO("thp_fault_fallback"), ZERO("thp_fault_fallback_charge"), ZERO("thp_collapse_alloc"), ZERO("thp_collapse_alloc_failed"),
	ZERO("thp_file_alloc"), ZERO("thp_file_fallback"), ZERO("thp_file_fallback_charge"), ZERO("thp_file_mapped"), ZERO("thp_split_page"),
	ZERO("thp_split_page_failed"), ZERO("thp_deferred_split_page"), ZERO("thp_split_pmd"), ZERO("thp_scan_exceed_none_pte"),
	ZERO("thp_scan_exceed_swap_pte"), ZERO("thp_scan_exceed_share_pte"), ZERO("thp_split_pud"), ZERO("thp_zero_page_alloc"),
	ZERO("thp_zero_page_alloc_failed"), ZERO("thp_swpout"), ZERO("thp_swpout_fallback"),
	ZERO("balloon_inflate"), ZERO("balloon_deflate"), ZERO("balloon_migrate"),
	COUNTER(SWAP_RA),
	COUNTER(SWAP_RA_HIT),
	ZERO("ksm_swpin_copy"), ZERO("cow_ksm"), ZERO("zswpin"), ZERO("zswpout"),
	ZERO("direct_map_level2_splits"), ZERO("direct_map_level3_splits"),
	ZERO("nr_unstable"),
};

static const char *name_of(const struct line *l) { return l->name ? l->name : stat_name(l->counter); }

static u64 value_of(const struct line *l) { return l->value ? l->value() : l->counter == NEVER ? 0 : stat_read(l->counter); }

static const struct {
	const struct line *lines;
	unsigned nr;
} parts[] = { { of_zone, ARRAY_SIZE(of_zone) }, { of_node, ARRAY_SIZE(of_node) }, { events, ARRAY_SIZE(events) } };

/* Has Linux a line for it? */
static bool is_linux(unsigned counter)
{
	for (unsigned k = 0; k < ARRAY_SIZE(parts); k++)
		for (unsigned i = 0; i < parts[k].nr; i++)
			if (!parts[k].lines[i].name && parts[k].lines[i].counter == counter)
				return true;
	return false;
}

int show_vmstat(struct seq *s, struct pseudo_node *n)
{
	for (unsigned k = 0; k < ARRAY_SIZE(parts); k++)
		for (unsigned i = 0; i < parts[k].nr; i++)
			seq_printf(s, "%s %llu\n", name_of(&parts[k].lines[i]), (unsigned long long)value_of(&parts[k].lines[i]));
	for (unsigned c = 0; c < STAT_NR; c++)
		if (!is_linux(c))
			seq_printf(s, "%s %llu\n", stat_name(c), (unsigned long long)stat_read(c));
	return 0;
}

static void show_column(struct seq *s, const struct line *lines, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		seq_printf(s, "\n      %-12s %llu", name_of(&lines[i]), (unsigned long long)value_of(&lines[i]));
}

static void show_pagesets(struct seq *s)
{
	seq_puts(s, "\n  pagesets");
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++) {
		struct frame_pcp_stat p;
		frame_pcp_stat(cpu, &p);
		seq_printf(s, "\n    cpu: %u\n              count: %u\n              high:  %u\n              batch: %u\n  vm stats threshold: 0", cpu, p.count,
		           p.high, p.batch);
	}
}

int show_zoneinfo(struct seq *s, struct pseudo_node *n)
{
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat st;
		frame_node_stat(i, &st);
		seq_printf(s, "Node %u, zone %8s", i, "Normal");
		if (i == 0) {
			seq_puts(s, "\n  per-node stats");
			show_column(s, of_node, ARRAY_SIZE(of_node));
		}
		seq_printf(s, "\n  pages free     %llu\n        boost    0\n        min      %llu\n        low      %llu\n        high     %llu",
		           (unsigned long long)st.free, (unsigned long long)st.wmark_min, (unsigned long long)st.wmark_low, (unsigned long long)st.wmark_high);
		seq_printf(s, "\n        spanned  %llu\n        present  %llu\n        managed  %llu\n        cma      0\n        protection: (0)",
		           (unsigned long long)st.spanned, (unsigned long long)st.present, (unsigned long long)st.managed);
		seq_printf(s, "\n      nr_free_pages %llu", (unsigned long long)(st.free + st.free_pcp));
		if (i == 0) {
			show_column(s, of_zone + 1, ARRAY_SIZE(of_zone) - 1);
			show_pagesets(s);
		}
		seq_printf(s, "\n  node_unreclaimable:  0\n  start_pfn:           %llu\n", (unsigned long long)st.start_pfn);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* The parts of the OOM killer as they see each other: oom.c chooses, oom_reaper.c takes, oom_report.c tells. */
#ifndef MM_RECLAIM_OOM_H
#define MM_RECLAIM_OOM_H

#include <mm/host.h>
#include <mm/oom.h>
#include <mm/space.h>

/* A process as it was when it was looked at: its space may be gone. */
struct oom_figures {
	struct host_process p; /* p.space: which one it was, not to be followed */
	u64 total_pages;
	s64 rss[RSS_NR];
	s64 nr_tables;
};
void oom_look(const struct host_process *p, struct oom_figures *out);
static inline s64 oom_rss(const struct oom_figures *f) { return f->rss[RSS_ANON] + f->rss[RSS_FILE] + f->rss[RSS_SHMEM]; }

/* ---- oom_report.c: in Linux's words; one caller at a time ---- */

struct mem_group;
/* Who found no memory, what memory looks like, all processes of the group, and the victim (NULL: none could be found). */
void oom_report(struct mem_group *within, unsigned order, unsigned alloc, const struct oom_figures *victim);
void oom_report_kill(const char *why, const struct oom_figures *victim);

/* ---- oom_reaper.c ---- */

/* p, under the host's lock, is a victim from now on, if its space is not one already. True: it was made one. */
bool oom_mark(const struct host_process *p);
/* Hands a marked space to the reaper, which looks at it once it has had a moment to end by itself; may_reap: it
 * has been, or will be, killed as a whole. Wakes nobody. */
void oom_reap_later(struct space *s, bool may_reap);
void oom_wake_reaper(void);

/* Victims whose memory has yet to come. */
bool oom_is_under_way(void);

void oom_reaper_init(void);

#endif

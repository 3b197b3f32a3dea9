/* SPDX-License-Identifier: MIT */
/* How willingly a process is ended when memory runs out: oom_score, oom_score_adj and the older oom_adj. */
#include "proc.h"
#include <mm/host.h>
#include <mm/oom.h>

struct score {
	u32 pid;
	u64 points;
};

static void score_process(const struct host_process *p, void *arg)
{
	struct score *s = arg;
	u64 total = oom_total_pages();
	if (p->pid == s->pid && !p->is_exempt && !p->is_borrower)
		s->points = oom_score(oom_badness(p->space, p->oom_score_adj, total), total);
}

int process_oom_score(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	struct score score = { .pid = n->process->pid };
	host_visit_process(score.pid - 1, score_process, &score);
	task_put(t);
	seq_printf(s, "%llu\n", (unsigned long long)score.points);
	return 0;
}

int show_oom_score_adj(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%d\n", n->process->oom_score_adj);
	return 0;
}

int store_oom_score_adj(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	int err = pseudo_parse_int(text, &v);
	if (err)
		return err;
	if (v < OOM_SCORE_ADJ_MIN || v > OOM_SCORE_ADJ_MAX)
		return -EINVAL;
	return process_set_oom_score_adj(n->process, (s16)v, false);
}

/* The old scale: -17 is never, 15 the most. */
#define OLD_NEVER (-17)
#define OLD_MIN   (-16)
#define OLD_MAX   15

int show_oom_adj(struct seq *s, struct pseudo_node *n)
{
	s32 v = n->process->oom_score_adj;
	seq_printf(s, "%d\n", v == OOM_SCORE_ADJ_MAX ? OLD_MAX : min(v * -OLD_NEVER / OOM_SCORE_ADJ_MAX, OLD_MAX));
	return 0;
}

int store_oom_adj(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	int err = pseudo_parse_int(text, &v);
	if (err)
		return err;
	if ((v < OLD_MIN || v > OLD_MAX) && v != OLD_NEVER)
		return -EINVAL;
	return process_set_oom_score_adj(n->process, (s16)(v == OLD_MAX ? OOM_SCORE_ADJ_MAX : v * OOM_SCORE_ADJ_MAX / -OLD_NEVER), true);
}

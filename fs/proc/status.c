/* SPDX-License-Identifier: MIT */
/* /proc/PID/status: a process for people. Field names and layout are Linux 6.1's. */
#include "proc.h"
#include <asm/resource.h>
#include <kernel/cred.h>
#include <kernel/ptrace.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <mm/space.h>

static void show_ids(struct seq *s, struct task *t)
{
	const struct cred *c = task_get_cred(t);
	seq_printf(s, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid);
	seq_printf(s, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->fsgid);
	struct files *f = task_get_files(t);
	seq_printf(s, "FDSize:\t%u\n", f ? files_capacity(f) : 0);
	if (f)
		files_put(f);
	seq_puts(s, "Groups:\t");
	for (u32 i = 0; i < cred_nr_groups(c); i++)
		seq_printf(s, i ? " %u" : "%u", cred_group(c, i));
	seq_puts(s, " \n");
	cred_put(c);
}

static unsigned long kb(u64 pages) { return pages << (PAGE_SHIFT - 10); }

static void show_memory(struct seq *s, struct space *m)
{
	u64 anon = (u64)READ_ONCE(m->rss[RSS_ANON]), file = (u64)READ_ONCE(m->rss[RSS_FILE]), shmem = (u64)READ_ONCE(m->rss[RSS_SHMEM]);
	u64 rss = anon + file + shmem, text = (PAGE_ALIGN_UP(m->code_end) - PAGE_ALIGN_DOWN(m->code_start)) >> PAGE_SHIFT;
	text = min(text, m->exec_pages);
	seq_printf(s, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t%8lu kB\n", kb(max(m->hiwater_vm, m->total_pages)), kb(m->total_pages),
	           kb(m->locked_pages), 0ul);
	seq_printf(s, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\nRssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nRssShmem:\t%8lu kB\n", kb(max(m->hiwater_rss, rss)),
	           kb(rss), kb(anon), kb(file), kb(shmem));
	seq_printf(s, "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\nVmLib:\t%8lu kB\n", kb(m->data_pages), kb(m->stack_pages), kb(text),
	           kb(m->exec_pages - text));
	seq_printf(s, "VmPTE:\t%8lu kB\nVmSwap:\t%8lu kB\nHugetlbPages:\t%8lu kB\n", kb((u64)max(READ_ONCE(m->nr_tables), (s64)0)),
	           kb((u64)READ_ONCE(m->rss[RSS_SWAP])), 0ul);
	seq_puts(s, "CoreDumping:\t0\nTHP_enabled:\t0\n");
}

static void show_set(struct seq *s, const char *name, u64 set) { seq_printf(s, "%s:\t%016llx\n", name, (unsigned long long)set); }

static void show_signals(struct seq *s, struct task *t)
{
	struct process *p = t->process;
	u64 ignored = 0, caught = 0;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct sighand *h = p->sighand;
	for (unsigned i = 0; h && i < 64; i++) {
		if (h->actions[i].handler == 1)
			ignored |= 1ull << i;
		else if (h->actions[i].handler)
			caught |= 1ull << i;
	}
	u64 own = t->pending.set, shared = p->pending.set, blocked = t->blocked;
	spin_unlock_irq(&p->signal_lock, flags);
	seq_printf(s, "Threads:\t%u\nSigQ:\t%u/%llu\n", p->nr_threads, signal_queued_count(p),
	           (unsigned long long)p->rlimits[RLIMIT_SIGPENDING].cur);
	show_set(s, "SigPnd", own);
	show_set(s, "ShdPnd", shared);
	show_set(s, "SigBlk", blocked);
	show_set(s, "SigIgn", ignored);
	show_set(s, "SigCgt", caught);
}

static void show_capabilities(struct seq *s, struct task *t)
{
	const struct cred *c = task_get_cred(t);
	show_set(s, "CapInh", c->cap_inheritable);
	show_set(s, "CapPrm", c->cap_permitted);
	show_set(s, "CapEff", c->cap_effective);
	show_set(s, "CapBnd", c->cap_bounding);
	show_set(s, "CapAmb", c->cap_ambient);
	cred_put(c);
}

#define MAX_NODES 1024u /* that masks of nodes have bits for, as in Debian's kernel */

static void show_places(struct seq *s, struct task *t)
{
	u64 allowed = t->allowed & sched_online_cpus();
	seq_printf(s, "Cpus_allowed:\t%llx\nCpus_allowed_list:\t", (unsigned long long)allowed);
	seq_ranges(s, allowed);
	seq_puts(s, "\nMems_allowed:\t");
	for (unsigned word = 1; word < MAX_NODES / 32; word++)
		seq_puts(s, "00000000,");
	seq_printf(s, "00000001\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
	           (unsigned long long)t->nr_switches_voluntary, (unsigned long long)t->nr_switches_involuntary);
}

/* The task's umask is in its path context; kernel threads show none. */
int process_status(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	struct process *p = n->process;
	struct space *m = task_get_space(t);
	spin_lock(&tasklist_lock);
	u32 ppid = p->parent ? p->parent->pid : 0, pgid = p->pgid, sid = p->sid;
	u32 tracer = task_is_traced(t) ? t->trace->tracer->tid : 0;
	struct fs_context *fs = t->fs;
	u32 umask = fs ? fs_context_umask(fs) : 0;
	spin_unlock(&tasklist_lock);
	u32 id = n->tid ? n->tid : p->pid;
	seq_puts(s, "Name:\t");
	seq_comm(s, t, true);
	seq_putc(s, '\n');
	if (fs)
		seq_printf(s, "Umask:\t%04o\n", umask);
	seq_printf(s, "State:\t%s\nTgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t%u\n", task_state_name(t), p->pid, id, ppid, tracer);
	show_ids(s, t);
	seq_printf(s, "NStgid:\t%u\nNSpid:\t%u\nNSpgid:\t%u\nNSsid:\t%u\n", p->pid, id, pgid, sid);
	if (m) {
		show_memory(s, m);
		space_put(m);
	}
	show_signals(s, t);
	show_capabilities(s, t);
	seq_printf(s, "NoNewPrivs:\t%u\n", t->no_new_privs);
	seq_puts(s, "Seccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\n");
	show_places(s, t);
	task_put(t);
	return 0;
}

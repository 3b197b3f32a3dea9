/* SPDX-License-Identifier: MIT */
/* How willingly a process is ended when memory runs out, and what is promised before: oom_score, oom_score_adj, oom_adj,
 * the sysctls of overcommit. */
#include "check.h"
#include <sys/prctl.h>

#define SHOW(name, file) out("%s: %s\n", name, read_text(file))

static void adjust(const char *v)
{
	char name[64];
	snprintf(name, sizeof name, "oom_score_adj of %s", v);
	R(name, write_text("/proc/self/oom_score_adj", v));
	out("  then: oom_score_adj %s, oom_adj %s\n", read_text("/proc/self/oom_score_adj"), read_text("/proc/self/oom_adj"));
}

static void old_adjust(const char *v)
{
	char name[64];
	snprintf(name, sizeof name, "oom_adj of %s", v);
	R(name, write_text("/proc/self/oom_adj", v));
	out("  then: oom_score_adj %s, oom_adj %s\n", read_text("/proc/self/oom_score_adj"), read_text("/proc/self/oom_adj"));
}

/* Of a small process; what it holds and the rounding to thousandths of memory show in the last digits. */
static void score(const char *adj)
{
	char name[64];
	write_text("/proc/self/oom_score_adj", adj);
	long s = atol(read_text("/proc/self/oom_score")), expected = strcmp(adj, "-1000") ? (1000 + atol(adj)) * 2 / 3 : 0;
	snprintf(name, sizeof name, "oom_score with %s is about %ld", adj, expected);
	YES(name, labs(s - expected) < 25);
}

static void values(void)
{
	static const char *const good[] = { "0", "1", "500", "999", "1000", "-1", "-500", "-999", "-1000", "17", " 12 ", "0" };
	static const char *const bad[] = { "1001", "-1001", "x", "", "5 x", "99999999999999999999" };
	static const char *const old[] = { "15", "14", "0", "7", "-16", "-17", "1", "-1", "0" };
	static const char *const old_bad[] = { "16", "-18", "x" };
	for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
		adjust(good[i]);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		adjust(bad[i]);
	for (unsigned i = 0; i < sizeof old / sizeof *old; i++)
		old_adjust(old[i]);
	for (unsigned i = 0; i < sizeof old_bad / sizeof *old_bad; i++)
		old_adjust(old_bad[i]);
}

static void scores(void)
{
	score("0");
	score("500");
	score("1000");
	score("-500");
	score("-900");
	score("-1000");
	write_text("/proc/self/oom_score_adj", "0");
	SHOW("oom_score of a kernel thread", "/proc/2/oom_score");
	long before = atol(read_text("/proc/self/oom_score"));
	size_t len = M(32);
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	VAL("oom_score grows with address space by", atol(read_text("/proc/self/oom_score")) - before);
	memset(p, 1, len);
	long grown = atol(read_text("/proc/self/oom_score")) - before;
	YES("oom_score grows with memory", grown > 30);
	munmap(p, len);
	YES("oom_score after munmap is what it was", labs(atol(read_text("/proc/self/oom_score")) - before) < 5);
}

/* A child runs fn and ends. */
static void in_child(void (*fn)(void))
{
	pid_t pid = fork();
	if (!pid) {
		fn();
		_exit(0);
	}
	int st;
	waitpid(pid, &st, 0);
	if (st)
		out("the child ended with %#x\n", st);
}

static void show_own(void) { SHOW("oom_score_adj after fork", "/proc/self/oom_score_adj"); }

static void unprivileged(void)
{
	if (setuid(1000))
		out("setuid failed\n");
	prctl(PR_SET_DUMPABLE, 1); /* its own files in /proc stay its own */
	adjust("300");
	adjust("200");
	adjust("100");
	adjust("99");
	adjust("-1");
	adjust("1000");
	old_adjust("5");
	old_adjust("15");
	old_adjust("15");
	adjust("100");
	in_child(show_own);
}

/* What a task without the right set itself was no limit; what one with it set is. */
static void limits(void)
{
	write_text("/proc/self/oom_score_adj", "100");
	in_child(unprivileged);
	write_text("/proc/self/oom_score_adj", "0");
}

static void others(void)
{
	char file[64];
	pid_t pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	snprintf(file, sizeof file, "/proc/%d/oom_score_adj", pid);
	R("oom_score_adj of another", write_text(file, "250"));
	SHOW("  then", file);
	SHOW("  and one's own", "/proc/self/oom_score_adj");
	kill(pid, SIGKILL);
	R("waitpid, not yet reaped", waitid(P_PID, pid, NULL, WEXITED | WNOWAIT));
	snprintf(file, sizeof file, "/proc/%d/oom_score", pid);
	SHOW("oom_score of a zombie", file);
	waitpid(pid, NULL, 0);
	SHOW("oom_score of nobody", file);
}

static int sharer(void *arg)
{
	pause();
	return 0;
}

/* Who shares the memory shares the adjustment. */
static void sharers(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	char file[64];
	pid_t pid = clone(sharer, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
	snprintf(file, sizeof file, "/proc/%d/oom_score_adj", pid);
	R("oom_score_adj with a sharer of the space", write_text("/proc/self/oom_score_adj", "77"));
	SHOW("  the sharer's", file);
	R("oom_score_adj by way of the sharer", write_text(file, "0"));
	SHOW("  one's own", "/proc/self/oom_score_adj");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define VM "/proc/sys/vm/"

static void sysctl(const char *name, const char *const *texts)
{
	char file[64], label[96];
	snprintf(file, sizeof file, VM "%s", name);
	char old[128];
	snprintf(old, sizeof old, "%s", read_text(file));
	for (; *texts; texts++) {
		snprintf(label, sizeof label, "%s of %s", name, *texts);
		R(label, write_text(file, *texts));
		SHOW("  then", file);
	}
	write_text(file, old);
}

static void sysctls(void)
{
	SHOW("panic_on_oom", VM "panic_on_oom");
	SHOW("oom_kill_allocating_task", VM "oom_kill_allocating_task");
	SHOW("oom_dump_tasks", VM "oom_dump_tasks");
	SHOW("overcommit_memory", VM "overcommit_memory");
	SHOW("overcommit_ratio", VM "overcommit_ratio");
	SHOW("overcommit_kbytes", VM "overcommit_kbytes");
	SHOW("watermark_scale_factor", VM "watermark_scale_factor");
	YES("admin_reserve_kbytes", atol(read_text(VM "admin_reserve_kbytes")) > 1000);
	YES("user_reserve_kbytes", atol(read_text(VM "user_reserve_kbytes")) > 1000);
	sysctl("panic_on_oom", (const char *[]){ "1", "2", "3", "-1", NULL });
	sysctl("oom_kill_allocating_task", (const char *[]){ "1", "5", "0", "x", NULL });
	sysctl("oom_dump_tasks", (const char *[]){ "0", "1", "y", NULL });
	sysctl("overcommit_memory", (const char *[]){ "1", "2", "3", "-1", "0", NULL });
	sysctl("watermark_scale_factor", (const char *[]){ "100", "0", "3000", "3001", NULL });
	sysctl("admin_reserve_kbytes", (const char *[]){ "0", "4096", "-1", NULL });
	sysctl("user_reserve_kbytes", (const char *[]){ "0", "131072", "x", NULL });
	R("overcommit_kbytes of 8192", write_text(VM "overcommit_kbytes", "8192"));
	SHOW("  then overcommit_ratio", VM "overcommit_ratio");
	VAL("  and CommitLimit", proc_field("/proc/meminfo", "CommitLimit"));
	R("overcommit_ratio of 50", write_text(VM "overcommit_ratio", "50"));
	SHOW("  then overcommit_kbytes", VM "overcommit_kbytes");
	long limit = proc_field("/proc/meminfo", "CommitLimit"), total = proc_field("/proc/meminfo", "MemTotal");
	YES("  and CommitLimit is half of MemTotal", limit == total / 2 / 4 * 4);
}

static int try_map(long kb, int flags)
{
	char *p = mmap(NULL, (size_t)kb << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	if (p == MAP_FAILED)
		return -1;
	munmap(p, (size_t)kb << 10);
	return 0;
}

static void overcommit(void)
{
	long total = proc_field("/proc/meminfo", "MemTotal");
	R("mode 0: all of memory", try_map(total, 0));
	R("mode 0: a page more", try_map(total + 4, 0));
	R("mode 0: far more, MAP_NORESERVE", try_map(total * 4, MAP_NORESERVE));
	write_text(VM "overcommit_memory", "1");
	R("mode 1: far more", try_map(total * 4, 0));
	write_text(VM "overcommit_memory", "2");
	write_text(VM "overcommit_kbytes", "131072");
	write_text(VM "user_reserve_kbytes", "0");
	long room = 131072 - proc_field("/proc/meminfo", "Committed_AS");
	R("mode 2: what is left", try_map(room - 1024, 0));
	R("mode 2: more than is left", try_map(room + 1024, 0));
	R("mode 2: more than is left, MAP_NORESERVE", try_map(room + 1024, MAP_NORESERVE));
	char *p = mmap(NULL, (size_t)(room + 1024) << 10, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK("mode 2: more than is left, read-only", p == MAP_FAILED ? -1 : 0);
	R("mode 2: mprotect to writable", mprotect(p, (size_t)(room + 1024) << 10, PROT_READ | PROT_WRITE));
	munmap(p, (size_t)(room + 1024) << 10);
	p = mmap(NULL, (size_t)(room + 1024) << 10, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	R("mode 2: shared", p == MAP_FAILED ? -1 : 0);
	if (fork() == 0) {
		if (setuid(1000))
			_exit(1);
		write_text("/proc/self/oom_score_adj", "0");
		R("mode 2: without the administrator's reserve", try_map(room - 1024, 0));
		R("mode 2: the rest", try_map(room - 1024 - atol(read_text(VM "admin_reserve_kbytes")), 0));
		_exit(0);
	}
	wait(NULL);
	write_text(VM "overcommit_ratio", "50");
	write_text(VM "overcommit_memory", "0");
}

int main(void)
{
	values();
	scores();
	limits();
	in_child(show_own);
	others();
	sharers();
	sysctls();
	overcommit();
	return 0;
}

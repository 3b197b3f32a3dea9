/* SPDX-License-Identifier: MIT */
/* Scheduling attributes, process groups across exec and exit, scripts, NUMA calls on one node. */
#include "check.h"

struct sched_attr { /* not in libc's headers; the kernel's clash with them */
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
	uint32_t sched_util_min, sched_util_max;
};
#ifndef SCHED_RESET_ON_FORK
#define SCHED_RESET_ON_FORK 0x40000000
#endif

static void attributes(void)
{
	struct sched_attr a = { .size = sizeof a };
	struct sched_param sp = { .sched_priority = 10 };
	struct timespec ts;
	R("sched_getattr", SC(SYS_sched_getattr, 0, &a, sizeof a, 0));
	VAL("sched_getattr policy", a.sched_policy);
	VAL("sched_getattr nice", a.sched_nice);
	R("sched_getattr EINVAL size", SC(SYS_sched_getattr, 0, &a, 8, 0));
	R("sched_getattr EINVAL flags", SC(SYS_sched_getattr, 0, &a, sizeof a, 1));
	R("sched_getattr ESRCH", SC(SYS_sched_getattr, 999999, &a, sizeof a, 0));
	a = (struct sched_attr){ .size = sizeof a, .sched_policy = SCHED_BATCH, .sched_nice = 3 };
	R("sched_setattr BATCH", SC(SYS_sched_setattr, 0, &a, 0));
	VAL("sched_setattr nice", (long)SC(SYS_getpriority, PRIO_PROCESS, 0));
	a.sched_policy = 77;
	R("sched_setattr EINVAL policy", SC(SYS_sched_setattr, 0, &a, 0));
	a.size = 8;
	R("sched_setattr E2BIG size", SC(SYS_sched_setattr, 0, &a, 0));
	R("sched_setscheduler FIFO", sched_setscheduler(0, SCHED_FIFO, &sp));
	VAL("sched_getscheduler FIFO", sched_getscheduler(0));
	R("sched_rr_get_interval FIFO", sched_rr_get_interval(0, &ts));
	VAL("sched_rr_get_interval FIFO ns", ts.tv_nsec);
	R("sched_setscheduler RR", sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &sp));
	VAL("sched_getscheduler RR reset on fork", sched_getscheduler(0));
	R("sched_rr_get_interval RR", sched_rr_get_interval(0, &ts));
	VAL("sched_rr_get_interval RR ns", ts.tv_nsec);
	CHILD("sched_setscheduler reset on fork") {
		VAL("sched_getscheduler of the child", sched_getscheduler(0));
	}
	sp.sched_priority = 100;
	R("sched_setparam EINVAL priority", sched_setparam(0, &sp));
	sp.sched_priority = 0;
	R("sched_setscheduler EINVAL FIFO 0", sched_setscheduler(0, SCHED_FIFO, &sp));
	R("sched_setscheduler IDLE", sched_setscheduler(0, SCHED_IDLE, &sp));
	R("sched_setscheduler NORMAL", sched_setscheduler(0, SCHED_OTHER, &sp));
	CHILD("sched_setscheduler as user") {
		setresuid(1000, 1000, 1000);
		sp.sched_priority = 1;
		R("sched_setscheduler EPERM FIFO", sched_setscheduler(0, SCHED_FIFO, &sp));
		sp.sched_priority = 0;
		R("sched_setscheduler user BATCH", sched_setscheduler(0, SCHED_BATCH, &sp));
		R("sched_setscheduler EPERM of another", sched_setscheduler(1, SCHED_BATCH, &sp));
	}
}

static void nodes(void)
{
	int mode = -1, status[2] = { -7, -7 };
	unsigned long mask = 0, one = 1, two = 2;
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *pages[2] = { p, p + PAGE };
	*p = 1;
	R("get_mempolicy", SC(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0));
	VAL("get_mempolicy mode", mode);
	R("get_mempolicy EINVAL flags", SC(SYS_get_mempolicy, &mode, NULL, 0, NULL, 64));
	R("set_mempolicy BIND", SC(SYS_set_mempolicy, 2, &one, 64));
	R("get_mempolicy after", SC(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0));
	VAL("get_mempolicy mode after", mode);
	R("set_mempolicy EINVAL no such node", SC(SYS_set_mempolicy, 2, &two, 64));
	R("set_mempolicy EINVAL mode", SC(SYS_set_mempolicy, 99, &one, 64));
	R("set_mempolicy EINVAL BIND without nodes", SC(SYS_set_mempolicy, 2, NULL, 0));
	R("set_mempolicy DEFAULT", SC(SYS_set_mempolicy, 0, NULL, 0));
	R("mbind", SC(SYS_mbind, p, PAGE, 2, &one, 64, 0));
	R("mbind EINVAL address", SC(SYS_mbind, p + 1, PAGE, 2, &one, 64, 0));
	R("mbind EINVAL flags", SC(SYS_mbind, p, PAGE, 2, &one, 64, 1 << 20));
	R("move_pages asks", SC(SYS_move_pages, 0, 2, pages, NULL, status, 0));
	VAL("move_pages present", status[0]);
	VAL("move_pages absent", status[1]);
	R("move_pages EINVAL flags", SC(SYS_move_pages, 0, 2, pages, NULL, status, 1 << 20));
	munmap(p, 2 * PAGE);
}

/* A script that prints its arguments by way of another script; each interpreter gets one argument more. */
static void write_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	if (write(fd, text, strlen(text)) < 0)
		out("write failed\n");
	fchmod(fd, mode);
	close(fd);
}

static void scripts(void)
{
	char *argv[] = { "zero", "one", NULL }, *envp[] = { NULL };
	write_file("/tmp/s_none", "#!\n", 0755);
	write_file("/tmp/s_gone", "#!/no/such/file\n", 0755);
	write_file("/tmp/s_self", "#!/tmp/s_self\n", 0755);
	write_file("/tmp/s_dir", "#!/tmp\n", 0755);
	write_file("/tmp/s_noexec", "#!/tmp/s_none\n", 0644);
	write_file("/tmp/s_empty", "", 0755);
	write_file("/tmp/s_text", "hello\n", 0755);
	R("execve ENOEXEC no interpreter named", execve("/tmp/s_none", argv, envp));
	R("execve ENOENT interpreter", execve("/tmp/s_gone", argv, envp));
	R("execve ELOOP", execve("/tmp/s_self", argv, envp));
	R("execve EACCES interpreter is a directory", execve("/tmp/s_dir", argv, envp));
	R("execve EACCES not executable", execve("/tmp/s_noexec", argv, envp));
	R("execve ENOEXEC empty", execve("/tmp/s_empty", argv, envp));
	R("execve ENOEXEC text", execve("/tmp/s_text", argv, envp));
	R("execve EACCES directory", execve("/tmp", argv, envp));
}

static void groups(void)
{
	CHILD("setsid") {
		R("setsid", setsid() == getpid() ? 0 : -1);
		R("setsid EPERM leader", setsid());
		R("setpgid EPERM session leader", setpgid(0, 0));
		pid_t p = fork();
		if (!p) {
			pause();
			_exit(0);
		}
		R("setpgid of a child", setpgid(p, p));
		YES("getpgid of a child", getpgid(p) == p);
		YES("getsid of a child", getsid(p) == getpid());
		R("setpgid EPERM no such group", setpgid(p, 999999));
		R("setpgid ESRCH", setpgid(999999, 0));
		R("setpgid EINVAL", setpgid(p, -1));
		R("kill group", kill(-p, SIGKILL));
		R("wait for the group", waitpid(-p, NULL, 0) == p ? 0 : -1);
		R("kill ESRCH empty group", kill(-p, 0));
	}
}

int main(void)
{
	attributes();
	nodes();
	scripts();
	groups();
	return 0;
}

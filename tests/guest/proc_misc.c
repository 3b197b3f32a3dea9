/* SPDX-License-Identifier: MIT */
/* Sessions, groups, limits, affinity, scheduling, credentials, personality, prctl, times. */
#include "check.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>

static void sessions(void)
{
	R("setsid EPERM leader", setsid());
	R("getpgid ESRCH", getpgid(999999));
	R("getsid ESRCH", getsid(999999));
	YES("getpgid of self", getpgid(0) == getpgrp());
	YES("getsid of self", getsid(0) == getsid(getpid()));
	R("setpgid ESRCH", setpgid(999999, 0));
	R("setpgid EINVAL negative", setpgid(0, -1));
	R("setpgid EPERM session leader", setpgid(0, 0));
	CHILD("session child")
	{
		YES("fork keeps the group", getpgrp() == getppid());
		R("setpgid EPERM other session", setpgid(0, 1));
		R("setpgid own group", setpgid(0, 0));
		YES("setpgid is leader", getpgrp() == getpid());
		R("setsid EPERM group leader", setsid());
	}
	CHILD("session new")
	{
		YES("setsid", setsid() == getpid());
		YES("setsid group", getpgrp() == getpid());
		YES("setsid session", getsid(0) == getpid());
		R("setsid EPERM again", setsid());
		R("setsid no terminal", open("/dev/tty", O_RDWR));
	}
	int p[2];
	char c;
	pipe(p);
	pid_t pid = fork();
	if (pid == 0) {
		read(p[0], &c, 1);
		execl("/proc/self/exe", "proc_misc", "sleep", NULL);
		_exit(127);
	}
	R("setpgid of a child", setpgid(pid, pid));
	write(p[1], "x", 1);
	wait_in_call(pid, SYS_pause);
	R("setpgid EACCES after exec", setpgid(pid, 0));
	kill(pid, SIGKILL);
	wait_for("session sleeper", pid);
}

static void limits(void)
{
	struct rlimit r = { 10, 5 }, old;
	R("setrlimit EINVAL current above maximum", setrlimit(RLIMIT_NOFILE, &r));
	R("setrlimit EINVAL resource", SC(SYS_setrlimit, 99, &r));
	R("getrlimit EINVAL resource", SC(SYS_getrlimit, 99, &r));
	R("getrlimit EFAULT", SC(SYS_getrlimit, RLIMIT_NOFILE, 8));
	R("setrlimit EFAULT", SC(SYS_setrlimit, RLIMIT_NOFILE, 8));
	R("prlimit64 ESRCH", SC(SYS_prlimit64, 999999, RLIMIT_NOFILE, 0, &r));
	R("prlimit64 EINVAL", SC(SYS_prlimit64, 0, 99, 0, &r));
	getrlimit(RLIMIT_STACK, &old);
	out("getrlimit RLIMIT_STACK: %ld %s\n", (long)old.rlim_cur, old.rlim_max == RLIM_INFINITY ? "unlimited" : "limited");
	getrlimit(RLIMIT_NOFILE, &old);
	out("getrlimit RLIMIT_NOFILE: %ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
	static const int unlimited[] = { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_RSS, RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_RTTIME };
	for (size_t i = 0; i < sizeof unlimited / sizeof *unlimited; i++) {
		getrlimit(unlimited[i], &old);
		out("getrlimit %d: %s\n", unlimited[i], old.rlim_cur == RLIM_INFINITY ? "unlimited" : "limited");
	}
	getrlimit(RLIMIT_CORE, &old);
	out("getrlimit RLIMIT_CORE: %ld\n", (long)old.rlim_cur);
	CHILD("setrlimit as user")
	{
		r = (struct rlimit){ 20, 30 };
		R("setrlimit RLIMIT_NOFILE", setrlimit(RLIMIT_NOFILE, &r));
		setresuid(1000, 1000, 1000);
		r.rlim_max = 40;
		R("setrlimit EPERM raise the maximum", setrlimit(RLIMIT_NOFILE, &r));
		r = (struct rlimit){ 30, 30 };
		R("setrlimit raise to the maximum", setrlimit(RLIMIT_NOFILE, &r));
		R("prlimit64 EPERM of another", SC(SYS_prlimit64, 1, RLIMIT_NOFILE, 0, &r));
		int n = 0;
		while (open("/dev/null", O_RDONLY) >= 0)
			n++;
		out("open EMFILE: %s at 30: %s\n", errno_name(errno), n == 27 ? "yes" : "no");
		CHILD("setrlimit is inherited")
		{
			getrlimit(RLIMIT_NOFILE, &r);
			VAL("setrlimit inherited", r.rlim_cur);
		}
	}
	CHILD("setrlimit RLIMIT_FSIZE")
	{
		r = (struct rlimit){ 1000, 1000 };
		setrlimit(RLIMIT_FSIZE, &r);
		signal(SIGXFSZ, SIG_IGN);
		int fd = open("limited", O_RDWR | O_CREAT, 0600);
		char buf[2000] = { 0 };
		R("write cut at RLIMIT_FSIZE", write(fd, buf, 2000));
		R("write EFBIG RLIMIT_FSIZE", write(fd, buf, 10));
		R("ftruncate EFBIG RLIMIT_FSIZE", ftruncate(fd, 5000));
		signal(SIGXFSZ, SIG_DFL);
		write(fd, buf, 10);
	}
	CHILD("setrlimit RLIMIT_CPU")
	{
		r = (struct rlimit){ 1, 1000 }; /* the hard one would end it otherwise if the machine stood still for a second */
		setrlimit(RLIMIT_CPU, &r);
		for (volatile long i = 0;; i++)
			;
	}
}

static void affinity(void)
{
	cpu_set_t set, none;
	CPU_ZERO(&none);
	long r = SC(SYS_sched_getaffinity, 0, sizeof set, &set);
	YES("sched_getaffinity", r >= 8 && CPU_ISSET(0, &set));
	R("sched_getaffinity EINVAL length", SC(SYS_sched_getaffinity, 0, 3, &set));
	R("sched_getaffinity EINVAL length not a multiple", SC(SYS_sched_getaffinity, 0, 1021, &set));
	R("sched_getaffinity ESRCH", SC(SYS_sched_getaffinity, 999999, sizeof set, &set));
	R("sched_getaffinity EFAULT", SC(SYS_sched_getaffinity, 0, sizeof set, 8));
	R("sched_setaffinity EINVAL empty", sched_setaffinity(0, sizeof none, &none));
	R("sched_setaffinity ESRCH", sched_setaffinity(999999, sizeof set, &set));
	R("sched_setaffinity EFAULT", SC(SYS_sched_setaffinity, 0, sizeof set, 8));
	CPU_SET(1000, &none);
	R("sched_setaffinity EINVAL no such processor", sched_setaffinity(0, sizeof none, &none));
	CPU_SET(0, &none);
	R("sched_setaffinity", sched_setaffinity(0, sizeof none, &none));
	VAL("sched_getcpu", sched_getcpu());
	sched_getaffinity(0, sizeof set, &set);
	VAL("sched_setaffinity took", CPU_COUNT(&set));
	CHILD("sched_setaffinity is inherited")
	{
		sched_getaffinity(0, sizeof set, &set);
		VAL("sched_setaffinity inherited", CPU_COUNT(&set));
		setresuid(1000, 1000, 1000);
		R("sched_setaffinity EPERM", sched_setaffinity(1, sizeof none, &none));
	}
	R("setpriority 0", setpriority(PRIO_PROCESS, 0, 0));
	errno = 0;
	R("getpriority", getpriority(PRIO_PROCESS, 0));
	R("sched_yield", sched_yield());
	R("sched_getscheduler", sched_getscheduler(0));
	struct sched_param sp = { 0 };
	R("sched_getparam", sched_getparam(0, &sp));
	R("sched_get_priority_max FIFO", sched_get_priority_max(SCHED_FIFO));
	R("sched_get_priority_min RR", sched_get_priority_min(SCHED_RR));
	R("sched_get_priority_max EINVAL", sched_get_priority_max(99));
	R("sched_setscheduler EINVAL policy", sched_setscheduler(0, 99, &sp));
	R("sched_setscheduler OTHER", sched_setscheduler(0, SCHED_OTHER, &sp));
	R("setpriority", setpriority(PRIO_PROCESS, 0, 5));
	R("getpriority after", SC(SYS_getpriority, PRIO_PROCESS, 0));
	R("getpriority EINVAL", getpriority(9, 0));
	R("getpriority ESRCH", getpriority(PRIO_PROCESS, 999999));
	CHILD("setpriority as user")
	{
		setresuid(1000, 1000, 1000);
		R("setpriority EACCES", setpriority(PRIO_PROCESS, 0, -5));
		R("setpriority EPERM of another", setpriority(PRIO_PROCESS, 1, 10));
	}
	unsigned cpu = 99, node = 99;
	R("getcpu", SC(SYS_getcpu, &cpu, &node, 0));
	out("getcpu %u %u\n", cpu, node);
}

static void ids(const char *name)
{
	uid_t r, e, s;
	gid_t a, b, c;
	getresuid(&r, &e, &s), getresgid(&a, &b, &c);
	out("%s: uid %u %u %u gid %u %u %u\n", name, r, e, s, a, b, c);
}

static void credentials(void)
{
	ids("getresuid at start");
	CHILD("setuid")
	{
		R("setgroups", setgroups(3, (gid_t[]){ 10, 20, 30 }));
		gid_t g[8];
		R("getgroups count", getgroups(0, NULL));
		R("getgroups EINVAL", getgroups(2, g));
		R("getgroups", getgroups(8, g));
		out("getgroups %u %u %u\n", g[0], g[1], g[2]);
		R("setgroups EINVAL", setgroups(70000, g));
		R("setregid", setregid(5, 6));
		ids("setregid");
		R("setreuid", setreuid(1000, 0));
		ids("setreuid");
		R("seteuid", seteuid(1000));
		ids("seteuid");
		R("seteuid back to saved", seteuid(0));
		R("setuid as root sets all", setuid(2000));
		ids("setuid");
		R("setuid EPERM", setuid(0));
		R("setgid EPERM", setgid(77));
		R("setreuid EPERM", setreuid(0, -1));
		R("setresuid EPERM", setresuid(0, 0, 0));
		R("setresgid EPERM", setresgid(1, 1, 1));
		R("setgroups EPERM", setgroups(1, g));
		R("setresuid unchanged", setresuid(-1, -1, -1));
		R("setfsuid returns old", SC(SYS_setfsuid, -1));
		R("setfsgid returns old", SC(SYS_setfsgid, -1));
		R("kill EPERM", kill(1, SIGTERM));
		R("kill EPERM signal 0", kill(1, 0));
		R("open EACCES of root's", open("secret", O_RDONLY));
	}
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];
	R("capget", SC(SYS_capget, &h, d));
	YES("capget root has all", d[0].effective == d[0].permitted && d[0].effective);
	h.version = 0;
	R("capget EINVAL version", SC(SYS_capget, &h, d));
	out("capget prefers %x\n", h.version);
	h.pid = 999999;
	R("capget ESRCH", SC(SYS_capget, &h, d));
	R("capget EFAULT", SC(SYS_capget, 8, d));
	CHILD("capset")
	{
		h.pid = 0;
		SC(SYS_capget, &h, d);
		d[0].effective &= ~(1u << CAP_KILL);
		R("capset", SC(SYS_capset, &h, d));
		d[0].permitted = d[0].effective = 0;
		d[1].permitted = d[1].effective = 0;
		R("capset drop", SC(SYS_capset, &h, d));
		d[0].permitted = d[0].effective = 1;
		R("capset EPERM", SC(SYS_capset, &h, d));
		setuid(1000);
		SC(SYS_capget, &h, d);
		VAL("capget as user", d[0].effective);
	}
}

static void names(void)
{
	struct utsname u;
	uname(&u);
	out("uname: %s, release starts with %.3s, machine %s\n", u.sysname, u.release, u.machine);
	R("uname EFAULT", SC(SYS_uname, 8));
	R("personality query", personality(0xffffffff));
	R("personality set", personality(ADDR_NO_RANDOMIZE));
	R("personality query again", personality(0xffffffff));
	CHILD("personality is inherited") R("personality of child", personality(0xffffffff));
	personality(0);
	char name[16] = "";
	R("prctl PR_SET_NAME", prctl(PR_SET_NAME, "a very long name indeed"));
	prctl(PR_GET_NAME, name);
	out("prctl PR_GET_NAME: %s\n", name);
	R("prctl EINVAL", prctl(9999, 0, 0, 0, 0));
	R("prctl PR_GET_DUMPABLE", prctl(PR_GET_DUMPABLE));
	R("prctl PR_SET_DUMPABLE EINVAL", prctl(PR_SET_DUMPABLE, 7));
	R("prctl PR_SET_PDEATHSIG", prctl(PR_SET_PDEATHSIG, SIGUSR1));
	int sig = 0;
	prctl(PR_GET_PDEATHSIG, &sig);
	VAL("prctl PR_GET_PDEATHSIG", sig);
	R("prctl PR_SET_PDEATHSIG EINVAL", prctl(PR_SET_PDEATHSIG, 99));
	R("prctl PR_SET_NO_NEW_PRIVS", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	R("prctl PR_GET_NO_NEW_PRIVS", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	R("prctl PR_SET_CHILD_SUBREAPER", prctl(PR_SET_CHILD_SUBREAPER, 1));
	CHILD("prctl subreaper")
		if (fork() == 0) {
			sleep_ms(30);
			_exit(9);
		}
	int st = 0;
	YES("prctl PR_SET_CHILD_SUBREAPER adopts", wait(&st) > 0 && WEXITSTATUS(st) == 9);
}

static void times_(void)
{
	struct timespec a, b;
	struct timeval tv, later;
	struct tms tms;
	struct sysinfo si;
	clock_gettime(CLOCK_MONOTONIC, &a);
	sleep_ms(20);
	clock_gettime(CLOCK_MONOTONIC, &b);
	long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	YES("clock_gettime CLOCK_MONOTONIC advances by the sleep", ms >= 19);
	R("clock_gettime EINVAL", SC(SYS_clock_gettime, 99, &a));
	R("clock_gettime EFAULT", SC(SYS_clock_gettime, 0, 8));
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
				      CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME };
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
		out("clock_gettime %d: %ld\n", clocks[i], SC(SYS_clock_gettime, clocks[i], &a));
	R("clock_getres", SC(SYS_clock_getres, CLOCK_MONOTONIC, &a));
	out("clock_getres %ld.%09ld\n", (long)a.tv_sec, a.tv_nsec);
	R("clock_getres EINVAL", SC(SYS_clock_getres, 99, &a));
	R("clock_getres null", SC(SYS_clock_getres, 0, NULL));
	gettimeofday(&tv, NULL);
	clock_gettime(CLOCK_REALTIME, &a);
	time_t seconds = time(NULL); /* of the last tick: it may lag behind */
	gettimeofday(&later, NULL);
	YES("gettimeofday agrees with CLOCK_REALTIME", a.tv_sec >= tv.tv_sec && a.tv_sec <= later.tv_sec);
	YES("time agrees", seconds >= a.tv_sec - 1 && seconds <= later.tv_sec);
	SC(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
	clock_gettime(CLOCK_MONOTONIC, &b);
	YES("vDSO and system call agree", (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= 0);
	YES("times", times(&tms) != -1);
	R("sysinfo", sysinfo(&si));
	YES("sysinfo plausible", si.totalram > si.freeram && si.procs > 0 && si.mem_unit >= 1);
	struct timespec bad = { 0, 1000000000 }, neg = { -1, 0 }, zero = { 0, 0 };
	R("nanosleep EINVAL", nanosleep(&bad, NULL));
	R("nanosleep EINVAL negative", nanosleep(&neg, NULL));
	R("nanosleep EFAULT", SC(SYS_nanosleep, 8, 0));
	R("nanosleep 0", nanosleep(&zero, NULL));
	R("clock_nanosleep EINVAL clock", SC(SYS_clock_nanosleep, 99, 0, &zero, 0));
	R("clock_nanosleep thread clock", SC(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &zero, 0));
	R("clock_nanosleep TIMER_ABSTIME past", SC(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &zero, 0));
	struct rusage ru;
	R("getrusage RUSAGE_SELF", getrusage(RUSAGE_SELF, &ru));
	R("getrusage RUSAGE_CHILDREN", getrusage(RUSAGE_CHILDREN, &ru));
	R("getrusage RUSAGE_THREAD", getrusage(RUSAGE_THREAD, &ru));
	R("getrusage EINVAL", getrusage(99, &ru));
	R("getrusage EFAULT", SC(SYS_getrusage, 0, 8));
	char buf[64] = { 0 };
	R("getrandom", SC(SYS_getrandom, buf, 32, 0));
	R("getrandom GRND_NONBLOCK", SC(SYS_getrandom, buf, 32, 1));
	R("getrandom EINVAL", SC(SYS_getrandom, buf, 32, 99));
	R("getrandom EFAULT", SC(SYS_getrandom, 8, 32, 0));
	R("membarrier query", SC(SYS_membarrier, 0, 0, 0) >= 0);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		pause();
		return 0;
	}
	if (getsid(0) != getpid() && getpgrp() != getpid())
		setsid();
	close(open("secret", O_WRONLY | O_CREAT, 0600));
	sessions();
	limits();
	affinity();
	credentials();
	names();
	times_();
	return 0;
}

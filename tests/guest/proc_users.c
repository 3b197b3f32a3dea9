/* SPDX-License-Identifier: MIT */
/* What is counted for a user: supplementary groups up to 65,536, queued signals, processes. */
#include "check.h"
#include <grp.h>
#include <sys/prctl.h>
#include <sys/shm.h>

#define MOST 65536

static gid_t list[MOST + 1];

static void read_of_group(const char *name, gid_t gid)
{
	int fd = open("shared", O_RDWR | O_CREAT, 0600);
	fchown(fd, 0, gid), fchmod(fd, 0040);
	close(fd);
	CHILD(name)
	{
		setresgid(5, 5, 5), setresuid(1000, 1000, 1000);
		R(name, open("shared", O_RDONLY) >= 0 ? 0 : -1);
	}
	unlink("shared");
}

static void groups(void)
{
	for (int i = 0; i < MOST; i++)
		list[i] = (gid_t)((i * 40503u) % MOST * 3); /* no order, each once */
	R("setgroups EINVAL 65,537", setgroups(MOST + 1, list));
	R("setgroups 65,536", setgroups(MOST, list));
	R("getgroups 65,536", getgroups(MOST, list));
	bool sorted = true;
	for (int i = 0; i < MOST; i++)
		sorted &= list[i] == (gid_t)i * 3;
	YES("getgroups in ascending order", sorted);
	R("getgroups EINVAL one too few", getgroups(MOST - 1, list));
	read_of_group("open by the first group", 0);
	read_of_group("open by a group in the middle", 3 * 30000);
	read_of_group("open by the last group", 3 * (MOST - 1));
	read_of_group("open EACCES between two groups", 3 * 30000 + 1);
	read_of_group("open EACCES behind the last group", 3 * MOST);
	int id = shmget(IPC_PRIVATE, PAGE, 0040);
	shmctl(id, IPC_SET, &(struct shmid_ds){ .shm_perm = { .gid = 3 * 30000, .mode = 0040 } });
	CHILD("shmat by a group in the middle")
	{
		setresgid(5, 5, 5), setresuid(1000, 1000, 1000);
		YES("shmat by a group in the middle", shmat(id, NULL, SHM_RDONLY) != (void *)-1);
	}
	shmctl(id, IPC_RMID, NULL);
	CHILD("groups in a child") { VAL("getgroups in a child", getgroups(0, NULL)); }
	list[5] = -1;
	R("setgroups EINVAL no such group", setgroups(10, list));
	char *end = mmap(NULL, 2 * PAGE, RW, ANON, -1, 0) + PAGE;
	munmap(end, PAGE);
	memset(end - 16, 0, 16);
	R("setgroups EFAULT in the middle", SC(SYS_setgroups, 10, end - 16));
	memset(end - 16, 0xff, 4);
	R("setgroups EINVAL before EFAULT", SC(SYS_setgroups, 10, end - 16));
	list[5] = 7;
	R("setgroups twice the same", setgroups(3, (gid_t[]){ 9, 9, 4 }));
	R("getgroups twice the same", getgroups(8, list));
	out("getgroups %u %u %u\n", list[0], list[1], list[2]);
	R("setgroups none", setgroups(0, NULL));
	VAL("getgroups none", getgroups(0, NULL));
}

/* Queued signals count for the receiver's user at the time of sending. */
static void signals(void)
{
	CHILD("queued signals")
	{
		sigset_t s;
		sigemptyset(&s), sigaddset(&s, SIGRTMIN), sigprocmask(SIG_BLOCK, &s, NULL);
		setresuid(3000, 3000, 3000);
		setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){ 3, 3 });
		for (int i = 0; i < 3; i++)
			R("sigqueue", sigqueue(getpid(), SIGRTMIN, (union sigval){ i }));
		R("sigqueue EAGAIN", sigqueue(getpid(), SIGRTMIN, (union sigval){ 9 }));
		R("tkill EAGAIN", SC(SYS_tkill, getpid(), SIGRTMIN));
		R("tgkill EAGAIN", SC(SYS_tgkill, getpid(), getpid(), SIGRTMIN));
		siginfo_t si = { .si_signo = SIGRTMIN, .si_code = SI_QUEUE };
		R("rt_tgsigqueueinfo EAGAIN", SC(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGRTMIN, &si));
		R("kill beyond the limit", kill(getpid(), SIGRTMIN));
		timer_t t;
		struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
		R("timer_create EAGAIN", SC(SYS_timer_create, CLOCK_MONOTONIC, &e, &t));
		pid_t other = fork();
		if (other == 0) {
			R("sigqueue EAGAIN from another process of the user", sigqueue(getppid(), SIGRTMIN, (union sigval){ 9 }));
			_exit(0);
		}
		waitpid(other, NULL, 0);
		struct timespec none = { 0, 0 };
		R("sigtimedwait", sigtimedwait(&s, NULL, &none) == SIGRTMIN);
		R("sigqueue after one was taken", sigqueue(getpid(), SIGRTMIN, (union sigval){ 4 }));
	}
	CHILD("the next process of that user")
	{
		setresuid(3000, 3000, 3000);
		VAL("SigQ of a user who has none", proc_field("/proc/self/status", "SigQ"));
	}
	CHILD("queued for who is no more")
	{
		sigset_t s;
		sigemptyset(&s), sigaddset(&s, SIGRTMIN), sigprocmask(SIG_BLOCK, &s, NULL);
		setresuid(3001, 3001, 0);
		sigqueue(getpid(), SIGRTMIN, (union sigval){ 1 });
		VAL("SigQ of the first user", proc_field("/proc/self/status", "SigQ"));
		setresuid(0, 0, 0), setresuid(3002, 3002, 0);
		VAL("SigQ of the second user", proc_field("/proc/self/status", "SigQ"));
		siginfo_t si;
		R("the signal of the first is still there", sigwaitinfo(&s, &si) == SIGRTMIN && si.si_value.sival_int == 1);
	}
}

/* Who becomes a user that has too many processes already cannot exec until there are fewer. */
static void processes(void)
{
	int go[2];
	char *argv[] = { "none", NULL };
	pipe(go);
	CHILD("processes of a user")
	{
		pid_t first = fork();
		if (first == 0) {
			char c;
			setresuid(3003, 3003, 3003);
			write(go[1], "x", 1);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			read(0, &c, 0), pause();
		}
		char c;
		read(go[0], &c, 1);
		setrlimit(RLIMIT_NPROC, &(struct rlimit){ 0, 0 });
		R("setresuid beyond RLIMIT_NPROC", setresuid(3003, 3003, 0));
		R("execve EAGAIN", execve("none", argv, argv + 1));
		R("execveat EAGAIN", SC(SYS_execveat, AT_FDCWD, "none", argv, argv + 1, 0));
		R("execve EFAULT before EAGAIN", execve((char *)8, argv, argv + 1));
		seteuid(0);
		R("clone as root is not limited", ({ pid_t p = fork(); if (p == 0) _exit(0); wait_for("child", p); 0; }));
		R("execve after a fork that was allowed", execve("none", argv, argv + 1));
		R("setresuid back", setresuid(3003, 3003, 3003));
		R("fork EAGAIN", fork());
		R("clone EAGAIN", SC(SYS_clone, SIGCHLD, 0, 0, 0, 0));
		struct { uint64_t a[11]; } args = { { 0, 0, 0, 0, SIGCHLD } };
		R("clone3 EAGAIN", SC(SYS_clone3, &args, sizeof args));
		kill(first, SIGKILL), waitpid(first, NULL, 0);
	}
	CHILD("the user afterwards")
	{
		setrlimit(RLIMIT_NPROC, &(struct rlimit){ 1, 1 });
		R("setresuid within RLIMIT_NPROC", setresuid(3003, 3003, 3003));
		R("execve ENOENT", execve("none", argv, argv + 1));
	}
}

/* Many users, each for a moment: nothing may stay of them (the leak test counts). */
static void passers_by(void)
{
	bool ok = true;
	CHILD("users that come and go")
	{
		for (int i = 0; i < 2000; i++)
			ok &= !setresuid(10000 + i, 0, 0) && !kill(getpid(), 0);
		YES("setresuid 2,000 times", ok);
	}
}

int main(void)
{
	chmod(".", 0755);
	groups();
	signals();
	processes();
	passers_by();
	return 0;
}

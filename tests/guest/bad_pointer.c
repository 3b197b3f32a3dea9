/* SPDX-License-Identifier: MIT */
/*
 * A wild pointer given to every system call, in two ways. First each number is called in a child of its
 * own with every argument wild, and with small numbers before wild ones: it must fail as Linux does, with
 * the error that Linux finds first, and harm nothing. Then calls that are right but for one pointer.
 *
 * Left out of the first part are calls that end or stop the caller, send signals to others, or have no
 * pointer.
 */
#include "check.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/uio.h>

static const struct { int nr; const char *name; } calls[] = {
#include "syscall_names.h"
};

static const int left_out[] = { SYS_rt_sigreturn, SYS_pause, SYS_clone, SYS_fork, SYS_vfork, SYS_exit, SYS_kill, SYS_exit_group,
				SYS_rt_sigqueueinfo, SYS_vhangup, SYS_reboot, SYS_tkill, SYS_tgkill, SYS_rt_tgsigqueueinfo, SYS_clone3, SYS_seccomp,
				SYS_sync, SYS_syncfs, SYS_close_range, SYS_close, SYS_landlock_restrict_self, SYS_munlockall, SYS_alarm, SYS_msgrcv, SYS_msgsnd, SYS_msgget, SYS_semget, SYS_shmget };

static const struct { const char *name; unsigned long value; } wild[] = {
	{ "null page", 0xff0 }, { "kernel half", 0xffff888000001000 }, { "not canonical", 0x8000000000000000 - PAGE },
};

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	long r;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}

static bool is_left_out(int nr)
{
	for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
		if (left_out[i] == nr)
			return true;
	return false;
}

static void show(const char *call, const char *how, const char *pointer, long r)
{
	out("%s, %s %s: %s\n", call, how, pointer, r < 0 && r > -4096 ? errno_name(-r) : "ok");
}

#define W 0x7777777777 /* stands for the wild pointer */
#define FD 5           /* a file, read and write, not empty */

static const struct { const char *name; int nr; long a[6]; } precise[] = {
	{ "read", SYS_read, { FD, W, 5 } },
	{ "write", SYS_write, { FD, W, 5 } },
	{ "pread64", SYS_pread64, { FD, W, 5, 0 } },
	{ "pwrite64", SYS_pwrite64, { FD, W, 5, 0 } },
	{ "readv", SYS_readv, { FD, W, 1 } },
	{ "writev", SYS_writev, { FD, W, 1 } },
	{ "open", SYS_open, { W, 0, 0 } },
	{ "openat", SYS_openat, { AT_FDCWD, W, 0, 0 } },
	{ "creat", SYS_creat, { W, 0600 } },
	{ "stat", SYS_stat, { W, W } },
	{ "stat buffer", SYS_stat, { (long)"/", W } },
	{ "lstat buffer", SYS_lstat, { (long)"/", W } },
	{ "fstat", SYS_fstat, { FD, W } },
	{ "newfstatat", SYS_newfstatat, { AT_FDCWD, (long)"/", W, 0 } },
	{ "statx", SYS_statx, { AT_FDCWD, (long)"/", 0, 0x7ff, W } },
	{ "statx path", SYS_statx, { AT_FDCWD, W, 0, 0x7ff, 0 } },
	{ "statfs", SYS_statfs, { (long)"/", W } },
	{ "fstatfs", SYS_fstatfs, { FD, W } },
	{ "access", SYS_access, { W, 0 } },
	{ "faccessat", SYS_faccessat, { AT_FDCWD, W, 0 } },
	{ "chdir", SYS_chdir, { W } },
	{ "chroot", SYS_chroot, { W } },
	{ "mkdir", SYS_mkdir, { W, 0700 } },
	{ "rmdir", SYS_rmdir, { W } },
	{ "unlink", SYS_unlink, { W } },
	{ "unlinkat", SYS_unlinkat, { AT_FDCWD, W, 0 } },
	{ "link", SYS_link, { W, (long)"x" } },
	{ "link target", SYS_link, { (long)"file", W } },
	{ "symlink", SYS_symlink, { W, (long)"x" } },
	{ "symlink target", SYS_symlink, { (long)"x", W } },
	{ "readlink", SYS_readlink, { W, W, 10 } },
	{ "readlink buffer", SYS_readlink, { (long)"/proc/self", W, 10 } },
	{ "rename", SYS_rename, { W, (long)"x" } },
	{ "rename target", SYS_rename, { (long)"file", W } },
	{ "renameat2", SYS_renameat2, { AT_FDCWD, W, AT_FDCWD, (long)"x", 0 } },
	{ "chmod", SYS_chmod, { W, 0600 } },
	{ "chown", SYS_chown, { W, 0, 0 } },
	{ "fchownat", SYS_fchownat, { AT_FDCWD, W, 0, 0, 0 } },
	{ "mknod", SYS_mknod, { W, S_IFIFO | 0600, 0 } },
	{ "truncate", SYS_truncate, { W, 5 } },
	{ "utimensat", SYS_utimensat, { AT_FDCWD, W, 0, 0 } },
	{ "utimensat times", SYS_utimensat, { AT_FDCWD, (long)"file", W, 0 } },
	{ "utime", SYS_utime, { (long)"file", W } },
	{ "utimes", SYS_utimes, { (long)"file", W } },
	{ "getdents64", SYS_getdents64, { 6, W, 1000 } },
	{ "getcwd", SYS_getcwd, { W, 1000 } },
	{ "pipe", SYS_pipe, { W } },
	{ "pipe2", SYS_pipe2, { W, 0 } },
	{ "poll", SYS_poll, { W, 1, 0 } },
	{ "ppoll", SYS_ppoll, { W, 1, 0, 0, 8 } },
	{ "ppoll time", SYS_ppoll, { 0, 0, W, 0, 8 } },
	{ "select", SYS_select, { 5, W, 0, 0, 0 } },
	{ "select time", SYS_select, { 0, 0, 0, 0, W } },
	{ "pselect6 mask", SYS_pselect6, { 0, 0, 0, 0, 0, W } },
	{ "epoll_ctl", SYS_epoll_ctl, { 7, EPOLL_CTL_ADD, 8, W } },
	{ "fcntl F_SETLK", SYS_fcntl, { FD, F_SETLK, W } },
	{ "fcntl F_GETLK", SYS_fcntl, { FD, F_GETLK, W } },
	{ "ioctl", SYS_ioctl, { 8, 0x541b, W } },
	{ "sendfile offset", SYS_sendfile, { FD, FD, W, 5 } },
	{ "memfd_create", SYS_memfd_create, { W, 0 } },
	{ "mincore", SYS_mincore, { 0x400000, 4096, W } },
	{ "shmctl", SYS_shmctl, { 0, 14, W } },
	{ "rt_sigaction", SYS_rt_sigaction, { SIGUSR1, W, 0, 8 } },
	{ "rt_sigaction old", SYS_rt_sigaction, { SIGUSR1, 0, W, 8 } },
	{ "rt_sigprocmask", SYS_rt_sigprocmask, { SIG_BLOCK, W, 0, 8 } },
	{ "rt_sigprocmask old", SYS_rt_sigprocmask, { SIG_BLOCK, 0, W, 8 } },
	{ "rt_sigpending", SYS_rt_sigpending, { W, 8 } },
	{ "rt_sigsuspend", SYS_rt_sigsuspend, { W, 8 } },
	{ "rt_sigtimedwait", SYS_rt_sigtimedwait, { W, 0, 0, 8 } },
	{ "sigaltstack", SYS_sigaltstack, { W, 0 } },
	{ "sigaltstack old", SYS_sigaltstack, { 0, W } },
	{ "rt_sigqueueinfo", SYS_rt_sigqueueinfo, { 1, SIGUSR1, W } },
	{ "nanosleep", SYS_nanosleep, { W, 0 } },
	{ "clock_nanosleep", SYS_clock_nanosleep, { 1, 0, W, 0 } },
	{ "clock_gettime", SYS_clock_gettime, { 1, W } },
	{ "clock_settime", SYS_clock_settime, { 0, W } },
	{ "clock_getres", SYS_clock_getres, { 1, W } },
	{ "gettimeofday", SYS_gettimeofday, { W, 0 } },
	{ "settimeofday", SYS_settimeofday, { W, 0 } },
	{ "time", SYS_time, { W } },
	{ "times", SYS_times, { W } },
	{ "getitimer", SYS_getitimer, { 0, W } },
	{ "setitimer", SYS_setitimer, { 0, W, 0 } },
	{ "timer_create", SYS_timer_create, { 1, 0, W } },
	{ "timer_create event", SYS_timer_create, { 1, W, 0 } },
	{ "futex wait", SYS_futex, { W & ~3L, FUTEX_WAIT, 0, 0 } },
	{ "futex wake", SYS_futex, { W & ~3L, FUTEX_WAKE, 1, 0 } },
	{ "wait4", SYS_wait4, { -1, W, WNOHANG, 0 } },
	{ "waitid", SYS_waitid, { P_ALL, 0, W, WEXITED | WNOHANG, 0 } },
	{ "execve", SYS_execve, { W, 0, 0 } },
	{ "execve argv", SYS_execve, { (long)"/tests/driver", W, 0 } },
	{ "getrlimit", SYS_getrlimit, { 0, W } },
	{ "setrlimit", SYS_setrlimit, { 0, W } },
	{ "prlimit64", SYS_prlimit64, { 0, 0, 0, W } },
	{ "getrusage", SYS_getrusage, { 0, W } },
	{ "sysinfo", SYS_sysinfo, { W } },
	{ "uname", SYS_uname, { W } },
	{ "sethostname", SYS_sethostname, { W, 4 } },
	{ "getgroups", SYS_getgroups, { 0, W } },
	{ "setgroups", SYS_setgroups, { 2, W } },
	{ "getresuid", SYS_getresuid, { W, W, W } },
	{ "getresgid", SYS_getresgid, { W, W, W } },
	{ "capget", SYS_capget, { W, 0 } },
	{ "capset", SYS_capset, { W, 0 } },
	{ "sched_setaffinity", SYS_sched_setaffinity, { 0, 8, W } },
	{ "sched_getaffinity", SYS_sched_getaffinity, { 0, 8, W } },
	{ "sched_setparam", SYS_sched_setparam, { 0, W } },
	{ "sched_getparam", SYS_sched_getparam, { 0, W } },
	{ "sched_rr_get_interval", SYS_sched_rr_get_interval, { 0, W } },
	{ "prctl PR_SET_NAME", SYS_prctl, { PR_SET_NAME, W } },
	{ "prctl PR_GET_NAME", SYS_prctl, { PR_GET_NAME, W } },
	{ "arch_prctl ARCH_GET_FS", SYS_arch_prctl, { 0x1003, W } },
	{ "getrandom", SYS_getrandom, { W, 16, 0 } },
	{ "getcpu", SYS_getcpu, { W, 0, 0 } },
	{ "set_robust_list", SYS_set_robust_list, { W, 24 } },
	{ "get_robust_list", SYS_get_robust_list, { 0, W, W } },
	{ "mount", SYS_mount, { W, (long)"/tmp", (long)"tmpfs", 0, 0 } },
	{ "mount type", SYS_mount, { 0, (long)"/tmp", W, 0, 0 } },
	{ "umount2", SYS_umount2, { W, 0 } },
	{ "process_vm_readv", SYS_process_vm_readv, { 1, W, 1, W, 1, 0 } },
	{ "clone3", SYS_clone3, { W, 88 } },
	{ "eventfd read", SYS_read, { 9, W, 8 } },
	{ "pipe read", SYS_read, { 8, W, 4 } },
};

static void try(int i)
{
	int st;
	pid_t pid = fork();
	if (pid == 0) {
		for (size_t w = 0; w < sizeof wild / sizeof *wild; w++) {
			unsigned long p = wild[w].value;
			alarm(30); /* if it never returns */
			show(calls[i].name, "all", wild[w].name, raw(calls[i].nr, p, p, p, p, p, p));
			show(calls[i].name, "after 0:", wild[w].name, raw(calls[i].nr, 0, p, p, p, p, p));
			show(calls[i].name, "after 0, 1:", wild[w].name, raw(calls[i].nr, 0, 1, p, p, p, p));
		}
		_exit(0);
	}
	waitpid(pid, &st, 0);
	if (st)
		show_status(calls[i].name, st);
}

static long or_wild(long a, unsigned long p)
{
	return a == W ? (long)p : a == (W & ~3L) ? (long)(p & ~3UL) : a;
}

static void try_precise(int i)
{
	const long *a = precise[i].a;
	int st, p[2];
	pid_t pid = fork();
	if (pid == 0) {
		dup2(open("file", O_RDWR | O_CREAT, 0600), FD);
		dup2(open("/", O_RDONLY | O_DIRECTORY), 6);
		dup2(epoll_create1(0), 7);
		pipe(p);
		dup2(p[0], 8);
		write(p[1], "pipe", 4);
		uint64_t one = 1;
		dup2(SC(SYS_eventfd2, 0, 0), 9);
		write(9, &one, 8);
		pwrite(FD, "content", 7, 0);
		for (size_t w = 0; w < sizeof wild / sizeof *wild; w++) {
			unsigned long v = wild[w].value;
			alarm(30); /* if it never returns */
			long r = raw(precise[i].nr, or_wild(a[0], v), or_wild(a[1], v), or_wild(a[2], v), or_wild(a[3], v), or_wild(a[4], v), or_wild(a[5], v));
			out("%s with %s: %s\n", precise[i].name, wild[w].name, r < 0 && r > -4096 ? errno_name(-r) : "ok");
		}
		_exit(0);
	}
	waitpid(pid, &st, 0);
	if (st)
		show_status(precise[i].name, st);
}

int main(void)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!is_left_out(calls[i].nr))
			try(i);
	chmod("/dev/null", 0666), chown("/dev/null", 0, 0); /* it was descriptor 0, and other programs come after this one */
	for (size_t i = 0; i < sizeof precise / sizeof *precise; i++)
		try_precise(i);
	out("the machine lives\n");
	return 0;
}

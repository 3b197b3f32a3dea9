/* SPDX-License-Identifier: MIT */
/*
 * A wild pointer given to every system call. Each number is called in a child of its own, with every
 * argument wild, and with a small number before wild ones; three kinds of wild pointer. Left out are
 * calls that end or stop the caller or send signals to others.
 */
#include "check.h"
#include <sys/prctl.h>

static const struct { int nr; const char *name; } calls[] = {
#include "syscall_names.h"
};

static const int left_out[] = { SYS_rt_sigreturn, SYS_pause, SYS_clone, SYS_fork, SYS_vfork, SYS_exit, SYS_kill, SYS_exit_group,
				SYS_rt_sigqueueinfo, SYS_vhangup, SYS_reboot, SYS_tkill, SYS_tgkill, SYS_rt_tgsigqueueinfo, SYS_clone3, SYS_seccomp,
				SYS_sync, SYS_syncfs, SYS_close_range, SYS_close, SYS_landlock_restrict_self, SYS_munlockall, SYS_alarm };

static const struct { const char *name; unsigned long value; } wild[] = {
	{ "null page", 8 }, { "kernel half", 0xffff888000001000 }, { "not canonical", 0x8000000000000000 - PAGE },
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
	if (r < 0 && r > -4096)
		out("%s, %s %s: %s\n", call, how, pointer, errno_name(-r));
	else
		out("%s, %s %s: ok\n", call, how, pointer);
}

static void try(int i, const char *who)
{
	pid_t pid = fork();
	int st;
	if (pid == 0) {
		for (size_t w = 0; w < sizeof wild / sizeof *wild; w++) {
			unsigned long p = wild[w].value;
			alarm(1);
			show(calls[i].name, who, wild[w].name, raw(calls[i].nr, p, p, p, p, p, p));
			show(calls[i].name, "after 0:", wild[w].name, raw(calls[i].nr, 0, p, p, p, p, p));
			show(calls[i].name, "after 0, 1:", wild[w].name, raw(calls[i].nr, 0, 1, p, p, p, p));
		}
		_exit(0);
	}
	waitpid(pid, &st, 0);
	if (st)
		show_status(calls[i].name, st);
}

int main(void)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!is_left_out(calls[i].nr))
			try(i, "as root:");
	out("the machine lives\n");
	return 0;
}

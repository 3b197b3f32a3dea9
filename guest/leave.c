/* SPDX-License-Identifier: MIT */
/* Leaving the disks clean: processes end, file systems on disks are unmounted, the root becomes read-only. */
#define _GNU_SOURCE
#include "root.h"
#include <errno.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 1000 /* for processes to end by themselves */
#define MAX_MOUNTS 64

/* Waits until there is no process left but this one; false: milliseconds have passed before. */
static bool wait_for_all(const sigset_t *child, long ms)
{
	struct timespec now, end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	for (;;) {
		pid_t pid;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return true;
		clock_gettime(CLOCK_MONOTONIC, &now);
		long left = (end.tv_sec - now.tv_sec) * 1000 + (end.tv_nsec - now.tv_nsec) / 1000000;
		if (left <= 0)
			return false;
		sigtimedwait(child, NULL, &(struct timespec){ left / 1000, left % 1000 * 1000000 });
	}
}

static void end_processes(void)
{
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	kill(-1, SIGTERM);
	kill(-1, SIGHUP); /* what an interactive shell listens to */
	kill(-1, SIGCONT);
	if (wait_for_all(&child, GRACE_MS))
		return;
	kill(-1, SIGKILL);
	wait_for_all(&child, 10 * GRACE_MS);
}

/* Where file systems on disks are mounted, in the order of mounting. */
static int disk_mounts(char *at[MAX_MOUNTS])
{
	int n = 0;
	FILE *f = setmntent("/proc/mounts", "r");
	for (struct mntent *m; f && n < MAX_MOUNTS && (m = getmntent(f));)
		if (!strncmp(m->mnt_fsname, "/dev/", 5) && (at[n] = strdup(m->mnt_dir)))
			n++;
	if (f)
		endmntent(f);
	return n;
}

/* /proc writes blanks and the like in a name as \\ooo. */
static void unescape(char *name)
{
	char *to = name;
	for (char *p = name; *p; p++) {
		unsigned c;
		if (*p == '\\' && sscanf(p + 1, "%3o", &c) == 1) {
			*to++ = (char)c;
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

/* A swap file keeps its file system in use. What the others of the machine's memory hold has to find room: all that
 * is left is in tmpfs, which goes first. */
static void end_swap_files(void)
{
	static const char *const in_memory[] = { "/dev/shm", "/run", "/tmp" };
	char name[4096], type[16];
	FILE *f = fopen("/proc/swaps", "r");
	if (!f || fscanf(f, "%*[^\n]") == EOF)
		return;
	while (fscanf(f, "%4095s %15s %*[^\n]", name, type) == 2) {
		if (strcmp(type, "file"))
			continue;
		for (unsigned i = 0; i < 3; i++)
			umount2(in_memory[i], MNT_DETACH);
		unescape(name);
		if (swapoff(name))
			fprintf(stderr, "init: swap stays on %s: %s\n", name, strerror(errno));
	}
	fclose(f);
}

void root_leave(void)
{
	char *at[MAX_MOUNTS];
	int n = disk_mounts(at);
	if (!n)
		return;
	end_processes();
	end_swap_files();
	sync();
	while (n-- > 0) {
		if (strcmp(at[n], "/") && !umount2(at[n], 0))
			continue;
		if (mount(NULL, at[n], NULL, MS_REMOUNT | MS_RDONLY, NULL) && errno != EROFS)
			fprintf(stderr, "init: %s stays mounted: %s\n", at[n], strerror(errno));
	}
	sync();
}

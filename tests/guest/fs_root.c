/* SPDX-License-Identifier: MIT */
/* Another root: what /proc shows of mounts from inside a chroot, moved mounts, busy ones. */
#include "check.h"
#include <sys/mount.h>

/* Prints one field of each line of a file. */
static void fields(const char *name, const char *file, int field)
{
	char line[1024];
	FILE *f = fopen(file, "r");
	while (f && fgets(line, sizeof(line), f)) {
		char *word = strtok(line, " \n");
		for (int i = 1; word && i < field; i++)
			word = strtok(NULL, " \n");
		out("%s: %s\n", name, word ? word : "none");
	}
	if (f)
		fclose(f);
}

static void show(const char *when)
{
	char name[64];
	snprintf(name, sizeof(name), "mounts %s", when);
	fields(name, "/proc/self/mounts", 2);
	snprintf(name, sizeof(name), "mountinfo %s", when);
	fields(name, "/proc/self/mountinfo", 5);
}

static void inside(const char *base)
{
	pid_t pid = fork();
	if (pid == 0) {
		char cwd[64];
		R("chroot to a mount", chroot(base));
		OK("chdir to its root", chdir("/"));
		show("in a chroot on a mount");
		OK("getcwd in it", getcwd(cwd, sizeof cwd) ? 0 : -1);
		out("getcwd in it: %s\n", cwd);
		R("chroot to a directory of it", chroot("/dir"));
		show("in a chroot on a directory");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

int main(void)
{
	char base[256], path[300];
	getcwd(base, sizeof base);
	strcat(base, "/root");
	mkdir(base, 0755);
	R("mount tmpfs", mount("tmpfs", base, "tmpfs", 0, ""));
	for (const char *const *d = (const char *const[]){ "proc", "dir", "dir/proc", "a", "b", NULL }; *d; d++) {
		snprintf(path, sizeof path, "%s/%s", base, *d);
		mkdir(path, 0755);
	}
	snprintf(path, sizeof path, "%s/proc", base);
	R("mount proc", mount("proc", path, "proc", 0, ""));
	snprintf(path, sizeof path, "%s/dir/proc", base);
	R("mount proc again", mount("proc", path, "proc", 0, ""));
	inside(base);
	R("umount EBUSY something mounted below", umount(base));
	snprintf(path, sizeof path, "%s/dir/proc", base);
	R("umount", umount(path));
	snprintf(path, sizeof path, "%s/proc", base);
	R("umount the other", umount(path));
	R("umount EINVAL no mount", umount(path));
	R("umount the base", umount(base));
	rmdir(base);
	return 0;
}

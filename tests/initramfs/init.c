/* SPDX-License-Identifier: MIT */
/* PID 1 of tests/initramfs: lists what the archive became, checks its own bytes, powers off. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void show(const char *path)
{
	struct stat st;
	char text[4096] = "";
	if (lstat(path, &st))
		return;
	printf("TREE %s %o links %d owner %d:%d mtime %ld", path, st.st_mode, (int)st.st_nlink, st.st_uid, st.st_gid, (long)st.st_mtime);
	if (S_ISREG(st.st_mode)) {
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, text, 20);
		text[n > 0 && n < 20 ? n - 1 : 0] = 0;
		close(fd);
		printf(" size %ld \"%s\"", (long)st.st_size, text);
	} else if (S_ISLNK(st.st_mode) && readlink(path, text, sizeof text - 1) > 0) {
		printf(" -> %s", text);
	} else if (S_ISCHR(st.st_mode)) {
		printf(" device %u:%u", major(st.st_rdev), minor(st.st_rdev));
	}
	printf("\n");
}

static void walk(const char *dir)
{
	char *names[200], path[4096];
	int nr = 0;
	DIR *d = opendir(dir);
	struct dirent *e;
	show(dir);
	while (d && (e = readdir(d)) != NULL && nr < 200)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			names[nr++] = strdup(e->d_name);
	if (d)
		closedir(d);
	qsort(names, nr, sizeof *names, by_name);
	for (int i = 0; i < nr; i++) {
		struct stat st;
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		if (!lstat(path, &st) && S_ISDIR(st.st_mode))
			walk(path);
		else
			show(path);
	}
}

/* FNV-1a of a file. */
static unsigned long sum(const char *path)
{
	unsigned long h = 0xcbf29ce484222325ul;
	static unsigned char buf[65536];
	int fd = open(path, O_RDONLY);
	for (ssize_t n; (n = read(fd, buf, sizeof buf)) > 0;)
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ buf[i]) * 0x100000001b3ul;
	close(fd);
	return h;
}

int main(int argc, char **argv)
{
	if (argc > 1 && getpid() != 1) { /* on the host: the sum to compare with */
		printf("SUM %016lx\n", sum(argv[1]));
		return 0;
	}
	walk("/d");
	show("/extra");
	printf("SUM %016lx\n", sum("/init"));
	printf("END\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}

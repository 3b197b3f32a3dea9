/* SPDX-License-Identifier: MIT */
/*
 * Entering the root on a disk. PID 1 starts in the initial RAM disk, mounts the disk on /root, moves it over / and
 * goes on in there: the same process, so no program of the disk is needed for it. A descriptor of the old
 * root leads to what the run adds. Those files are copied once everything is in place, so that symbolic
 * links of the disk (/lib -> usr/lib) are followed as programs will follow them.
 */
#define _GNU_SOURCE
#include "root.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>

#define ADDED     "added"     /* goes to the disk, whatever is there */
#define LIBRARIES "libraries" /* goes where the disk has nothing */

bool root_option(const char *line, const char *name, char *value, size_t size)
{
	size_t len = strlen(name);
	bool found = false;
	while (*line) {
		size_t word = strcspn(line, " \t\n");
		if (word >= len && !strncmp(line, name, len) && (word == len || line[len] == '=')) {
			found = true;
			if (value)
				snprintf(value, size, "%.*s", word > len ? (int)(word - len - 1) : 0, line + len + 1);
		}
		line += word;
		line += strspn(line, " \t\n");
	}
	return found;
}

/* ---- what the run adds ---- */

/* Files with several names, by their number: the first copy's path. */
struct linked {
	ino_t ino;
	char path[];
};

static void *copied; /* tsearch's tree of struct linked */
static dev_t old_device;

static int by_number(const void *a, const void *b)
{
	ino_t x = ((const struct linked *)a)->ino, y = ((const struct linked *)b)->ino;
	return x < y ? -1 : x > y;
}

static bool failed(const char *path)
{
	fprintf(stderr, "init: adding %s: %s\n", path, strerror(errno));
	return false;
}

static bool copy_bytes(int in, int out)
{
	static char buf[65536];
	for (;;) {
		ssize_t n = read(in, buf, sizeof(buf));
		if (n <= 0)
			return n == 0;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(out, buf + done, (size_t)(n - done));
			if (w < 0)
				return false;
			done += w;
		}
	}
}

static bool copy_file(int dir, const char *name, const char *to, const struct stat *st)
{
	int in = openat(dir, name, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool good = in >= 0 && out >= 0 && copy_bytes(in, out) && !fchown(out, st->st_uid, st->st_gid) && !fchmod(out, st->st_mode & 07777);
	struct timespec times[2] = { st->st_mtim, st->st_mtim };
	good = good && !futimens(out, times);
	int saved = errno;
	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) && good) {
		saved = errno;
		good = false;
	}
	errno = saved;
	return good;
}

/* A further name of a file that was copied, or the file itself. */
static bool copy_or_link(int dir, const char *name, const char *to, const struct stat *st)
{
	if (st->st_nlink < 2)
		return copy_file(dir, name, to, st);
	struct linked *l = malloc(sizeof(*l) + strlen(to) + 1);
	if (!l)
		return false;
	l->ino = st->st_ino;
	strcpy(l->path, to);
	struct linked **known = tsearch(l, &copied, by_number);
	if (known && *known == l)
		return copy_file(dir, name, to, st);
	int err = known ? link((*known)->path, to) : -1;
	free(l);
	return !err;
}

static bool copy_link(int dir, const char *name, const char *to)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return !symlink(target, to);
}

static bool copy_tree(int dir, const char *to, bool over);

/* Copies one entry; over: in place of what is there. */
static bool copy_entry(int dir, const char *name, const char *to, bool over)
{
	struct stat st, there;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return failed(to);
	if (S_ISDIR(st.st_mode)) {
		if (mkdir(to, st.st_mode & 07777) && errno != EEXIST)
			return failed(to);
		int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return sub < 0 ? failed(to) : copy_tree(sub, to, over);
	}
	if (!lstat(to, &there)) {
		if (!over)
			return true;
		if (unlink(to))
			return failed(to);
	}
	bool good = S_ISLNK(st.st_mode) ? copy_link(dir, name, to)
		  : S_ISREG(st.st_mode) ? copy_or_link(dir, name, to, &st)
					: !mknod(to, st.st_mode, st.st_rdev);
	return good || failed(to);
}

/* Copies what is in a directory, whose descriptor it takes. */
static bool copy_tree(int dir, const char *to, bool over)
{
	DIR *d = fdopendir(dir);
	bool good = d != NULL;
	for (struct dirent *e; good && (e = readdir(d));) {
		char path[PATH_MAX];
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", to, e->d_name) >= sizeof(path)) {
			errno = ENAMETOOLONG;
			good = failed(to);
		} else {
			good = copy_entry(dirfd(d), e->d_name, path, over);
		}
	}
	if (d)
		closedir(d);
	else
		close(dir);
	return good;
}

static bool add(int old, const char *name, bool over)
{
	int dir = openat(old, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || copy_tree(dir, "", over);
}

/* Frees the memory of the initial RAM disk: all of it but this program, which runs from there. */
static void remove_tree(int dir)
{
	DIR *d = fdopendir(dir);
	if (!d) {
		close(dir);
		return;
	}
	for (struct dirent *e; (e = readdir(d));) {
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, "init"))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || st.st_dev != old_device)
			continue;
		if (S_ISDIR(st.st_mode)) {
			int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (sub >= 0)
				remove_tree(sub);
		}
		unlinkat(dirfd(d), e->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	closedir(d);
}

/* ---- the disk ---- */

/* A driver may still be finding the device. */
static bool wait_for(const char *device)
{
	for (int i = 0; i < 500; i++) {
		if (!access(device, F_OK))
			return true;
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
	return false;
}

bool swap_enter(const char *line)
{
	char device[128];
	if (!root_option(line, "quire.swap", device, sizeof(device)))
		return true;
	if (wait_for(device) && !swapon(device, 0))
		return true;
	fprintf(stderr, "init: quire.swap=%s: %s\n", device, strerror(errno));
	return false;
}

static bool mount_disk(const char *line, const char *device)
{
	char type[32], flags[256] = "";
	if (!root_option(line, "rootfstype", type, sizeof(type)))
		strcpy(type, "ext2");
	root_option(line, "rootflags", flags, sizeof(flags));
	mkdir("/root", 0700);
	if (!wait_for(device)) {
		fprintf(stderr, "init: root=%s: there is no such device\n", device);
		return false;
	}
	if (mount(device, "/root", type, root_option(line, "ro", NULL, 0) ? MS_RDONLY : 0, flags)) {
		fprintf(stderr, "init: root=%s: no %s file system that can be mounted: %s\n", device, type, strerror(errno));
		return false;
	}
	return true;
}

static bool move_to_root(const char *what)
{
	char to[32];
	snprintf(to, sizeof(to), "/root%s", what);
	mkdir(to, 0755);
	if (!mount(what, to, NULL, MS_MOVE, NULL))
		return true;
	fprintf(stderr, "init: moving %s to the root: %s\n", what, strerror(errno));
	return false;
}

bool root_enter(const char *line)
{
	char device[128];
	struct stat st;
	if (!root_option(line, "root", device, sizeof(device)))
		return true;
	int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fstat(old, &st) || !mount_disk(line, device))
		return false;
	old_device = st.st_dev;
	if (!move_to_root("/dev") || !move_to_root("/proc") || !move_to_root("/sys"))
		return false;
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) {
		fprintf(stderr, "init: entering the root: %s\n", strerror(errno));
		return false;
	}
	bool good = add(old, ADDED, true) && add(old, LIBRARIES, false);
	remove_tree(old);
	return good;
}

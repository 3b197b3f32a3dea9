/* SPDX-License-Identifier: MIT */
/*
 *     damaged DIRECTORY DEVICE...
 *
 * Uses file systems that are damaged: mounts each, looks at and reads everything, writes, and takes it away again.
 * Any call may fail, none may hang or end the machine. One line for each:
 *     DEVICE: mount ERROR
 *     DEVICE: mounted, N calls, M failed, EUCLEAN n, EIO m, ends (rw|ro)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_ENTRIES 3000 /* of one walk: a damaged tree may contain itself */
#define MAX_DEPTH 12
#define MAX_READ (4L << 20)

static long nr_calls, nr_failed, nr_euclean, nr_eio, nr_entries;
static char buf[65536];

static long did(long r)
{
	nr_calls++;
	if (r < 0) {
		nr_failed++;
		nr_euclean += errno == EUCLEAN;
		nr_eio += errno == EIO;
	}
	return r;
}

static void bus_error(int sig)
{
	(void)sig;
	static const char text[] = "(SIGBUS)\n"; /* a line of its own: the next one is looked for */
	write(1, text, sizeof text - 1);
	_exit(3);
}

static void read_file(const char *path)
{
	int fd = did(open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW));
	struct stat st;
	if (fd < 0)
		return;
	long sum = 0, n;
	while (sum < MAX_READ && (n = did(read(fd, buf, sizeof buf))) > 0)
		sum += n;
	if (!did(fstat(fd, &st)) && st.st_size > 0) {
		did(pread(fd, buf, sizeof buf, st.st_size - 1));
		did(pread(fd, buf, sizeof buf, st.st_size / 2));
		did(lseek(fd, 0, SEEK_HOLE));
		did(lseek(fd, st.st_size / 3, SEEK_DATA));
	}
	close(fd);
	/* a page that cannot be read is SIGBUS: in a process of its own */
	if (st.st_size > 0 && fork() == 0) {
		fd = open(path, O_RDONLY);
		volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		signal(SIGBUS, bus_error);
		if (p != MAP_FAILED)
			(void)p[0];
		_exit(0);
	}
	wait(NULL);
}

static void walk(const char *path, int depth)
{
	struct stat st;
	struct dirent *e;
	char name[4096 + 300];
	did(getxattr(path, "user.x", buf, sizeof buf));
	did(listxattr(path, buf, sizeof buf));
	if (did(lstat(path, &st)) || nr_entries++ > MAX_ENTRIES)
		return;
	if (S_ISLNK(st.st_mode))
		did(readlink(path, buf, sizeof buf));
	if (S_ISREG(st.st_mode))
		read_file(path);
	if (!S_ISDIR(st.st_mode) || depth > MAX_DEPTH)
		return;
	DIR *d = opendir(path);
	if (did(d ? 0 : -1))
		return;
	while ((errno = 0, e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		walk(name, depth + 1);
	}
	did(errno ? -1 : 0);
	closedir(d);
}

static void change(void)
{
	char name[64], other[64];
	memset(buf, 'x', sizeof buf);
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "new-%d", i);
		snprintf(other, sizeof other, "other-%d", i);
		int fd = did(open(name, O_CREAT | O_RDWR, 0600));
		if (fd >= 0) {
			did(write(fd, buf, sizeof buf));
			did(pwrite(fd, buf, 100, 5 << 20));
			did(ftruncate(fd, 30000));
			did(i % 4 ? 0 : fsync(fd));
			close(fd);
		}
		did(i % 3 ? rename(name, other) : unlink(name));
		snprintf(name, sizeof name, "dir-%d", i);
		did(mkdir(name, 0755));
		did(i % 2 ? rmdir(name) : 0);
		did(symlink(buf + sizeof buf - 80 - i, other));
	}
}

/* What was there before: writes over it, cuts it, takes it away. */
static void change_old(const char *path, int depth)
{
	char name[4096 + 300];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(path);
	while (d && (e = readdir(d)) && nr_entries++ < MAX_ENTRIES) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		if (did(lstat(name, &st)))
			continue;
		if (S_ISDIR(st.st_mode)) {
			if (depth < MAX_DEPTH)
				change_old(name, depth + 1);
			did(rmdir(name));
			continue;
		}
		if (S_ISREG(st.st_mode)) {
			int fd = did(open(name, O_RDWR));
			if (fd >= 0) {
				did(pwrite(fd, buf, 5000, 3000));
				did(pwrite(fd, buf, 5000, st.st_size / 2));
				did(ftruncate(fd, st.st_size / 3));
				close(fd);
			}
			did(chmod(name, 0640));
		}
		did(nr_entries % 4 ? 0 : unlink(name));
	}
	if (d)
		closedir(d);
}

static void use(const char *device, const char *where)
{
	struct statvfs fs;
	if (mount(device, where, "ext2", 0, NULL)) {
		printf("%s: mount %s\n", device, strerrorname_np(errno));
		return;
	}
	chdir(where);
	walk(".", 0);
	change();
	nr_entries = 0;
	change_old(".", 0);
	did(statvfs(".", &fs));
	sync();
	nr_entries = 0;
	walk(".", 0);
	did(statvfs(".", &fs));
	chdir("/");
	printf("%s: mounted, %ld calls, %ld failed, EUCLEAN %ld, EIO %ld, ends %s\n", device, nr_calls, nr_failed, nr_euclean, nr_eio,
	       fs.f_flag & ST_RDONLY ? "ro" : "rw");
	if (umount(where))
		printf("%s: umount %s\n", device, strerrorname_np(errno));
}

int main(int argc, char **argv)
{
	int status, bad = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 2; i < argc; i++) {
		if (fork() == 0) {
			alarm(120);
			use(argv[i], argv[1]);
			exit(0);
		}
		wait(&status);
		if (status) {
			printf("%s: ended with status %x\n", argv[i], status);
			bad = 1;
			umount2(argv[1], MNT_DETACH);
		}
	}
	printf("damaged: %s\n", bad ? "a process failed" : "ok");
	return bad;
}

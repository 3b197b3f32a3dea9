/* SPDX-License-Identifier: MIT */
/* What a disk refuses: one that is in use, flags of files, as many links as there may be, a full disk. Runs on ext2. */
#include "check.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char buf[1 << 20], name[300];

static int fresh(const char *n) { return open(n, O_RDWR | O_CREAT | O_TRUNC, 0600); }

static void in_use(void)
{
	R("open EBUSY O_EXCL of a mounted disk", open("/dev/vda", O_RDONLY | O_EXCL));
	OK("open of a mounted disk", open("/dev/vda", O_RDONLY));
}

static void flags(void)
{
	int in = temp_file("in", 2), o = fresh("o"), on = FS_IMMUTABLE_FL, append = FS_APPEND_FL, off = 0;
	loff_t at = 0;
	ioctl(o, FS_IOC_SETFLAGS, &on);
	R("copy_file_range EPERM immutable", copy_file_range(in, &at, o, NULL, 10, 0));
	ioctl(o, FS_IOC_SETFLAGS, &append);
	int ap = open("o", O_WRONLY | O_APPEND);
	R("fcntl EPERM F_SETFL of an append-only file", fcntl(ap, F_SETFL, 0));
	R("fcntl F_SETFL keeps O_APPEND", fcntl(ap, F_SETFL, O_APPEND | O_NONBLOCK));
	ioctl(o, FS_IOC_SETFLAGS, &off);
	R("fcntl F_SETFL afterwards", fcntl(ap, F_SETFL, 0));
	at = INT64_MAX - 1;
	R("sendfile EINVAL beyond all positions", sendfile(o, in, &at, 10));
	at = 1LL << 52;
	R("sendfile EOVERFLOW", sendfile(o, in, &at, 10));
}

/* 65,000 names of one file, in directories that stay short. */
static void many_links(void)
{
	int n = 1, err = 0;
	char dir[20];
	close(fresh("many"));
	for (int d = 0; !err; d++) {
		snprintf(dir, sizeof dir, "m%d", d), mkdir(dir, 0700);
		for (int i = 0; i < 250 && !err; i++) {
			snprintf(name, sizeof name, "%s/%d", dir, i);
			err = link("many", name);
			n += !err;
		}
	}
	out("link EMLINK %s after %d\n", errno_name(errno), n);
	struct stat st;
	stat("many", &st);
	VAL("link count", st.st_nlink);
	R("link EMLINK", link("many", "one more"));
	R("unlink one of many", unlink("m0/0"));
	R("link again", link("many", "one more"));
	for (int d = 0; d < 300; d++)
		for (int i = 0; i < 250; i++) {
			snprintf(name, sizeof name, "m%d/%d", d, i);
			if (unlink(name) && i)
				break;
		}
	stat("many", &st);
	VAL("link count at the end", st.st_nlink);
}

/* Fills a directory's first block with names, so that the next one needs another. */
static void fill_directory(const char *dir)
{
	char file[300];
	memset(name, 'n', sizeof name);
	mkdir(dir, 0700);
	for (int i = 0; i < 15; i++) {
		snprintf(file, sizeof file, "%s/%02d%.200s", dir, i, name);
		close(fresh(file));
	}
	snprintf(file, sizeof file, "%s/%.255s", dir, name);
}

static void full(void)
{
	struct stat st;
	char file[600];
	fill_directory("dir");
	close(fresh("one"));
	memset(name, 'n', sizeof name), name[250] = 0;
	int fd = fresh("big"), in = temp_file("in", 2), small = fresh("small"), n = 0;
	while (write(fd, buf, sizeof buf) > 0)
		;
	while (write(fd, buf, PAGE) > 0)
		;
	fsync(fd);
	for (int left; n < 200; n++) { /* what was kept for the big file's own blocks */
		snprintf(file, sizeof file, "rest%d", n);
		left = fresh(file);
		if (left < 0 || write(left, buf, PAGE) <= 0)
			break;
		fsync(left), close(left);
	}
	R("write ENOSPC", write(fd, buf, PAGE));
	R("pwrite64 ENOSPC", pwrite(small, buf, PAGE, 0));
	R("fallocate ENOSPC", fallocate(small, 0, 0, PAGE));
	R("sendfile ENOSPC", sendfile(small, in, &(off_t){ 0 }, 10));
	R("copy_file_range ENOSPC", copy_file_range(in, &(loff_t){ 0 }, small, NULL, 10, 0));
	R("mkdir ENOSPC", mkdir("newdir", 0700));
	memset(file, 't', 500), file[500] = 0;
	R("symlink ENOSPC", symlink(file, "newlink"));
	snprintf(file, sizeof file, "dir/%s", name);
	R("link ENOSPC", link("one", file));
	R("rename ENOSPC", rename("one", file));
	R("mknod ENOSPC", mknod(file, S_IFIFO | 0600, 0));
	R("open ENOSPC", open(file, O_CREAT | O_RDWR, 0600));
	R("rename in the same directory needs no room", rename("one", "uno"));
	fstat(small, &st), VAL("what was refused left no trace", st.st_size);
	R("unlink of the big file", unlink("big"));
	close(fd), sync();
	R("mkdir afterwards", mkdir("newdir", 0700));
	R("rename afterwards", rename("uno", file));
	for (int i = 0; i <= n; i++)
		snprintf(file, sizeof file, "rest%d", i), unlink(file);
}

int main(void)
{
	in_use();
	flags();
	full();
	many_links();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* A file system that is mounted read-only: what is refused, and what becomes possible again. Runs on ext2. */
#include "check.h"
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

static long remount(unsigned long flags)
{
	return mount("none", "/mnt", NULL, MS_REMOUNT | flags, NULL);
}

int main(void)
{
	char buf[100];
	struct statvfs fs;
	int rw = open("f", O_RDWR | O_CREAT, 0644), ro = open("f", O_RDONLY);
	write(rw, "content", 7);
	mkdir("d", 0755), symlink("f", "l");
	R("mount EBUSY read-only while a file is open for writing", remount(MS_RDONLY));
	close(rw);
	char *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
	R("mount MS_RDONLY", remount(MS_RDONLY));
	statvfs(".", &fs);
	VAL("statvfs ST_RDONLY", fs.f_flag & ST_RDONLY);
	R("open EROFS", open("f", O_RDWR));
	R("open EROFS O_CREAT", open("new", O_RDWR | O_CREAT, 0600));
	R("open EROFS O_TRUNC", open("f", O_RDONLY | O_TRUNC));
	OK("open O_CREAT of what is there", open("f", O_RDONLY | O_CREAT, 0600));
	OK("open read-only", open("f", O_RDONLY));
	R("creat EROFS", creat("new", 0600));
	R("truncate EROFS", truncate("f", 0));
	R("unlink EROFS", unlink("f"));
	R("unlink ENOENT before EROFS", unlink("none"));
	R("rmdir EROFS", rmdir("d"));
	R("mkdir EROFS", mkdir("new", 0755));
	R("mkdir EEXIST before EROFS", mkdir("d", 0755));
	R("mknod EROFS", mknod("new", S_IFREG | 0600, 0));
	R("symlink EROFS", symlink("x", "new"));
	R("link EROFS", link("f", "new"));
	R("rename EROFS", rename("f", "new"));
	R("chmod EROFS", chmod("f", 0600));
	R("chown EROFS", chown("f", 1, 1));
	R("utimensat EROFS", utimensat(AT_FDCWD, "f", NULL, 0));
	R("setxattr EROFS", setxattr("f", "user.x", "v", 1, 0));
	R("access EROFS", access("f", W_OK));
	R("access read", access("f", R_OK));
	R("fsync EROFS not", fsync(ro));
	R("read of a read-only file system", pread(ro, buf, 7, 0));
	GET("mapped read of a read-only file system", map);
	R("mount again for writing", remount(0));
	OK("open for writing again", open("f", O_RDWR));
	R("unlink again", unlink("f"));
	return 0;
}

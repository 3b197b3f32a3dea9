/* SPDX-License-Identifier: MIT */
/* What is known of a file of a disk: stat, statx, statfs, modes, owners, times, attributes, notification. Runs on ext2. */
#include "check.h"
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static char longest[300];

static void show(const char *name)
{
	struct stat st;
	if (lstat(name, &st))
		out("%s: %s\n", name, errno_name(errno));
	else
		out("%s: mode %o links %ld owner %d:%d size %ld blocks %ld of %ld\n", name, st.st_mode, (long)st.st_nlink, st.st_uid, st.st_gid,
		    (long)st.st_size, (long)st.st_blocks, (long)st.st_blksize);
}

static void stats(void)
{
	struct stat st;
	struct statx sx;
	struct statfs fs;
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	write(fd, "12345", 5);
	fsync(fd);
	mkdir("d", 0755), symlink("f", "l"), symlink("loop", "loop");
	show("f"), show("d"), show("l");
	R("stat ENOENT", stat("none", &st));
	R("stat ENOENT empty", stat("", &st));
	R("stat ENOTDIR", stat("f/x", &st));
	R("stat ENOTDIR trailing slash", stat("f/", &st));
	R("stat ELOOP", stat("loop", &st));
	R("lstat of a loop", lstat("loop", &st));
	R("stat ENAMETOOLONG", stat(longest, &st));
	R("stat EFAULT path", stat((char *)8, &st));
	R("stat EFAULT buffer", SC(SYS_stat, "f", 8));
	R("fstat EBADF", fstat(999, &st));
	R("fstat O_PATH", fstat(open("f", O_PATH), &st));
	R("newfstatat AT_SYMLINK_NOFOLLOW", fstatat(AT_FDCWD, "l", &st, AT_SYMLINK_NOFOLLOW));
	R("newfstatat AT_EMPTY_PATH", fstatat(fd, "", &st, AT_EMPTY_PATH));
	R("newfstatat AT_NO_AUTOMOUNT", fstatat(AT_FDCWD, "f", &st, AT_NO_AUTOMOUNT));
	R("newfstatat EINVAL", fstatat(AT_FDCWD, "f", &st, 0x8000));
	R("newfstatat EBADF", fstatat(999, "f", &st, 0));
	R("newfstatat ENOTDIR", fstatat(fd, "f", &st, 0));
	R("newfstatat ENOENT", fstatat(fd, "", &st, 0));
	R("statx", statx(AT_FDCWD, "f", 0, STATX_ALL, &sx));
	out("statx mask %x attributes %llx of %llx\n", sx.stx_mask & STATX_BASIC_STATS, (unsigned long long)sx.stx_attributes,
	    (unsigned long long)sx.stx_attributes_mask & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP | STATX_ATTR_COMPRESSED));
	out("statx mode %o size %llu blocks %llu links %u device %d\n", sx.stx_mode, (unsigned long long)sx.stx_size, (unsigned long long)sx.stx_blocks,
	    sx.stx_nlink, sx.stx_dev_major > 0);
	YES("statx STATX_BTIME", sx.stx_mask & STATX_BTIME);
	R("statx AT_EMPTY_PATH", statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &sx));
	R("statx AT_STATX_FORCE_SYNC", statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_SIZE, &sx));
	R("statx AT_STATX_DONT_SYNC", statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_SIZE, &sx));
	R("statx EINVAL both", statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC | AT_STATX_FORCE_SYNC, STATX_SIZE, &sx));
	R("statx EINVAL flags", statx(AT_FDCWD, "f", 0x8000, STATX_SIZE, &sx));
	R("statx EINVAL mask", statx(AT_FDCWD, "f", 0, STATX__RESERVED, &sx));
	R("statx ENOENT", statx(AT_FDCWD, "none", 0, STATX_SIZE, &sx));
	R("statx EBADF", statx(999, "f", 0, STATX_SIZE, &sx));
	R("statx EFAULT", SC(SYS_statx, AT_FDCWD, "f", 0, STATX_SIZE, 8));
	R("statfs", statfs(".", &fs));
	out("statfs type %lx block %ld fragment %ld names %ld blocks %ld inodes %ld flags %lx\n", (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_frsize,
	    (long)fs.f_namelen, (long)fs.f_blocks, (long)fs.f_files, (long)fs.f_flags);
	YES("statfs reserved blocks are not available", fs.f_bavail < fs.f_bfree);
	R("fstatfs", fstatfs(fd, &fs));
	R("fstatfs EBADF", fstatfs(999, &fs));
	R("fstatfs O_PATH", fstatfs(open("f", O_PATH), &fs));
	R("fstatfs EFAULT", SC(SYS_fstatfs, fd, 8));
	R("statfs ENOENT", statfs("none", &fs));
	R("statfs ENOTDIR", statfs("f/x", &fs));
	R("statfs ELOOP", statfs("loop", &fs));
	R("statfs ENAMETOOLONG", statfs(longest, &fs));
	R("statfs EFAULT", SC(SYS_statfs, ".", 8));
	CHILD("stat as user")
	{
		mkdir("closed", 0700), close(open("closed/f", O_CREAT | O_RDWR, 0644));
		setresuid(1000, 1000, 1000);
		R("stat EACCES", stat("closed/f", &st));
		R("statfs EACCES", statfs("closed/f", &fs));
		R("statx EACCES", statx(AT_FDCWD, "closed/f", 0, STATX_SIZE, &sx));
	}
}

static void access_and_modes(void)
{
	int fd = open("f", O_RDWR);
	R("chmod", chmod("f", 07751)), show("f");
	R("fchmod", fchmod(fd, 0640)), show("f");
	R("fchmodat", fchmodat(AT_FDCWD, "l", 0600, 0)), show("f");
	R("chmod beyond the bits", chmod("f", 0177600)), show("f");
	R("chmod ENOENT", chmod("none", 0600));
	R("chmod ENOTDIR", chmod("f/x", 0600));
	R("chmod ELOOP", chmod("loop", 0600));
	R("chmod ENAMETOOLONG", chmod(longest, 0600));
	R("chmod EFAULT", chmod((char *)8, 0600));
	R("fchmod EBADF", fchmod(999, 0600));
	R("fchmodat EBADF", fchmodat(999, "f", 0600, 0));
	R("fchmodat ENOTDIR", fchmodat(fd, "f", 0600, 0));
	R("chown", chown("f", 1000, 2000)), show("f");
	R("chown -1", chown("f", -1, 3000)), show("f");
	R("lchown", lchown("l", 5, 6)), show("l");
	R("fchown", fchown(fd, 70000, 80000)), show("f");
	R("fchownat AT_SYMLINK_NOFOLLOW", fchownat(AT_FDCWD, "l", 7, 8, AT_SYMLINK_NOFOLLOW)), show("l");
	R("fchownat AT_EMPTY_PATH", fchownat(fd, "", 9, 10, AT_EMPTY_PATH)), show("f");
	chmod("f", 06755);
	R("chown clears set-user-ID", chown("f", 11, 12)), show("f");
	R("fchownat EINVAL", fchownat(AT_FDCWD, "f", 0, 0, 0x8000));
	R("fchownat EBADF", fchownat(999, "f", 0, 0, 0));
	R("chown ENOENT", chown("none", 0, 0));
	R("chown ENOTDIR", chown("f/x", 0, 0));
	R("chown ELOOP", chown("loop", 0, 0));
	R("chown ENAMETOOLONG", chown(longest, 0, 0));
	R("chown EFAULT", chown((char *)8, 0, 0));
	R("fchown EBADF", fchown(999, 0, 0));
	chown("f", 0, 0), chmod("f", 0640);
	CHILD("modes as user")
	{
		int mine = open("mine", O_CREAT | O_RDWR, 0600);
		fchown(mine, 1000, 1000);
		setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
		R("chmod EPERM", chmod("f", 0666));
		R("fchmod EPERM", fchmod(fd, 0666));
		R("chown EPERM", chown("f", 1000, 1000));
		R("chown EPERM giving away", chown("mine", 1001, -1));
		R("chown EPERM foreign group", chown("mine", -1, 55));
		R("chown own group", chown("mine", -1, 1000));
		R("chmod of a foreign group clears", chmod("mine", 02755)), show("mine");
		R("access EACCES", access("f", R_OK));
		R("access F_OK", access("f", F_OK));
		R("access EACCES through a closed directory", access("closed/f", F_OK));
		R("chmod EACCES", chmod("closed/f", 0600));
		R("chown EACCES", chown("closed/f", 1000, 1000));
		R("utimensat EACCES", utimensat(AT_FDCWD, "f", NULL, 0));
		R("utimensat EPERM", utimensat(AT_FDCWD, "f", (struct timespec[2]){ { 1, 0 }, { 2, 0 } }, 0));
		R("setxattr EPERM trusted", setxattr("mine", "trusted.x", "v", 1, 0));
		R("setxattr EACCES", setxattr("f", "user.x", "v", 1, 0));
	}
	R("access R_OK|W_OK", access("f", R_OK | W_OK));
	R("access X_OK", access("f", X_OK));
	R("access EINVAL", access("f", 8));
	R("access ENOENT", access("none", F_OK));
	R("access ENOTDIR", access("f/x", F_OK));
	R("access ELOOP", access("loop", F_OK));
	R("access ENAMETOOLONG", access(longest, F_OK));
	R("access EFAULT", access((char *)8, F_OK));
	R("faccessat EBADF", faccessat(999, "f", F_OK, 0));
	R("faccessat2 AT_EACCESS", SC(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
	R("faccessat2 AT_SYMLINK_NOFOLLOW", SC(SYS_faccessat2, AT_FDCWD, "loop", F_OK, AT_SYMLINK_NOFOLLOW));
	R("faccessat2 EINVAL", SC(SYS_faccessat2, AT_FDCWD, "f", F_OK, 0x8000));
}

static void times(void)
{
	struct timespec t[2] = { { 1000000000, 123456789 }, { 2000000000, 987654321 } };
	struct stat st, before;
	R("utimensat", utimensat(AT_FDCWD, "f", t, 0));
	stat("f", &st);
	out("utimensat %ld.%09ld %ld.%09ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	t[0].tv_nsec = UTIME_OMIT, t[1].tv_nsec = UTIME_NOW;
	R("utimensat UTIME_OMIT UTIME_NOW", utimensat(AT_FDCWD, "f", t, 0));
	stat("f", &st);
	YES("utimensat UTIME_OMIT keeps", st.st_atim.tv_sec == 1000000000 && st.st_mtim.tv_sec != 2000000000);
	t[0] = (struct timespec){ 4000000000, 5 }, t[1] = (struct timespec){ -5, 6 };
	R("utimensat beyond 2038 and before 1970", utimensat(AT_FDCWD, "f", t, 0));
	stat("f", &st);
	out("utimensat range %ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	t[0].tv_nsec = 2000000000;
	R("utimensat EINVAL", utimensat(AT_FDCWD, "f", t, 0));
	R("utimensat EINVAL flags", utimensat(AT_FDCWD, "f", NULL, 0x8000));
	R("utimensat ENOENT", utimensat(AT_FDCWD, "none", NULL, 0));
	R("utimensat ENOTDIR", utimensat(AT_FDCWD, "f/x", NULL, 0));
	R("utimensat ELOOP", utimensat(AT_FDCWD, "loop", NULL, 0));
	R("utimensat ENAMETOOLONG", utimensat(AT_FDCWD, longest, NULL, 0));
	R("utimensat EBADF", utimensat(999, "f", NULL, 0));
	R("utimensat EFAULT", SC(SYS_utimensat, AT_FDCWD, "f", 8, 0));
	R("utimensat AT_SYMLINK_NOFOLLOW", (t[0] = t[1] = (struct timespec){ 7, 0 }, utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW)));
	lstat("l", &st);
	VAL("utimensat AT_SYMLINK_NOFOLLOW time", st.st_mtim.tv_sec);
	R("futimens", futimens(open("f", O_RDWR), t));
	stat("f", &before);
	sleep_ms(20);
	R("write for the times", write(open("f", O_WRONLY), "x", 1));
	stat("f", &st);
	YES("write changes mtime and ctime", st.st_mtim.tv_sec > 7 && (st.st_ctim.tv_nsec != before.st_ctim.tv_nsec || st.st_ctim.tv_sec != before.st_ctim.tv_sec));
	YES("write leaves atime", st.st_atim.tv_sec == 7);
	char c;
	read(open("f", O_RDONLY), &c, 1);
	stat("f", &st);
	YES("read changes an atime before mtime (relatime)", st.st_atim.tv_sec > 7);
	stat("d", &before), sleep_ms(20), close(open("d/new", O_CREAT | O_RDWR, 0600)), stat("d", &st);
	YES("creating changes the directory's mtime", st.st_mtim.tv_nsec != before.st_mtim.tv_nsec || st.st_mtim.tv_sec != before.st_mtim.tv_sec);
	stat("f", &before), sleep_ms(20), link("f", "f2"), stat("f", &st);
	YES("link changes ctime only", st.st_mtim.tv_nsec == before.st_mtim.tv_nsec && (st.st_ctim.tv_nsec != before.st_ctim.tv_nsec || st.st_ctim.tv_sec != before.st_ctim.tv_sec));
}

static void attributes(void)
{
	char b[5000] = { 0 }, big[70000];
	int fd = open("x", O_CREAT | O_RDWR, 0600);
	memset(big, 'b', sizeof big);
	R("setxattr", setxattr("x", "user.one", "value", 5, 0));
	R("getxattr", getxattr("x", "user.one", b, sizeof b));
	out("getxattr %.5s\n", b);
	R("getxattr size", getxattr("x", "user.one", NULL, 0));
	R("getxattr ERANGE", getxattr("x", "user.one", b, 3));
	R("getxattr ENODATA", getxattr("x", "user.two", b, sizeof b));
	R("getxattr EOPNOTSUPP", getxattr("x", "nothing.two", b, sizeof b));
	R("getxattr ENOENT", getxattr("none", "user.one", b, sizeof b));
	R("getxattr ERANGE name", getxattr("x", "", b, sizeof b));
	R("getxattr EFAULT", getxattr("x", (char *)8, b, sizeof b));
	R("setxattr XATTR_CREATE EEXIST", setxattr("x", "user.one", "v", 1, XATTR_CREATE));
	R("setxattr XATTR_CREATE", setxattr("x", "user.two", "v", 1, XATTR_CREATE));
	R("setxattr XATTR_REPLACE ENODATA", setxattr("x", "user.three", "v", 1, XATTR_REPLACE));
	R("setxattr XATTR_REPLACE", setxattr("x", "user.two", "longer", 6, XATTR_REPLACE));
	R("setxattr EINVAL flags", setxattr("x", "user.one", "v", 1, 8));
	R("setxattr EOPNOTSUPP", setxattr("x", "nothing.x", "v", 1, 0));
	R("setxattr E2BIG", setxattr("x", "user.big", big, 65537, 0));
	R("setxattr ENOSPC", setxattr("x", "user.big", big, 5000, 0));
	R("setxattr ERANGE", setxattr("x", "", "v", 1, 0));
	R("setxattr empty value", setxattr("x", "user.empty", "", 0, 0));
	R("setxattr trusted", setxattr("x", "trusted.t", "v", 1, 0));
	R("setxattr security", setxattr("x", "security.s", "v", 1, 0));
	R("setxattr EPERM user of a link", lsetxattr("l", "user.x", "v", 1, 0));
	R("listxattr", listxattr("x", b, sizeof b));
	R("listxattr size", listxattr("x", NULL, 0));
	R("listxattr ERANGE", listxattr("x", b, 3));
	R("listxattr none", listxattr("d", b, sizeof b));
	R("llistxattr", llistxattr("l", b, sizeof b));
	R("flistxattr", flistxattr(fd, b, sizeof b));
	R("flistxattr EBADF", flistxattr(999, b, sizeof b));
	R("fgetxattr", fgetxattr(fd, "user.two", b, sizeof b));
	R("fgetxattr EBADF", fgetxattr(999, "user.two", b, sizeof b));
	R("fsetxattr", fsetxattr(fd, "user.four", "4444", 4, 0));
	R("lgetxattr ENODATA", lgetxattr("x", "user.none", b, sizeof b));
	R("removexattr", removexattr("x", "user.one"));
	R("removexattr ENODATA", removexattr("x", "user.one"));
	R("removexattr EOPNOTSUPP", removexattr("x", "nothing.x"));
	R("lremovexattr", lremovexattr("x", "user.two"));
	R("fremovexattr", fremovexattr(fd, "user.four"));
	R("fremovexattr EBADF", fremovexattr(999, "user.four"));
	R("getxattr after removal", getxattr("x", "user.two", b, sizeof b));
	unsigned long flags = 0;
	R("ioctl FS_IOC_GETFLAGS", ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = FS_APPEND_FL;
	R("ioctl FS_IOC_SETFLAGS append", ioctl(fd, FS_IOC_SETFLAGS, &flags));
	R("open EPERM append-only", open("x", O_RDWR | O_TRUNC));
	R("open append-only with O_APPEND", open("x", O_WRONLY | O_APPEND) < 0 ? -1 : 0);
	R("unlink EPERM append-only", unlink("x"));
	R("rename EPERM append-only", rename("x", "y"));
	flags = FS_IMMUTABLE_FL;
	R("ioctl FS_IOC_SETFLAGS immutable", ioctl(fd, FS_IOC_SETFLAGS, &flags));
	R("open EPERM immutable", open("x", O_RDWR));
	R("chmod EPERM immutable", chmod("x", 0777));
	R("chown EPERM immutable", chown("x", 5, 5));
	R("utimensat EPERM immutable", utimensat(AT_FDCWD, "x", NULL, 0));
	R("link EPERM immutable", link("x", "y"));
	R("truncate EPERM immutable", truncate("x", 0));
	R("setxattr EPERM immutable", setxattr("x", "user.z", "v", 1, 0));
	R("fallocate EPERM immutable", fallocate(fd, 0, 0, 10));
	flags = 0;
	R("ioctl FS_IOC_SETFLAGS none", ioctl(fd, FS_IOC_SETFLAGS, &flags));
	R("unlink after", unlink("x"));
}

static void watching(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	result_ok("inotify_init1", fd);
	R("inotify_init1 EINVAL", inotify_init1(0x7));
	R("inotify_add_watch", inotify_add_watch(fd, ".", IN_CREATE));
}

int main(void)
{
	memset(longest, 'n', 256);
	stats();
	access_and_modes();
	times();
	attributes();
	watching();
	return 0;
}

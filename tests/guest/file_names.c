/* SPDX-License-Identifier: MIT */
/* Names on a disk: link, unlink, symlink, rename, mkdir, rmdir, mknod, getdents64. Runs on ext2. */
#include "check.h"
#include <dirent.h>
#include <linux/fs.h>
#include <sys/sysmacros.h>

static char longest[300];

static void touch(const char *name)
{
	close(open(name, O_CREAT | O_RDWR, 0644));
}

static long nlink_of(const char *name)
{
	struct stat st;
	return lstat(name, &st) ? -1 : (long)st.st_nlink;
}

static void links(void)
{
	char b[5000];
	touch("a"), mkdir("dir", 0755), symlink("a", "la"), symlink("dir", "ld"), symlink("none", "dangling");
	R("link", link("a", "b"));
	VAL("link count", nlink_of("a"));
	R("link EEXIST", link("a", "b"));
	R("link EEXIST directory", link("a", "dir"));
	R("link ENOENT", link("none", "c"));
	R("link ENOENT new", link("a", "none/c"));
	R("link ENOENT empty", link("a", ""));
	R("link ENOTDIR", link("a/x", "c"));
	R("link EPERM directory", link("dir", "c"));
	R("link ENAMETOOLONG", link("a", longest));
	R("link EFAULT", link((char *)8, "c"));
	R("link EXDEV", link("a", "/dev/shm/c"));
	R("link of a link", link("la", "lb"));
	R("linkat AT_SYMLINK_FOLLOW", linkat(AT_FDCWD, "la", AT_FDCWD, "c", AT_SYMLINK_FOLLOW));
	R("linkat EINVAL", linkat(AT_FDCWD, "a", AT_FDCWD, "d", 0x8000));
	R("linkat EBADF", linkat(999, "a", AT_FDCWD, "d", 0));
	R("linkat ENOTDIR", linkat(open("a", O_RDONLY), "a", AT_FDCWD, "d", 0));
	R("linkat AT_EMPTY_PATH", linkat(open("a", O_RDONLY), "", AT_FDCWD, "e", AT_EMPTY_PATH));
	VAL("link count at the end", nlink_of("a"));
	symlink("loop", "loop");
	R("link ELOOP", link("loop/x", "f"));
	R("unlink", unlink("c"));
	R("unlink ENOENT", unlink("c"));
	R("unlink ENOENT empty", unlink(""));
	R("unlink EISDIR", unlink("dir"));
	R("unlink EISDIR trailing slash", unlink("dir/"));
	R("unlink ENOTDIR", unlink("a/x"));
	R("unlink ENOTDIR trailing slash", unlink("a/"));
	R("unlink ENAMETOOLONG", unlink(longest));
	R("unlink EFAULT", unlink((char *)8));
	R("unlink ELOOP", unlink("loop/x"));
	R("unlink EISDIR dot", unlink("."));
	R("unlink of a link", unlink("la"));
	R("unlink of a link to a directory", unlink("ld"));
	R("unlinkat EBADF", unlinkat(999, "a", 0));
	R("unlinkat EINVAL", unlinkat(AT_FDCWD, "a", 0x8000));
	R("unlinkat ENOTDIR", unlinkat(open("a", O_RDONLY), "x", 0));
	R("unlinkat AT_REMOVEDIR ENOTDIR", unlinkat(AT_FDCWD, "a", AT_REMOVEDIR));
	R("unlinkat AT_REMOVEDIR", (mkdir("gone", 0755), unlinkat(AT_FDCWD, "gone", AT_REMOVEDIR)));
	R("symlink", symlink("some/where", "s"));
	R("symlink long", (memset(b, 'x', 4095), b[4095] = 0, symlink(b, "slong")));
	R("symlink ENAMETOOLONG", (b[4095] = 'x', b[4096] = 0, symlink(b, "slonger")));
	b[60] = 0;
	R("symlink of 60", symlink(b, "s60"));
	b[59] = 0;
	R("symlink of 59", symlink(b, "s59"));
	struct stat st;
	lstat("s60", &st), out("symlink of 60: size %ld blocks %ld\n", (long)st.st_size, (long)st.st_blocks);
	lstat("s59", &st), out("symlink of 59: size %ld blocks %ld mode %o\n", (long)st.st_size, (long)st.st_blocks, st.st_mode);
	R("symlink EEXIST", symlink("x", "s"));
	R("symlink ENOENT empty", symlink("", "s2"));
	R("symlink ENOENT", symlink("x", "none/s"));
	R("symlink ENOTDIR", symlink("x", "a/s"));
	R("symlink EFAULT", symlink((char *)8, "s3"));
	R("symlink ENAMETOOLONG name", symlink("x", longest));
	R("symlink ELOOP", symlink("x", "loop/s"));
	R("symlinkat EBADF", symlinkat("x", 999, "s3"));
	R("readlink", readlink("s", b, 100));
	R("readlink short", readlink("s", b, 3));
	R("readlink long", readlink("slong", b, sizeof b));
	R("readlink EINVAL", readlink("a", b, 10));
	R("readlink EINVAL size", readlink("s", b, 0));
	R("readlink ENOENT", readlink("none", b, 10));
	R("readlink ENOTDIR", readlink("a/b", b, 10));
	R("readlink EFAULT", readlink("s", (char *)8, 10));
	R("readlink ENAMETOOLONG", readlink(longest, b, 10));
	R("readlink ELOOP", readlink("loop/x", b, 10));
	R("readlinkat EBADF", readlinkat(999, "s", b, 10));
	R("open through a link of 60", open("s60", O_RDONLY));
}

static long rename2(const char *a, const char *b, unsigned flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}

static void renames(void)
{
	mkdir("r", 0755), chdir("r");
	touch("a"), touch("b"), mkdir("d", 0755), mkdir("e", 0755), mkdir("full", 0755), touch("full/x"), symlink("a", "s"), symlink("d", "sd");
	R("rename", rename("a", "a2"));
	R("rename ENOENT", rename("a", "a3"));
	R("rename over a file", rename("a2", "b"));
	R("rename over a link", (touch("f"), rename("f", "s")));
	R("rename of a link", (symlink("q", "ln"), rename("ln", "ln2")));
	R("rename EISDIR", rename("b", "d"));
	R("rename ENOTDIR", rename("d", "b"));
	R("rename ENOTEMPTY", rename("d", "full"));
	R("rename over an empty directory", rename("full", "d"));
	R("rename EINVAL below itself", rename("d", "d/x"));
	R("rename EINVAL deep below itself", (mkdir("d/y", 0755), rename("d", "d/y/z")));
	R("rename ENOTEMPTY its own parent", rename("d/y", "d"));
	R("rename EBUSY dot", rename("d/.", "x"));
	R("rename EBUSY dot dot", rename("d", "e/.."));
	R("rename to itself", rename("d", "d"));
	R("rename ENOENT new", rename("b", "none/x"));
	R("rename ENOENT empty", rename("b", ""));
	R("rename ENOTDIR path", rename("b/x", "y"));
	R("rename ENOTDIR trailing slash", rename("b", "new/"));
	R("rename directory trailing slash", rename("d/", "new/"));
	R("rename ENAMETOOLONG", rename("b", longest));
	R("rename EFAULT", rename((char *)8, "x"));
	R("rename EXDEV", rename("b", "/proc/x"));
	R("rename ELOOP", (symlink("lo", "lo"), rename("lo/x", "y")));
	VAL("rename parent links before", nlink_of("."));
	R("rename directory to another parent", rename("new", "e/new"));
	VAL("rename parent links after", nlink_of("."));
	VAL("rename new parent links", nlink_of("e"));
	struct stat up, e;
	stat("e/new/..", &up), stat("e", &e);
	YES("rename changes dot dot", up.st_ino == e.st_ino);
	R("rename hard links of one file", (link("b", "b2"), rename("b", "b2")));
	VAL("rename hard links leaves both", nlink_of("b"));
	R("renameat2 RENAME_NOREPLACE EEXIST", rename2("b", "b2", RENAME_NOREPLACE));
	R("renameat2 RENAME_NOREPLACE", rename2("b", "b3", RENAME_NOREPLACE));
	R("renameat2 RENAME_EXCHANGE", rename2("b3", "e", RENAME_EXCHANGE));
	stat("b3", &e);
	YES("renameat2 RENAME_EXCHANGE exchanged", S_ISDIR(e.st_mode));
	R("renameat2 RENAME_EXCHANGE ENOENT", rename2("b3", "none", RENAME_EXCHANGE));
	R("renameat2 EINVAL RENAME_EXCHANGE below itself", rename2("b3", "b3/new", RENAME_EXCHANGE));
	R("renameat2 RENAME_WHITEOUT", rename2("e", "e2", RENAME_WHITEOUT));
	if (!lstat("e", &e))
		out("renameat2 RENAME_WHITEOUT leaves %o %d %d\n", e.st_mode, major(e.st_rdev), minor(e.st_rdev));
	R("renameat2 EINVAL flags", rename2("b3", "b4", 0x100));
	R("renameat2 EINVAL NOREPLACE with EXCHANGE", rename2("b3", "b4", RENAME_NOREPLACE | RENAME_EXCHANGE));
	R("renameat EBADF", renameat(999, "b3", AT_FDCWD, "b4"));
	R("renameat ENOTDIR", renameat(open("b2", O_RDONLY), "b3", AT_FDCWD, "b4"));
	R("renameat", renameat(open(".", O_RDONLY), "b3", open("b3", O_RDONLY), "../b5"));
	CHILD("rename as user")
	{
		mkdir("sticky", 01777), touch("sticky/root"), mkdir("open", 0777), mkdir("roots", 0700), touch("open/f");
		chmod("sticky", 01777), chmod("open", 0777);
		setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
		R("rename EACCES", rename("b2", "x"));
		R("rename EPERM sticky", rename("sticky/root", "sticky/other"));
		R("unlink EPERM sticky", unlink("sticky/root"));
		R("unlink EACCES", unlink("b2"));
		R("link EACCES", link("b2", "x"));
		R("link EPERM protected_hardlinks", link("open/f", "open/g"));
		R("mkdir EACCES", mkdir("x", 0755));
		R("rmdir EACCES", rmdir("roots"));
		R("rmdir EPERM sticky", (rmdir("sticky/root")));
		R("symlink EACCES", symlink("x", "y"));
		R("readlink EACCES", readlink("roots/s", longest, 10));
		R("mknod EACCES", mknod("x", S_IFREG | 0600, 0));
		R("mknod EPERM", mknod("open/dev", S_IFCHR | 0600, makedev(1, 3)));
		R("mknod as user", mknod("open/reg", S_IFREG | 0600, 0));
		R("rename into an open directory", rename("open/reg", "open/reg2"));
	}
	chdir("..");
}

static void directories(void)
{
	struct stat st;
	touch("f");
	R("mkdir", mkdir("m", 0700));
	R("mkdir EEXIST", mkdir("m", 0700));
	R("mkdir EEXIST file", mkdir("f", 0700));
	R("mkdir EEXIST dangling", (symlink("void", "dang"), mkdir("dang", 0700)));
	R("mkdir ENOENT", mkdir("none/m", 0700));
	R("mkdir ENOENT empty", mkdir("", 0700));
	R("mkdir ENOTDIR", mkdir("f/m", 0700));
	R("mkdir ENAMETOOLONG", mkdir(longest, 0700));
	R("mkdir EFAULT", mkdir((char *)8, 0700));
	R("mkdir ELOOP", mkdir("loop/x", 0700));
	R("mkdir trailing slash", mkdir("m2///", 01777));
	R("mkdir EEXIST dot", mkdir(".", 0700));
	R("mkdirat EBADF", mkdirat(999, "m3", 0700));
	R("mkdirat ENOTDIR", mkdirat(open("f", O_RDONLY), "m3", 0700));
	stat("m2", &st);
	out("mkdir mode %o links %ld size %ld blocks %ld\n", st.st_mode, (long)st.st_nlink, (long)st.st_size, (long)st.st_blocks);
	R("rmdir", rmdir("m2"));
	R("rmdir ENOENT", rmdir("m2"));
	R("rmdir ENOTDIR", rmdir("f"));
	R("rmdir ENOTDIR link", (symlink("m", "lm"), rmdir("lm")));
	R("rmdir ENOTEMPTY", (touch("m/x"), rmdir("m")));
	R("rmdir EINVAL dot", rmdir("m/."));
	R("rmdir ENOTEMPTY dot dot", rmdir("m/.."));
	R("rmdir ENAMETOOLONG", rmdir(longest));
	R("rmdir EFAULT", rmdir((char *)8));
	R("rmdir ELOOP", rmdir("loop/x"));
	R("rmdir EBUSY mounted", rmdir("/mnt"));
	R("mknod", mknod("reg", S_IFREG | 0640, 0));
	R("mknod no type is a file", mknod("reg2", 0600, 0));
	R("mknod FIFO", mknod("fifo", S_IFIFO | 0644, 0));
	R("mknod socket", mknod("sock", S_IFSOCK | 0644, 0));
	R("mknod character device", mknod("chr", S_IFCHR | 0600, makedev(300, 70000)));
	R("mknod block device", mknod("blk", S_IFBLK | 0600, makedev(7, 1)));
	stat("chr", &st), out("mknod device %o %u:%u\n", st.st_mode, major(st.st_rdev), minor(st.st_rdev));
	stat("blk", &st), out("mknod device %o %u:%u\n", st.st_mode, major(st.st_rdev), minor(st.st_rdev));
	R("mknod EEXIST", mknod("reg", S_IFREG | 0640, 0));
	R("mknod EPERM directory", mknod("dd", S_IFDIR | 0755, 0));
	R("mknod EINVAL", mknod("bad", S_IFLNK | 0755, 0));
	R("mknod ENOENT", mknod("none/x", S_IFREG | 0640, 0));
	R("mknod ENOTDIR", mknod("f/x", S_IFREG | 0640, 0));
	R("mknod EFAULT", mknod((char *)8, S_IFREG | 0640, 0));
	R("mknod ENAMETOOLONG", mknod(longest, S_IFREG | 0640, 0));
	R("mknod ELOOP", mknod("loop/x", S_IFREG | 0640, 0));
	R("mknodat EBADF", mknodat(999, "x", S_IFREG | 0640, 0));
}

struct entry {
	uint64_t ino, off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

/* Names with their types, sorted: the order is the file system's own affair. */
static void listing(void)
{
	char b[2000], *names[100];
	int fd, n = 0;
	long got;
	mkdir("list", 0755), touch("list/file"), mkdir("list/dir", 0755), symlink("x", "list/link"), mkfifo("list/fifo", 0600);
	mknod("list/chr", S_IFCHR | 0600, makedev(1, 3)), mknod("list/blk", S_IFBLK | 0600, makedev(7, 0)), mknod("list/sock", S_IFSOCK | 0600, 0);
	fd = open("list", O_RDONLY);
	while ((got = SC(SYS_getdents64, fd, b, sizeof b)) > 0)
		for (char *p = b; p < b + got; p += ((struct entry *)p)->len) {
			struct entry *e = (struct entry *)p;
			names[n] = malloc(300);
			sprintf(names[n++], "%s type %d", e->name, e->type);
		}
	qsort(names, n, sizeof *names, by_name);
	for (int i = 0; i < n; i++)
		out("getdents64 %s\n", names[i]);
	R("getdents64 at the end", SC(SYS_getdents64, fd, b, sizeof b));
	R("getdents64 EINVAL small", (lseek(fd, 0, SEEK_SET), SC(SYS_getdents64, fd, b, 10)));
	R("getdents64 EBADF", SC(SYS_getdents64, 999, b, sizeof b));
	R("getdents64 ENOTDIR", SC(SYS_getdents64, open("f", O_RDONLY), b, sizeof b));
	R("getdents64 EFAULT", SC(SYS_getdents64, fd, 8, sizeof b));
	mkdir("gone", 0755);
	int gone = open("gone", O_RDONLY);
	rmdir("gone");
	R("getdents64 ENOENT removed", SC(SYS_getdents64, gone, b, sizeof b));
	R("openat ENOENT in a removed directory", openat(gone, "x", O_CREAT | O_RDWR, 0600));
	struct stat st;
	fstat(gone, &st);
	VAL("fstat links of a removed directory", st.st_nlink);
}

/* A directory of several blocks, read while it changes. */
static void many(void)
{
	char name[64];
	int seen = 0, kept = 0;
	struct dirent *e;
	mkdir("many", 0755);
	for (int i = 0; i < 700; i++)
		sprintf(name, "many/a-rather-long-name-of-a-file-%d", i), touch(name);
	DIR *d = opendir("many");
	while ((e = readdir(d)))
		seen++;
	VAL("readdir of 702", seen);
	rewinddir(d);
	for (seen = 0; (e = readdir(d)) && seen < 100; seen++)
		;
	long at = telldir(d);
	for (int i = 0; i < 700; i += 2)
		sprintf(name, "many/a-rather-long-name-of-a-file-%d", i), unlink(name);
	seekdir(d, at);
	while (readdir(d))
		;
	rewinddir(d);
	while ((e = readdir(d)))
		kept++;
	VAL("readdir after half were removed", kept);
	rewinddir(d);
	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	R("rmdir after removing while reading", rmdir("many"));
}

int main(void)
{
	memset(longest, 'n', 256);
	links();
	renames();
	directories();
	listing();
	many();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Files on tmpfs: opening, reading, links, directories, renaming, times, limits of names. */
#include "check.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/sysmacros.h>

static void opening(void)
{
	char name[300];
	R("open ENOENT", open("none", O_RDONLY));
	OK("open O_CREAT", open("file", O_RDWR | O_CREAT, 0640));
	R("open EEXIST O_CREAT|O_EXCL", open("file", O_RDWR | O_CREAT | O_EXCL, 0640));
	R("open ENOTDIR through a file", open("file/x", O_RDONLY));
	R("open ENOTDIR O_DIRECTORY", open("file", O_RDONLY | O_DIRECTORY));
	R("open ENOTDIR trailing slash", open("file/", O_RDONLY));
	R("open EISDIR", open(".", O_RDWR));
	R("open EISDIR O_CREAT", open(".", O_CREAT | O_RDONLY, 0600));
	R("open ENOENT empty", open("", O_RDONLY));
	R("open EFAULT", open((char *)8, O_RDONLY));
	memset(name, 'n', sizeof name);
	name[256] = 0;
	R("open ENAMETOOLONG", open(name, O_RDONLY));
	name[255] = 0;
	OK("open longest name", open(name, O_RDWR | O_CREAT, 0600));
	symlink("selfloop", "selfloop");
	R("open ELOOP", open("selfloop", O_RDONLY));
	symlink("file", "link");
	R("open ELOOP O_NOFOLLOW", open("link", O_RDONLY | O_NOFOLLOW));
	OK("open link", open("link", O_RDONLY));
	symlink("nowhere", "dangling");
	R("open ENOENT dangling", open("dangling", O_RDONLY));
	OK("open O_CREAT through dangling", open("dangling", O_RDWR | O_CREAT, 0600));
	R("open nowhere now exists", access("nowhere", F_OK));
	R("open EINVAL O_TMPFILE without write", open(".", O_TMPFILE | O_RDONLY, 0600));
	OK("open O_TMPFILE", open(".", O_TMPFILE | O_RDWR, 0600));
	int fd = open("file", O_RDONLY);
	R("write EBADF read-only", write(fd, "x", 1));
	fd = open("file", O_WRONLY | O_TRUNC);
	R("read EBADF write-only", read(fd, name, 1));
	fd = open("file", O_PATH);
	R("read EBADF O_PATH", read(fd, name, 1));
	R("openat EBADF", openat(999, "x", O_RDONLY));
	R("openat ENOTDIR", openat(open("file", O_RDONLY), "x", O_RDONLY));
	VAL("open flags kept", fcntl(open("file", O_RDWR | O_APPEND | O_NONBLOCK), F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	VAL("open O_CLOEXEC", fcntl(open("file", O_RDONLY | O_CLOEXEC), F_GETFD));
	R("openat2 EINVAL size", SC(437, AT_FDCWD, "file", name, 4));
	R("creat EACCES", (mkdir("private", 0700), seteuid(1000), creat("private/denied", 0600)));
	seteuid(0);
	struct stat st;
	umask(022);
	close(open("masked", O_CREAT | O_WRONLY, 0777));
	stat("masked", &st);
	out("open mode with umask %o\n", st.st_mode);
}

static void data(void)
{
	char buf[64] = { 0 };
	int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	R("write", write(fd, "hello world", 11));
	R("lseek SEEK_SET", lseek(fd, 6, SEEK_SET));
	R("read", read(fd, buf, 20));
	out("read %s\n", buf);
	R("read at the end", read(fd, buf, 20));
	R("lseek SEEK_END", lseek(fd, 100, SEEK_END));
	R("write beyond the end", write(fd, "z", 1));
	R("pread hole", pread(fd, buf, 1, 50));
	VAL("pread hole value", buf[0]);
	R("lseek EINVAL negative", lseek(fd, -1, SEEK_SET));
	R("lseek EINVAL whence", lseek(fd, 0, 77));
	R("lseek SEEK_CUR", lseek(fd, 0, SEEK_CUR));
	R("lseek ENXIO SEEK_DATA past the end", lseek(fd, 1000, SEEK_DATA));
	R("pread EINVAL negative", pread(fd, buf, 1, -1));
	R("read EFAULT", read(fd, (void *)8, 0) + pread(fd, (void *)8, 5, 0));
	R("write EFAULT", pwrite(fd, (void *)8, 5, 0));
	R("read EISDIR", read(open(".", O_RDONLY), buf, 1));
	R("read EBADF", read(999, buf, 1));
	struct iovec iov[3] = { { buf, 3 }, { buf + 10, 0 }, { buf + 20, 4 } };
	lseek(fd, 0, SEEK_SET);
	R("readv", readv(fd, iov, 3));
	out("readv %.3s %.4s\n", buf, buf + 20);
	R("writev", writev(fd, iov, 3));
	R("readv EINVAL count", readv(fd, iov, -1));
	R("readv EINVAL too many", readv(fd, iov, 1025));
	R("preadv", preadv(fd, iov, 1, 2));
	iov[0].iov_len = -1;
	R("readv EINVAL length", readv(fd, iov, 1));
	R("ftruncate", ftruncate(fd, 5));
	R("ftruncate EINVAL negative", ftruncate(fd, -1));
	R("truncate", truncate("data", 3));
	R("truncate EISDIR", truncate(".", 3));
	R("ftruncate EINVAL read-only", ftruncate(open("data", O_RDONLY), 3));
	int ap = open("data", O_WRONLY | O_APPEND);
	write(ap, "END", 3);
	lseek(ap, 0, SEEK_SET);
	write(ap, "X", 1);
	memset(buf, 0, sizeof buf);
	pread(fd, buf, 20, 0);
	out("O_APPEND %s\n", buf);
	R("fallocate", fallocate(fd, 0, 0, 10000));
	VAL("fallocate size", lseek(fd, 0, SEEK_END));
	R("fallocate FALLOC_FL_KEEP_SIZE", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 50000));
	R("fallocate EINVAL", fallocate(fd, 0, 0, 0));
	R("fallocate EBADF", fallocate(999, 0, 0, 10));
	R("fsync", fsync(fd));
	R("fdatasync", fdatasync(fd));
	R("fsync EBADF", fsync(999));
	int a = dup(fd), b = fcntl(fd, F_DUPFD, 100), c = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	YES("dup shares the offset", lseek(a, 7, SEEK_SET) == 7 && lseek(b, 0, SEEK_CUR) == 7);
	YES("fcntl F_DUPFD lowest above", b == 100 && c == 101 && fcntl(c, F_GETFD) == 1);
	R("dup2 same", dup2(fd, fd) - fd);
	R("dup2 EBADF", dup2(999, 5));
	R("dup3 EINVAL same", dup3(fd, fd, 0));
	R("dup3 EINVAL flags", dup3(fd, 50, 77));
	R("fcntl EINVAL", fcntl(fd, 9999));
	R("close", close(a));
	R("close EBADF", close(a));
	int in = open("data", O_RDONLY), o = open("copy", O_WRONLY | O_CREAT, 0600);
	R("sendfile", SC(SYS_sendfile, o, in, NULL, 100));
	R("copy_file_range", SC(SYS_copy_file_range, in, NULL, o, NULL, 50, 0));
	R("close_range", SC(SYS_close_range, 200, 300, 0));
	R("close_range EINVAL", SC(SYS_close_range, 300, 200, 0));
}

static void links(void)
{
	struct stat st;
	char buf[64] = { 0 };
	close(open("one", O_CREAT | O_RDWR, 0600));
	R("link", link("one", "two"));
	stat("one", &st);
	VAL("link count", st.st_nlink);
	R("link EEXIST", link("one", "two"));
	R("link ENOENT", link("zero", "three"));
	mkdir("dir", 0755);
	R("link EPERM directory", link("dir", "dir2"));
	int fd = open("one", O_RDWR);
	write(fd, "kept", 4);
	R("unlink", unlink("one"));
	R("unlink second", unlink("two"));
	pread(fd, buf, 4, 0);
	out("unlinked file still has: %s\n", buf);
	fstat(fd, &st);
	VAL("unlinked link count", st.st_nlink);
	R("unlink ENOENT", unlink("one"));
	R("unlink EISDIR", unlink("dir"));
	R("symlink", symlink("target/of/link", "sym"));
	R("readlink", readlink("sym", buf, sizeof buf));
	R("readlink cut", readlink("sym", buf, 5));
	R("readlink EINVAL", readlink("dir", buf, 5));
	R("readlink EINVAL size 0", readlink("sym", buf, 0));
	R("symlink EEXIST", symlink("x", "sym"));
	R("symlink ENOENT empty", symlink("", "empty"));
	lstat("sym", &st);
	out("lstat %o size %ld\n", st.st_mode, (long)st.st_size);
	R("mknod FIFO", mkfifo("fifo", 0644));
	R("mknod EEXIST", mkfifo("fifo", 0644));
	R("mknod device", mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	R("mknod device works", write(open("null", O_WRONLY), "abc", 3));
	R("mknod EPERM", (seteuid(1000), mknod("/tmp/x", S_IFCHR | 0666, makedev(1, 3))));
	seteuid(0);
	R("mknod EINVAL directory", mknod("xx", S_IFDIR | 0755, 0));
	stat("null", &st);
	out("device %o %d %d\n", st.st_mode, major(st.st_rdev), minor(st.st_rdev));
	R("open ENXIO FIFO without reader", open("fifo", O_WRONLY | O_NONBLOCK));
	OK("open FIFO without writer", open("fifo", O_RDONLY | O_NONBLOCK));
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

static void list(const char *name, const char *path)
{
	char *names[200];
	int n = 0;
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d)) && n < 200) {
		names[n] = malloc(300);
		sprintf(names[n++], "%s:%d", e->d_name, e->d_type);
	}
	if (d)
		closedir(d);
	qsort(names, n, sizeof *names, compare);
	out("%s:", name);
	for (int i = 0; i < n; i++)
		out(" %s", names[i]);
	out("\n");
}

static void directories(void)
{
	struct stat st;
	char buf[300];
	R("mkdir", mkdir("d", 0755));
	R("mkdir EEXIST", mkdir("d", 0755));
	R("mkdir ENOENT", mkdir("a/b", 0755));
	R("mkdir trailing slash", mkdir("d/e/", 0700));
	close(open("d/f", O_CREAT | O_RDWR, 0600));
	symlink("f", "d/l");
	list("readdir", "d");
	stat("d", &st);
	VAL("directory links", st.st_nlink);
	R("rmdir ENOTEMPTY", rmdir("d"));
	R("rmdir ENOTDIR", rmdir("d/f"));
	R("rmdir ENOENT", rmdir("d/none"));
	R("rmdir EINVAL dot", rmdir("d/."));
	R("rmdir", rmdir("d/e"));
	R("rename file", rename("d/f", "d/g"));
	R("rename ENOENT", rename("d/f", "d/g"));
	mkdir("d/x", 0755), mkdir("d/y", 0755);
	close(open("d/y/z", O_CREAT | O_RDWR, 0600));
	R("rename ENOTEMPTY", rename("d/x", "d/y"));
	R("rename over empty directory", rename("d/y", "d/x"));
	R("rename EISDIR file over directory", rename("d/g", "d/x"));
	R("rename ENOTDIR directory over file", rename("d/x", "d/g"));
	R("rename EINVAL into itself", rename("d", "d/x/d"));
	R("rename same file", (link("d/g", "d/h"), rename("d/g", "d/h")));
	R("rename same file keeps both", access("d/g", F_OK) + access("d/h", F_OK));
	R("renameat2 RENAME_NOREPLACE", SC(SYS_renameat2, AT_FDCWD, "d/g", AT_FDCWD, "d/h", 1));
	R("renameat2 RENAME_EXCHANGE", SC(SYS_renameat2, AT_FDCWD, "d/g", AT_FDCWD, "d/x", 2));
	stat("d/g", &st);
	YES("renameat2 exchanged", S_ISDIR(st.st_mode));
	R("renameat2 EINVAL", SC(SYS_renameat2, AT_FDCWD, "d/g", AT_FDCWD, "d/x", 3));
	list("readdir after", "d");
	R("chdir", chdir("d/g"));
	YES("getcwd", getcwd(buf, sizeof buf) && !strcmp(buf + strlen(buf) - 4, "/d/g"));
	R("getcwd ERANGE", SC(SYS_getcwd, buf, 2));
	R("chdir ENOTDIR", chdir("z"));
	R("chdir ..", chdir("../.."));
	R("fchdir ENOTDIR", fchdir(open("d/h", O_RDONLY)));
	mkdir("gone", 0755), chdir("gone"), rmdir("../gone");
	R("getcwd ENOENT removed", SC(SYS_getcwd, buf, sizeof buf));
	R("open ENOENT in a removed directory", open("x", O_CREAT | O_RDWR, 0600));
	chdir("..");
	mkdir("many", 0755);
	for (int i = 0; i < 500; i++) {
		snprintf(buf, sizeof buf, "many/file-%d", i);
		close(open(buf, O_CREAT | O_RDWR, 0600));
	}
	int n = 0;
	DIR *dir = opendir("many");
	for (struct dirent *e; (e = readdir(dir));)
		n++;
	VAL("readdir 502 entries", n);
	rewinddir(dir);
	for (struct dirent *e; (e = readdir(dir));)
		unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	R("rmdir after removing while reading", rmdir("many"));
	R("unlinkat AT_REMOVEDIR", (mkdir("q", 0755), unlinkat(AT_FDCWD, "q", AT_REMOVEDIR)));
	R("unlinkat EINVAL", unlinkat(AT_FDCWD, "q", 77));
}

static void attributes(void)
{
	struct stat st;
	struct statfs fs;
	int fd = open("attr", O_CREAT | O_RDWR | O_TRUNC, 0644);
	R("chmod", chmod("attr", 04751));
	stat("attr", &st);
	out("chmod %o\n", st.st_mode);
	R("fchmod", fchmod(fd, 0600));
	R("chown", chown("attr", 1000, 2000));
	stat("attr", &st);
	out("chown %d %d\n", st.st_uid, st.st_gid);
	R("chown unchanged", chown("attr", -1, -1));
	R("chmod ENOENT", chmod("nothere", 0600));
	CHILD("attributes as user")
	{
		setresuid(3000, 3000, 3000);
		R("open EACCES", open("attr", O_RDONLY));
		R("chmod EPERM", chmod("attr", 0777));
		R("chown EPERM", chown("attr", 3000, 3000));
		R("access EACCES", access("attr", R_OK));
		R("utimensat EPERM", utimensat(AT_FDCWD, "attr", (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0));
		R("unlink EACCES", unlink("attr"));
	}
	R("access", access("attr", R_OK | W_OK));
	R("access X_OK of root needs one x", access("attr", X_OK));
	R("access EINVAL", access("attr", 77));
	R("faccessat2 AT_EACCESS", SC(439, AT_FDCWD, "attr", R_OK, AT_EACCESS));
	struct timespec t[2] = { { 1000, 5 }, { 2000, 6 } };
	R("utimensat", utimensat(AT_FDCWD, "attr", t, 0));
	stat("attr", &st);
	out("utimensat %ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	t[0].tv_nsec = UTIME_OMIT, t[1].tv_nsec = UTIME_NOW;
	R("utimensat UTIME_NOW", utimensat(AT_FDCWD, "attr", t, 0));
	stat("attr", &st);
	YES("utimensat UTIME_OMIT kept", st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec > 2000);
	write(fd, "12345", 5);
	fstat(fd, &st);
	out("fstat size %ld blocks %ld blksize %ld\n", (long)st.st_size, (long)st.st_blocks, (long)st.st_blksize);
	R("fstat EBADF", fstat(999, &st));
	R("stat EFAULT", SC(SYS_stat, "attr", 8));
	struct statx sx;
	R("statx", statx(AT_FDCWD, "attr", 0, STATX_BASIC_STATS, &sx));
	out("statx %o %llu\n", sx.stx_mode, (unsigned long long)sx.stx_size);
	R("statx EINVAL flags", statx(AT_FDCWD, "attr", 0x8000, STATX_BASIC_STATS, &sx));
	R("fstatat AT_EMPTY_PATH", fstatat(fd, "", &st, AT_EMPTY_PATH));
	R("statfs", statfs(".", &fs));
	out("statfs type %lx block %ld names %ld\n", (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_namelen);
	VAL("umask", umask(077));
	VAL("umask after", umask(022));
	R("flock LOCK_EX", flock(fd, LOCK_EX));
	int other = open("attr", O_RDWR);
	R("flock EWOULDBLOCK", flock(other, LOCK_EX | LOCK_NB));
	R("flock LOCK_UN", flock(fd, LOCK_UN));
	R("flock LOCK_SH", flock(other, LOCK_SH | LOCK_NB));
	R("flock EINVAL", flock(fd, 77));
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10 };
	R("fcntl F_SETLK", fcntl(fd, F_SETLK, &fl));
	CHILD("locks in the child")
	{
		fl.l_start = 5;
		R("fcntl F_SETLK EAGAIN", fcntl(fd, F_SETLK, &fl));
		R("fcntl F_GETLK", fcntl(fd, F_GETLK, &fl));
		out("fcntl F_GETLK %d %ld %ld %s\n", fl.l_type, (long)fl.l_start, (long)fl.l_len, fl.l_pid == getppid() ? "parent" : "?");
		fl = (struct flock){ .l_type = F_WRLCK, .l_start = 10, .l_len = 0 };
		R("fcntl F_SETLK beside", fcntl(fd, F_SETLK, &fl));
	}
}

int main(void)
{
	opening();
	data();
	links();
	directories();
	attributes();
	return 0;
}

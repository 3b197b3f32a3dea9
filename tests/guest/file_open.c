/* SPDX-License-Identifier: MIT */
/* Opening files of a disk: open, openat, openat2, creat with each flag and error. Runs on ext2. */
#include "check.h"
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

static long openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { flags, mode, resolve };
	return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static void flags(void)
{
	char buf[8192] __attribute__((aligned(4096))) = { 0 };
	struct stat st;
	OK("open O_CREAT", open("f", O_RDWR | O_CREAT, 0644));
	R("open O_EXCL EEXIST", open("f", O_RDWR | O_CREAT | O_EXCL, 0644));
	OK("open O_EXCL new", open("excl", O_RDWR | O_CREAT | O_EXCL, 0644));
	int fd = open("f", O_WRONLY);
	write(fd, "12345678", 8);
	OK("open O_TRUNC", open("f", O_WRONLY | O_TRUNC));
	stat("f", &st);
	VAL("open O_TRUNC size", st.st_size);
	fd = open("f", O_WRONLY | O_APPEND);
	write(fd, "abc", 3);
	R("open O_APPEND pwrite goes to the end", (pwrite(fd, "Z", 1, 0), lseek(fd, 0, SEEK_END)));
	R("open O_APPEND offset after write", (lseek(fd, 0, SEEK_SET), write(fd, "d", 1), lseek(fd, 0, SEEK_CUR)));
	OK("open O_SYNC", fd = open("f", O_RDWR | O_SYNC));
	R("open O_SYNC write", write(fd, "s", 1));
	OK("open O_DSYNC", fd = open("f", O_RDWR | O_DSYNC));
	VAL("open O_DSYNC flags", fcntl(fd, F_GETFL) & (O_SYNC | O_DSYNC));
	OK("open O_NOATIME", open("f", O_RDONLY | O_NOATIME));
	OK("open O_NONBLOCK", open("f", O_RDONLY | O_NONBLOCK));
	OK("open O_NOCTTY", open("f", O_RDONLY | O_NOCTTY));
	OK("open O_LARGEFILE", open("f", O_RDONLY | O_LARGEFILE));
	OK("open O_ASYNC", open("f", O_RDONLY | O_ASYNC));
	OK("open O_DIRECTORY", open(".", O_RDONLY | O_DIRECTORY));
	R("open O_DIRECTORY ENOTDIR", open("f", O_RDONLY | O_DIRECTORY));
	symlink("f", "sym");
	R("open O_NOFOLLOW ELOOP", open("sym", O_RDONLY | O_NOFOLLOW));
	OK("open O_PATH|O_NOFOLLOW", fd = open("sym", O_PATH | O_NOFOLLOW));
	fstat(fd, &st);
	out("open O_PATH of a link %o\n", st.st_mode);
	R("open O_PATH read EBADF", read(fd, buf, 1));
	R("open O_PATH fchmod EBADF", fchmod(fd, 0600));
	R("open O_PATH readlinkat", readlinkat(fd, "", buf, 10));
	OK("open O_CLOEXEC", fd = open("f", O_RDONLY | O_CLOEXEC));
	VAL("open O_CLOEXEC flag", fcntl(fd, F_GETFD));
	OK("open access mode 3", fd = open("f", 3));
	R("open access mode 3 read EBADF", read(fd, buf, 1));
	R("open access mode 3 write EBADF", write(fd, buf, 1));
}

static void direct(void)
{
	static char buf[16384] __attribute__((aligned(4096)));
	int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0600);
	YES("open O_DIRECT", fd >= 0);
	memset(buf, 'd', sizeof buf);
	R("write O_DIRECT", pwrite(fd, buf, 8192, 0));
	R("write O_DIRECT 512", pwrite(fd, buf, 512, 8192));
	R("write O_DIRECT EINVAL length", pwrite(fd, buf, 100, 0));
	R("write O_DIRECT EINVAL offset", pwrite(fd, buf, 512, 100));
	R("write O_DIRECT EINVAL buffer", pwrite(fd, buf + 1, 512, 0));
	R("read O_DIRECT", pread(fd, buf, 16384, 0));
	R("read O_DIRECT at the end", pread(fd, buf, 4096, 12288));
	R("read O_DIRECT beyond the end", pread(fd, buf, 4096, 1 << 20));
	R("read O_DIRECT EINVAL length", pread(fd, buf, 100, 0));
	R("write O_DIRECT makes a hole", pwrite(fd, buf, 512, 65536));
	VAL("write O_DIRECT size", lseek(fd, 0, SEEK_END));
	R("ftruncate O_DIRECT odd", ftruncate(fd, 1000));
	R("read O_DIRECT odd end", pread(fd, buf, 4096, 0));
	R("fcntl F_SETFL clears O_DIRECT", fcntl(fd, F_SETFL, 0));
	R("write after O_DIRECT", pwrite(fd, buf, 100, 7));
	R("fcntl F_SETFL O_DIRECT", fcntl(fd, F_SETFL, O_DIRECT));
	R("read O_DIRECT EINVAL again", pread(fd, buf, 100, 0));
}

static void tmpfile_and_modes(void)
{
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	YES("open O_TMPFILE", fd >= 0);
	if (fd >= 0) {
		char path[64];
		fstat(fd, &st);
		VAL("open O_TMPFILE links", st.st_nlink);
		R("write O_TMPFILE", write(fd, "tmp", 3));
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		R("linkat O_TMPFILE", linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
		fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		R("linkat ENOENT O_TMPFILE|O_EXCL", linkat(AT_FDCWD, path, AT_FDCWD, "linked2", AT_SYMLINK_FOLLOW));
	}
	R("open EINVAL O_TMPFILE read-only", open(".", O_TMPFILE | O_RDONLY, 0600));
	R("open O_TMPFILE ENOENT", open("none", O_TMPFILE | O_RDWR, 0600));
	R("open O_TMPFILE ENOTDIR", open("f", O_TMPFILE | O_RDWR, 0600));
	umask(027);
	close(open("m1", O_CREAT | O_WRONLY, 0777));
	close(creat("m2", 06777));
	stat("m1", &st), out("open mode under umask %o\n", st.st_mode);
	stat("m2", &st), out("creat mode under umask %o\n", st.st_mode);
	umask(022);
	mkdir("sgid", 0777), chown("sgid", 0, 77), chmod("sgid", 02777);
	close(open("sgid/f", O_CREAT | O_WRONLY, 02755));
	mkdir("sgid/d", 0755);
	stat("sgid/f", &st), out("open in a set-group-ID directory %o %d\n", st.st_mode, st.st_gid);
	stat("sgid/d", &st), out("mkdir in a set-group-ID directory %o %d\n", st.st_mode, st.st_gid);
	R("creat truncates", creat("m1", 0600) >= 0 ? 0 : -1);
	R("creat EISDIR", creat("sgid", 0600));
	R("creat ENOENT", creat("no/such", 0600));
	R("creat ENOTDIR", creat("m1/x", 0600));
	R("creat EFAULT", creat((char *)8, 0600));
}

static void errors(void)
{
	char name[5000];
	R("open ENOENT", open("none", O_RDONLY));
	R("open ENOENT empty name", open("", O_RDONLY));
	R("open ENOTDIR", open("f/g", O_RDONLY));
	R("open ENOTDIR trailing slash", open("f/", O_RDONLY));
	R("open EISDIR", open(".", O_WRONLY));
	R("open EISDIR O_CREAT", open("sgid", O_CREAT | O_RDWR, 0600));
	R("open EISDIR O_CREAT trailing slash", open("newname/", O_CREAT | O_RDWR, 0600));
	R("open EFAULT", open((char *)8, O_RDONLY));
	memset(name, 'n', sizeof name);
	name[255] = 0;
	OK("open name of 255", open(name, O_RDWR | O_CREAT, 0600));
	R("unlink name of 255", unlink(name));
	name[255] = 'n', name[256] = 0;
	R("open ENAMETOOLONG name", open(name, O_RDWR | O_CREAT, 0600));
	for (int i = 0; i < 4998; i += 2)
		name[i] = '.', name[i + 1] = '/';
	name[4095] = 0;
	OK("open path of 4095", open(name, O_RDONLY));
	name[4095] = '/', name[4096] = 0;
	R("open ENAMETOOLONG path", open(name, O_RDONLY));
	symlink("l2", "l1"), symlink("l1", "l2");
	R("open ELOOP", open("l1", O_RDONLY));
	symlink("nowhere", "dangling");
	R("open ENOENT dangling", open("dangling", O_RDONLY));
	R("open EEXIST O_EXCL dangling", open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600));
	OK("open O_CREAT through a link", open("dangling", O_CREAT | O_RDWR, 0600));
	R("access of what it made", access("nowhere", F_OK));
	R("openat EBADF", openat(999, "f", O_RDONLY));
	R("openat ENOTDIR", openat(open("f", O_RDONLY), "g", O_RDONLY));
	OK("openat absolute ignores the descriptor", openat(999, "/", O_RDONLY));
	OK("openat AT_FDCWD", openat(AT_FDCWD, "f", O_RDONLY));
	OK("openat directory", openat(open(".", O_RDONLY), "f", O_RDONLY));
	CHILD("open as user")
	{
		chmod("m1", 0600), chmod("sgid", 0700);
		setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
		R("open EACCES", open("m1", O_RDONLY));
		R("open EACCES search", open("sgid/f", O_RDONLY));
		R("open EACCES create", open("new", O_CREAT | O_RDWR, 0600));
		R("open EPERM O_NOATIME", open("nowhere", O_RDONLY | O_NOATIME));
		R("creat EACCES", creat("new", 0600));
	}
	struct rlimit old, low = { 3, 4096 };
	getrlimit(RLIMIT_NOFILE, &old);
	setrlimit(RLIMIT_NOFILE, &low);
	R("open EMFILE", open("f", O_RDONLY));
	setrlimit(RLIMIT_NOFILE, &old);
	mkfifo("fifo", 0600);
	R("open ENXIO FIFO", open("fifo", O_WRONLY | O_NONBLOCK));
	OK("open FIFO both ways", open("fifo", O_RDWR));
	mknod("nodev", S_IFCHR | 0600, makedev(240, 77));
	R("open ENXIO device", open("nodev", O_RDONLY));
	mknod("noblk", S_IFBLK | 0600, makedev(240, 77));
	R("open ENXIO block device", open("noblk", O_RDONLY));
	mknod("sock", S_IFSOCK | 0600, 0);
	R("open ENXIO socket", open("sock", O_RDWR));
	OK("open device on the disk", (mknod("null", S_IFCHR | 0600, makedev(1, 3)), open("null", O_RDWR)));
}

static void second(void)
{
	struct open_how how = { O_RDONLY, 0, 0 };
	struct { struct open_how h; uint64_t more; } longer = { { O_RDONLY, 0, 0 }, 0 };
	mkdir("in", 0755), close(open("in/file", O_CREAT | O_RDWR, 0600));
	symlink("../f", "in/up"), symlink("/f", "in/abs"), symlink("file", "in/here");
	int dir = open("in", O_RDONLY);
	OK("openat2", openat2(AT_FDCWD, "f", O_RDONLY, 0, 0));
	OK("openat2 O_CREAT", openat2(AT_FDCWD, "o2", O_CREAT | O_RDWR, 0640, 0));
	R("openat2 EINVAL mode without O_CREAT", openat2(AT_FDCWD, "f", O_RDONLY, 0600, 0));
	R("openat2 EINVAL mode bits", openat2(AT_FDCWD, "o3", O_CREAT | O_RDWR, 0200000, 0));
	R("openat2 EINVAL flags", openat2(AT_FDCWD, "f", 1ULL << 40, 0, 0));
	R("openat2 EINVAL resolve", openat2(AT_FDCWD, "f", O_RDONLY, 0, 1 << 20));
	R("openat2 EINVAL O_PATH with others", openat2(AT_FDCWD, "f", O_PATH | O_RDWR, 0, 0));
	R("openat2 EINVAL size 0", SC(SYS_openat2, AT_FDCWD, "f", &how, 0));
	R("openat2 EINVAL size", SC(SYS_openat2, AT_FDCWD, "f", &how, 16));
	OK("openat2 longer, zero", SC(SYS_openat2, AT_FDCWD, "f", &longer, sizeof longer));
	longer.more = 1;
	R("openat2 E2BIG", SC(SYS_openat2, AT_FDCWD, "f", &longer, sizeof longer));
	R("openat2 EFAULT", SC(SYS_openat2, AT_FDCWD, "f", 8, sizeof how));
	R("openat2 EXDEV RESOLVE_BENEATH ..", openat2(dir, "../f", O_RDONLY, 0, RESOLVE_BENEATH));
	R("openat2 EXDEV RESOLVE_BENEATH absolute", openat2(dir, "/", O_RDONLY, 0, RESOLVE_BENEATH));
	R("openat2 EXDEV RESOLVE_BENEATH link up", openat2(dir, "up", O_RDONLY, 0, RESOLVE_BENEATH));
	OK("openat2 RESOLVE_BENEATH", openat2(dir, "here", O_RDONLY, 0, RESOLVE_BENEATH));
	OK("openat2 RESOLVE_IN_ROOT", openat2(dir, "/../file", O_RDONLY, 0, RESOLVE_IN_ROOT));
	R("openat2 ENOENT RESOLVE_IN_ROOT link", openat2(dir, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT));
	R("openat2 ELOOP RESOLVE_NO_SYMLINKS", openat2(dir, "here", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	R("openat2 ELOOP RESOLVE_NO_MAGICLINKS", openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	R("openat2 EXDEV RESOLVE_NO_XDEV", openat2(AT_FDCWD, "/proc/self", O_RDONLY, 0, RESOLVE_NO_XDEV));
	OK("openat2 RESOLVE_CACHED", openat2(AT_FDCWD, "f", O_RDONLY, 0, RESOLVE_CACHED));
	R("openat2 EAGAIN RESOLVE_CACHED O_CREAT", openat2(AT_FDCWD, "o5", O_CREAT | O_RDWR, 0600, RESOLVE_CACHED));
}

int main(void)
{
	flags();
	direct();
	tmpfile_and_modes();
	errors();
	second();
	return 0;
}

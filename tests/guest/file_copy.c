/* SPDX-License-Identifier: MIT */
/* From file to file and through pipes: sendfile, splice, tee, vmsplice, copy_file_range; maps of files. Runs on ext2. */
#include "check.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char buf[300000];

static int fresh(const char *name)
{
	return open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
}

static void sending(void)
{
	int in = temp_file("in", 10), o = fresh("out"), p[2], s[2], rd = open("in", O_RDONLY), wr = open("in", O_WRONLY), ap = open("out", O_WRONLY | O_APPEND);
	off_t at = 5000;
	pipe(p), socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	R("sendfile with offset", sendfile(o, in, &at, 10000));
	VAL("sendfile moves the offset", at);
	VAL("sendfile leaves the file's", lseek(in, 0, SEEK_CUR));
	lseek(in, 100, SEEK_SET);
	R("sendfile without offset", sendfile(o, in, NULL, 1000));
	VAL("sendfile moves the file's", lseek(in, 0, SEEK_CUR));
	VAL("sendfile output size", lseek(o, 0, SEEK_END));
	R("sendfile to the end", (at = 40000, sendfile(o, in, &at, 10000)));
	R("sendfile at the end", sendfile(o, in, &at, 10000));
	R("sendfile to a pipe", (at = 0, sendfile(p[1], in, &at, 5000)));
	R("sendfile to a socket", (at = 0, sendfile(s[1], in, &at, 5000)));
	R("sendfile EAGAIN full pipe", (fcntl(p[1], F_SETFL, O_NONBLOCK), at = 0, sendfile(p[1], in, &at, 1 << 20), sendfile(p[1], in, &at, 100)));
	R("sendfile EBADF in", sendfile(o, 999, NULL, 10));
	R("sendfile EBADF out", sendfile(999, in, NULL, 10));
	R("sendfile EBADF write-only in", sendfile(o, wr, NULL, 10));
	R("sendfile EBADF read-only out", sendfile(rd, in, NULL, 10));
	R("sendfile EINVAL O_APPEND out", sendfile(ap, in, NULL, 10));
	R("sendfile EINVAL negative offset", (at = -1, sendfile(o, in, &at, 10)));
	R("sendfile EINVAL directory", sendfile(o, open(".", O_RDONLY), NULL, 10));
	R("sendfile ESPIPE", (at = 0, sendfile(o, p[0], &at, 10)));
	R("sendfile EFAULT", sendfile(o, in, (off_t *)8, 10));
	R("sendfile 0", sendfile(o, in, NULL, 0));
	R("sendfile same file", (lseek(in, 0, SEEK_END), at = 0, sendfile(in, in, &at, 100)));
}

static void splicing(void)
{
	int in = temp_file("in2", 30), o = fresh("out2"), p[2], q[2];
	loff_t at = 0, to = 0;
	pipe(p), pipe(q);
	R("splice file to pipe", splice(in, &at, p[1], NULL, 10000, 0));
	VAL("splice moves the offset", at);
	R("splice pipe to file", splice(p[0], NULL, o, &to, 10000, 0));
	VAL("splice moves the target's offset", to);
	R("splice SPLICE_F_MOVE", splice(in, &at, p[1], NULL, 5000, SPLICE_F_MOVE | SPLICE_F_MORE));
	R("tee", tee(p[0], q[1], 3000, 0));
	R("splice pipe to pipe", splice(p[0], NULL, q[1], NULL, 1000, 0));
	R("splice EAGAIN SPLICE_F_NONBLOCK", (read(p[0], buf, sizeof buf), splice(p[0], NULL, o, NULL, 100, SPLICE_F_NONBLOCK)));
	R("splice at the end", (at = 30 * PAGE, splice(in, &at, p[1], NULL, 100, 0)));
	R("splice EINVAL no pipe", splice(in, NULL, o, NULL, 100, 0));
	R("splice EINVAL same pipe", splice(p[0], NULL, p[1], NULL, 100, 0));
	R("splice EINVAL flags", splice(in, NULL, p[1], NULL, 100, 0x100));
	R("splice EINVAL O_APPEND", (write(p[1], "x", 1), splice(p[0], NULL, open("out2", O_WRONLY | O_APPEND), NULL, 100, 0)));
	R("splice EBADF", splice(999, NULL, p[1], NULL, 100, 0));
	R("splice EBADF direction", splice(in, NULL, p[0], NULL, 100, 0));
	R("splice ESPIPE", splice(p[0], &at, o, NULL, 100, 0));
	R("splice ESPIPE target", splice(in, NULL, p[1], &to, 100, 0));
	R("splice 0", splice(in, NULL, p[1], NULL, 0, 0));
	R("tee EINVAL file", tee(in, p[1], 100, 0));
	R("tee EINVAL same pipe", tee(p[0], p[1], 100, 0));
	struct iovec iov = { buf, 1000 };
	R("vmsplice", vmsplice(q[1], &iov, 1, 0));
	R("vmsplice EBADF file", vmsplice(in, &iov, 1, 0));
	R("vmsplice EINVAL flags", vmsplice(q[1], &iov, 1, 0x100));
}

static void copying(void)
{
	int in = temp_file("in3", 30), o = fresh("out3"), p[2], rd = open("in3", O_RDONLY), ap = open("out3", O_WRONLY | O_APPEND), dir = open(".", O_RDONLY);
	loff_t from = 1000, to = 500;
	pipe(p);
	R("copy_file_range", copy_file_range(in, &from, o, &to, 50000, 0));
	out("copy_file_range offsets %ld %ld\n", (long)from, (long)to);
	pread(o, buf, 50500, 0);
	out("copy_file_range bytes %d %d %d %d\n", buf[499], buf[500], buf[10000], buf[50499]);
	lseek(in, 0, SEEK_SET);
	R("copy_file_range without offsets", copy_file_range(in, NULL, o, NULL, 1000, 0));
	out("copy_file_range file offsets %ld %ld\n", (long)lseek(in, 0, SEEK_CUR), (long)lseek(o, 0, SEEK_CUR));
	R("copy_file_range to the end", (from = 29 * PAGE, copy_file_range(in, &from, o, &to, 50000, 0)));
	R("copy_file_range at the end", copy_file_range(in, &from, o, &to, 50000, 0));
	R("copy_file_range beyond the end", (from = 100 * PAGE, copy_file_range(in, &from, o, &to, 50000, 0)));
	R("copy_file_range 0", (from = 0, copy_file_range(in, &from, o, &to, 0, 0)));
	R("copy_file_range same file", (from = 0, to = 20 * PAGE, copy_file_range(in, &from, in, &to, 5 * PAGE, 0)));
	R("copy_file_range EINVAL overlap", (from = 0, to = PAGE, copy_file_range(in, &from, in, &to, 5 * PAGE, 0)));
	R("copy_file_range EINVAL flags", copy_file_range(in, NULL, o, NULL, 10, 1));
	R("copy_file_range EINVAL pipe", copy_file_range(in, NULL, p[1], NULL, 10, 0));
	R("copy_file_range EISDIR", copy_file_range(dir, NULL, o, NULL, 10, 0));
	R("copy_file_range EBADF", copy_file_range(999, NULL, o, NULL, 10, 0));
	R("copy_file_range EBADF read-only", copy_file_range(in, NULL, rd, NULL, 10, 0));
	R("copy_file_range EBADF O_APPEND", copy_file_range(in, NULL, ap, NULL, 10, 0));
	R("copy_file_range EOVERFLOW", (from = 0, to = INT64_MAX - 5, copy_file_range(in, &from, o, &to, 100, 0)));
	R("copy_file_range EOVERFLOW a position that wraps", (from = 0, to = -50, copy_file_range(in, &from, o, &to, 100, 0)));
	R("copy_file_range EINVAL negative", (from = 0, to = -5000, copy_file_range(in, &from, o, &to, 100, 0)));
	R("copy_file_range EFBIG", (from = 0, to = 1LL << 45, copy_file_range(in, &from, o, &to, 100, 0)));
	R("copy_file_range EFAULT", copy_file_range(in, (loff_t *)8, o, NULL, 100, 0));
	int shm = open("/dev/shm/other", O_RDWR | O_CREAT, 0600);
	R("copy_file_range EXDEV", (from = 0, to = 0, copy_file_range(in, &from, shm, &to, 100, 0)));
}

static void mapping(void)
{
	int fd = temp_file("map", 5), rd = open("map", O_RDONLY), wr = open("map", O_WRONLY), dir = open(".", O_RDONLY);
	char *s = mmap(NULL, 10 * PAGE, RW, MAP_SHARED, fd, 0), *p = mmap(NULL, 10 * PAGE, RW, MAP_PRIVATE, fd, 0);
	R("mmap EACCES shared write of a read-only descriptor", mmap(NULL, PAGE, RW, MAP_SHARED, rd, 0) == MAP_FAILED ? -1 : 0);
	R("mmap EACCES write-only descriptor", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wr, 0) == MAP_FAILED ? -1 : 0);
	R("mmap ENODEV directory", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0) == MAP_FAILED ? -1 : 0);
	R("mmap EINVAL odd offset", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100) == MAP_FAILED ? -1 : 0);
	R("mmap EBADF O_PATH", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open("map", O_PATH), 0) == MAP_FAILED ? -1 : 0);
	R("mmap EOVERFLOW", mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, INT64_MAX & -PAGE) == MAP_FAILED ? -1 : 0);
	OK("mmap MAP_SHARED_VALIDATE", mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0) == MAP_FAILED ? -1 : 0);
	R("mmap EOPNOTSUPP MAP_SYNC", mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0) == MAP_FAILED ? -1 : 0);
	GET("mapped read", s + 2 * PAGE);
	GET("mapped read past the end", s + 5 * PAGE);
	PUT("mapped write past the end", s + 6 * PAGE, 1);
	PUT("mapped write", s + 10, 'W');
	pread(fd, buf, 20, 0);
	out("read sees a mapped write %.12s\n", buf);
	pwrite(fd, "written", 7, 100);
	out("a map sees a write %.7s\n", s + 100);
	out("a private map sees it before it is written %.7s\n", p + 100);
	PUT("private write", p + 100, 'P');
	out("private %.7s shared %.7s\n", p + 100, s + 100);
	pwrite(fd, "again  ", 7, 100);
	out("private keeps its page %.7s\n", p + 100);
	PUT("private write of the last page", p + 4 * PAGE, 'Q');
	ftruncate(fd, 2 * PAGE + 100);
	GET("private copy past the new end", p + 4 * PAGE);
	GET("shared past the new end", s + 4 * PAGE);
	GET("shared in the last page", s + 2 * PAGE + 99);
	GET("shared behind the end in the last page", s + 2 * PAGE + 100);
	ftruncate(fd, 5 * PAGE);
	GET("shared grown again", s + 4 * PAGE);
	GET("private grown again", p + 4 * PAGE);
	R("mprotect EACCES write of a read-only shared map", mprotect(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, rd, 0), PAGE, RW));
	R("mprotect private of a read-only file", mprotect(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, rd, 0), PAGE, RW));
	R("read into its own map", pread(fd, s, 3 * PAGE, PAGE));
	R("write from its own map", pwrite(fd, s, 3 * PAGE, PAGE + 7));
	unlink("map");
	PUT("mapped write of an unlinked file", s, 'U');
	GET("mapped read of an unlinked file", s);
	R("msync of an unlinked file", msync(s, 5 * PAGE, MS_SYNC));
	CHILD("the child shares")
	{
		s[50] = 'C';
		p[200] = 'C';
	}
	out("shared with the child %c, private %d\n", s[50], p[200] == 'C');
	R("madvise MADV_DONTNEED shared", madvise(s, 5 * PAGE, MADV_DONTNEED));
	out("after MADV_DONTNEED shared %c\n", s[50]);
	R("madvise MADV_DONTNEED private", madvise(p, 5 * PAGE, MADV_DONTNEED));
	out("after MADV_DONTNEED private %.7s\n", p + 100);
	R("madvise MADV_REMOVE", madvise(s, PAGE, MADV_REMOVE));
	R("madvise MADV_POPULATE_WRITE", madvise(s, 5 * PAGE, 23));
	R("madvise EFAULT MADV_POPULATE_READ past the end", madvise(s + 5 * PAGE, PAGE, 22));
	R("mlock of a file", mlock(s, 5 * PAGE));
	R("mlock ENOMEM past the end", mlock(s + 5 * PAGE, PAGE));
	R("munlock of a file", munlock(s, 5 * PAGE));
}

int main(void)
{
	sending();
	splicing();
	copying();
	mapping();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Reading, writing, seeking, cutting and allocating files of a disk. Runs on ext2. */
#include "check.h"
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/uio.h>
#include <sys/vfs.h>

static char buf[65536];

static void reading(void)
{
	int fd = temp_file("r", 3), wr = open("r", O_WRONLY), dir = open(".", O_RDONLY), path = open("r", O_PATH);
	struct iovec iov[3] = { { buf, 10 }, { buf + 100, 0 }, { buf + 200, 5000 } }, wild = { (void *)8, 10 }, large = { buf, -1 };
	R("read", (lseek(fd, 0, SEEK_SET), read(fd, buf, 100)));
	R("read to the end", (lseek(fd, 12000, SEEK_SET), read(fd, buf, 1000)));
	R("read at the end", read(fd, buf, 1000));
	R("read 0", read(fd, buf, 0));
	R("read EFAULT", (lseek(fd, 0, SEEK_SET), read(fd, (void *)8, 10)));
	VAL("read EFAULT keeps the offset", lseek(fd, 0, SEEK_CUR));
	char *edge = anon(2 * PAGE, RW, MAP_PRIVATE);
	munmap(edge + PAGE, PAGE);
	R("read into half a hole", read(fd, edge + PAGE - 50, 100));
	R("read EBADF", read(999, buf, 1));
	R("read EBADF write-only", read(wr, buf, 1));
	R("read EBADF O_PATH", read(path, buf, 1));
	R("read EISDIR", read(dir, buf, 1));
	R("read huge count", (lseek(fd, 0, SEEK_SET), read(fd, buf, 60000)));
	R("pread64", pread(fd, buf, 100, 4090));
	out("pread64 %.8s\n", buf);
	R("pread64 EINVAL", pread(fd, buf, 1, -1));
	R("pread64 beyond the end", pread(fd, buf, 1, 1 << 20));
	R("pread64 ESPIPE", (pipe((int *)buf), pread(*(int *)buf, buf, 1, 0)));
	lseek(fd, 0, SEEK_SET);
	R("readv", readv(fd, iov, 3));
	R("readv 0", readv(fd, iov, 0));
	R("readv EINVAL count", readv(fd, iov, -1));
	R("readv EINVAL more than IOV_MAX", readv(fd, iov, 1025));
	R("readv EINVAL length", readv(fd, &large, 1));
	R("readv EFAULT", readv(fd, &wild, 1));
	R("readv EFAULT array", readv(fd, (void *)8, 1));
	R("preadv", preadv(fd, iov, 3, 4000));
	R("preadv EINVAL", preadv(fd, iov, 3, -1));
	R("preadv2", preadv2(fd, iov, 3, 4000, 0));
	R("preadv2 offset -1 is the current one", (lseek(fd, 100, SEEK_SET), preadv2(fd, iov, 1, -1, 0)));
	VAL("preadv2 offset -1 moves it", lseek(fd, 0, SEEK_CUR));
	R("preadv2 RWF_HIPRI", preadv2(fd, iov, 1, 0, RWF_HIPRI));
	R("preadv2 RWF_NOWAIT", preadv2(fd, iov, 1, 0, RWF_NOWAIT));
	R("preadv2 RWF_DSYNC", preadv2(fd, iov, 1, 0, RWF_DSYNC));
	R("preadv2 EOPNOTSUPP", preadv2(fd, iov, 1, 0, 1 << 20));
	R("preadv2 EINVAL", preadv2(fd, iov, 1, -2, 0));
}

static void writing(void)
{
	int fd = open("w", O_RDWR | O_CREAT, 0600), rd = open("w", O_RDONLY), ap = open("w", O_WRONLY | O_APPEND);
	struct iovec iov[3] = { { buf, 10 }, { buf + 100, 0 }, { buf + 200, 5000 } }, large = { buf, -1 };
	memset(buf, 'w', sizeof buf);
	R("write", write(fd, buf, 100));
	R("write 0", write(fd, buf, 0));
	R("write beyond the end", (lseek(fd, 10000, SEEK_SET), write(fd, buf, 1)));
	VAL("write beyond the end size", lseek(fd, 0, SEEK_END));
	pread(fd, buf, 200, 5000);
	VAL("write leaves zeros before", buf[0] | buf[199]);
	memset(buf, 'w', sizeof buf);
	R("write EBADF", write(999, buf, 1));
	R("write EBADF read-only", write(rd, buf, 1));
	R("write EFAULT", write(fd, (void *)8, 10));
	VAL("write EFAULT keeps the size", lseek(fd, 0, SEEK_END));
	char *edge = anon(2 * PAGE, RW, MAP_PRIVATE);
	munmap(edge + PAGE, PAGE);
	R("write from half a hole", pwrite(fd, edge + PAGE - 50, 100, 20000));
	VAL("write from half a hole size", lseek(fd, 0, SEEK_END));
	R("pwrite64", pwrite(fd, buf, 5000, 3000));
	R("pwrite64 EINVAL", pwrite(fd, buf, 1, -1));
	R("writev", (lseek(fd, 0, SEEK_SET), writev(fd, iov, 3)));
	R("writev EINVAL count", writev(fd, iov, -1));
	R("writev EINVAL length", writev(fd, &large, 1));
	R("pwritev", pwritev(fd, iov, 3, 100));
	R("pwritev EINVAL", pwritev(fd, iov, 3, -5));
	R("pwritev2 RWF_DSYNC", pwritev2(fd, iov, 3, 100, RWF_DSYNC));
	R("pwritev2 RWF_SYNC", pwritev2(fd, iov, 3, 100, RWF_SYNC));
	R("pwritev2 RWF_APPEND", pwritev2(fd, iov, 1, 0, RWF_APPEND));
	VAL("pwritev2 RWF_APPEND size", lseek(fd, 0, SEEK_END));
	R("pwritev2 RWF_HIPRI", pwritev2(fd, iov, 1, 0, RWF_HIPRI));
	R("pwritev2 RWF_NOWAIT", pwritev2(fd, iov, 1, 0, RWF_NOWAIT));
	R("pwritev2 EOPNOTSUPP", pwritev2(fd, iov, 1, 0, 1 << 20));
	R("pwritev2 offset -1", (lseek(fd, 7, SEEK_SET), pwritev2(fd, iov, 1, -1, 0)));
	VAL("pwritev2 offset -1 moves it", lseek(fd, 0, SEEK_CUR));
	R("write O_APPEND", write(ap, buf, 10));
	VAL("write O_APPEND size", lseek(fd, 0, SEEK_END));
	CHILD("write EFBIG by the limit")
	{
		struct rlimit limit = { 30000, 30000 };
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		R("write up to RLIMIT_FSIZE", pwrite(fd, buf, 1000, 29500));
		R("write EFBIG RLIMIT_FSIZE", pwrite(fd, buf, 1000, 30000));
		R("ftruncate EFBIG RLIMIT_FSIZE", ftruncate(fd, 40000));
		R("fallocate RLIMIT_FSIZE", fallocate(fd, 0, 0, 40000));
		signal(SIGXFSZ, SIG_DFL);
		pwrite(fd, buf, 1000, 30000);
	}
	struct stat st;
	chmod("w", 06777);
	CHILD("write clears set-user-ID")
	{
		setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
		write(open("w", O_WRONLY), "x", 1);
		stat("w", &st);
		out("write clears set-user-ID %o\n", st.st_mode);
	}
	R("write EFBIG", pwrite(fd, buf, 1, 1LL << 45));
	R("write EFBIG at the largest offset", pwrite(fd, buf, 2, INT64_MAX - 1));
}

static void seeking(void)
{
	int fd = open("s", O_RDWR | O_CREAT, 0600), p[2];
	pipe(p);
	pwrite(fd, "data", 4, 0);
	pwrite(fd, "data", 4, 5 * PAGE);
	pwrite(fd, "data", 4, 300 * PAGE);
	fsync(fd);
	R("lseek SEEK_SET", lseek(fd, 5, SEEK_SET));
	R("lseek SEEK_CUR", lseek(fd, 5, SEEK_CUR));
	R("lseek SEEK_END", lseek(fd, 5, SEEK_END));
	R("lseek SEEK_DATA at data", lseek(fd, 1, SEEK_DATA));
	R("lseek SEEK_DATA in a hole", lseek(fd, PAGE + 5, SEEK_DATA));
	R("lseek SEEK_DATA in a large hole", lseek(fd, 7 * PAGE, SEEK_DATA));
	R("lseek SEEK_HOLE at data", lseek(fd, 0, SEEK_HOLE));
	R("lseek SEEK_HOLE in a hole", lseek(fd, 2 * PAGE + 1, SEEK_HOLE));
	R("lseek SEEK_HOLE at the last data", lseek(fd, 300 * PAGE, SEEK_HOLE));
	R("lseek ENXIO SEEK_DATA beyond", lseek(fd, 300 * PAGE + 4, SEEK_DATA));
	R("lseek ENXIO SEEK_HOLE beyond", lseek(fd, 301 * PAGE, SEEK_HOLE));
	R("lseek ENXIO SEEK_DATA negative", lseek(fd, -1, SEEK_DATA));
	R("lseek ENXIO SEEK_DATA last hole", (ftruncate(fd, 400 * PAGE), lseek(fd, 301 * PAGE, SEEK_DATA)));
	R("lseek SEEK_HOLE last hole", lseek(fd, 301 * PAGE, SEEK_HOLE));
	pwrite(fd, "dirty", 5, 350 * PAGE);
	R("lseek SEEK_DATA of dirty pages", lseek(fd, 310 * PAGE, SEEK_DATA));
	R("lseek EINVAL whence", lseek(fd, 0, 5));
	R("lseek EINVAL negative", lseek(fd, -1, SEEK_SET));
	R("lseek EINVAL beyond the largest file", lseek(fd, INT64_MAX, SEEK_SET));
	R("lseek EOVERFLOW", (lseek(fd, 100, SEEK_SET), lseek(fd, INT64_MAX, SEEK_CUR)));
	R("lseek EBADF", lseek(999, 0, SEEK_SET));
	R("lseek ESPIPE", lseek(p[0], 0, SEEK_SET));
	struct stat st;
	fstat(fd, &st);
	out("stat of a sparse file: size %ld blocks %ld\n", (long)st.st_size, (long)st.st_blocks);
}

static void cutting(void)
{
	struct stat st;
	int fd = temp_file("t", 20);
	mkdir("td", 0755), mkfifo("tf", 0600), symlink("t", "tl");
	R("truncate", truncate("t", 5000));
	pread(fd, buf, 5000, 0);
	R("truncate up", truncate("t", 9000));
	R("read after truncate up", pread(fd, buf, 9000, 0));
	out("truncate leaves zeros: %d %d %d\n", buf[4999], buf[5000], buf[8999]);
	R("truncate through a link", truncate("tl", 100));
	stat("t", &st);
	out("truncate size %ld blocks %ld\n", (long)st.st_size, (long)st.st_blocks);
	R("truncate EISDIR", truncate("td", 0));
	R("truncate EINVAL FIFO", truncate("tf", 0));
	R("truncate EINVAL negative", truncate("t", -1));
	R("truncate ENOENT", truncate("none", 0));
	R("truncate ENOENT empty", truncate("", 0));
	R("truncate ENOTDIR", truncate("t/x", 0));
	R("truncate EFAULT", truncate((char *)8, 0));
	symlink("tloop", "tloop");
	R("truncate ELOOP", truncate("tloop", 0));
	memset(buf, 'a', 300), buf[300] = 0;
	R("truncate ENAMETOOLONG", truncate(buf, 0));
	R("truncate EFBIG", truncate("t", 1LL << 45));
	R("truncate ETXTBSY", truncate("/proc/self/exe", 0));
	CHILD("truncate as user")
	{
		chmod("t", 0644);
		setresuid(1000, 1000, 1000);
		R("truncate EACCES", truncate("t", 0));
	}
	R("ftruncate", ftruncate(fd, 70000));
	R("ftruncate same", ftruncate(fd, 70000));
	R("ftruncate 0", ftruncate(fd, 0));
	fstat(fd, &st);
	VAL("ftruncate 0 blocks", st.st_blocks);
	R("ftruncate EBADF", ftruncate(999, 0));
	R("ftruncate EINVAL read-only", ftruncate(open("t", O_RDONLY), 0));
	R("ftruncate EINVAL directory", ftruncate(open("td", O_RDONLY), 0));
	R("ftruncate EINVAL negative", ftruncate(fd, -1));
	R("ftruncate large", ftruncate(fd, 10LL << 30));
	fstat(fd, &st);
	out("ftruncate large: size %ld blocks %ld\n", (long)st.st_size, (long)st.st_blocks);
	R("write at 10 GiB", pwrite(fd, "far", 3, 10LL << 30));
	R("read at 10 GiB", pread(fd, buf, 10, 10LL << 30));
	fstat(fd, &st);
	out("write at 10 GiB: blocks %ld\n", (long)st.st_blocks);
	R("ftruncate back", ftruncate(fd, 1));
	fstat(fd, &st);
	VAL("ftruncate back blocks", st.st_blocks);
}

static void allocating(void)
{
	int fd = temp_file("a", 10), rd = open("a", O_RDONLY), p[2], dir = open(".", O_RDONLY);
	pipe(p);
	R("fallocate", fallocate(fd, 0, 0, 100000));
	VAL("fallocate size", lseek(fd, 0, SEEK_END));
	R("fallocate FALLOC_FL_KEEP_SIZE", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 300000));
	R("fallocate FALLOC_FL_PUNCH_HOLE", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
	pread(fd, buf, 16384, 0);
	out("fallocate FALLOC_FL_PUNCH_HOLE: %d %d %d %d\n", buf[0], buf[4096], buf[8192], buf[12288]);
	R("fallocate FALLOC_FL_PUNCH_HOLE inside a page", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 50));
	R("fallocate EOPNOTSUPP hole without keep", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 4096, 8192));
	R("fallocate FALLOC_FL_ZERO_RANGE", fallocate(fd, FALLOC_FL_ZERO_RANGE, 4096, 8192));
	R("fallocate FALLOC_FL_COLLAPSE_RANGE", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 4096, 8192));
	R("fallocate FALLOC_FL_INSERT_RANGE", fallocate(fd, FALLOC_FL_INSERT_RANGE, 4096, 8192));
	R("fallocate FALLOC_FL_UNSHARE_RANGE", fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 4096, 8192));
	R("fallocate EOPNOTSUPP mode", fallocate(fd, 0x1000, 0, 10));
	R("fallocate EINVAL length", fallocate(fd, 0, 0, 0));
	R("fallocate EINVAL offset", fallocate(fd, 0, -1, 10));
	R("fallocate EBADF", fallocate(999, 0, 0, 10));
	R("fallocate EBADF read-only", fallocate(rd, 0, 0, 10));
	R("fallocate ESPIPE", fallocate(p[1], 0, 0, 10));
	R("fallocate EBADF directory", fallocate(dir, 0, 0, 10));
	R("fallocate EFBIG", fallocate(fd, 0, INT64_MAX - 5, 10));
	R("posix_fallocate", posix_fallocate(fd, 0, 200000));
	VAL("posix_fallocate size", lseek(fd, 0, SEEK_END));
}

static void advice(void)
{
	int fd = temp_file("adv", 50), p[2], rd = open("adv", O_RDONLY), wr = open("adv", O_WRONLY);
	pipe(p);
	for (int a = 0; a < 6; a++)
		R("fadvise64", posix_fadvise(fd, 0, 0, a));
	R("fadvise64 EINVAL", posix_fadvise(fd, 0, 0, 77));
	R("fadvise64 EINVAL length", posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL));
	R("fadvise64 EBADF", posix_fadvise(999, 0, 0, 0));
	R("fadvise64 ESPIPE", posix_fadvise(p[0], 0, 0, 0));
	R("fadvise64 directory", posix_fadvise(open(".", O_RDONLY), 0, 0, 0));
	fsync(fd);
	R("fadvise64 POSIX_FADV_DONTNEED", posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	unsigned char vec[50];
	char *m = mmap(NULL, 50 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	int n = 0;
	mincore(m, 50 * PAGE, vec);
	for (int i = 0; i < 50; i++)
		n += vec[i] & 1;
	VAL("fadvise64 POSIX_FADV_DONTNEED pages left", n);
	R("readahead", readahead(fd, 0, 50 * PAGE));
	R("readahead EBADF", readahead(999, 0, 10));
	R("readahead EBADF write-only", readahead(wr, 0, 10));
	R("readahead EINVAL pipe", readahead(p[0], 0, 10));
	R("readahead EINVAL directory", readahead(open(".", O_RDONLY), 0, 10));
	R("sync_file_range", sync_file_range(fd, 0, 0, 0));
	R("sync_file_range SYNC_FILE_RANGE_WRITE", sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	R("sync_file_range SYNC_FILE_RANGE_WAIT_BEFORE", sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE));
	R("sync_file_range SYNC_FILE_RANGE_WAIT_AFTER", sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_AFTER));
	R("sync_file_range all", sync_file_range(fd, 4096, 8192, 7));
	R("sync_file_range EINVAL flags", sync_file_range(fd, 0, 0, 8));
	R("sync_file_range EINVAL offset", sync_file_range(fd, -1, 0, 0));
	R("sync_file_range EINVAL length", sync_file_range(fd, 0, -1, 0));
	R("sync_file_range EBADF", sync_file_range(999, 0, 0, 0));
	R("sync_file_range ESPIPE", sync_file_range(p[0], 0, 0, 0));
	R("drop_caches 3 with a file system whose inodes are all in memory", write(open("/proc/sys/vm/drop_caches", O_WRONLY), "3", 1));
	R("fsync", fsync(fd));
	R("fsync read-only", fsync(rd));
	R("fsync EBADF", fsync(999));
	R("fsync EINVAL pipe", fsync(p[1]));
	R("fsync directory", fsync(open(".", O_RDONLY)));
	R("fsync EBADF O_PATH", fsync(open("adv", O_PATH)));
	R("fdatasync", fdatasync(fd));
	R("fdatasync EBADF", fdatasync(999));
	R("fdatasync EINVAL pipe", fdatasync(p[1]));
	R("syncfs", syncfs(fd));
	R("syncfs EBADF", syncfs(999));
	sync();
	out("sync: returned\n");
	m = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0);
	m[5] = 'Z';
	R("msync MS_SYNC", msync(m, PAGE, MS_SYNC));
	R("msync MS_ASYNC", msync(m, PAGE, MS_ASYNC));
	R("msync MS_INVALIDATE", msync(m, PAGE, MS_INVALIDATE | MS_SYNC));
	pread(fd, buf, 10, 0);
	out("msync %.10s\n", buf);
}

int main(void)
{
	reading();
	writing();
	seeking();
	cutting();
	allocating();
	advice();
	return 0;
}

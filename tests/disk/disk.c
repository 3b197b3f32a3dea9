/* SPDX-License-Identifier: MIT */
/*
 * Block special files from inside, as a static program for Linux and Quire. `calls` prints what each call
 * says, for comparison of the two; the other words move bytes that the host looks at, or meet a disk that
 * fails.
 */
#include "../guest/check.h"
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <poll.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define SECTOR 512
#define CHUNK  (64 * 1024)

static unsigned char buf[CHUNK] __attribute__((aligned(4096)));

static void say(const char *name, long ret)
{
	if (ret < 0)
		out("%s: %s\n", name, errno_name(errno));
	else
		out("%s: %ld\n", name, ret);
}

static int open_or_die(const char *dev, int flags)
{
	int fd = open(dev, flags);
	if (fd < 0) {
		out("open %s: %s\n", dev, errno_name(errno));
		exit(1);
	}
	return fd;
}

/* ---- calls ---- */

static void numbers(const char *what, int fd)
{
	unsigned long size = 0;
	uint64_t bytes = 0;
	int i;
	unsigned u;
	unsigned short s;
	long l;
	struct hd_geometry g;
	out("-- numbers of %s\n", what);
	say("BLKGETSIZE", ioctl(fd, BLKGETSIZE, &size) ? -1 : (long)size);
	say("BLKGETSIZE64", ioctl(fd, BLKGETSIZE64, &bytes) ? -1 : (long)bytes);
	say("BLKSSZGET", ioctl(fd, BLKSSZGET, &i) ? -1 : i);
	say("BLKPBSZGET", ioctl(fd, BLKPBSZGET, &u) ? -1 : (long)u);
	say("BLKBSZGET", ioctl(fd, BLKBSZGET, &i) ? -1 : i);
	say("BLKROGET", ioctl(fd, BLKROGET, &i) ? -1 : i);
	say("BLKIOMIN", ioctl(fd, BLKIOMIN, &u) ? -1 : (long)u);
	say("BLKIOOPT", ioctl(fd, BLKIOOPT, &u) ? -1 : (long)u);
	say("BLKALIGNOFF", ioctl(fd, BLKALIGNOFF, &i) ? -1 : i);
	say("BLKROTATIONAL", ioctl(fd, BLKROTATIONAL, &s) ? -1 : s);
	say("BLKRAGET", ioctl(fd, BLKRAGET, &l) ? -1 : l);
	say("BLKFRAGET", ioctl(fd, BLKFRAGET, &l) ? -1 : l);
	say("BLKDISCARDZEROES", ioctl(fd, BLKDISCARDZEROES, &u) ? -1 : (long)u);
	if (ioctl(fd, HDIO_GETGEO, &g))
		say("HDIO_GETGEO", -1);
	else
		out("HDIO_GETGEO: heads %u sectors %u cylinders %u start %lu\n", g.heads, g.sectors, g.cylinders, g.start);
}

static void settings(int fd)
{
	int i;
	long l;
	uint64_t range[2] = { 512, 512 }, odd[2] = { 1, 512 }, far[2] = { 1ull << 40, 512 }, none[2] = { 0, 0 };
	out("-- settings\n");
	i = 1024, say("BLKBSZSET 1024", ioctl(fd, BLKBSZSET, &i));
	say("BLKBSZGET", ioctl(fd, BLKBSZGET, &i) ? -1 : i);
	i = 4096, say("BLKBSZSET 4096", ioctl(fd, BLKBSZSET, &i));
	i = 256, say("BLKBSZSET EINVAL small", ioctl(fd, BLKBSZSET, &i));
	i = 8192, say("BLKBSZSET EINVAL large", ioctl(fd, BLKBSZSET, &i));
	i = 1536, say("BLKBSZSET EINVAL no power", ioctl(fd, BLKBSZSET, &i));
	say("BLKBSZSET EINVAL null", ioctl(fd, BLKBSZSET, NULL));
	say("BLKRASET", ioctl(fd, BLKRASET, 512ul));
	say("BLKRAGET", ioctl(fd, BLKRAGET, &l) ? -1 : l);
	say("BLKRASET back", ioctl(fd, BLKRASET, 256ul));
	say("BLKRAGET EINVAL", ioctl(fd, BLKRAGET, NULL));
	say("BLKFLSBUF", ioctl(fd, BLKFLSBUF, 0));
	say("BLKGETSIZE64 EFAULT", ioctl(fd, BLKGETSIZE64, 8));
	say("BLKZEROOUT", ioctl(fd, BLKZEROOUT, range));
	say("BLKZEROOUT EINVAL odd", ioctl(fd, BLKZEROOUT, odd));
	say("BLKZEROOUT EINVAL far", ioctl(fd, BLKZEROOUT, far));
	say("BLKZEROOUT EINVAL empty", ioctl(fd, BLKZEROOUT, none));
	say("BLKZEROOUT EFAULT", ioctl(fd, BLKZEROOUT, 8));
	say("ioctl ENOTTY", ioctl(fd, 0x12ff, &i));
	say("TCGETS ENOTTY", ioctl(fd, 0x5401, buf));
	say("FIONREAD ENOTTY", ioctl(fd, FIONREAD, &i));
}

static void refusals(const char *dev)
{
	int fd = open_or_die(dev, O_RDONLY), i = 1;
	uint64_t range[2] = { 512, 512 };
	out("-- refusals\n");
	say("BLKZEROOUT EBADF", ioctl(fd, BLKZEROOUT, range));
	say("BLKDISCARD EBADF", ioctl(fd, BLKDISCARD, range));
	say("write EBADF", write(fd, buf, 512));
	if (seteuid(1))
		exit(1);
	say("BLKROSET EACCES", ioctl(fd, BLKROSET, &i));
	say("BLKBSZSET EACCES", ioctl(fd, BLKBSZSET, &i));
	say("BLKRASET EACCES", ioctl(fd, BLKRASET, 256ul));
	say("BLKFLSBUF EACCES", ioctl(fd, BLKFLSBUF, 0));
	say("BLKRRPART EACCES", ioctl(fd, BLKRRPART, 0));
	say("open EACCES", open(dev, O_RDONLY));
	if (seteuid(0))
		exit(1);
	close(fd);
}

static void positions(const char *dev)
{
	int fd = open_or_die(dev, O_RDWR);
	off_t end = lseek(fd, 0, SEEK_END);
	out("-- positions\n");
	say("lseek end", end);
	say("lseek beyond EINVAL", lseek(fd, end + 1, SEEK_SET));
	say("lseek negative EINVAL", lseek(fd, -1, SEEK_SET));
	say("lseek back", lseek(fd, -512, SEEK_END));
	say("lseek cur EINVAL", lseek(fd, 513, SEEK_CUR));
	say("lseek data", lseek(fd, 512, SEEK_DATA));
	say("lseek hole", lseek(fd, 512, SEEK_HOLE));
	say("pread at end", pread(fd, buf, 512, end));
	say("pread beyond end", pread(fd, buf, 512, end + 4096));
	say("pread over end", pread(fd, buf, 4096, end - 1000));
	say("pwrite at end ENOSPC", pwrite(fd, buf, 512, end));
	say("pwrite over end", pwrite(fd, buf, 4096, end - 1000));
	say("pwrite nothing", pwrite(fd, buf, 0, end));
	say("pread EFAULT", pread(fd, (void *)8, 512, 0));
	say("pwrite EFAULT", pwrite(fd, (void *)8, 512, 0));
	say("fsync", fsync(fd));
	say("fdatasync", fdatasync(fd));
	say("sync_file_range", sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	say("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	say("readahead", readahead(fd, 0, 65536));
	say("ftruncate EINVAL", ftruncate(fd, 512));
	say("truncate EINVAL", truncate(dev, 512));
	say("fallocate EOPNOTSUPP", fallocate(fd, 0, 0, 4096));
	say("fallocate zero", fallocate(fd, FALLOC_FL_ZERO_RANGE, 8192, 4096));
	say("fallocate punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 4096));
	say("fallocate odd EINVAL", fallocate(fd, FALLOC_FL_ZERO_RANGE, 8192 + 100, 4096));
	say("fallocate far EINVAL", fallocate(fd, FALLOC_FL_ZERO_RANGE, end + 4096, 4096));
	close(fd);
}

static void direct(const char *dev)
{
	int fd = open_or_die(dev, O_RDWR | O_DIRECT);
	off_t end = lseek(fd, 0, SEEK_END);
	out("-- O_DIRECT\n");
	say("read", pread(fd, buf, CHUNK, 0));
	say("read sector", pread(fd, buf + 512, 512, 512));
	say("read length EINVAL", pread(fd, buf, 511, 0));
	say("read position EINVAL", pread(fd, buf, 512, 100));
	say("read memory EINVAL", pread(fd, buf + 1, 512, 0));
	say("read over end", pread(fd, buf, 4096, end - 1024));
	say("read at end", pread(fd, buf, 4096, end));
	say("write", pwrite(fd, buf, 4096, 4096));
	say("write length EINVAL", pwrite(fd, buf, 100, 4096));
	say("write at end ENOSPC", pwrite(fd, buf, 4096, end));
	say("write over end", pwrite(fd, buf, 4096, end - 1024));
	say("read EFAULT", pread(fd, (void *)4096, 512, 0));
	close(fd);
}

static void exclusive(const char *disk, const char *part)
{
	out("-- O_EXCL\n");
	int a = open(disk, O_RDONLY | O_EXCL);
	say("whole", a < 0 ? -1 : 0);
	say("whole twice EBUSY", open(disk, O_RDONLY | O_EXCL));
	int b = open(disk, O_RDONLY);
	say("whole shared beside", b < 0 ? -1 : 0);
	say("partition EBUSY", open(part, O_RDONLY | O_EXCL));
	close(a);
	a = open(part, O_RDONLY | O_EXCL);
	say("partition", a < 0 ? -1 : 0);
	say("whole EBUSY", open(disk, O_RDONLY | O_EXCL));
	int c = dup(a);
	close(a);
	say("partition held by dup EBUSY", open(part, O_RDONLY | O_EXCL));
	close(c);
	a = open(part, O_RDONLY | O_EXCL);
	say("partition again", a < 0 ? -1 : 0);
	close(a);
	close(b);
}

static void read_only(const char *disk, const char *part)
{
	int fd = open_or_die(part, O_RDWR), whole = open_or_die(disk, O_RDWR), on = 1, i;
	out("-- read-only\n");
	say("BLKROSET partition", ioctl(fd, BLKROSET, &on));
	say("BLKROGET partition", ioctl(fd, BLKROGET, &i) ? -1 : i);
	say("BLKROGET whole", ioctl(whole, BLKROGET, &i) ? -1 : i);
	say("write EPERM", pwrite(fd, buf, 512, 0));
	say("read", pread(fd, buf, 512, 0));
	say("open for writing", open(part, O_RDWR) < 0 ? -1 : 0);
	on = 0;
	say("BLKROSET off", ioctl(fd, BLKROSET, &on));
	say("write", pwrite(fd, buf, 512, 0));
	close(fd);
	close(whole);
}

static void mapped(const char *dev)
{
	int fd = open_or_die(dev, O_RDWR);
	out("-- mmap\n");
	memset(buf, 'r', 4096);
	say("pwrite", pwrite(fd, buf, 4096, 0));
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say("mmap", p == MAP_FAILED ? -1 : 0);
	out("write is seen: %c\n", p[100]);
	p[100] = 'm';
	say("pread", pread(fd, buf, 4096, 0));
	out("store is seen: %c\n", buf[100]);
	say("msync", msync(p, 8192, MS_SYNC));
	int d = open_or_die(dev, O_RDONLY | O_DIRECT);
	say("direct pread", pread(d, buf, 4096, 0));
	out("store is on the disk: %c\n", buf[100]);
	char *q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	q[100] = 'p';
	say("pread", pread(fd, buf, 4096, 0));
	out("private store is not seen: %c\n", buf[100]);
	munmap(p, 8192);
	munmap(q, 4096);
	close(d);
	close(fd);
}

static void others(const char *dev)
{
	struct stat st;
	int fd = open_or_die(dev, O_RDWR), p[2], tmp = open("/tmp/x", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct pollfd pf = { .fd = fd, .events = POLLIN | POLLOUT };
	out("-- others\n");
	fstat(fd, &st);
	out("fstat: block %d size %ld blksize %ld blocks %ld major %u minor %u\n", S_ISBLK(st.st_mode), (long)st.st_size, (long)st.st_blksize,
	    (long)st.st_blocks, major(st.st_rdev), minor(st.st_rdev));
	say("open directory ENOTDIR", open(dev, O_RDONLY | O_DIRECTORY));
	say("open truncate", open(dev, O_RDWR | O_TRUNC) < 0 ? -1 : 0);
	say("poll", poll(&pf, 1, 0));
	say("sendfile", sendfile(tmp, fd, NULL, 4096));
	say("copy_file_range EINVAL", copy_file_range(fd, NULL, tmp, NULL, 512, 0));
	if (pipe(p))
		exit(1);
	off_t at = 0;
	say("splice", splice(fd, &at, p[1], NULL, 4096, 0));
	say("mknod", mknod("/tmp/node", S_IFBLK | 0600, st.st_rdev));
	say("open node", open("/tmp/node", O_RDONLY) < 0 ? -1 : 0);
	say("mknod nothing", mknod("/tmp/nothing", S_IFBLK | 0600, makedev(254, 200)));
	say("open nothing ENXIO", open("/tmp/nothing", O_RDONLY));
	say("flock", flock(fd, LOCK_EX));
	close(fd);
}

static void show(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[512];
	out("%s:\n", path);
	while (f && fgets(line, sizeof line, f))
		if (!strstr(line, "loop"))
			out("  %s", line);
	if (f)
		fclose(f);
}

static void show_link(const char *path)
{
	char text[512];
	ssize_t n = readlink(path, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	out("%s -> %s\n", path, text);
}

static void tables(void)
{
	static const char *const files[] = {
		"size", "ro", "removable", "dev", "range", "ext_range", "alignment_offset", "hidden", "uevent", "queue/logical_block_size",
		"queue/physical_block_size", "queue/hw_sector_size", "queue/rotational", "queue/read_ahead_kb", "queue/minimum_io_size",
		"queue/optimal_io_size", "queue/zoned", "queue/write_cache", "queue/dma_alignment", "vda1/partition", "vda1/start", "vda1/size", "vda1/ro",
		"vda1/dev", "vda1/uevent", "vda3/start", "inflight",
	};
	out("-- tables\n");
	show("/proc/partitions");
	for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++) {
		char path[100];
		snprintf(path, sizeof path, "/sys/block/vda/%s", files[i]);
		show(path);
	}
	show_link("/sys/block/vda");
	show_link("/sys/class/block/vda2");
	show_link("/sys/dev/block/254:1");
	show_link("/sys/block/vda/device");
	show_link("/sys/block/vda/subsystem");
	show_link("/sys/block/vda/vda1/subsystem");
}

/* The table goes and comes back. */
static void reread(const char *disk, const char *part)
{
	close_range(3, ~0u, 0);
	int fd = open_or_die(disk, O_RDWR), p = open_or_die(part, O_RDONLY);
	unsigned char saved[512], none[512] = { 0 };
	out("-- BLKRRPART\n");
	say("BLKRRPART EBUSY", ioctl(fd, BLKRRPART, 0));
	say("BLKRRPART EINVAL", ioctl(p, BLKRRPART, 0));
	close(p);
	say("read", pread(fd, saved, 512, 0));
	say("write", pwrite(fd, none, 512, 0));
	say("BLKRRPART", ioctl(fd, BLKRRPART, 0));
	show("/proc/partitions");
	say("open gone", open(part, O_RDONLY));
	say("write back", pwrite(fd, saved, 512, 0));
	say("BLKRRPART", ioctl(fd, BLKRRPART, 0));
	show("/proc/partitions");
	p = open(part, O_RDONLY);
	say("open", p < 0 ? -1 : 0);
	close(p);
	close(fd);
}

static void calls(const char *disk, const char *part)
{
	int fd = open_or_die(disk, O_RDWR), p = open_or_die(part, O_RDWR);
	tables();
	numbers("the disk", fd);
	numbers("a partition", p);
	settings(p);
	close(p);
	refusals(part);
	positions(part);
	direct(part);
	close(fd);
	exclusive(disk, part);
	read_only(disk, part);
	mapped(part);
	others(part);
	reread(disk, part);
}

/* ---- bytes for the host ---- */

/* What sector n of the disk holds. */
static void pattern(unsigned char *p, uint64_t n, unsigned salt)
{
	uint64_t v = n * 0x9e3779b97f4a7c15ull + salt;
	for (unsigned i = 0; i < SECTOR; i += 8, v = v * 6364136223846793005ull + 1442695040888963407ull)
		memcpy(p + i, &v, 8);
}

static void patterns(unsigned char *p, uint64_t n, unsigned nr, unsigned salt)
{
	for (unsigned i = 0; i < nr; i++)
		pattern(p + i * SECTOR, n + i, salt);
}

static uint64_t sectors_of(int fd)
{
	unsigned long n = 0;
	ioctl(fd, BLKGETSIZE, &n);
	return n;
}

/* The disk in four stretches, each written in its own way. */
static int fill(const char *dev)
{
	int fd = open_or_die(dev, O_RDWR), d = open_or_die(dev, O_RDWR | O_DIRECT);
	uint64_t all = sectors_of(fd), quarter = all / 4 & ~7ull, at = 0;
	for (; at < quarter; at += 1) { /* sector by sector */
		pattern(buf, at, 1);
		if (pwrite(fd, buf, SECTOR, (off_t)(at * SECTOR)) != SECTOR)
			return say("fill small", -1), 1;
	}
	for (; at < 2 * quarter; at += 8) { /* past the cache */
		patterns(buf, at, 8, 1);
		if (pwrite(d, buf, 4096, (off_t)(at * SECTOR)) != 4096)
			return say("fill direct", -1), 1;
	}
	unsigned char *p = mmap(NULL, quarter * SECTOR, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(at * SECTOR));
	if (p == MAP_FAILED)
		return say("fill mmap", -1), 1;
	for (uint64_t i = 0; i < quarter; i++, at++)
		pattern(p + i * SECTOR, at, 1);
	munmap(p, quarter * SECTOR);
	while (at < all) { /* in large pieces */
		unsigned nr = all - at < CHUNK / SECTOR ? (unsigned)(all - at) : CHUNK / SECTOR;
		patterns(buf, at, nr, 1);
		if (pwrite(fd, buf, nr * SECTOR, (off_t)(at * SECTOR)) != (ssize_t)(nr * SECTOR))
			return say("fill large", -1), 1;
		at += nr;
	}
	say("fsync", fsync(fd));
	return 0;
}

static int check_range(int fd, uint64_t at, uint64_t end, unsigned step, unsigned salt)
{
	static unsigned char want[CHUNK];
	while (at < end) {
		unsigned nr = end - at < step ? (unsigned)(end - at) : step;
		ssize_t n = pread(fd, buf, nr * SECTOR, (off_t)(at * SECTOR));
		if (n != (ssize_t)(nr * SECTOR))
			return say("check read", n), 1;
		patterns(want, at, nr, salt);
		if (memcmp(buf, want, nr * SECTOR)) {
			out("check: sectors %llu.. differ\n", (unsigned long long)at);
			return 1;
		}
		at += nr;
	}
	return 0;
}

static int check(const char *dev, unsigned salt)
{
	int fd = open_or_die(dev, O_RDONLY), d = open_or_die(dev, O_RDONLY | O_DIRECT);
	uint64_t all = sectors_of(fd);
	int bad = ioctl(fd, BLKFLSBUF, 0) + check_range(fd, 0, all, 3, salt) + check_range(d, 0, all, 128, salt) + check_range(fd, 0, all, 100, salt);
	out("check: %s\n", bad ? "FAILED" : "ok");
	return bad;
}

/* Several processes, each in its own part, in random order: write, read back, by both ways. */
static int worker(const char *dev, unsigned id, unsigned nr)
{
	int fd = open_or_die(dev, O_RDWR), d = open_or_die(dev, O_RDWR | O_DIRECT);
	uint64_t part = sectors_of(fd) / nr & ~7ull, first = id * part;
	unsigned seed = id;
	for (unsigned round = 0; round < 150; round++) {
		unsigned n = 8 * (1 + rand_r(&seed) % 16);
		uint64_t at = first + (rand_r(&seed) % (part - n) & ~7ull);
		int how = rand_r(&seed) & 1;
		patterns(buf, at, n, round);
		if (pwrite(how ? d : fd, buf, n * SECTOR, (off_t)(at * SECTOR)) != (ssize_t)(n * SECTOR))
			return say("many write", -1), 1;
		if (rand_r(&seed) % 16 == 0 && fsync(fd))
			return say("many fsync", -1), 1;
		if (check_range(rand_r(&seed) & 1 ? d : fd, at, at + n, n, round))
			return 1;
	}
	return 0;
}

static int many(const char *dev)
{
	int bad = 0, status;
	for (unsigned id = 0; id < 6; id++)
		if (fork() == 0)
			_exit(worker(dev, id, 6));
	while (wait(&status) > 0)
		bad |= status != 0;
	out("many: %s\n", bad ? "FAILED" : "ok");
	return bad;
}

/* ---- a disk that fails: what the host's server does is told by sector ---- */

#define BAD_READ   2048 /* reads fail */
#define BAD_WRITE  4096 /* writes fail */
#define STALL      6144 /* the first read is answered too late */
#define STALL_MANY 8192 /* so are the first reads of a hundred sectors */
#define BAD_FLUSH  10240 /* after a write here the next flush fails */

static ssize_t rd(int fd, uint64_t sector) { return pread(fd, buf, 4096, (off_t)(sector * SECTOR)); }
static ssize_t wr(int fd, uint64_t sector) { return pwrite(fd, buf, 4096, (off_t)(sector * SECTOR)); }

/* The page whose write failed is still there, and reaches the disk as soon as that takes it. */
static void heal(int fd, int direct)
{
	int err;
	out("heal the bad sector\n");
	for (int tries = 0; (err = fsync(fd)) < 0 && tries < 600; tries++)
		usleep(50000); /* the host does so when it has read the line */
	say("fsync once it is well", err);
	memset(buf, 0, 4096);
	if (rd(direct, BAD_WRITE) == 4096)
		out("what is on the disk: %c\n", buf[4095]);
}

/* Readers that all meet a stalled sector; how many got EIO. */
static int stall_many(const char *dev, int nr)
{
	int failed = 0, status;
	for (int i = 0; i < nr; i++)
		if (fork() == 0) {
			int d = open_or_die(dev, O_RDONLY | O_DIRECT);
			_exit(rd(d, STALL_MANY + 8 * (unsigned)i) < 0 && errno == EIO ? 7 : 0);
		}
	while (wait(&status) > 0)
		failed += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	return failed;
}

static int faults(const char *dev)
{
	int fd = open_or_die(dev, O_RDWR), d = open_or_die(dev, O_RDWR | O_DIRECT);
	say("read", rd(fd, 0));
	say("read of a bad sector", rd(fd, BAD_READ));
	say("again", rd(fd, BAD_READ));
	say("read beside it", rd(fd, BAD_READ + 1024));
	say("direct read of it", rd(d, BAD_READ));
	memset(buf, 'w', 4096);
	say("write to a bad sector", wr(fd, BAD_WRITE));
	say("fsync", fsync(fd));
	say("fsync again", fsync(fd));
	say("direct write to it", wr(d, BAD_WRITE));
	say("write with O_SYNC", wr(open_or_die(dev, O_RDWR | O_SYNC), BAD_WRITE));
	heal(fd, d);
	say("write before a bad flush", wr(fd, BAD_FLUSH));
	say("fsync", fsync(fd));
	say("fsync again", fsync(fd));
	say("stalled read", rd(d, STALL));
	say("read elsewhere", rd(d, 16));
	say("the same read later", rd(d, STALL));
	say("stalled readers", stall_many(dev, 100));
	ssize_t n;
	for (int tries = 0; (n = wr(d, 16)) < 0 && tries < 600; tries++)
		usleep(50000); /* the host lets the stalled ones go when it has read the line above */
	say("write elsewhere", n);
	int mapped = open_or_die(dev, O_RDONLY);
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mapped, BAD_READ * SECTOR);
	int status = 0;
	if (fork() == 0)
		_exit(p[0]);
	wait(&status);
	out("touch of a bad sector: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	say("fsync at the end", fsync(fd));
	return 0;
}

/* ---- the figures of a process ---- */

static void io_since(const char *what)
{
	static long long before[4];
	static const char *const names[] = { "read_bytes", "write_bytes", "inblock", "oublock" };
	long long now[4] = { 0 };
	char line[100];
	struct rusage r;
	FILE *f = fopen("/proc/self/io", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "read_bytes: %lld", &now[0]) != 1)
			sscanf(line, "write_bytes: %lld", &now[1]);
	if (f)
		fclose(f);
	getrusage(RUSAGE_SELF, &r);
	now[2] = r.ru_inblock;
	now[3] = r.ru_oublock;
	if (what)
		out("%s:", what);
	for (int i = 0; i < 4 && what; i++)
		out(" %s %lld", names[i], now[i] - before[i]);
	if (what)
		out("\n");
	memcpy(before, now, sizeof(now));
}

static void *read_in_thread(void *dev)
{
	int fd = open(dev, O_RDONLY | O_DIRECT);
	pread(fd, buf, 8192, 5 << 20);
	close(fd);
	return NULL;
}

/* What a load of known size counts as. */
static int io(const char *dev)
{
	int fd = open_or_die(dev, O_RDWR), raw = open_or_die(dev, O_RDWR | O_DIRECT);
	pthread_t t;
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	io_since(NULL);
	for (int i = 0; i < 8; i++)
		pread(fd, buf, 4096, (1 << 20) + i * 65536);
	io_since("read of 8 pages apart");
	pread(fd, buf, 4096, 1 << 20);
	io_since("read of one of them again");
	for (int round = 0; round < 3; round++)
		pwrite(fd, buf, 40960, 2 << 20);
	io_since("write of 10 pages, three times");
	fsync(fd);
	io_since("fsync");
	pwrite(fd, buf, 40960, 2 << 20);
	io_since("write of 10 pages");
	pread(raw, buf, 16384, 3 << 20);
	io_since("direct read of 16 KiB");
	pwrite(raw, buf, 8192, 4 << 20);
	io_since("direct write of 8 KiB");
	pthread_create(&t, NULL, read_in_thread, (void *)dev);
	pthread_join(t, NULL);
	io_since("direct read of 8 KiB by a thread that ended");
	pid_t child = fork();
	if (!child) {
		read_in_thread((void *)dev);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	io_since("direct read of 8 KiB by a child that was waited for");
	struct rusage r;
	getrusage(RUSAGE_CHILDREN, &r);
	out("children: inblock %ld\n", r.ru_inblock);
	return 0;
}

static long long ticks_of(const char *text, int n)
{
	long long v[10] = { 0 };
	sscanf(strstr(text, "cpu "), "cpu %lld %lld %lld %lld %lld %lld", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]);
	return v[n];
}

/* Of the time that no CPU has work, how much counts as iowait: while this process sleeps, and while it reads. */
static int iowait(const char *dev)
{
	static char text[2][4096];
	static const char *const what[] = { "asleep", "reading" };
	int fd = open_or_die(dev, O_RDONLY | O_DIRECT);
	for (int round = 0; round < 2; round++) {
		for (int at = 0; at < 2; at++) {
			int stat = open("/proc/stat", O_RDONLY);
			text[at][read(stat, text[at], sizeof(text[0]) - 1)] = 0;
			close(stat);
			if (!at && round)
				for (int i = 0; i < 32; i++)
					pread(fd, buf, CHUNK, i * CHUNK);
			else if (!at)
				usleep(1000000);
		}
		long long idle = ticks_of(text[1], 3) - ticks_of(text[0], 3), wait = ticks_of(text[1], 4) - ticks_of(text[0], 4);
		out("%s: iowait is %s of the rest\n", what[round], wait * 10 < idle ? "little" : wait > idle * 2 ? "most" : "some");
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "", *dev = argc > 2 ? argv[2] : "/dev/vda";
	if (!strcmp(word, "calls"))
		calls(dev, argv[3]);
	else if (!strcmp(word, "fill"))
		return fill(dev);
	else if (!strcmp(word, "check"))
		return check(dev, (unsigned)atoi(argv[3]));
	else if (!strcmp(word, "many"))
		return many(dev);
	else if (!strcmp(word, "io"))
		return io(dev);
	else if (!strcmp(word, "iowait"))
		return iowait(dev);
	else if (!strcmp(word, "faults"))
		return faults(dev);
	return 0;
}

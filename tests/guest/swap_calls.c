/* SPDX-License-Identifier: MIT */
/* swapon, swapoff: flags, headers, errors, and what may be done to a file or device that is in use. Runs on ext2, with
 * an empty disk of 8 MiB beside it. Nothing here makes the machine swap. */
#include "check.h"
#include <linux/falloc.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>

#define DISK   "/dev/vdb"
#define PREFER 0x8000
#define MIB    (1 << 20)

struct header {
	char boot[1024];
	uint32_t version, last_page, nr_bad;
	char uuid[16], label[16];
	uint32_t unused[117], bad[637];
	char unaligned[2], magic[10];
} __attribute__((packed));

static char page[4096] __attribute__((aligned(4096)));

static int on(const char *path, int flags) { return syscall(SYS_swapon, path, flags); }
static int off(const char *path) { return syscall(SYS_swapoff, path); }

static struct header header(uint32_t pages)
{
	struct header h = { .version = 1, .last_page = pages - 1, .label = "quire" };
	memcpy(h.magic, "SWAPSPACE2", 10);
	return h;
}

static void put_header(const char *path, struct header h)
{
	int fd = open(path, O_WRONLY);
	if (pwrite(fd, &h, sizeof h, 0) != sizeof h || fsync(fd))
		out("no header: %s\n", errno_name(errno));
	close(fd);
}

/* A file of so many pages, all there. */
static void make(const char *path, unsigned pages)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (unsigned i = 0; i < pages; i++)
		if (write(fd, page, 4096) != 4096)
			out("no file: %s\n", errno_name(errno));
	close(fd);
}

static void make_swap(const char *path, unsigned pages)
{
	make(path, pages);
	put_header(path, header(pages));
}

/* Its line in /proc/swaps, the name without its directory, tabs shown. */
static void show(const char *name, const char *path)
{
	char line[512];
	FILE *f = fopen("/proc/swaps", "r");
	int nr = -1;
	out("%s:", name);
	while (fgets(line, sizeof line, f)) {
		nr++;
		char *p = strstr(line, path);
		if (!p)
			continue;
		out(" ");
		for (size_t len = strlen(path), at = (size_t)(p - line); line[at] && line[at] != '\n'; at++)
			if (at < (size_t)(p - line) + len || line[at] != ' ')
				out(line[at] == '\t' ? "|" : "%c", line[at]);
	}
	out(nr < 10 ? " (%d)\n" : "\n", nr); /* how many there may be is each kernel's own affair */
	fclose(f);
}

static long sysinfo_kb(void)
{
	struct sysinfo i;
	sysinfo(&i);
	return (long)(i.totalswap * i.mem_unit / 1024);
}

static long meminfo(const char *name)
{
	char line[256];
	long v = -1;
	FILE *f = fopen("/proc/meminfo", "r");
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)))
			v = atol(line + strlen(name) + 1);
	fclose(f);
	return v;
}

static void headers(void)
{
	struct header h;
	make("f", 64);
	R("swapon EINVAL no signature", on("f", 0));
	h = header(64);
	h.magic[9] = '1';
	put_header("f", h);
	R("swapon EINVAL old signature", on("f", 0));
	h = header(64);
	h.version = 2;
	put_header("f", h);
	R("swapon EINVAL version 2", on("f", 0));
	put_header("f", header(1));
	R("swapon EINVAL empty", on("f", 0));
	put_header("f", header(65));
	R("swapon EINVAL longer than the file", on("f", 0));
	put_header("f", header(2));
	R("swapon two pages", on("f", 0));
	show("swaps two pages", "/f");
	R("swapoff two pages", off("f"));
	put_header("f", header(32));
	R("swapon shorter than the file", on("f", 0));
	show("swaps shorter", "/f");
	R("swapoff shorter", off("f"));
	h = header(64);
	h.nr_bad = 1;
	h.bad[0] = 5;
	put_header("f", h);
	R("swapon EINVAL bad pages in a file", on("f", 0));
	h = header(64);
	h.version = __builtin_bswap32(1);
	h.last_page = __builtin_bswap32(63);
	put_header("f", h);
	R("swapon other byte order", on("f", 0));
	show("swaps other byte order", "/f");
	R("swapoff other byte order", off("f"));
	unlink("f");
}

static void holes(void)
{
	make_swap("h", 32);
	int fd = open("h", O_RDWR);
	ftruncate(fd, 256 * 4096);
	put_header("h", header(256));
	R("swapon EINVAL a hole at the end", on("h", 0));
	put_header("h", header(16));
	R("swapon EINVAL a hole beyond the area", on("h", 0));
	pwrite(fd, page, 4096, 255 * 4096);
	put_header("h", header(256));
	R("swapon EINVAL a hole in the middle", on("h", 0));
	ftruncate(fd, 16 * 4096 + 100);
	R("swapon EINVAL longer than what is left", on("h", 0));
	put_header("h", header(16));
	R("swapon an odd size", on("h", 0));
	R("swapoff an odd size", off("h"));
	close(fd);
	unlink("h");
}

static void kinds(void)
{
	R("swapon ENOENT", on("absent", 0));
	R("swapon EFAULT", on((char *)8, 0));
	R("swapon ENOENT empty name", on("", 0));
	mkdir("d", 0700);
	R("swapon EISDIR", on("d", 0));
	R("swapon EINVAL character device", on("/dev/null", 0));
	mkfifo("p", 0600);
	R("swapon EINVAL FIFO", on("p", 0));
	R("swapon EINVAL proc", on("/proc/swaps", 0));
	symlink("loop", "loop");
	R("swapon ELOOP", on("loop", 0));
	make_swap("f", 16);
	R("swapon ENOTDIR", on("f/x", 0));
	symlink("f", "link");
	R("swapon through a link", on("link", 0));
	show("swaps through a link", "/f");
	R("swapoff by another name", off("f"));
	mkdir("t", 0700);
	mount("tmpfs", "t", "tmpfs", 0, "");
	make_swap("t/f", 16);
	R("swapon EINVAL tmpfs", on("t/f", 0));
	umount("t");
	mknod("nothing", S_IFBLK | 0600, makedev(250, 7));
	R("swapon ENXIO", on("nothing", 0));
	char text[64];
	int fd = open("f", O_RDWR);
	unlink("f");
	snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
	R("swapon ENOENT without a name", on(text, 0));
	close(fd);
}

static void flags(void)
{
	make_swap("a", 16);
	make_swap("b", 16);
	make_swap("c", 16);
	R("swapon EINVAL flags", on("a", 0x80000));
	R("swapon EINVAL negative flags", on("a", -1));
	R("swapon SWAP_FLAG_PREFER 5", on("a", PREFER | 5));
	show("swaps priority 5", "/a");
	R("swapon SWAP_FLAG_PREFER 32767", on("b", PREFER | 0x7fff));
	show("swaps priority 32767", "/b");
	R("swapoff b", off("b"));
	R("swapon SWAP_FLAG_PREFER 0", on("b", PREFER));
	show("swaps priority 0", "/b");
	R("swapoff b again", off("b"));
	R("swapon a priority without SWAP_FLAG_PREFER", on("b", 7));
	R("swapon SWAP_FLAG_DISCARD", on("c", 0x10000));
	R("swapoff c", off("c"));
	R("swapon SWAP_FLAG_DISCARD_ONCE", on("c", 0x20000 | 0x10000));
	R("swapoff c", off("c"));
	R("swapon SWAP_FLAG_DISCARD_PAGES", on("c", 0x40000 | 0x10000));
	R("swapon EBUSY", on("c", 0));
	R("swapoff c", off("c"));
	R("swapoff EINVAL twice", off("c"));
	R("swapoff b", off("b"));
	R("swapoff a", off("a"));
	R("swapoff ENOENT", off("absent"));
	R("swapoff EISDIR", off("d"));
	R("swapoff EINVAL not in use", off("/dev/null"));
	R("swapoff EFAULT", off((char *)8));
	unlink("b");
	unlink("c");
}

static void rights(void)
{
	if (fork() == 0) {
		setuid(65534);
		R("swapon EPERM", on("a", 0));
		R("swapon EINVAL comes first", on("a", 0x80000));
		R("swapon EPERM of what is not there", on("absent", 0));
		R("swapoff EPERM", off("a"));
		R("swapoff EPERM of what is not there", off("absent"));
		_exit(0);
	}
	wait(NULL);
	chmod("a", 0);
	R("swapon without rights to the file", on("a", 0));
	R("swapoff without rights to the file", off("a"));
	chmod("a", 0600);
}

/* What may be done to a file that is in use. */
static void in_use(void)
{
	char *shared, *private;
	int fd = open("a", O_RDWR), pipes[2], other = open("other", O_RDWR | O_CREAT, 0600);
	pipe(pipes);
	shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8 * PAGE);
	PUT("write through a mapping before swapon", shared, 1);
	R("swapon", on("a", 0));
	GET("read through the mapping", shared);
	PUT("write through the mapping SIGBUS", shared, 2);
	PUT("first write through the mapping SIGBUS", shared + PAGE, 2);
	R("write ETXTBSY", write(fd, page, 100));
	R("write ETXTBSY nothing", write(fd, page, 0));
	R("pwrite ETXTBSY beyond the end", pwrite(fd, page, 100, MIB));
	R("read", pread(fd, page, 100, 4096));
	memset(page, 0, sizeof page);
	R("ftruncate ETXTBSY", ftruncate(fd, 0));
	R("ftruncate ETXTBSY the same size", ftruncate(fd, 16 * 4096));
	R("truncate ETXTBSY", truncate("a", 4096));
	R("open O_TRUNC ETXTBSY", open("a", O_WRONLY | O_TRUNC));
	R("fallocate ETXTBSY", fallocate(fd, 0, 0, 4096));
	R("fallocate ETXTBSY FALLOC_FL_PUNCH_HOLE", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	R("copy_file_range ETXTBSY from it", copy_file_range(fd, NULL, other, NULL, 4096, 0));
	R("copy_file_range ETXTBSY to it", (write(other, page, 4096), lseek(other, 0, 0), copy_file_range(other, NULL, fd, NULL, 4096, 0)));
	R("unlink EPERM", unlink("a"));
	R("rename EPERM", rename("a", "b"));
	R("rename EPERM onto it", rename("other", "a"));
	R("link", link("a", "second"));
	R("unlink EPERM second name", unlink("second"));
	R("chmod", chmod("a", 0755));
	R("mmap ETXTBSY shared writable", mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	PUT("write through a private mapping", private, 1);
	R("fsync", fsync(fd));
	R("execve ETXTBSY", execl("./a", "a", NULL));
	R("swapoff", off("a"));
	R("write after swapoff", pwrite(fd, page, 100, 4096));
	PUT("write through the mapping after swapoff", shared, 2);
	R("ftruncate after swapoff", ftruncate(fd, 8192));
	R("unlink after swapoff", unlink("second"));
	munmap(shared, 4 * PAGE);
	munmap(private, PAGE);
	close(fd);
	close(other);
	unlink("other");
	unlink("a");
}

static void device(void)
{
	struct header h = header(2048);
	int fd = open(DISK, O_RDWR), direct = open(DISK, O_RDWR | O_DIRECT);
	uint64_t range[2] = { 4096, 4096 };
	R("swapon EINVAL disk without signature", on(DISK, 0));
	put_header(DISK, header(2049));
	R("swapon EINVAL longer than the disk", on(DISK, 0));
	h.nr_bad = 3;
	h.bad[0] = 7;
	h.bad[1] = 2047;
	h.bad[2] = 9;
	put_header(DISK, h);
	R("swapon bad pages", on(DISK, 0));
	show("swaps bad pages", DISK);
	R("swapoff bad pages", off(DISK));
	h.bad[2] = 0;
	put_header(DISK, h);
	R("swapon EINVAL bad page 0", on(DISK, 0));
	h.bad[2] = 2048;
	put_header(DISK, h);
	R("swapon EINVAL bad page beyond the end", on(DISK, 0));
	h.nr_bad = 638;
	put_header(DISK, h);
	R("swapon EINVAL too many bad pages", on(DISK, 0));
	put_header(DISK, header(2048));
	char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8 * PAGE);
	PUT("write through a disk's mapping before swapon", shared, 1);
	long before = sysinfo_kb(), total = meminfo("SwapTotal"), free = meminfo("SwapFree");
	R("swapon disk", on(DISK, PREFER | 3));
	show("swaps disk", DISK);
	VAL("sysinfo totalswap grew by", sysinfo_kb() - before);
	VAL("meminfo SwapTotal grew by", meminfo("SwapTotal") - total);
	VAL("meminfo SwapFree grew by", meminfo("SwapFree") - free);
	VAL("meminfo SwapCached", meminfo("SwapCached"));
	R("swapon EBUSY disk", on(DISK, 0));
	R("open O_EXCL EBUSY", open(DISK, O_RDONLY | O_EXCL));
	R("mount EBUSY", mount(DISK, "d", "ext2", 0, ""));
	R("write ETXTBSY disk", write(fd, page, 4096));
	R("write ETXTBSY disk O_DIRECT", pwrite(direct, page, 4096, 4096));
	R("read disk", pread(fd, page, 4096, 4096));
	R("read disk O_DIRECT", pread(direct, page, 4096, 8192));
	R("mmap ETXTBSY disk shared writable", mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	PUT("write through a disk's mapping SIGBUS", shared, 1);
	R("ioctl BLKFLSBUF", ioctl(fd, BLKFLSBUF, 0));
	R("unlink of the disk's node", (mknod("node", S_IFBLK | 0600, makedev(254, 16)), unlink("node")));
	R("swapoff disk", off(DISK));
	R("write disk after swapoff", pwrite(fd, page, 4096, 4096));
	R("ioctl BLKZEROOUT after swapoff", ioctl(fd, BLKZEROOUT, range));
	int held = open(DISK, O_RDONLY | O_EXCL);
	R("swapon EBUSY held", on(DISK, 0));
	close(held);
	R("swapon read-only disk", (ioctl(fd, BLKROSET, &(int){ 1 }), on(DISK, 0)));
	off(DISK);
	R("swapon disk again", (ioctl(fd, BLKROSET, &(int){ 0 }), on(DISK, 0)));
	R("swapoff disk again", off(DISK));
	munmap(shared, PAGE);
	close(fd);
	close(direct);
}

static void set(const char *name, const char *text)
{
	char path[128], back[32] = "";
	snprintf(path, sizeof path, "/proc/sys/vm/%s", name);
	int fd = open(path, O_RDWR);
	long n = write(fd, text, strlen(text));
	int e = errno;
	lseek(fd, 0, 0);
	read(fd, back, sizeof back - 1);
	close(fd);
	out("%s = %s: %s, reads %s", name, text, n < 0 ? errno_name(e) : "ok", back);
}

static void tunables(void)
{
	static const char *const names[] = { "swappiness", "page-cluster", "vfs_cache_pressure" };
	static const char *const values[] = { "0", "1", "31", "100", "200", "-1" };
	static const char *const defaults[] = { "60", "3", "100" };
	for (unsigned i = 0; i < 3; i++) {
		set(names[i], "x");
		for (unsigned k = 0; k < 6; k++)
			if (i != 1 || k < 3)
				set(names[i], values[k]);
		set(names[i], defaults[i]);
	}
	set("swappiness", "201");
}

/* More areas than there may be. */
static void many(void)
{
	char name[16];
	int nr = 0;
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "m%d", i);
		make_swap(name, 4);
		if (on(name, 0)) {
			out("swapon EPERM too many: %s\n", errno_name(errno));
			break;
		}
		nr++;
	}
	YES("swapon at least 20 areas", nr >= 20);
	show("swaps m7 of many", "/m7");
	for (int i = 0; i < nr; i++) {
		snprintf(name, sizeof name, "m%d", i);
		if (off(name))
			out("swapoff of %s: %s\n", name, errno_name(errno));
	}
}

int main(void)
{
	headers();
	holes();
	kinds();
	flags();
	rights();
	in_use();
	device();
	tunables();
	many();
	return 0;
}

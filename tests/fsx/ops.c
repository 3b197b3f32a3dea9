/* SPDX-License-Identifier: MIT */
/* The operations. Each is called with the slot locked and a view that is open, and leaves the model exact. */
#include "fsx.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_IO (64L << 10)

static unsigned char buf[MAX_FILE + PAGE] __attribute__((aligned(4096)));

static void fill(long len)
{
	uint64_t r = fsx_random() | 0x0101010101010101;
	for (long i = 0; i < len; i += 8, r = r * 6364136223846793005 + 1442695040888963407)
		memcpy(buf + i, &r, 8);
}

/* Some place in the file, sometimes on or about the border of a page. */
static long place(long limit)
{
	long at = fsx_between(0, limit);
	switch (fsx_between(0, 4)) {
	case 0: return at & -PAGE;
	case 1: return (at & -PAGE) + PAGE - 1 < limit ? (at & -PAGE) + PAGE - 1 : at;
	default: return at;
	}
}

static long length(long limit)
{
	long len = fsx_between(0, 3) ? fsx_between(1, 6000) : fsx_between(1, MAX_IO);
	return len < limit ? len : limit;
}

/* The file now holds buf[0, len) at `at`. */
static void wrote(struct slot *s, long at, long len)
{
	memcpy(s->data + at, buf, len);
	if (at + len > s->size)
		s->size = at + len;
}

static void resized(struct slot *s, long size)
{
	if (size < s->size) {
		memset(s->data + size, 0, s->size - size);
		for (long p = (size + PAGE - 1) / PAGE; p < MAX_PAGES; p++)
			s->cut[p]++;
	}
	s->size = size;
}

static void op_read(struct slot *s, struct view *v)
{
	long at = place(MAX_FILE), want = length(MAX_FILE), got;
	long expected = at >= s->size ? 0 : s->size - at < want ? s->size - at : want;
	struct iovec iov[3] = { { buf, want / 3 }, { buf + want / 3, 0 }, { buf + want / 3, want - want / 3 } };
	int how = fsx_between(0, 4);
	fsx_note(s, "read %ld+%ld", at, want);
	if (how == 0) {
		lseek(v->fd, at, SEEK_SET);
		got = read(v->fd, buf, want);
		if (lseek(v->fd, 0, SEEK_CUR) != at + expected)
			fsx_fail(s, "offset after read");
	} else if (how == 1) {
		got = preadv(v->fd, iov, 3, at);
	} else {
		got = pread(v->fd, buf, want, at);
	}
	if (got != expected)
		fsx_fail(s, "read %ld+%ld gave %ld", at, want, got);
	fsx_compare(s, "read", buf, at, got);
}

static void op_write(struct slot *s, struct view *v)
{
	long at = place(fsx_between(0, 3) && s->size ? s->size : MAX_FILE), len = length(MAX_FILE - at), got;
	struct iovec iov[2] = { { buf, len / 2 }, { buf + len / 2, len - len / 2 } };
	int how = fsx_between(0, 6);
	fill(len);
	fsx_note(s, "write %ld+%ld way %d", at, len, how);
	if (how == 0) {
		lseek(v->fd, at, SEEK_SET);
		got = write(v->fd, buf, len);
	} else if (how == 1) {
		got = pwritev(v->fd, iov, 2, at);
	} else if (how == 2) {
		got = pwritev2(v->fd, iov, 2, at, fsx_between(0, 2) ? RWF_DSYNC : RWF_SYNC);
	} else {
		got = pwrite(v->fd, buf, len, at);
	}
	if (got != len)
		fsx_fail(s, "write %ld+%ld gave %ld", at, len, got);
	wrote(s, at, len);
}

static void op_append(struct slot *s, struct view *v)
{
	long at = s->size, len = length(MAX_FILE - at);
	if (!len)
		return;
	fill(len);
	fsx_note(s, "append %ld+%ld", at, len);
	long got = write(v->append, buf, len);
	if (got != len)
		fsx_fail(s, "append of %ld gave %ld", len, got);
	wrote(s, at, len);
}

/* O_DIRECT wants multiples of a block of the device. */
static void op_direct(struct slot *s, struct view *v)
{
	long unit = fsx_between(0, 2) ? 4096 : 512;
	long at = place(MAX_FILE) / unit * unit, len = (length(MAX_FILE - at) + unit - 1) / unit * unit;
	if (v->direct < 0)
		return;
	if (fsx_between(0, 2)) {
		long expected = at >= s->size ? 0 : s->size - at < len ? s->size - at : len;
		fsx_note(s, "direct read %ld+%ld", at, len);
		long got = pread(v->direct, buf, len, at);
		if (got != expected)
			fsx_fail(s, "direct read %ld+%ld gave %ld", at, len, got);
		fsx_compare(s, "direct read", buf, at, got);
	} else {
		fill(len);
		fsx_note(s, "direct write %ld+%ld", at, len);
		long got = pwrite(v->direct, buf, len, at);
		if (got != len)
			fsx_fail(s, "direct write %ld+%ld gave %ld", at, len, got);
		wrote(s, at, len);
	}
}

static void map_shared(struct slot *s, struct view *v)
{
	if (v->shared)
		return;
	v->shared = mmap(NULL, MAX_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->shared == MAP_FAILED)
		fsx_fail(s, "mmap shared");
}

static void op_map_read(struct slot *s, struct view *v)
{
	map_shared(s, v);
	if (!s->size)
		return;
	long at = place(s->size), len = length(s->size - at);
	long tail = (s->size + PAGE - 1) / PAGE * PAGE - s->size;
	fsx_note(s, "mapped read %ld+%ld", at, len);
	memcpy(buf, v->shared + at, len);
	fsx_compare(s, "mapped read", buf, at, len);
	memcpy(buf, v->shared + s->size, tail);
	fsx_compare(s, "mapped read beyond the end", buf, s->size, tail);
}

static void op_map_write(struct slot *s, struct view *v)
{
	map_shared(s, v);
	if (!s->size)
		return;
	long at = place(s->size), len = length(s->size - at);
	fill(len);
	fsx_note(s, "mapped write %ld+%ld", at, len);
	memcpy(v->shared + at, buf, len);
	wrote(s, at, len);
}

static bool is_own(struct slot *s, struct view *v, long page)
{
	return v->own[page] && v->own_cut[page] == s->cut[page];
}

static void op_private(struct slot *s, struct view *v)
{
	long nr_pages = (s->size + PAGE - 1) / PAGE;
	if (!v->priv) {
		v->priv = mmap(NULL, MAX_FILE, PROT_READ | PROT_WRITE, MAP_PRIVATE, v->fd, 0);
		memset(v->own, 0, sizeof v->own);
		if (v->priv == MAP_FAILED)
			fsx_fail(s, "mmap private");
	}
	if (!nr_pages)
		return;
	for (long p = 0; p < nr_pages; p++)
		if (is_own(s, v, p) && memcmp(v->priv + p * PAGE, v->own_data + p * PAGE, PAGE))
			fsx_fail(s, "page %ld of a private mapping is not what was written there", p);
	long page = fsx_between(0, nr_pages);
	if (!is_own(s, v, page)) {
		memcpy(v->own_data + page * PAGE, v->priv + page * PAGE, PAGE);
		fsx_note(s, "private copy of page %ld", page);
		fsx_compare(s, "private page", v->own_data + page * PAGE, page * PAGE, PAGE);
	}
	long at = fsx_between(0, PAGE), len = fsx_between(1, PAGE - at + 1);
	fill(len);
	memcpy(v->priv + page * PAGE + at, buf, len);
	memcpy(v->own_data + page * PAGE + at, buf, len);
	v->own[page] = true;
	v->own_cut[page] = s->cut[page];
}

static void op_truncate(struct slot *s, struct view *v)
{
	long size = fsx_between(0, 3) ? place(MAX_FILE) : s->size ? place(s->size) : 0;
	bool by_name = fsx_between(0, 2);
	fsx_note(s, "%s to %ld from %ld", by_name ? "truncate" : "ftruncate", size, s->size);
	if (by_name ? truncate(s->name[0], size) : ftruncate(v->fd, size))
		fsx_fail(s, "truncate to %ld", size);
	resized(s, size);
}

static void op_sync(struct slot *s, struct view *v)
{
	int how = fsx_between(0, 8);
	long r = 0;
	fsx_note(s, "sync way %d", how);
	if (how <= 1)
		r = fsync(v->fd);
	else if (how == 2)
		r = fdatasync(v->fd);
	else if (how == 3)
		r = sync_file_range(v->fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	else if (how == 4)
		r = syncfs(v->fd);
	else if (v->shared)
		r = msync(v->shared, MAX_FILE, how == 5 ? MS_ASYNC : MS_SYNC);
	if (r)
		fsx_fail(s, "sync way %d", how);
}

static void op_fallocate(struct slot *s, struct view *v)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE };
	int mode = modes[fsx_between(0, 3)];
	long at = place(MAX_FILE), len = length(MAX_FILE - at);
	fsx_note(s, "fallocate mode %d %ld+%ld", mode, at, len);
	if (fallocate(v->fd, mode, at, len)) {
		if (errno != EOPNOTSUPP)
			fsx_fail(s, "fallocate mode %d %ld+%ld", mode, at, len);
		return;
	}
	if (!mode && at + len > s->size)
		s->size = at + len;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		long end = at + len < s->size ? at + len : s->size;
		if (end > at)
			memset(s->data + at, 0, end - at); /* private copies stay, unlike behind a truncation */
	}
}

/* Holes may be reported as data; what is called a hole must be zero, and the end is a hole. */
static void op_seek(struct slot *s, struct view *v)
{
	if (!s->size)
		return;
	long at = place(s->size), data = lseek(v->fd, at, SEEK_DATA), hole = lseek(v->fd, at, SEEK_HOLE);
	if (data < 0 && errno != ENXIO)
		fsx_fail(s, "SEEK_DATA %ld", at);
	long end = data < 0 ? s->size : data;
	if (end < at || end > s->size || hole < at || hole > s->size)
		fsx_fail(s, "from %ld data is at %ld, a hole at %ld", at, data, hole);
	for (long i = at; i < end; i++)
		if (s->data[i])
			fsx_fail(s, "SEEK_DATA %ld gave %ld, but byte %ld is not zero", at, data, i);
}

static void op_copy(struct slot *s, struct view *v)
{
	if (s->size < 2)
		return;
	loff_t from = fsx_between(0, s->size / 2), to = fsx_between(s->size / 2, s->size);
	long len = fsx_between(1, to - from + 1);
	if (len > MAX_FILE - to)
		len = MAX_FILE - to;
	if (len > s->size - from)
		len = s->size - from;
	long at = from, target = to;
	fsx_note(s, "copy_file_range %ld+%ld to %ld", at, len, target);
	long n = copy_file_range(v->fd, &from, v->fd, &to, len, 0);
	if (n <= 0 || n > len || from != at + n || to != target + n)
		fsx_fail(s, "copy_file_range %ld+%ld to %ld gave %ld", at, len, target, n);
	memcpy(buf, s->data + at, n);
	wrote(s, target, n);
}

static void op_sendfile(struct slot *s, struct view *v)
{
	int p[2];
	if (!s->size || pipe(p))
		return;
	off_t at = place(s->size), from = at;
	long len = fsx_between(1, 60000), expected = s->size - at < len ? s->size - at : len;
	long n = sendfile(p[1], v->fd, &at, len), got = n > 0 ? read(p[0], buf, n) : 0;
	fsx_note(s, "sendfile %ld+%ld", (long)from, len);
	close(p[0]);
	close(p[1]);
	if (n <= 0 || n > expected || got != n || at != from + n)
		fsx_fail(s, "sendfile %ld+%ld gave %ld", (long)from, len, n);
	fsx_compare(s, "sendfile", buf, from, n);
}

static void new_name(char *name, int slot)
{
	static unsigned serial;
	snprintf(name, sizeof model->slot[0].name[0], "d%ld/f%d.%d.%u", fsx_between(0, NR_DIRS), slot, worker, serial++);
}

static void op_rename(struct slot *s, struct view *v)
{
	int which = s->name[1][0] ? fsx_between(0, 2) : 0;
	char to[sizeof s->name[0]];
	(void)v;
	new_name(to, s - model->slot);
	if (!fsx_between(0, 2))
		close(open(to, O_CREAT | O_WRONLY | O_EXCL, 0600)); /* a file that is replaced */
	fsx_note(s, "rename %s to %s", s->name[which], to);
	if (rename(s->name[which], to) || !access(s->name[which], F_OK) || access(to, F_OK))
		fsx_fail(s, "rename %s to %s", s->name[which], to);
	strcpy(s->name[which], to);
}

static void op_link(struct slot *s, struct view *v)
{
	struct stat st;
	if (s->name[1][0]) {
		fsx_note(s, "unlink %s", s->name[1]);
		if (unlink(s->name[1]))
			fsx_fail(s, "unlink %s", s->name[1]);
		s->name[1][0] = 0;
	} else {
		new_name(s->name[1], s - model->slot);
		fsx_note(s, "link %s", s->name[1]);
		if (link(s->name[0], s->name[1]))
			fsx_fail(s, "link %s", s->name[1]);
	}
	if (fstat(v->fd, &st) || st.st_nlink != (s->name[1][0] ? 2 : 1))
		fsx_fail(s, "%ld links", (long)st.st_nlink);
}

static void create(struct slot *s)
{
	new_name(s->name[0], s - model->slot);
	s->name[1][0] = 0;
	s->size = 0;
	s->generation++;
	memset(s->data, 0, sizeof s->data);
	s->exists = true;
	fsx_note(s, "create %s", s->name[0]);
	int fd = open(s->name[0], O_CREAT | O_EXCL | O_RDWR, 0600);
	if (fd < 0)
		fsx_fail(s, "create %s", s->name[0]);
	close(fd);
}

/* The names go; what is open and mapped still holds everything. */
static void op_unlink(struct slot *s, struct view *v)
{
	fsx_note(s, "unlink %s", s->name[0]);
	if (unlink(s->name[0]) || (s->name[1][0] && unlink(s->name[1])))
		fsx_fail(s, "unlink");
	map_shared(s, v);
	if (pread(v->fd, buf, MAX_FILE, 0) != s->size)
		fsx_fail(s, "the unlinked file has another size");
	fsx_compare(s, "unlinked file", buf, 0, s->size);
	memcpy(buf, v->shared, s->size);
	fsx_compare(s, "unlinked file, mapped", buf, 0, s->size);
	fsx_view_close(v);
	create(s);
}

static void op_drop(struct slot *s, struct view *v)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY), how = fsx_between(1, 4);
	char digit = '0' + how;
	fsx_note(s, "drop_caches %d", how);
	if (fsx_between(0, 2))
		fsync(v->fd);
	write(fd, &digit, 1);
	close(fd);
}

static void op_advise(struct slot *s, struct view *v)
{
	static const int advice[] = { POSIX_FADV_DONTNEED, POSIX_FADV_RANDOM, POSIX_FADV_SEQUENTIAL, POSIX_FADV_NORMAL, POSIX_FADV_WILLNEED };
	int which = fsx_between(0, 5);
	fsx_note(s, "advice %d", which);
	if (posix_fadvise(v->fd, 0, 0, advice[which]))
		fsx_fail(s, "fadvise %d", which);
	if (v->shared && which < 3 && madvise(v->shared, MAX_FILE, which ? MADV_COLD : MADV_DONTNEED))
		fsx_fail(s, "madvise");
	readahead(v->fd, place(MAX_FILE), MAX_IO);
}

static void op_reopen(struct slot *s, struct view *v)
{
	fsx_note(s, "reopen");
	fsx_view_close(v);
	fsx_view_open(s, v);
}

static void op_mkdir(struct slot *s, struct view *v)
{
	char name[64];
	(void)v;
	snprintf(name, sizeof name, "d%ld/sub.%d", fsx_between(0, NR_DIRS), worker);
	if (mkdir(name, 0700) && errno != EEXIST)
		fsx_fail(s, "mkdir %s", name);
	if (fsx_between(0, 2) && rmdir(name))
		fsx_fail(s, "rmdir %s", name);
}

/* Memory that others want. */
static void op_pressure(struct slot *s, struct view *v)
{
	size_t len = fsx_between(1, 8) << 20;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)s, (void)v;
	if (p == MAP_FAILED)
		return;
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = 1;
	munmap(p, len);
}

static const struct {
	void (*run)(struct slot *, struct view *);
	int weight;
} ops[] = {
	{ op_read, 16 },	{ op_write, 16 },   { op_append, 5 }, { op_direct, 8 }, { op_map_read, 12 }, { op_map_write, 12 },
	{ op_private, 6 },  { op_truncate, 8 }, { op_sync, 3 },   { op_fallocate, 4 },   { op_seek, 3 },	 { op_copy, 2 },
	{ op_sendfile, 2 }, { op_rename, 3 },   { op_link, 3 },   { op_unlink, 1 },	 { op_drop, 1 },	 { op_advise, 2 },
	{ op_reopen, 5 },   { op_mkdir, 1 },	{ op_pressure, 1 },
};

void fsx_step(struct view *views)
{
	int total = 0, i = 0;
	for (size_t k = 0; k < sizeof ops / sizeof *ops; k++)
		total += ops[k].weight;
	int pick = fsx_between(0, total), slot = fsx_between(0, NR_SLOTS);
	while (pick >= ops[i].weight)
		pick -= ops[i++].weight;
	struct slot *s = &model->slot[slot];
	struct view *v = &views[slot];
	pthread_mutex_lock(&s->lock);
	if (!s->exists)
		create(s);
	if (v->is_open && v->generation != s->generation)
		fsx_view_close(v);
	if (!v->is_open)
		fsx_view_open(s, v);
	ops[i].run(s, v);
	pthread_mutex_unlock(&s->lock);
	model->nr_ops[worker]++;
}

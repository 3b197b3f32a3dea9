/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables: numbers to open files, shared by the tasks of a CLONE_FILES group.
 *
 * The table starts inside struct files and doubles as needed; growing allocates outside the lock and
 * re-checks. Two bitmaps say which descriptors are taken (a taken one may have no file yet: it is
 * reserved) and which are closed on exec. `next_free` is a lower bound of the lowest free number.
 *
 * I1  fds[n] != NULL implies bit n of `used`.   I2  no bit below next_free is clear in `used`.
 */
#include "internal.h"
#include <asm/resource.h>

#define INLINE_FDS 64
#define WORDS(n)   ((n) / 64)

struct files {
	s32 refs; /* atomic */
	u32 capacity;
	u32 next_free;
	struct spinlock lock; /* RANK_VFS: all below */
	struct file **fds;
	u64 *used, *cloexec;
	u64 inline_used, inline_cloexec;
	struct file *inline_fds[INLINE_FDS];
};

static struct slab_cache *files_cache;

void fdtable_init_cache(void)
{
	files_cache = slab_cache_create("files_cache", sizeof(struct files), 0, 0);
}

static void table_init(struct files *t)
{
	t->refs = 1;
	t->capacity = INLINE_FDS;
	t->next_free = 0;
	spin_lock_init(&t->lock, RANK_VFS);
	t->fds = t->inline_fds;
	t->used = &t->inline_used;
	t->cloexec = &t->inline_cloexec;
	t->inline_used = t->inline_cloexec = 0;
	memset(t->inline_fds, 0, sizeof(t->inline_fds));
}

struct files *files_new(void)
{
	struct files *t = slab_alloc(files_cache, ALLOC_KERNEL);
	if (t)
		table_init(t);
	return t;
}

/* Arrays for `capacity` descriptors in one block: files, used, cloexec. */
static void *arrays_alloc(u32 capacity)
{
	return kzalloc(capacity * sizeof(struct file *) + 2 * WORDS(capacity) * sizeof(u64), ALLOC_KERNEL);
}

static void arrays_set(struct files *t, void *block, u32 capacity)
{
	t->fds = block;
	t->used = (u64 *)(t->fds + capacity);
	t->cloexec = t->used + WORDS(capacity);
	t->capacity = capacity;
}

/* Makes room for descriptor `fd`. Called and returns with the lock held; drops it meanwhile. */
static int table_grow_locked(struct files *t, u32 fd)
{
	u32 capacity = t->capacity;
	while (capacity <= fd)
		capacity *= 2;
	spin_unlock(&t->lock);
	void *block = arrays_alloc(capacity);
	spin_lock(&t->lock);
	if (!block)
		return -ENOMEM;
	if (t->capacity > fd) {
		spin_unlock(&t->lock);
		kfree(block);
		spin_lock(&t->lock);
		return 0;
	}
	struct files old = { .fds = t->fds, .used = t->used, .cloexec = t->cloexec, .capacity = t->capacity };
	arrays_set(t, block, capacity);
	memcpy(t->fds, old.fds, old.capacity * sizeof(struct file *));
	memcpy(t->used, old.used, WORDS(old.capacity) * sizeof(u64));
	memcpy(t->cloexec, old.cloexec, WORDS(old.capacity) * sizeof(u64));
	if (old.fds != t->inline_fds) {
		spin_unlock(&t->lock);
		kfree(old.fds);
		spin_lock(&t->lock);
	}
	return 0;
}

static inline bool bit_get(const u64 *map, u32 n) { return map[n / 64] >> (n % 64) & 1; }
static inline void bit_set(u64 *map, u32 n) { map[n / 64] |= 1ull << (n % 64); }
static inline void bit_clear(u64 *map, u32 n) { map[n / 64] &= ~(1ull << (n % 64)); }

/* Lowest clear bit >= from; capacity when there is none. */
static u32 lowest_clear(const u64 *map, u32 from, u32 capacity)
{
	for (u32 w = from / 64; w < WORDS(capacity); w++) {
		u64 free = ~map[w];
		if (w == from / 64)
			free &= ~0ull << (from % 64);
		if (free)
			return w * 64 + (u32)__builtin_ctzll(free);
	}
	return capacity;
}

/* Highest used descriptor + 1, in whole words. */
static u32 used_words(const struct files *t)
{
	u32 w = WORDS(t->capacity);
	while (w && !t->used[w - 1])
		w--;
	return w;
}

/* Copies the open files of `from` (its lock held) into `t`, which is large enough. */
static void copy_files_locked(struct files *t, struct files *from, u32 words)
{
	for (u32 w = 0; w < words; w++) {
		for (u64 bits = from->used[w]; bits; bits &= bits - 1) {
			u32 fd = w * 64 + (u32)__builtin_ctzll(bits);
			struct file *f = from->fds[fd];
			if (!f)
				continue; /* reserved by a call still running: not inherited */
			file_get(f);
			t->fds[fd] = f;
			bit_set(t->used, fd);
		}
		t->cloexec[w] = from->cloexec[w] & t->used[w];
	}
	t->next_free = lowest_clear(t->used, 0, t->capacity);
}

struct files *files_copy(struct files *from)
{
	struct files *t = files_new();
	if (!t)
		return NULL;
	spin_lock(&from->lock);
	u32 words;
	while ((words = used_words(from)) > WORDS(t->capacity)) {
		spin_unlock(&from->lock);
		u32 capacity = t->capacity;
		while (WORDS(capacity) < words)
			capacity *= 2;
		if (t->fds != t->inline_fds)
			kfree(t->fds);
		void *block = arrays_alloc(capacity);
		if (!block) {
			slab_free(files_cache, t);
			return NULL;
		}
		arrays_set(t, block, capacity);
		spin_lock(&from->lock);
	}
	copy_files_locked(t, from, words);
	spin_unlock(&from->lock);
	return t;
}

void files_get(struct files *t) { __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED); }

/* The descriptor is gone from the table: what close(2) does besides. */
static int close_file(struct files *t, struct file *f)
{
	bool is_socket = f->ops == &unix_ops;
	if (unlikely(f->inode->flocks != NULL))
		locks_release_owner(f->inode, t);
	file_put(f);
	if (unlikely(is_socket))
		sock_collect(); /* it may live on in queues that nobody can read */
	return 0;
}

void files_put(struct files *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		return;
	u32 words = used_words(t);
	for (u32 w = 0; w < words; w++) {
		for (u64 bits = t->used[w]; bits; bits &= bits - 1) {
			struct file *f = t->fds[w * 64 + (u32)__builtin_ctzll(bits)];
			if (f)
				close_file(t, f);
		}
	}
	if (t->fds != t->inline_fds)
		kfree(t->fds);
	slab_free(files_cache, t);
}

/* Takes descriptor fd out; the reference passes to the caller. */
static struct file *take_locked(struct files *t, u32 fd)
{
	struct file *f = fd < t->capacity ? t->fds[fd] : NULL;
	if (!f)
		return NULL;
	t->fds[fd] = NULL;
	bit_clear(t->used, fd);
	bit_clear(t->cloexec, fd);
	if (fd < t->next_free)
		t->next_free = fd;
	return f;
}

void files_close_on_exec(struct files *t)
{
	for (u32 w = 0; w < WORDS(t->capacity); w++) {
		while (t->cloexec[w]) {
			u32 fd = w * 64 + (u32)__builtin_ctzll(t->cloexec[w]);
			spin_lock(&t->lock);
			struct file *f = take_locked(t, fd);
			bit_clear(t->cloexec, fd);
			spin_unlock(&t->lock);
			if (f)
				close_file(t, f);
		}
	}
}

int files_unshare_current(void)
{
	struct files *old = current->files;
	if (__atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) == 1)
		return 0;
	struct files *t = files_copy(old);
	if (!t)
		return -ENOMEM;
	current->files = t;
	files_put(old);
	return 0;
}

struct file *files_lookup(struct files *t, int fd)
{
	struct file *f = NULL;
	/* A table of one task is changed by nobody else. */
	bool shared = READ_ONCE(t->refs) != 1 || t != current->files;
	if (shared)
		spin_lock(&t->lock);
	if ((u32)fd < t->capacity && (f = t->fds[fd]) != NULL)
		file_get(f);
	if (shared)
		spin_unlock(&t->lock);
	return f;
}

struct file *fd_get_path(int fd)
{
	return current->files ? files_lookup(current->files, fd) : NULL;
}

struct file *fd_get(int fd)
{
	struct files *t = current->files;
	struct file *f;
	if (likely(READ_ONCE(t->refs) == 1)) {
		f = (u32)fd < t->capacity ? t->fds[fd] : NULL;
		if (likely(f && !(f->flags & O_PATH))) {
			file_get(f);
			return f;
		}
		return NULL;
	}
	f = files_lookup(t, fd);
	if (f && unlikely(f->flags & O_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

int files_next_fd(struct files *t, int from)
{
	int found = -1;
	if (from < 0)
		from = 0;
	spin_lock(&t->lock);
	for (u32 fd = (u32)from; fd < t->capacity && found < 0; fd++)
		if (t->fds[fd])
			found = (int)fd;
	spin_unlock(&t->lock);
	return found;
}

bool files_is_close_on_exec(struct files *t, int fd)
{
	spin_lock(&t->lock);
	bool on = (u32)fd < t->capacity && bit_get(t->cloexec, (u32)fd);
	spin_unlock(&t->lock);
	return on;
}

unsigned files_capacity(struct files *t) { return READ_ONCE(t->capacity); }

u64 fd_limit(void) { return min(current->process->rlimits[RLIMIT_NOFILE].cur, (u64)1 << 20); }

int fd_reserve(int from, bool close_on_exec)
{
	struct files *t = current->files;
	u64 limit = fd_limit();
	int err = 0;
	spin_lock(&t->lock);
	for (;;) {
		u32 fd = lowest_clear(t->used, max((u32)from, t->next_free), t->capacity);
		if (fd >= limit) {
			err = -EMFILE;
			break;
		}
		if (fd < t->capacity) {
			bit_set(t->used, fd);
			if (close_on_exec)
				bit_set(t->cloexec, fd);
			else
				bit_clear(t->cloexec, fd);
			if ((u32)from <= t->next_free)
				t->next_free = fd + 1;
			err = (int)fd;
			break;
		}
		if ((err = table_grow_locked(t, max(fd, (u32)from))) != 0)
			break;
	}
	spin_unlock(&t->lock);
	return err;
}

void fd_publish(int fd, struct file *f)
{
	struct files *t = current->files;
	spin_lock(&t->lock);
	t->fds[fd] = f;
	spin_unlock(&t->lock);
}

void fd_unreserve(int fd)
{
	struct files *t = current->files;
	spin_lock(&t->lock);
	bit_clear(t->used, (u32)fd);
	bit_clear(t->cloexec, (u32)fd);
	if ((u32)fd < t->next_free)
		t->next_free = (u32)fd;
	spin_unlock(&t->lock);
}

int fd_install(struct file *f, int from, bool close_on_exec)
{
	int fd = fd_reserve(from, close_on_exec);
	if (fd < 0)
		file_put(f);
	else
		fd_publish(fd, f);
	return fd;
}

int fd_close(int fd)
{
	struct files *t = current->files;
	spin_lock(&t->lock);
	struct file *f = take_locked(t, (u32)fd);
	spin_unlock(&t->lock);
	return f ? close_file(t, f) : -EBADF;
}

int fd_dup_to(int oldfd, int newfd, u32 flags)
{
	struct files *t = current->files;
	struct file *replaced = NULL;
	if (newfd < 0 || (u64)newfd >= fd_limit())
		return -EBADF;
	struct file *f = fd_get_path(oldfd);
	if (!f)
		return -EBADF;
	spin_lock(&t->lock);
	int err = (u32)newfd >= t->capacity ? table_grow_locked(t, (u32)newfd) : 0;
	if (!err && bit_get(t->used, (u32)newfd) && !t->fds[newfd])
		err = -EBUSY; /* another thread's open is about to fill it */
	if (!err) {
		replaced = t->fds[newfd];
		t->fds[newfd] = f;
		bit_set(t->used, (u32)newfd);
		if (flags & O_CLOEXEC)
			bit_set(t->cloexec, (u32)newfd);
		else
			bit_clear(t->cloexec, (u32)newfd);
	}
	spin_unlock(&t->lock);
	if (err)
		file_put(f);
	if (replaced)
		close_file(t, replaced);
	return err ? err : newfd;
}

int fd_set_cloexec(int fd, bool on)
{
	struct files *t = current->files;
	spin_lock(&t->lock);
	bool valid = (u32)fd < t->capacity && t->fds[fd];
	if (valid && on)
		bit_set(t->cloexec, (u32)fd);
	else if (valid)
		bit_clear(t->cloexec, (u32)fd);
	spin_unlock(&t->lock);
	return valid ? 0 : -EBADF;
}

int fd_get_cloexec(int fd)
{
	return files_is_close_on_exec(current->files, fd);
}

int fd_close_range(unsigned first, unsigned last, bool cloexec_only)
{
	struct files *t = current->files;
	for (int fd = files_next_fd(t, (int)min(first, 0x7fffffffu)); fd >= 0 && (unsigned)fd <= last; fd = files_next_fd(t, fd + 1)) {
		if (cloexec_only)
			fd_set_cloexec(fd, true);
		else
			fd_close(fd);
	}
	return 0;
}

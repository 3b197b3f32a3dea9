/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory: shmget, shmat, shmdt, shmctl.
 *
 * A segment is a nameless tmpfs file in a table of ids. Each shmat makes a file of its own on the same
 * inode; its references are exactly the regions that came from that attach, by fork and split too. So
 * the number of attaches is the sum over a segment's attach files, and the release of the last region
 * of an attach tells the segment. A segment that is marked for removal lives until its last attach has
 * gone.
 *
 * I1  A segment is in the table until it is destroyed; its key is IPC_PRIVATE once it is marked.
 * I2  segment->attaches holds every attach file whose release has not run.
 *
 * Locking: shm_lock (a spin lock: releases come from under a space's lock) guards the table and all
 * segments. Files are put after it is released.
 */
#include <asm/resource.h>
#include <asm/shmbuf.h>
#include <fs/file.h>
#include <fs/vfs.h>
#include <hal/uaccess.h>
#include <kernel/cred.h>
#include <kernel/shm.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <lib/format.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/ipc.h>
#include <linux/mman.h>
#include <linux/shm.h>
#include <linux/stat.h>
#include <mm/mman.h>
#include <mm/region.h>
#include <mm/slab.h>
#include <mm/space.h>

#define TABLE_SIZE 4096
#define SEQ_SHIFT  15
#define SEQ_MAX    (INT32_MAX >> SEQ_SHIFT)
#ifndef SHM_DEST
#define SHM_DEST   01000
#endif
#ifndef SHM_LOCKED
#define SHM_LOCKED 02000
#endif

struct segment {
	s32 key, id;
	u32 uid, gid, cuid, cgid, mode;
	u64 size;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	struct file *file;
	struct list_head attaches;
};

struct attach { /* file->priv of an attach file */
	struct list_head link;
	struct segment *segment;
	struct file *file;
};

u64 shm_max = ~0ull - (1ull << 24), shm_all = ~0ull - (1ull << 24);
u32 shm_mni = TABLE_SIZE;

static struct spinlock shm_lock = SPINLOCK_INIT(RANK_VFS);
static struct segment **table; /* made by the first shmget */
static u32 nr_segments, next_seq;
static u64 total_pages;

static s64 now_s(void) { return clock_realtime_ns() / (s64)NSEC_PER_SEC; }
static u64 pages_of(const struct segment *s) { return PAGE_ALIGN_UP(s->size) >> PAGE_SHIFT; }

static struct segment *find_id_locked(s32 id)
{
	if (id < 0 || !table)
		return NULL;
	struct segment *s = table[id & ((1 << SEQ_SHIFT) - 1) & (TABLE_SIZE - 1)];
	return s && s->id == id ? s : NULL;
}

static struct segment *find_key_locked(s32 key)
{
	for (unsigned i = 0; table && i < TABLE_SIZE; i++)
		if (table[i] && table[i]->key == key && key != IPC_PRIVATE)
			return table[i];
	return NULL;
}

static u64 nattch_locked(const struct segment *s)
{
	struct attach *a;
	u64 n = 0;
	list_for_each_entry(a, &s->attaches, link)
		n += (u64)READ_ONCE(a->file->refs);
	return n;
}

/* Permission bits as for files: want is 4 read, 2 write. */
static bool may_access(const struct segment *s, u32 want)
{
	const struct cred *c = current->cred;
	u32 have = s->mode;
	if (c->euid == s->uid || c->euid == s->cuid)
		have >>= 6;
	else if (c->fsgid == s->gid || c->fsgid == s->cgid || cred_has_group(c, s->gid) || cred_has_group(c, s->cgid))
		have >>= 3;
	return !(want & ~have & 7) || capable(CAP_IPC_OWNER);
}

static bool may_control(const struct segment *s)
{
	const struct cred *c = current->cred;
	return c->euid == s->uid || c->euid == s->cuid || capable(CAP_SYS_ADMIN);
}

/* Takes the segment out of the table; the caller puts the file and frees it. */
static void remove_locked(struct segment *s)
{
	table[s->id & (TABLE_SIZE - 1)] = NULL;
	nr_segments--;
	total_pages -= pages_of(s);
}

static void destroy(struct segment *s)
{
	file_put(s->file);
	kfree(s);
}

/* ---- attach files ---- */

static void attach_release(struct file *f)
{
	struct attach *a = f->priv;
	struct segment *s = a->segment;
	spin_lock(&shm_lock);
	list_del(&a->link);
	s->dtime = now_s();
	s->lpid = (s32)(current->process ? current->process->pid : 0);
	bool last = (s->mode & SHM_DEST) && list_is_empty(&s->attaches);
	if (last)
		remove_locked(s);
	spin_unlock(&shm_lock);
	kfree(a);
	if (last)
		destroy(s);
}

static int attach_mmap(struct file *f, struct mmap_request *q)
{
	q->mapping = &f->inode->mapping;
	return 0;
}

static const struct file_ops attach_ops = { .mmap = attach_mmap, .release = attach_release, .name = "sysv shm" };

static struct attach *region_attach(const struct region *r)
{
	const struct file *f = r->file;
	return r->mapping && f && f->ops == &attach_ops ? f->priv : NULL;
}

/* ---- shmget ---- */

/* The pool of huge pages is empty; not all may ask for them. */
static long huge_answer(u64 size, u32 flags)
{
	const struct cred *c = current->cred;
	if (!hugetlb_size_is_known(flags))
		return -EINVAL;
	bool may = capable(CAP_IPC_LOCK) || !c->fsgid || cred_has_group(c, 0) || size <= current->process->rlimits[RLIMIT_MEMLOCK].cur;
	return may ? -ENOMEM : -EPERM;
}

static long create(s32 key, u64 size, u32 flags)
{
	char name[16];
	if (size < 1 || size > shm_max || size > HAL_USER_END)
		return -EINVAL;
	if (flags & SHM_HUGETLB)
		return huge_answer(size, flags);
	struct segment *s = kzalloc(sizeof(*s), ALLOC_KERNEL);
	if (!s)
		return -ENOMEM;
	snprintf(name, sizeof(name), "SYSV%08x", (u32)key);
	s->file = shmem_file_new(name, size, flags & SHM_NORESERVE ? SHMEM_NORESERVE : 0);
	if (IS_ERR(s->file)) {
		long err = PTR_ERR(s->file);
		kfree(s);
		return err;
	}
	const struct cred *c = current->cred;
	s->key = key;
	s->uid = s->cuid = c->euid;
	s->gid = s->cgid = c->egid;
	s->mode = flags & 0777;
	s->size = size;
	s->ctime = now_s();
	s->cpid = (s32)current->process->pid;
	list_init(&s->attaches);
	spin_lock(&shm_lock);
	long err = -ENOSPC;
	unsigned slot = TABLE_SIZE;
	if (key != IPC_PRIVATE && find_key_locked(key))
		err = -EEXIST;
	else if (nr_segments < shm_mni && total_pages + pages_of(s) <= shm_all)
		for (slot = 0; slot < TABLE_SIZE && table[slot]; slot++)
			;
	if (slot < TABLE_SIZE) {
		s->id = (s32)((next_seq << SEQ_SHIFT) + slot);
		next_seq = (next_seq + 1) & SEQ_MAX;
		s->file->inode->ino = (u64)s->id;
		table[slot] = s;
		nr_segments++;
		total_pages += pages_of(s);
		err = s->id;
	}
	spin_unlock(&shm_lock);
	if (err < 0)
		destroy(s);
	return err;
}

static int make_table(void)
{
	if (READ_ONCE(table))
		return 0;
	struct segment **t = kzalloc(TABLE_SIZE * sizeof(*t), ALLOC_KERNEL);
	if (!t)
		return -ENOMEM;
	spin_lock(&shm_lock);
	bool used = !table;
	if (used)
		table = t;
	spin_unlock(&shm_lock);
	if (!used)
		kfree(t);
	return 0;
}

SYSCALL3(shmget, ukey, size, uflags)
{
	s32 key = (s32)ukey;
	u32 flags = (u32)uflags;
	if (make_table())
		return -ENOMEM;
	if (key == IPC_PRIVATE)
		return create(key, size, flags);
	for (;;) {
		long ret = -ENOENT;
		spin_lock(&shm_lock);
		struct segment *s = find_key_locked(key);
		if (s) {
			u32 want = (flags >> 6 | flags >> 3 | flags) & 7;
			if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
				ret = -EEXIST;
			else if (s->size < size)
				ret = -EINVAL;
			else
				ret = may_access(s, want) ? s->id : -EACCES;
		}
		spin_unlock(&shm_lock);
		if (s || !(flags & IPC_CREAT))
			return ret;
		ret = create(key, size, flags);
		if (ret != -EEXIST || (flags & IPC_EXCL))
			return ret;
	}
}

/* ---- shmat, shmdt ---- */

/* A new attach of segment id: *out is its file. */
static long attach_new(s32 id, u32 want, struct file **out, u64 *size)
{
	struct attach *a = kzalloc(sizeof(*a), ALLOC_KERNEL);
	if (!a)
		return -ENOMEM;
	spin_lock(&shm_lock);
	struct segment *s = find_id_locked(id);
	long err = !s ? -EINVAL : may_access(s, want) ? 0 : -EACCES;
	struct inode *inode = err ? NULL : s->file->inode;
	if (inode)
		inode_get(inode);
	spin_unlock(&shm_lock);
	struct file *f = err ? ERR_PTR(err) : file_new(&attach_ops, inode, want & 2 ? O_RDWR : O_RDONLY);
	if (IS_ERR(f)) {
		if (inode)
			inode_put(inode);
		kfree(a);
		return PTR_ERR(f);
	}
	f->priv = a;
	a->file = f;
	spin_lock(&shm_lock);
	s = find_id_locked(id); /* it may have gone in between; the inode is still ours */
	if (s) {
		a->segment = s;
		*size = s->size;
		s->atime = now_s();
		s->lpid = (s32)current->process->pid;
		list_add_tail(&a->link, &s->attaches);
	}
	spin_unlock(&shm_lock);
	if (!s) {
		static const struct file_ops no_ops = { .name = "sysv shm" };
		f->ops = &no_ops;
		file_put(f);
		kfree(a);
		return -EIDRM;
	}
	*out = f;
	return 0;
}

SYSCALL3(shmat, id, addr, uflags)
{
	u32 flags = (u32)uflags;
	u64 size = 0;
	struct file *f;
	uaddr_t at = 0;
	if ((s32)id < 0)
		return -EINVAL;
	if (addr & ~PAGE_MASK) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		addr &= PAGE_MASK;
		if (!addr && (flags & SHM_REMAP))
			return -EINVAL;
	} else if (!addr && (flags & SHM_REMAP)) {
		return -EINVAL;
	}
	bool write = !(flags & SHM_RDONLY);
	u32 want = 4 | (write ? 2 : 0) | (flags & SHM_EXEC ? 1 : 0);
	long err = attach_new((s32)id, want, &f, &size);
	if (err)
		return err;
	struct mmap_request q = {
		.addr = addr, .len = size, .prot = PROT_READ | (write ? PROT_WRITE : 0) | (flags & SHM_EXEC ? PROT_EXEC : 0),
		.flags = MAP_SHARED | (!addr ? 0 : flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE),
	};
	err = file_prepare_mmap(f, &q);
	if (!err)
		err = space_mmap(current->space, &q, &at);
	file_put(f);
	if (err == -EEXIST)
		err = -EINVAL;
	return err ? err : (long)at;
}

/* The next piece, from *from on, of what one shmat put at addr: its attach file's identity in *file. */
static bool next_piece(struct space *s, uaddr_t addr, void **file, uaddr_t from, uaddr_t *start, u64 *len)
{
	bool found = false;
	rwlock_read(&s->lock);
	for (struct region *r = region_lookup(s, from); r; r = region_next(r)) {
		if (!region_attach(r) || (*file && r->file != *file) || r->start < addr || (r->start - addr) >> PAGE_SHIFT != r->pgoff)
			continue;
		*file = r->file;
		*start = r->start;
		*len = r->end - r->start;
		found = true;
		break;
	}
	rwlock_read_unlock(&s->lock);
	return found;
}

SYSCALL1(shmdt, addr)
{
	struct space *s = current->space;
	void *file = NULL;
	uaddr_t start, from = addr;
	u64 len;
	long err = -EINVAL;
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	while (next_piece(s, addr, &file, from, &start, &len)) {
		err = space_munmap(s, start, len);
		if (err)
			return err;
		from = start + len;
	}
	return err;
}

/* ---- shmctl ---- */

static void fill_ds(const struct segment *s, struct shmid64_ds *d)
{
	memset(d, 0, sizeof(*d));
	d->shm_perm.key = s->key;
	d->shm_perm.uid = s->uid;
	d->shm_perm.gid = s->gid;
	d->shm_perm.cuid = s->cuid;
	d->shm_perm.cgid = s->cgid;
	d->shm_perm.mode = s->mode;
	d->shm_perm.seq = (unsigned short)(s->id >> SEQ_SHIFT);
	d->shm_segsz = s->size;
	d->shm_atime = s->atime;
	d->shm_dtime = s->dtime;
	d->shm_ctime = s->ctime;
	d->shm_cpid = s->cpid;
	d->shm_lpid = s->lpid;
	d->shm_nattch = nattch_locked(s);
}

static s32 highest_index_locked(void)
{
	s32 i = TABLE_SIZE - 1;
	while (table && i >= 0 && !table[i])
		i--;
	return table && i > 0 ? i : 0;
}

static long shm_stat(u64 id, u32 cmd, uaddr_t ubuf)
{
	struct shmid64_ds d;
	spin_lock(&shm_lock);
	bool by_index = cmd != IPC_STAT;
	struct segment *s = by_index ? table && id < TABLE_SIZE ? table[id] : NULL : find_id_locked((s32)id);
	long ret = !s ? -EINVAL : cmd != SHM_STAT_ANY && !may_access(s, 4) ? -EACCES : by_index ? s->id : 0;
	if (ret >= 0)
		fill_ds(s, &d);
	spin_unlock(&shm_lock);
	return ret >= 0 && copy_to_user(ubuf, &d, sizeof(d)) ? -EFAULT : ret;
}

static long shm_set(s32 id, uaddr_t ubuf)
{
	struct shmid64_ds d;
	if (copy_from_user(&d, ubuf, sizeof(d)))
		return -EFAULT;
	spin_lock(&shm_lock);
	struct segment *s = find_id_locked(id);
	long err = !s ? -EINVAL : may_control(s) ? 0 : -EPERM;
	if (!err) {
		s->uid = d.shm_perm.uid;
		s->gid = d.shm_perm.gid;
		s->mode = (s->mode & ~0777u) | (d.shm_perm.mode & 0777);
		s->ctime = now_s();
	}
	spin_unlock(&shm_lock);
	return err;
}

static long shm_remove(s32 id)
{
	spin_lock(&shm_lock);
	struct segment *s = find_id_locked(id);
	long err = !s ? -EINVAL : may_control(s) ? 0 : -EPERM;
	bool now = !err && list_is_empty(&s->attaches);
	if (now) {
		remove_locked(s);
	} else if (!err) {
		s->mode |= SHM_DEST;
		s->key = IPC_PRIVATE;
	}
	spin_unlock(&shm_lock);
	if (now)
		destroy(s);
	return err;
}

static long shm_set_locked(s32 id, bool locked)
{
	spin_lock(&shm_lock);
	struct segment *s = find_id_locked(id);
	long err = 0;
	if (!s)
		err = -EINVAL;
	else if (!capable(CAP_IPC_LOCK)) {
		const struct cred *c = current->cred;
		if (c->euid != s->uid && c->euid != s->cuid)
			err = -EPERM;
		else if (locked && !current->process->rlimits[8].cur) /* RLIMIT_MEMLOCK */
			err = -EPERM;
	}
	if (!err)
		s->mode = locked ? s->mode | SHM_LOCKED : s->mode & ~(u32)SHM_LOCKED;
	spin_unlock(&shm_lock);
	return err;
}

static long shm_limits(uaddr_t ubuf)
{
	struct shminfo64 i = { .shmmax = shm_max, .shmmin = 1, .shmmni = shm_mni, .shmseg = shm_mni, .shmall = shm_all };
	if (copy_to_user(ubuf, &i, sizeof(i)))
		return -EFAULT;
	spin_lock(&shm_lock);
	long ret = highest_index_locked();
	spin_unlock(&shm_lock);
	return ret;
}

static long shm_usage(uaddr_t ubuf)
{
	struct shm_info i;
	memset(&i, 0, sizeof(i));
	spin_lock(&shm_lock);
	i.used_ids = (int)nr_segments;
	i.shm_tot = total_pages;
	for (unsigned n = 0; table && n < TABLE_SIZE; n++)
		if (table[n])
			i.shm_rss += table[n]->file->inode->mapping.nr_pages;
	long ret = highest_index_locked();
	spin_unlock(&shm_lock);
	return copy_to_user(ubuf, &i, sizeof(i)) ? -EFAULT : ret;
}

SYSCALL3(shmctl, id, cmd, ubuf)
{
	if ((s32)cmd < 0 || (s32)id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
		return shm_limits(ubuf);
	case SHM_INFO:
		return shm_usage(ubuf);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return shm_stat((u32)id, (u32)cmd, ubuf);
	case IPC_SET:
		return shm_set((s32)id, ubuf);
	case IPC_RMID:
		return shm_remove((s32)id);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_set_locked((s32)id, cmd == SHM_LOCK);
	}
	return -EINVAL;
}

void shm_for_each(bool (*fn)(const struct shm_info_k *, void *arg), void *arg)
{
	spin_lock(&shm_lock);
	for (unsigned n = 0; table && n < TABLE_SIZE; n++) {
		struct segment *s = table[n];
		if (!s)
			continue;
		struct shm_info_k i = {
			.key = s->key, .id = s->id, .mode = s->mode, .uid = s->uid, .gid = s->gid, .cuid = s->cuid, .cgid = s->cgid,
			.size = s->size, .nattch = nattch_locked(s), .rss_bytes = s->file->inode->mapping.nr_pages << PAGE_SHIFT,
			.cpid = s->cpid, .lpid = s->lpid, .atime = s->atime, .dtime = s->dtime, .ctime = s->ctime,
		};
		if (!fn(&i, arg))
			break;
	}
	spin_unlock(&shm_lock);
}

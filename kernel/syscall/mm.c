/* SPDX-License-Identifier: MIT */
/* Memory calls: arguments checked as Linux does, then the space's own operation. */
#include <fs/file.h>
#include <fs/vfs.h>
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <linux/capability.h>
#include <linux/mman.h>
#include <linux/personality.h>
#include <mm/mapping.h>
#include <mm/mman.h>
#include <mm/region.h>
#include <mm/slab.h>
#include <mm/space.h>

/* Flags that MAP_SHARED has always let pass; MAP_SHARED_VALIDATE refuses others. */
#define LEGACY_MAP_FLAGS                                                                            \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_UNINITIALIZED | MAP_GROWSDOWN | \
	 MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | (0x3f << 26))

#ifndef MAP_UNINITIALIZED
#define MAP_UNINITIALIZED 0x4000000
#endif
#ifndef MAP_32BIT
#define MAP_32BIT 0x40
#endif

/* The pages of MAP_SHARED|MAP_ANONYMOUS need an object of their own. */
static long map_shared_anonymous(struct mmap_request *q, uaddr_t *out)
{
	u64 len = PAGE_ALIGN_UP(q->len);
	if (!q->len)
		return -EINVAL;
	if (!len || len > HAL_USER_END)
		return -ENOMEM;
	struct file *f = shmem_file_new("dev/zero", len, q->flags & MAP_NORESERVE ? SHMEM_NORESERVE : 0);
	if (IS_ERR(f))
		return PTR_ERR(f);
	q->offset = 0;
	long err = file_prepare_mmap(f, q);
	if (!err)
		err = space_mmap(current->space, q, out);
	file_put(f);
	return err;
}

static long map_file(struct mmap_request *q, int fd, uaddr_t *out)
{
	struct file *f = fd_get(fd);
	if (!f)
		return -EBADF;
	long err = 0;
	if (q->flags & MAP_HUGETLB)
		err = -EINVAL; /* no file here has huge pages */
	else if ((q->flags & MAP_TYPE) == MAP_SHARED_VALIDATE && (q->flags & ~(u32)LEGACY_MAP_FLAGS & ~MAP_SHARED_VALIDATE))
		err = -EOPNOTSUPP;
	else if (!q->len)
		err = -EINVAL;
	else if (q->len < HAL_USER_END && (s64)q->offset >= 0 && (s64)(q->offset + PAGE_ALIGN_UP(q->len)) < 0)
		err = -EOVERFLOW;
	if (!err)
		err = file_prepare_mmap(f, q);
	if (!err) {
		struct file *object = q->file; /* /dev/zero: one of its own, by reference */
		err = space_mmap(current->space, q, out);
		if (object && object != f)
			file_put(object);
	}
	file_put(f);
	return err;
}

SYSCALL6(mmap, addr, len, prot, flags, fd, offset)
{
	struct mmap_request q = { .addr = addr, .len = len, .prot = (u32)prot, .flags = (u32)flags, .offset = offset };
	uaddr_t at = 0;
	long err;
	if (offset & ~PAGE_MASK)
		return -EINVAL;
	if ((current->personality & READ_IMPLIES_EXEC) && (prot & PROT_READ))
		q.prot |= PROT_EXEC;
	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
		q.addr &= PAGE_MASK;
	if (!(flags & MAP_ANONYMOUS)) {
		err = map_file(&q, (int)fd, &at);
	} else if (flags & MAP_HUGETLB) {
		err = hugetlb_size_is_known(q.flags) ? -ENOMEM : -EINVAL; /* the pool of huge pages is empty */
	} else if ((flags & MAP_TYPE) == MAP_SHARED) {
		err = map_shared_anonymous(&q, &at);
	} else if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE) {
		err = -EINVAL;
	} else {
		q.offset = 0;
		err = space_mmap(current->space, &q, &at);
	}
	return err ? err : (long)at;
}

SYSCALL2(munmap, addr, len) { return space_munmap(current->space, addr, len); }

SYSCALL3(mprotect, addr, len, prot)
{
	if ((current->personality & READ_IMPLIES_EXEC) && (prot & PROT_READ))
		prot |= PROT_EXEC;
	return space_mprotect(current->space, addr, len, (u32)prot);
}

/* No protection keys: only "no key" is valid. The stretch is looked at first. */
SYSCALL4(pkey_mprotect, addr, len, prot, key)
{
	u64 bytes = PAGE_ALIGN_UP(len);
	bool is_stretch = !(addr & ~PAGE_MASK) && len && addr + bytes > addr;
	if ((s32)key != -1 && is_stretch)
		return -EINVAL;
	return space_mprotect(current->space, addr, len, (u32)prot);
}

SYSCALL2(pkey_alloc, flags, rights) { return flags || rights & ~3ull ? -EINVAL : -ENOSPC; }
SYSCALL1(pkey_free, pkey) { return -EINVAL; }

SYSCALL5(mremap, old, old_len, new_len, flags, new_addr)
{
	uaddr_t at = 0;
	long err = space_mremap(current->space, old, old_len, new_len, (u32)flags, new_addr, &at);
	return err ? err : (long)at;
}

SYSCALL1(brk, brk) { return (long)space_brk(current->space, brk); }

SYSCALL3(madvise, addr, len, advice)
{
	if ((advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	return space_madvise(current->space, addr, len, (int)advice);
}

SYSCALL3(mincore, addr, len, uvec)
{
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (addr > HAL_USER_END || len > HAL_USER_END - addr)
		return -ENOMEM;
	u64 left = PAGE_ALIGN_UP(len) >> PAGE_SHIFT;
	if (uvec > HAL_USER_END || left > HAL_USER_END - uvec)
		return -EFAULT;
	u8 *vec = kmalloc(PAGE_SIZE, ALLOC_KERNEL);
	long err = vec ? 0 : -EAGAIN;
	while (left && !err) {
		u64 n = min(left, (u64)PAGE_SIZE);
		err = space_mincore(current->space, addr, n, vec);
		if (!err && copy_to_user(uvec, vec, n))
			err = -EFAULT;
		addr += n << PAGE_SHIFT;
		uvec += n;
		left -= n;
	}
	kfree(vec);
	return err;
}

SYSCALL3(msync, addr, len, flags) { return space_msync(current->space, addr, len, (int)flags); }

SYSCALL2(mlock, addr, len) { return space_mlock(current->space, addr, len, false); }

SYSCALL3(mlock2, addr, len, flags)
{
	if (flags & ~(u64)MLOCK_ONFAULT)
		return -EINVAL;
	return space_mlock(current->space, addr, len, flags & MLOCK_ONFAULT);
}

SYSCALL2(munlock, addr, len) { return space_munlock(current->space, addr, len); }
SYSCALL1(mlockall, flags) { return space_mlockall(current->space, (int)flags); }
SYSCALL0(munlockall) { return space_munlockall(current->space); }

/* Deprecated in Linux, which emulates it in this way: the range becomes a mapping of its own. */
static long remap(uaddr_t start, u64 size, u64 pgoff, u64 flags)
{
	struct space *s = current->space;
	rwlock_read(&s->lock);
	struct region *r = region_lookup(s, start);
	if (!r || r->start > start || !(r->flags & REGION_SHARED) || !r->mapping || r->end < start + size) {
		rwlock_read_unlock(&s->lock);
		return -EINVAL;
	}
	u32 rights = r->flags;
	struct mmap_request q = {
		.addr = start, .len = size, .offset = pgoff << PAGE_SHIFT, .mapping = r->mapping, .file = r->file,
		.prot = (rights & REGION_READ ? PROT_READ : 0) | (rights & REGION_WRITE ? PROT_WRITE : 0) | (rights & REGION_EXEC ? PROT_EXEC : 0),
		.flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE | ((u32)flags & MAP_NONBLOCK) | (rights & REGION_LOCKED ? MAP_LOCKED : 0),
		.file_readable = rights & REGION_MAYREAD, .file_writable = rights & REGION_MAYWRITE,
	};
	struct mapping *m = q.mapping;
	if (q.file)
		m->ops->file_get(q.file);
	rwlock_read_unlock(&s->lock);
	uaddr_t at;
	long err = space_mmap(s, &q, &at);
	if (q.file)
		m->ops->file_put(q.file);
	return err;
}

SYSCALL5(remap_file_pages, start, size, prot, pgoff, flags)
{
	if (prot)
		return -EINVAL;
	start &= PAGE_MASK;
	size &= PAGE_MASK;
	if (start + size <= start)
		return -EINVAL;
	if (pgoff + (size >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	return remap(start, size, pgoff, flags);
}

/* SPDX-License-Identifier: MIT */
/* open, close and their kin; strings from user space. */
#include "../path/path.h"
#include <linux/close_range.h>
#include <linux/openat2.h>

#define OPEN_FLAGS                                                                                               \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | FASYNC |     \
	 O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | __O_TMPFILE)

#define O_PATH_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static struct slab_cache *names_cache;

void user_path_init(void)
{
	names_cache = slab_cache_create("names_cache", FS_PATH_MAX, 0, 0);
	ASSERT(names_cache);
}

char *user_path_get(uaddr_t uname)
{
	char *name = slab_alloc(names_cache, ALLOC_KERNEL);
	if (!name)
		return ERR_PTR(-ENOMEM);
	long len = strncpy_from_user(name, uname, FS_PATH_MAX);
	if (len >= 0)
		return name;
	slab_free(names_cache, name);
	return ERR_PTR(len);
}

void user_path_put(char *name)
{
	if (!IS_ERR(name))
		slab_free(names_cache, name);
}

static long check_flags(u32 flags)
{
	if ((flags & __O_TMPFILE) && ((flags & O_TMPFILE) != O_TMPFILE || (flags & O_ACCMODE) == O_RDONLY))
		return -EINVAL;
	return 0;
}

static long open_common(int dirfd, uaddr_t uname, u32 flags, u32 mode, u32 lookup)
{
	long err = check_flags(flags);
	if (err)
		return err;
	char *name = user_path_get(uname);
	if (IS_ERR(name))
		return PTR_ERR(name);
	int fd = fd_reserve(0, flags & O_CLOEXEC);
	if (fd >= 0) {
		struct file *f = open_at(dirfd, name, flags & ~(u32)O_CLOEXEC, mode, lookup);
		if (IS_ERR(f)) {
			fd_unreserve(fd);
			fd = (int)PTR_ERR(f);
		} else {
			fd_publish(fd, f);
		}
	}
	user_path_put(name);
	return fd;
}

/* open(2) ignores flags it does not know, and most others beside O_PATH. */
static u32 known_flags(u64 flags)
{
	return (u32)flags & (flags & O_PATH ? O_PATH_FLAGS : OPEN_FLAGS);
}

SYSCALL3(open, uname, flags, mode)
{
	return open_common(AT_FDCWD, uname, known_flags(flags) | O_LARGEFILE, (u32)mode, 0);
}

SYSCALL4(openat, dirfd, uname, flags, mode)
{
	return open_common((int)dirfd, uname, known_flags(flags) | O_LARGEFILE, (u32)mode, 0);
}

SYSCALL2(creat, uname, mode)
{
	return open_common(AT_FDCWD, uname, O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE, (u32)mode, 0);
}

static u32 lookup_of_resolve(u64 resolve)
{
	return (resolve & RESOLVE_NO_XDEV ? LOOKUP_NO_XDEV : 0) | (resolve & RESOLVE_NO_MAGICLINKS ? LOOKUP_NO_MAGICLINKS : 0) |
	       (resolve & RESOLVE_NO_SYMLINKS ? LOOKUP_NO_SYMLINKS | LOOKUP_NO_MAGICLINKS : 0) |
	       (resolve & RESOLVE_BENEATH ? LOOKUP_BENEATH : 0) | (resolve & RESOLVE_IN_ROOT ? LOOKUP_IN_ROOT : 0);
}

SYSCALL4(openat2, dirfd, uname, uhow, size)
{
	struct open_how how;
	if (size < sizeof(how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(&how, uhow, sizeof(how)))
		return -EFAULT;
	for (u64 at = sizeof(how); at < size; at++) {
		u8 byte;
		if (get_user(byte, uhow + at))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	bool makes = how.flags & (O_CREAT | __O_TMPFILE);
	if ((how.flags & ~(u64)OPEN_FLAGS) || (how.mode & ~07777ull) || (how.mode && !makes))
		return -EINVAL;
	if ((how.flags & O_PATH) && (how.flags & ~(u64)O_PATH_FLAGS))
		return -EINVAL;
	if (how.resolve & ~(u64)(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED))
		return -EINVAL;
	if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if ((how.resolve & RESOLVE_CACHED) && (how.flags & (O_TRUNC | O_CREAT | __O_TMPFILE)))
		return -EAGAIN;
	return open_common((int)dirfd, uname, (u32)how.flags, (u32)how.mode, lookup_of_resolve(how.resolve));
}

SYSCALL1(close, fd) { return fd_close((int)fd); }

SYSCALL3(close_range, first, last, flags)
{
	if ((u32)flags & ~(u32)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	if ((u32)first > (u32)last)
		return -EINVAL;
	if ((u32)flags & CLOSE_RANGE_UNSHARE) {
		int err = files_unshare_current();
		if (err)
			return err;
	}
	return fd_close_range((u32)first, (u32)last, (u32)flags & CLOSE_RANGE_CLOEXEC);
}

SYSCALL1(umask, mask) { return fs_set_umask((u32)mask); }

/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes. Who may see or change one follows from its class (Linux, xattr(7)); where they are kept is the
 * file system's. On one that keeps none the calls answer what the class of the name would answer.
 */
#include "../internal.h"
#include <linux/xattr.h>

static bool has_prefix(const char *name, const char *prefix) { return !strncmp(name, prefix, strlen(prefix)); }

static int get_name(uaddr_t uname, char name[XATTR_NAME_MAX + 1])
{
	long len = strncpy_from_user(name, uname, XATTR_NAME_MAX + 1);
	return len == -ENAMETOOLONG || !len ? -ERANGE : len < 0 ? (int)len : 0;
}

static int check_rights(struct inode *i, const char *name, bool write)
{
	int refused = write ? -EPERM : -ENODATA;
	if (write && (i->flags & (INODE_IMMUTABLE | INODE_APPEND)))
		return -EPERM;
	if (has_prefix(name, "security."))
		return write && !fs_capable(strcmp(name, "security.capability") ? CAP_SYS_ADMIN : CAP_SETFCAP) ? -EPERM : 0;
	if (has_prefix(name, "system."))
		return 0;
	if (has_prefix(name, "trusted."))
		return fs_capable(CAP_SYS_ADMIN) ? 0 : refused;
	if (has_prefix(name, "user.")) {
		if (!S_ISREG(i->mode) && !S_ISDIR(i->mode))
			return refused;
		if (write && S_ISDIR(i->mode) && (i->mode & S_ISVTX) && !inode_owner_or_capable(i))
			return -EPERM;
	}
	return inode_permission(i, write ? MAY_WRITE : MAY_READ);
}

/* A file system that keeps none. */
static int answer_without(const char *name, bool write)
{
	bool is_known = has_prefix(name, "security.") || has_prefix(name, "trusted.") || has_prefix(name, "system.posix_acl_");
	return write || !is_known ? -EOPNOTSUPP : -ENODATA;
}

static long get(struct target *t, uaddr_t uname, uaddr_t uvalue, u64 size)
{
	char name[XATTR_NAME_MAX + 1];
	struct inode *i = t->inode;
	int err = get_name(uname, name);
	if (err)
		return err;
	if (!i->ops->xattr_get)
		return answer_without(name, false);
	err = check_rights(i, name, false);
	if (err)
		return err;
	size = min(size, (u64)XATTR_SIZE_MAX);
	void *value = size ? kmalloc(size, ALLOC_KERNEL) : NULL;
	if (size && !value)
		return -ENOMEM;
	long n = i->ops->xattr_get(i, name, value, size);
	if (n > 0 && size && copy_to_user(uvalue, value, (size_t)n))
		n = -EFAULT;
	kfree(value);
	return n;
}

static long change(struct target *t, const char *name, const void *value, u64 size, u32 flags, bool remove)
{
	struct inode *i = t->inode;
	int err = i->ops->xattr_set ? 0 : answer_without(name, !remove);
	if (!err)
		err = check_rights(i, name, true);
	if (err)
		return err;
	mutex_lock(&i->lock);
	err = i->ops->xattr_set(i, name, value, size, flags, remove);
	mutex_unlock(&i->lock);
	return err;
}

static long set(struct target *t, uaddr_t uname, uaddr_t uvalue, u64 size, u32 flags)
{
	char name[XATTR_NAME_MAX + 1];
	int err = target_want_write(t);
	if (!err && (flags & ~(u32)(XATTR_CREATE | XATTR_REPLACE)))
		err = -EINVAL;
	if (!err)
		err = get_name(uname, name);
	if (err)
		return err;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	void *value = size ? kmalloc(size, ALLOC_KERNEL) : NULL;
	if (size && !value)
		return -ENOMEM;
	long n = size && copy_from_user(value, uvalue, size) ? -EFAULT : change(t, name, value, size, flags, false);
	kfree(value);
	return n;
}

static long remove(struct target *t, uaddr_t uname)
{
	char name[XATTR_NAME_MAX + 1];
	int err = target_want_write(t);
	if (!err)
		err = get_name(uname, name);
	return err ? err : change(t, name, NULL, 0, 0, true);
}

static long list(struct target *t, uaddr_t ulist, u64 size)
{
	struct inode *i = t->inode;
	if (!i->ops->xattr_list)
		return 0;
	size = min(size, (u64)XATTR_LIST_MAX);
	char *names = size ? kmalloc(size, ALLOC_KERNEL) : NULL;
	if (size && !names)
		return -ENOMEM;
	long n = i->ops->xattr_list(i, names, size);
	if (n > 0 && size && copy_to_user(ulist, names, (size_t)n))
		n = -EFAULT;
	kfree(names);
	return n;
}

/* The system calls: by name, by name of a link itself, by descriptor. */

static int by_name(struct target *t, uaddr_t upath, bool follow) { return target_get(t, AT_FDCWD, upath, 0, follow); }
static int by_fd(struct target *t, u64 fd) { return target_from_fd(t, (int)fd, false); }

#define WITH_TARGET(get_target, call)                                                               \
	struct target t;                                                                                \
	int err = get_target;                                                                           \
	if (err)                                                                                        \
		return err;                                                                                 \
	long n = call;                                                                                  \
	target_put(&t);                                                                                 \
	return n

SYSCALL5(setxattr, upath, uname, uvalue, size, flags)
{
	WITH_TARGET(by_name(&t, upath, true), set(&t, uname, uvalue, size, (u32)flags));
}

SYSCALL5(lsetxattr, upath, uname, uvalue, size, flags)
{
	WITH_TARGET(by_name(&t, upath, false), set(&t, uname, uvalue, size, (u32)flags));
}

SYSCALL5(fsetxattr, fd, uname, uvalue, size, flags) { WITH_TARGET(by_fd(&t, fd), set(&t, uname, uvalue, size, (u32)flags)); }
SYSCALL4(getxattr, upath, uname, uvalue, size) { WITH_TARGET(by_name(&t, upath, true), get(&t, uname, uvalue, size)); }
SYSCALL4(lgetxattr, upath, uname, uvalue, size) { WITH_TARGET(by_name(&t, upath, false), get(&t, uname, uvalue, size)); }
SYSCALL4(fgetxattr, fd, uname, uvalue, size) { WITH_TARGET(by_fd(&t, fd), get(&t, uname, uvalue, size)); }
SYSCALL2(removexattr, upath, uname) { WITH_TARGET(by_name(&t, upath, true), remove(&t, uname)); }
SYSCALL2(lremovexattr, upath, uname) { WITH_TARGET(by_name(&t, upath, false), remove(&t, uname)); }
SYSCALL2(fremovexattr, fd, uname) { WITH_TARGET(by_fd(&t, fd), remove(&t, uname)); }
SYSCALL3(listxattr, upath, ulist, size) { WITH_TARGET(by_name(&t, upath, true), list(&t, ulist, size)); }
SYSCALL3(llistxattr, upath, ulist, size) { WITH_TARGET(by_name(&t, upath, false), list(&t, ulist, size)); }
SYSCALL3(flistxattr, fd, ulist, size) { WITH_TARGET(by_fd(&t, fd), list(&t, ulist, size)); }

/* SPDX-License-Identifier: MIT */
/* Attributes: chmod, chown, time stamps. */
#include "../internal.h"
#include <kernel/time.h>

#ifndef UTIME_NOW
#define UTIME_NOW  ((1l << 30) - 1l)
#define UTIME_OMIT ((1l << 30) - 2l)
#endif

/* Applies a to t and puts t. */
static long change(struct target *t, struct attr *a)
{
	int err = target_want_write(t);
	if (!err)
		err = inode_setattr(t->inode, a, false);
	target_put(t);
	return err;
}

/* chmod. */

static long chmod_at(int dirfd, uaddr_t uname, u32 mode)
{
	struct target t;
	struct attr a = { .valid = ATTR_MODE, .mode = mode & 07777 };
	int err = target_get(&t, dirfd, uname, 0, true);
	return err ? err : change(&t, &a);
}

SYSCALL2(chmod, uname, mode) { return chmod_at(AT_FDCWD, uname, (u32)mode); }
SYSCALL3(fchmodat, dirfd, uname, mode) { return chmod_at((int)dirfd, uname, (u32)mode); }

SYSCALL2(fchmod, fd, mode)
{
	struct target t;
	struct attr a = { .valid = ATTR_MODE, .mode = (u32)mode & 07777 };
	int err = target_from_fd(&t, (int)fd, false);
	return err ? err : change(&t, &a);
}

/* chown; -1 leaves an id as it is. */

static struct attr owner_attr(u64 uid, u64 gid)
{
	return (struct attr){ .valid = ((u32)uid != ~0u ? ATTR_UID : 0) | ((u32)gid != ~0u ? ATTR_GID : 0), .uid = (u32)uid, .gid = (u32)gid };
}

static long chown_at(int dirfd, uaddr_t uname, u64 uid, u64 gid, u32 flags)
{
	struct target t;
	struct attr a = owner_attr(uid, gid);
	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	int err = target_get(&t, dirfd, uname, flags, !(flags & AT_SYMLINK_NOFOLLOW));
	return err ? err : change(&t, &a);
}

SYSCALL3(chown, uname, uid, gid) { return chown_at(AT_FDCWD, uname, uid, gid, 0); }
SYSCALL3(lchown, uname, uid, gid) { return chown_at(AT_FDCWD, uname, uid, gid, AT_SYMLINK_NOFOLLOW); }
SYSCALL5(fchownat, dirfd, uname, uid, gid, flags) { return chown_at((int)dirfd, uname, uid, gid, (u32)flags); }

SYSCALL3(fchown, fd, uid, gid)
{
	struct target t;
	struct attr a = owner_attr(uid, gid);
	int err = target_from_fd(&t, (int)fd, false);
	return err ? err : change(&t, &a);
}

/* Times. times NULL: both now. */

static bool nsec_ok(s64 ns) { return ns == UTIME_NOW || ns == UTIME_OMIT || (ns >= 0 && ns < 1000000000); }

static s64 resolve_time(const struct timespec_k *t, s64 now)
{
	return t->tv_nsec == UTIME_NOW ? now : t->tv_sec * 1000000000ll + t->tv_nsec;
}

/* Explicit times are for the owner; "now" for whoever may write. */
static int check_times(struct inode *i, bool both_now)
{
	if (inode_owner_or_capable(i))
		return 0;
	if (!both_now)
		return -EPERM;
	return inode_permission(i, MAY_WRITE);
}

static long set_times(struct target *t, const struct timespec_k *times)
{
	s64 now = inode_now();
	struct attr a = { .valid = ATTR_ATIME | ATTR_MTIME, .atime_ns = now, .mtime_ns = now };
	bool both_now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	if (times) {
		a.valid = (times[0].tv_nsec != UTIME_OMIT ? ATTR_ATIME : 0) | (times[1].tv_nsec != UTIME_OMIT ? ATTR_MTIME : 0);
		a.atime_ns = resolve_time(&times[0], now);
		a.mtime_ns = resolve_time(&times[1], now);
	}
	int err = target_want_write(t);
	if (!err)
		err = check_times(t->inode, both_now);
	if (!err && a.valid)
		err = inode_setattr(t->inode, &a, false);
	target_put(t);
	return err;
}

static long times_at(int dirfd, uaddr_t uname, const struct timespec_k *times, u32 flags)
{
	struct target t;
	int err;
	if (times && (!nsec_ok(times[0].tv_nsec) || !nsec_ok(times[1].tv_nsec)))
		return -EINVAL;
	if (times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (!uname && dirfd != AT_FDCWD)
		err = flags ? -EINVAL : target_from_fd(&t, dirfd, false);
	else if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		err = -EINVAL;
	else
		err = target_get(&t, dirfd, uname, flags, !(flags & AT_SYMLINK_NOFOLLOW));
	return err ? err : set_times(&t, times);
}

SYSCALL4(utimensat, dirfd, uname, utimes, flags)
{
	struct timespec_k t[2];
	if (utimes && copy_from_user(t, utimes, sizeof(t)))
		return -EFAULT;
	return times_at((int)dirfd, uname, utimes ? t : NULL, (u32)flags);
}

static long timevals_at(int dirfd, uaddr_t uname, uaddr_t utimes)
{
	struct timeval_k v[2];
	struct timespec_k t[2];
	if (!utimes)
		return times_at(dirfd, uname, NULL, 0);
	if (copy_from_user(v, utimes, sizeof(v)))
		return -EFAULT;
	for (unsigned n = 0; n < 2; n++) {
		if (v[n].tv_usec < 0 || v[n].tv_usec >= 1000000)
			return -EINVAL;
		t[n] = (struct timespec_k){ v[n].tv_sec, v[n].tv_usec * 1000 };
	}
	return times_at(dirfd, uname, t, 0);
}

SYSCALL2(utimes, uname, utimes) { return timevals_at(AT_FDCWD, uname, utimes); }
SYSCALL3(futimesat, dirfd, uname, utimes) { return timevals_at((int)dirfd, uname, utimes); }

SYSCALL2(utime, uname, utimes)
{
	s64 seconds[2];
	if (!utimes)
		return times_at(AT_FDCWD, uname, NULL, 0);
	if (copy_from_user(seconds, utimes, sizeof(seconds)))
		return -EFAULT;
	struct timespec_k t[2] = { { seconds[0], 0 }, { seconds[1], 0 } };
	return times_at(AT_FDCWD, uname, t, 0);
}

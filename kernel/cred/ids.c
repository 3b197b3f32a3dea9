/* SPDX-License-Identifier: MIT */
/*
 * User and group ids: who may become whom, and what happens to capabilities when user 0 comes or goes.
 * Sources: credentials(7), setuid(2), setreuid(2), setresuid(2), setfsuid(2), capabilities(7).
 */
#include <hal/uaccess.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <linux/capability.h>
#include <linux/securebits.h>

#define NONE ((u32)-1)

#define CAP(n) (1ull << (n))
/* What follows the file-system user id alone. */
#define CAPS_OF_FSUID                                                                               \
	(CAP(CAP_CHOWN) | CAP(CAP_MKNOD) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) | \
	 CAP(CAP_LINUX_IMMUTABLE) | CAP(CAP_MAC_OVERRIDE))

static bool has_root(const struct cred *c) { return !c->uid || !c->euid || !c->suid; }

static void fix_caps(struct cred *c, const struct cred *old)
{
	if (c->securebits & (1u << SECURE_NO_SETUID_FIXUP))
		return;
	if (has_root(old) && !has_root(c)) {
		if (!(c->securebits & (1u << SECURE_KEEP_CAPS)))
			c->cap_permitted = c->cap_effective = 0;
		c->cap_ambient = 0;
	}
	if (!old->euid && c->euid)
		c->cap_effective = 0;
	if (old->euid && !c->euid)
		c->cap_effective = c->cap_permitted;
}

static int commit_uid(struct cred *c)
{
	fix_caps(c, current->cred);
	return cred_commit(c);
}

static int refuse(struct cred *c)
{
	cred_abort(c);
	return -EPERM;
}

SYSCALL0(getuid) { return current->cred->uid; }
SYSCALL0(geteuid) { return current->cred->euid; }
SYSCALL0(getgid) { return current->cred->gid; }
SYSCALL0(getegid) { return current->cred->egid; }

SYSCALL1(setuid, arg)
{
	u32 uid = (u32)arg;
	if (uid == NONE)
		return -EINVAL;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	if (capable(CAP_SETUID))
		c->uid = c->suid = uid;
	else if (uid != c->uid && uid != c->suid)
		return refuse(c);
	c->euid = c->fsuid = uid;
	return commit_uid(c);
}

SYSCALL1(setgid, arg)
{
	u32 gid = (u32)arg;
	if (gid == NONE)
		return -EINVAL;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	if (capable(CAP_SETGID))
		c->gid = c->sgid = gid;
	else if (gid != c->gid && gid != c->sgid)
		return refuse(c);
	c->egid = c->fsgid = gid;
	return cred_commit(c);
}

SYSCALL2(setreuid, real, effective)
{
	const struct cred *old = current->cred;
	u32 r = (u32)real, e = (u32)effective;
	bool any = capable(CAP_SETUID);
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	if (!any && r != NONE && r != old->uid && r != old->euid)
		return refuse(c);
	if (!any && e != NONE && e != old->uid && e != old->euid && e != old->suid)
		return refuse(c);
	if (r != NONE)
		c->uid = r;
	if (e != NONE)
		c->euid = e;
	if (r != NONE || (e != NONE && e != old->uid))
		c->suid = c->euid;
	c->fsuid = c->euid;
	return commit_uid(c);
}

SYSCALL2(setregid, real, effective)
{
	const struct cred *old = current->cred;
	u32 r = (u32)real, e = (u32)effective;
	bool any = capable(CAP_SETGID);
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	if (!any && r != NONE && r != old->gid && r != old->egid)
		return refuse(c);
	if (!any && e != NONE && e != old->gid && e != old->egid && e != old->sgid)
		return refuse(c);
	if (r != NONE)
		c->gid = r;
	if (e != NONE)
		c->egid = e;
	if (r != NONE || (e != NONE && e != old->gid))
		c->sgid = c->egid;
	c->fsgid = c->egid;
	return cred_commit(c);
}

static bool is_one_of(u32 id, u32 a, u32 b, u32 c) { return id == NONE || id == a || id == b || id == c; }

SYSCALL3(setresuid, real, effective, saved)
{
	const struct cred *old = current->cred;
	u32 r = (u32)real, e = (u32)effective, s = (u32)saved;
	if (!capable(CAP_SETUID) && !(is_one_of(r, old->uid, old->euid, old->suid) && is_one_of(e, old->uid, old->euid, old->suid) &&
	                              is_one_of(s, old->uid, old->euid, old->suid)))
		return -EPERM;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	if (r != NONE)
		c->uid = r;
	if (e != NONE)
		c->euid = e;
	if (s != NONE)
		c->suid = s;
	c->fsuid = c->euid;
	return commit_uid(c);
}

SYSCALL3(setresgid, real, effective, saved)
{
	const struct cred *old = current->cred;
	u32 r = (u32)real, e = (u32)effective, s = (u32)saved;
	if (!capable(CAP_SETGID) && !(is_one_of(r, old->gid, old->egid, old->sgid) && is_one_of(e, old->gid, old->egid, old->sgid) &&
	                              is_one_of(s, old->gid, old->egid, old->sgid)))
		return -EPERM;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	if (r != NONE)
		c->gid = r;
	if (e != NONE)
		c->egid = e;
	if (s != NONE)
		c->sgid = s;
	c->fsgid = c->egid;
	return cred_commit(c);
}

SYSCALL3(getresuid, ureal, ueffective, usaved)
{
	const struct cred *c = current->cred;
	return put_user(c->uid, ureal) || put_user(c->euid, ueffective) || put_user(c->suid, usaved) ? -EFAULT : 0;
}

SYSCALL3(getresgid, ureal, ueffective, usaved)
{
	const struct cred *c = current->cred;
	return put_user(c->gid, ureal) || put_user(c->egid, ueffective) || put_user(c->sgid, usaved) ? -EFAULT : 0;
}

/* Both return the old id, whatever became of the wish. */
SYSCALL1(setfsuid, arg)
{
	u32 uid = (u32)arg, old = current->cred->fsuid;
	struct cred *c = uid == NONE || uid == old ? NULL : cred_prepare();
	if (!c)
		return old;
	if (uid != c->uid && uid != c->euid && uid != c->suid && !capable(CAP_SETUID)) {
		cred_abort(c);
		return old;
	}
	c->fsuid = uid;
	if (!(c->securebits & (1u << SECURE_NO_SETUID_FIXUP))) {
		if (!old)
			c->cap_effective &= ~CAPS_OF_FSUID;
		else if (!uid)
			c->cap_effective |= c->cap_permitted & CAPS_OF_FSUID;
	}
	cred_commit(c);
	return old;
}

SYSCALL1(setfsgid, arg)
{
	u32 gid = (u32)arg, old = current->cred->fsgid;
	struct cred *c = gid == NONE || gid == old ? NULL : cred_prepare();
	if (!c)
		return old;
	if (gid != c->gid && gid != c->egid && gid != c->sgid && !capable(CAP_SETGID)) {
		cred_abort(c);
		return old;
	}
	c->fsgid = gid;
	cred_commit(c);
	return old;
}

/* ---- supplementary groups ---- */

SYSCALL2(getgroups, size, ulist)
{
	const struct cred *c = current->cred;
	if ((s32)size < 0)
		return -EINVAL;
	if (!size)
		return c->nr_groups;
	if (c->nr_groups > (u32)size)
		return -EINVAL;
	return copy_to_user(ulist, c->groups, c->nr_groups * sizeof(u32)) ? -EFAULT : (long)c->nr_groups;
}

static void sort(u32 *v, u32 n)
{
	for (u32 i = 1; i < n; i++) {
		u32 x = v[i], j = i;
		for (; j && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

SYSCALL2(setgroups, size, ulist)
{
	if (!capable(CAP_SETGID))
		return -EPERM;
	if ((u32)size > ARRAY_SIZE(current->cred->groups))
		return -EINVAL;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	c->nr_groups = (u32)size;
	if (copy_from_user(c->groups, ulist, c->nr_groups * sizeof(u32))) {
		cred_abort(c);
		return -EFAULT;
	}
	for (u32 i = 0; i < c->nr_groups; i++)
		if (c->groups[i] == NONE) {
			cred_abort(c);
			return -EINVAL;
		}
	sort(c->groups, c->nr_groups);
	return cred_commit(c);
}

/* SPDX-License-Identifier: MIT */
/*
 * User and group ids: who may become whom, and what happens to capabilities when user 0 comes or goes.
 * Sources: credentials(7), setuid(2), setreuid(2), setresuid(2), setfsuid(2), capabilities(7).
 */
#include <asm/resource.h>
#include <hal/uaccess.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <kernel/user.h>
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

static int refuse(struct cred *c, int err)
{
	cred_abort(c);
	return err;
}

/* As Linux: who becomes a user with too many processes does so, but cannot exec (execve(2), EAGAIN) until there are fewer. */
static void note_limit(const struct user *u)
{
	bool too_many = u->uid && READ_ONCE(u->nr_tasks) > current->process->rlimits[RLIMIT_NPROC].cur;
	current->flags = too_many ? current->flags | TASK_TOO_MANY : current->flags & ~TASK_TOO_MANY;
}

/* Commits c with the real uid `uid`. */
static int commit_uid(struct cred *c, u32 uid)
{
	if (uid != c->uid) {
		int err = cred_set_uid(c, uid);
		if (err)
			return refuse(c, err);
		note_limit(c->user);
	}
	fix_caps(c, current->cred);
	return cred_commit(c);
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
	bool any = capable(CAP_SETUID);
	if (any)
		c->suid = uid;
	else if (uid != c->uid && uid != c->suid)
		return refuse(c, -EPERM);
	c->euid = c->fsuid = uid;
	return commit_uid(c, any ? uid : c->uid);
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
		return refuse(c, -EPERM);
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
		return refuse(c, -EPERM);
	if (!any && e != NONE && e != old->uid && e != old->euid && e != old->suid)
		return refuse(c, -EPERM);
	if (e != NONE)
		c->euid = e;
	if (r != NONE || (e != NONE && e != old->uid))
		c->suid = c->euid;
	c->fsuid = c->euid;
	return commit_uid(c, r != NONE ? r : c->uid);
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
		return refuse(c, -EPERM);
	if (!any && e != NONE && e != old->gid && e != old->egid && e != old->sgid)
		return refuse(c, -EPERM);
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
	if (e != NONE)
		c->euid = e;
	if (s != NONE)
		c->suid = s;
	c->fsuid = c->euid;
	return commit_uid(c, r != NONE ? r : c->uid);
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

/* SPDX-License-Identifier: MIT */
/* capget, capset and the capability part of prctl. Sources: capget(2), capabilities(7), prctl(2). */
#include "prctl.h"
#include <hal/uaccess.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#define ALL_CAPS ((1ull << (CAP_LAST_CAP + 1)) - 1)

/* Words per set of the caller's version; an unknown version is answered with ours. */
static int read_header(uaddr_t uheader, struct __user_cap_header_struct *h, unsigned *nr_words)
{
	if (copy_from_user(h, uheader, sizeof(*h)))
		return -EFAULT;
	switch (h->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		*nr_words = 1;
		return 0;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		*nr_words = 2;
		return 0;
	default: {
		u32 ours = _LINUX_CAPABILITY_VERSION_3;
		return put_user(ours, uheader) ? -EFAULT : -EINVAL;
	}
	}
}

SYSCALL2(capget, uheader, udata)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct data[2];
	unsigned n;
	int err = read_header(uheader, &h, &n);
	if (err)
		return err == -EINVAL && !udata ? 0 : err;
	if (!udata)
		return 0;
	if (h.pid < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	struct task *t = h.pid ? task_find_locked((u32)h.pid) : current;
	if (t)
		for (unsigned i = 0; i < 2; i++) {
			data[i].effective = (u32)(t->cred->cap_effective >> 32 * i);
			data[i].permitted = (u32)(t->cred->cap_permitted >> 32 * i);
			data[i].inheritable = (u32)(t->cred->cap_inheritable >> 32 * i);
		}
	spin_unlock(&tasklist_lock);
	if (!t)
		return -ESRCH;
	return copy_to_user(udata, data, n * sizeof(data[0])) ? -EFAULT : 0;
}

/* capabilities(7): nothing is permitted that was not, and so on. */
static bool may_set(const struct cred *old, u64 effective, u64 permitted, u64 inheritable)
{
	if (!(old->cap_effective >> CAP_SETPCAP & 1) && (inheritable & ~(old->cap_inheritable | old->cap_permitted)))
		return false;
	if (inheritable & ~(old->cap_inheritable | old->cap_bounding))
		return false;
	return !(permitted & ~old->cap_permitted) && !(effective & ~permitted);
}

SYSCALL2(capset, uheader, udata)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct data[2] = { { 0 } };
	unsigned n;
	int err = read_header(uheader, &h, &n);
	if (err)
		return err;
	if (h.pid && (u32)h.pid != current->tid)
		return -EPERM;
	if (copy_from_user(data, udata, n * sizeof(data[0])))
		return -EFAULT;
	u64 effective = (data[0].effective | (u64)data[1].effective << 32) & ALL_CAPS;
	u64 permitted = (data[0].permitted | (u64)data[1].permitted << 32) & ALL_CAPS;
	u64 inheritable = (data[0].inheritable | (u64)data[1].inheritable << 32) & ALL_CAPS;
	if (!may_set(current->cred, effective, permitted, inheritable))
		return -EPERM;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	c->cap_effective = effective;
	c->cap_permitted = permitted;
	c->cap_inheritable = inheritable;
	c->cap_ambient &= permitted & inheritable;
	return cred_commit(c);
}

/* ---- prctl ---- */

long prctl_bounding_drop(u64 cap)
{
	if (!capable(CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	c->cap_bounding &= ~(1ull << cap);
	return cred_commit(c);
}

long prctl_bounding_read(u64 cap) { return cap > CAP_LAST_CAP ? -EINVAL : (long)(current->cred->cap_bounding >> cap & 1); }

long prctl_ambient(u64 op, u64 cap, u64 a4, u64 a5)
{
	const struct cred *old = current->cred;
	if (op == PR_CAP_AMBIENT_CLEAR_ALL ? cap || a4 || a5 : a4 || a5 || cap > CAP_LAST_CAP)
		return -EINVAL;
	if (op == PR_CAP_AMBIENT_IS_SET)
		return old->cap_ambient >> cap & 1;
	u64 bit = 1ull << (cap & 63);
	if (op == PR_CAP_AMBIENT_RAISE) {
		if (!(old->cap_permitted & old->cap_inheritable & bit) || (old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE))
			return -EPERM;
	} else if (op != PR_CAP_AMBIENT_LOWER && op != PR_CAP_AMBIENT_CLEAR_ALL) {
		return -EINVAL;
	}
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	if (op == PR_CAP_AMBIENT_RAISE)
		c->cap_ambient |= bit;
	else
		c->cap_ambient &= op == PR_CAP_AMBIENT_LOWER ? ~bit : 0;
	return cred_commit(c);
}

long prctl_set_keepcaps(u64 on)
{
	const struct cred *old = current->cred;
	if (on > 1)
		return -EINVAL;
	if (old->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	c->securebits = on ? c->securebits | SECBIT_KEEP_CAPS : c->securebits & ~SECBIT_KEEP_CAPS;
	return cred_commit(c);
}

long prctl_set_securebits(u64 bits)
{
	u32 old = current->cred->securebits, locked = old & SECURE_ALL_LOCKS;
	if (!capable(CAP_SETPCAP) || (bits & ~(u64)(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) || (locked & ~bits) ||
	    ((locked >> 1) & (old ^ bits)))
		return -EPERM;
	struct cred *c = cred_prepare();
	if (!c)
		return -ENOMEM;
	c->securebits = (u32)bits;
	return cred_commit(c);
}

/* SPDX-License-Identifier: MIT */
/* The machine's names. */
#include <hal/lock.h>
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/uts.h>
#include <lib/string.h>
#include <linux/capability.h>

static struct spinlock uts_lock = { .rank = RANK_DEVICE };
static struct new_utsname names = {
	.sysname = "Linux", .nodename = "(none)", .release = UTS_RELEASE, .version = UTS_VERSION,
	.machine = "x86_64", .domainname = "(none)",
};

void uts_read(struct new_utsname *out)
{
	spin_lock(&uts_lock);
	*out = names;
	spin_unlock(&uts_lock);
}

static void set(char *field, const char *name, size_t len)
{
	len = min(len, (size_t)__NEW_UTS_LEN);
	spin_lock(&uts_lock);
	memset(field, 0, __NEW_UTS_LEN + 1);
	memcpy(field, name, len);
	spin_unlock(&uts_lock);
}

void uts_set_nodename(const char *name, size_t len) { set(names.nodename, name, len); }
void uts_set_domainname(const char *name, size_t len) { set(names.domainname, name, len); }

SYSCALL1(uname, ubuf)
{
	struct new_utsname n;
	uts_read(&n);
	return copy_to_user(ubuf, &n, sizeof(n)) ? -EFAULT : 0;
}

static long set_from_user(char *field, uaddr_t uname, u64 len)
{
	char name[__NEW_UTS_LEN];
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if ((s32)len < 0 || (s32)len > __NEW_UTS_LEN)
		return -EINVAL;
	if (copy_from_user(name, uname, (u32)len))
		return -EFAULT;
	set(field, name, (u32)len);
	return 0;
}

SYSCALL2(sethostname, uname, len) { return set_from_user(names.nodename, uname, len); }
SYSCALL2(setdomainname, uname, len) { return set_from_user(names.domainname, uname, len); }

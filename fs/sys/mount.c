/* SPDX-License-Identifier: MIT */
/* mount, umount2; memfd_create. */
#include "../path/path.h"
#include <linux/memfd.h>

/* An optional string of at most a page. NULL stays NULL. */
static int optional_string(uaddr_t u, char **out)
{
	*out = NULL;
	if (!u)
		return 0;
	char *s = kmalloc(PAGE_SIZE, ALLOC_KERNEL);
	if (!s)
		return -ENOMEM;
	long len = strncpy_from_user(s, u, PAGE_SIZE);
	if (len < 0) {
		kfree(s);
		return len == -ENAMETOOLONG ? -EINVAL : (int)len;
	}
	*out = s;
	return 0;
}

SYSCALL5(mount, usource, utarget, utype, flags, udata)
{
	char *source = NULL, *type = NULL, *data = NULL;
	struct target t;
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(u64)MS_MGC_MSK;
	int err = optional_string(utype, &type);
	if (!err)
		err = optional_string(usource, &source);
	if (!err)
		err = optional_string(udata, &data);
	if (!err)
		err = target_get(&t, AT_FDCWD, utarget, 0, true);
	if (!err) {
		err = fs_capable(CAP_SYS_ADMIN) ? vfs_mount_at(source, &t.path, type, (u32)flags, data) : -EPERM;
		target_put(&t);
	}
	kfree(type);
	kfree(source);
	kfree(data);
	return err;
}

SYSCALL2(umount2, uname, flags)
{
	if ((u32)flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!fs_capable(CAP_SYS_ADMIN))
		return -EPERM;
	char *name = user_path_get(uname);
	if (IS_ERR(name))
		return PTR_ERR(name);
	int err = vfs_umount(name, (u32)flags);
	user_path_put(name);
	return err;
}

#define MEMFD_NAME_MAX 249

SYSCALL2(memfd_create, uname, flags)
{
	char name[6 + MEMFD_NAME_MAX + 1] = "memfd:";
	if ((u32)flags & MFD_HUGETLB)
		return (u32)flags & ~(u32)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | (MFD_HUGE_MASK << MFD_HUGE_SHIFT)) ? -EINVAL : -ENOSYS;
	if ((u32)flags & ~(u32)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	long len = strncpy_from_user(name + 6, uname, MEMFD_NAME_MAX + 1);
	if (len < 0)
		return len == -ENAMETOOLONG ? -EINVAL : len;
	struct file *f = shmem_file_new(name, 0, SHMEM_NORESERVE | (flags & MFD_ALLOW_SEALING ? SHMEM_SEALABLE : 0));
	if (IS_ERR(f))
		return PTR_ERR(f);
	f->inode->uid = cred_fsuid();
	f->inode->gid = cred_fsgid();
	return fd_install(f, 0, flags & MFD_CLOEXEC);
}

/* SPDX-License-Identifier: MIT */
/* swapon, swapoff. */
#include "../internal.h"
#include <fs/swap.h>

SYSCALL2(swapon, uname, flags)
{
	if ((u32)flags & ~SWAP_FLAGS_VALID)
		return -EINVAL;
	if (!fs_capable(CAP_SYS_ADMIN))
		return -EPERM;
	char *name = user_path_get(uname);
	if (IS_ERR(name))
		return PTR_ERR(name);
	int err = swap_on(name, (u32)flags);
	user_path_put(name);
	return err;
}

SYSCALL1(swapoff, uname)
{
	if (!fs_capable(CAP_SYS_ADMIN))
		return -EPERM;
	char *name = user_path_get(uname);
	if (IS_ERR(name))
		return PTR_ERR(name);
	int err = swap_off(name);
	user_path_put(name);
	return err;
}

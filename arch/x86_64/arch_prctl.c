/* SPDX-License-Identifier: MIT */
/* arch_prctl(2): the bases of FS and GS, and questions about CPUID. */
#include "internal.h"
#include <asm/prctl.h>
#include <hal/mmu.h>
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <kernel/task.h>

SYSCALL2(arch_prctl, code, addr)
{
	struct hal_context *c = &current->ctx;
	u64 base;
	switch ((u32)code) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (addr >= HAL_USER_END)
			return -EPERM;
		if (code == ARCH_SET_FS)
			hal_set_fs_base(c, addr);
		else
			hal_set_gs_base(c, addr);
		return 0;
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		base = code == ARCH_GET_FS ? c->fs_base : c->gs_base;
		return put_user(base, addr);
	case ARCH_GET_CPUID: /* programs may always execute it */
		return 1;
	case ARCH_SET_CPUID:
		return -ENODEV;
	default:
		return -EINVAL;
	}
}

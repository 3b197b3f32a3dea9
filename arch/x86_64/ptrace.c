/* SPDX-License-Identifier: MIT */
/*
 * A stopped task's registers. struct user_regs_struct begins as the registers lie on the kernel stack; the bases and
 * selectors of the data segments follow. Source: <sys/user.h>; Intel SDM vol. 1, 3.4.3 (EFLAGS).
 */
#include "internal.h"
#include <asm/errno.h>
#include <hal/ptrace.h>
#include <lib/string.h>

#define NR_SAVED (sizeof(struct hal_regs) / sizeof(u64))
#define FS_BASE 21
#define GS_BASE 22
#define FLAG_TF (1ul << 8)
/* CF PF AF ZF SF TF DF OF RF AC */
#define FLAGS_CHANGED 0x50dd5ul

void hal_user_regs_get(const struct hal_context *c, u64 *words)
{
	memset(words, 0, HAL_NR_USER_REGS * sizeof(*words)); /* data segments are null ones */
	memcpy(words, hal_context_regs(c), NR_SAVED * sizeof(*words));
	words[FS_BASE] = c->fs_base;
	words[GS_BASE] = c->gs_base;
}

int hal_user_regs_set(struct hal_context *c, const u64 *words)
{
	struct hal_regs *r = hal_context_regs(c), now;
	if (!hal_user_base_ok(words[FS_BASE]) || !hal_user_base_ok(words[GS_BASE]))
		return -EIO;
	memcpy(&now, words, sizeof(now));
	now.eflags = (r->eflags & ~FLAGS_CHANGED) | (now.eflags & FLAGS_CHANGED);
	now.cs = r->cs;
	now.ss = r->ss;
	*r = now;
	c->fs_base = words[FS_BASE];
	c->gs_base = words[GS_BASE];
	return 0;
}

bool hal_regs_set_step(struct hal_regs *r, bool on)
{
	bool was = r->eflags & FLAG_TF;
	r->eflags = on ? r->eflags | FLAG_TF : r->eflags & ~FLAG_TF;
	return was;
}

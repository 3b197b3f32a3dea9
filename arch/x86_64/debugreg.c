/* SPDX-License-Identifier: MIT */
/*
 * Debug registers: a tracer's breakpoints of the CPU. A task that has any gets them loaded when it runs; the kernel
 * itself may touch watched memory on the task's behalf, which counts for nothing.
 * Source: Intel SDM vol. 3B, 18.2 (Debug registers).
 */
#include "internal.h"
#include <asm/errno.h>
#include <hal/mmu.h>
#include <hal/ptrace.h>
#include <mm/slab.h>

#define NR_ADDRESSES 4u
#define DR7_FIXED   (1ul << 10)
#define DR7_ENABLE(n) (3ul << (n) * 2)
#define DR7_PROGRAMS 0xffff03fful /* the bits that a program may have */
#define DR6_FIXED   0xffff0ff0ul  /* read as ones */

struct hal_debug {
	u64 addr[NR_ADDRESSES], control;
};

static void load(const struct hal_debug *d)
{
	__asm__ volatile("mov %0, %%dr0" ::"r"(d->addr[0]));
	__asm__ volatile("mov %0, %%dr1" ::"r"(d->addr[1]));
	__asm__ volatile("mov %0, %%dr2" ::"r"(d->addr[2]));
	__asm__ volatile("mov %0, %%dr3" ::"r"(d->addr[3]));
}

void debug_switch(const struct hal_debug *next)
{
	u64 control = next ? next->control : 0;
	if (control)
		load(next);
	__asm__ volatile("mov %0, %%dr7" ::"r"(control | DR7_FIXED));
}

u64 debug_take_status(void)
{
	u64 dr6;
	__asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
	__asm__ volatile("mov %0, %%dr6" ::"r"(DR6_FIXED));
	return dr6 ^ DR6_FIXED;
}

/* Lengths and kinds that are enabled: instructions are 1 byte long, data is aligned, I/O is not a program's. */
static bool control_is_valid(const struct hal_debug *d, u64 control)
{
	for (unsigned n = 0; n < NR_ADDRESSES; n++) {
		u64 kind = control >> (16 + n * 4) & 3, len = control >> (18 + n * 4) & 3;
		u64 mask = len == 2 ? 7 : len; /* 1, 2, 8 and 4 bytes */
		if (control & DR7_ENABLE(n) && (kind == 2 || (kind == 0 && len) || d->addr[n] & mask))
			return false;
	}
	return true;
}

int hal_user_debug_set(struct hal_context *c, unsigned nr, u64 value)
{
	if (nr == 6) {
		c->debug_status = value ^ DR6_FIXED;
		return 0;
	}
	if (nr == 4 || nr == 5 || nr > 7)
		return -EIO;
	if (nr < NR_ADDRESSES && value >= HAL_USER_END)
		return -EINVAL;
	if (!c->debug && !(c->debug = kzalloc(sizeof(*c->debug), ALLOC_KERNEL)))
		return -ENOMEM;
	if (nr < NR_ADDRESSES) {
		c->debug->addr[nr] = value;
		return 0;
	}
	value &= DR7_PROGRAMS;
	if (!control_is_valid(c->debug, value))
		return -EINVAL;
	c->debug->control = value;
	return 0;
}

u64 hal_user_debug_get(const struct hal_context *c, unsigned nr)
{
	if (nr == 6)
		return c->debug_status ^ DR6_FIXED;
	return !c->debug ? 0 : nr < NR_ADDRESSES ? c->debug->addr[nr] : nr == 7 ? c->debug->control : 0;
}

void hal_user_debug_clear(struct hal_context *running)
{
	if (running->debug) {
		running->debug->control = 0;
		debug_switch(NULL);
	}
	running->debug_status = 0;
}

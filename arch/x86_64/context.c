/* SPDX-License-Identifier: MIT */
/*
 * Contexts: how they start, how the CPU goes from one to the next. FPU state is saved and loaded at
 * each switch for tasks that have one: a single XSAVE and XRSTOR, which skip what is in its initial
 * state. Source: Intel SDM vol. 1, 13 (XSAVE).
 */
#include "internal.h"
#include <asm/errno.h>
#include <asm/sigcontext.h>
#include <hal/backtrace.h>
#include <hal/ptrace.h>
#include <lib/string.h>
#include <mm/slab.h>

void context_swap(u64 *save_sp, u64 load_sp);
void context_start_user(void);
void context_start_kernel(void);
void cpu_set_kernel_stack(void *top);

#define LEGACY_SIZE 512
#define FRAME_MAGIC_SIZE 4

static struct slab_cache *fpu_cache;
static u32 fpu_size;
static u64 fpu_mask;
static void *fpu_initial;
static u32 mxcsr_mask; /* the bits of MXCSR that exist */

/* What context_swap pops, then where it returns to. */
struct switch_frame {
	u64 r15, r14, r13, r12, rbp, rbx, rip;
};

void hal_context_init_kernel(struct hal_context *c, void *stack_top, void (*fn)(void *), void *arg)
{
	struct switch_frame *f = (struct switch_frame *)((u64)stack_top - 64) - 1;
	*f = (struct switch_frame){ .rbx = (u64)fn, .r12 = (u64)arg, .rip = (u64)context_start_kernel };
	*c = (struct hal_context){ .kernel_sp = (u64)f, .stack_top = stack_top };
}

struct hal_regs *hal_context_init_user(struct hal_context *c, void *stack_top)
{
	struct hal_regs *regs = (struct hal_regs *)stack_top - 1;
	struct switch_frame *f = (struct switch_frame *)regs - 1;
	*f = (struct switch_frame){ .rip = (u64)context_start_user };
	c->kernel_sp = (u64)f;
	c->stack_top = stack_top;
	return regs;
}

static inline void fpu_save(void *area)
{
	if (cpu_has_xsave)
		__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((u32)fpu_mask), "d"(0) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static inline void fpu_load(const void *area)
{
	if (cpu_has_xsave)
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((u32)fpu_mask), "d"(0) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

static void fpu_setup(void)
{
	u32 r[4];
	fpu_size = LEGACY_SIZE;
	if (cpu_has_xsave) {
		cpuid(0xd, 0, r);
		fpu_size = r[1];
		fpu_mask = r[0] & 7;
	}
	fpu_cache = slab_cache_create("fpu_state", fpu_size, 64, 0);
	fpu_initial = fpu_cache ? slab_alloc(fpu_cache, ALLOC_KERNEL | ALLOC_ZERO) : NULL;
	ASSERT(fpu_initial);
	__asm__ volatile("fxsave64 (%0)" ::"r"(fpu_initial) : "memory");
	mxcsr_mask = *(u32 *)((char *)fpu_initial + 28);
	if (!mxcsr_mask)
		mxcsr_mask = 0xffbf; /* SDM vol. 1, 11.6.6 */
	memset(fpu_initial, 0, fpu_size);
	*(u16 *)fpu_initial = 0x37f;                   /* x87 control word */
	*(u32 *)((char *)fpu_initial + 24) = 0x1f80;   /* MXCSR */
}

int hal_fpu_init(struct hal_context *c)
{
	if (unlikely(!fpu_cache))
		fpu_setup();
	if (!c->fpu)
		c->fpu = slab_alloc(fpu_cache, ALLOC_KERNEL);
	if (!c->fpu)
		return -ENOMEM;
	memcpy(c->fpu, fpu_initial, fpu_size);
	return 0;
}

/* Puts the fresh state into the registers too, when c is running. */
void hal_fpu_reset(struct hal_context *running)
{
	if (running->fpu) {
		memcpy(running->fpu, fpu_initial, fpu_size);
		fpu_load(running->fpu);
	}
}

int hal_fpu_copy(struct hal_context *child, const struct hal_context *running)
{
	child->fpu = NULL;
	if (!running->fpu)
		return 0;
	child->fpu = slab_alloc(fpu_cache, ALLOC_KERNEL);
	if (!child->fpu)
		return -ENOMEM;
	if (cpu_has_xsave)
		memset((char *)child->fpu + LEGACY_SIZE, 0, 64); /* XSAVE leaves the header's unused bytes */
	fpu_save(child->fpu);
	return 0;
}

void hal_context_release(struct hal_context *c)
{
	if (c->fpu)
		slab_free(fpu_cache, c->fpu);
	c->fpu = NULL;
	kfree(c->debug);
	c->debug = NULL;
}

size_t hal_fpu_frame_size(void) { return fpu_size + (cpu_has_xsave ? FRAME_MAGIC_SIZE : 0); }

void hal_fpu_frame_save(struct hal_context *running, void *buf)
{
	struct _fpx_sw_bytes *sw = (struct _fpx_sw_bytes *)((char *)buf + LEGACY_SIZE - sizeof(*sw));
	fpu_save(running->fpu);
	memcpy(buf, running->fpu, fpu_size);
	memset(sw, 0, sizeof(*sw));
	if (!cpu_has_xsave)
		return;
	sw->magic1 = FP_XSTATE_MAGIC1;
	sw->extended_size = fpu_size + FRAME_MAGIC_SIZE;
	sw->xfeatures = fpu_mask;
	sw->xstate_size = fpu_size;
	*(u32 *)((char *)buf + fpu_size) = FP_XSTATE_MAGIC2;
}

/* buf becomes the state in memory: all of it, or the legacy part with the rest initial. */
static void fpu_import(char *area, const void *buf, bool is_whole)
{
	memcpy(area, buf, is_whole ? fpu_size : LEGACY_SIZE);
	if (!is_whole && fpu_size > LEGACY_SIZE)
		memcpy(area + LEGACY_SIZE, (char *)fpu_initial + LEGACY_SIZE, fpu_size - LEGACY_SIZE);
	*(u32 *)(area + 24) &= mxcsr_mask; /* reserved bits would fault */
	if (cpu_has_xsave) {
		u64 *header = (u64 *)(area + LEGACY_SIZE);
		header[0] = is_whole ? header[0] & fpu_mask : 3;
		memset(header + 1, 0, 56);
	}
}

int hal_fpu_frame_restore(struct hal_context *running, const void *buf, size_t len)
{
	if (len < LEGACY_SIZE)
		return -EINVAL;
	const struct _fpx_sw_bytes *sw = (const struct _fpx_sw_bytes *)((const char *)buf + LEGACY_SIZE - sizeof(*sw));
	fpu_import(running->fpu, buf, cpu_has_xsave && sw->magic1 == FP_XSTATE_MAGIC1 && len >= fpu_size);
	fpu_load(running->fpu);
	return 0;
}

/* Of a task that does not run: its state is in memory. */

size_t hal_user_fpu_size(void) { return fpu_size; }

void hal_user_fpu_get(const struct hal_context *c, void *buf, size_t len)
{
	memcpy(buf, c->fpu, len);
	u64 *software = (u64 *)((char *)buf + LEGACY_SIZE - 48);
	memset(software, 0, 48);
	software[0] = len > LEGACY_SIZE ? fpu_mask : 0; /* debuggers learn from it what the state has */
}

int hal_user_fpu_set(struct hal_context *c, const void *buf, size_t len)
{
	if (*(const u32 *)((const char *)buf + 24) & ~mxcsr_mask)
		return -EINVAL;
	if (len > LEGACY_SIZE) {
		fpu_import(c->fpu, buf, true);
		return 0;
	}
	memcpy(c->fpu, buf, LEGACY_SIZE); /* the rest stays as it is */
	if (cpu_has_xsave)
		*(u64 *)((char *)c->fpu + LEGACY_SIZE) |= 3;
	return 0;
}

void hal_context_switch(struct hal_context *prev, struct hal_context *next)
{
	if (prev->fpu)
		fpu_save(prev->fpu);
	if (next->fpu) {
		fpu_load(next->fpu);
		if (prev->fs_base != next->fs_base)
			wrmsr(MSR_FS_BASE, next->fs_base);
		if (prev->gs_base != next->gs_base)
			wrmsr(MSR_KERNEL_GS_BASE, next->gs_base);
	} else {
		/* A kernel thread keeps the user's bases loaded: whoever comes next compares with these. */
		next->fs_base = prev->fs_base;
		next->gs_base = prev->gs_base;
	}
	if (unlikely(prev->debug || next->debug))
		debug_switch(next->debug);
	cpu_set_kernel_stack(next->stack_top);
	context_swap(&prev->kernel_sp, next->kernel_sp);
}

void hal_set_fs_base(struct hal_context *running, u64 base)
{
	running->fs_base = base;
	wrmsr(MSR_FS_BASE, base);
}

void hal_set_gs_base(struct hal_context *running, u64 base)
{
	running->gs_base = base;
	wrmsr(MSR_KERNEL_GS_BASE, base);
}

/* The chain of frame pointers, from the frame that context_swap left. */
unsigned hal_context_backtrace(const struct hal_context *c, u64 *addresses, unsigned max)
{
	u64 top = (u64)c->stack_top, bottom = top - HAL_STACK_SIZE, offset, size;
	const struct switch_frame *f = (const struct switch_frame *)c->kernel_sp;
	unsigned nr = 0;
	if (c->kernel_sp < bottom || c->kernel_sp > top - sizeof(*f))
		return 0;
	u64 ip = f->rip, at = f->rbp;
	while (nr < max && hal_symbol(ip, &offset, &size)) {
		addresses[nr++] = ip;
		if (at < bottom || at > top - 16 || at & 7)
			break;
		const u64 *frame = (const u64 *)at;
		ip = frame[1];
		at = frame[0] > at ? frame[0] : 0; /* callers stand further up */
	}
	return nr;
}

/* SPDX-License-Identifier: MIT */
/*
 * Signal frames as Linux lays them out on x86-64. From the interrupted stack pointer downwards: the red
 * zone (128 bytes, psABI), the FPU state (64-byte aligned XSAVE image with its software bytes), then
 *
 *   return address (the restorer) | ucontext: flags, link, stack, sigcontext, mask | siginfo
 *
 * at an address that is 8 modulo 16, as after a call. Sources: <asm/sigcontext.h>, <asm/ucontext.h>,
 * System V psABI for AMD64.
 */
#include "internal.h"
#include <asm/errno.h>
#include <linux/signal.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <hal/fpu.h>
#include <hal/mmu.h>
#include <hal/sigframe.h>
#include <hal/uaccess.h>
#include <lib/string.h>
#include <mm/slab.h>

#define RED_ZONE 128

#define FLAG_TF (1ul << 8)
#define FLAG_DF (1ul << 10)
#define FLAG_RF (1ul << 16)
/* CF PF AF ZF SF TF DF OF RF AC: what a program may set. */
#define FLAGS_RESTORED 0x50dd5ul

struct rt_sigframe {
	u64 return_address;
	struct ucontext uc;
	siginfo_t info;
};

static void fill_registers(struct sigcontext *sc, const struct hal_regs *r, const struct hal_sigframe *f)
{
	sc->r8 = r->r8;
	sc->r9 = r->r9;
	sc->r10 = r->r10;
	sc->r11 = r->r11;
	sc->r12 = r->r12;
	sc->r13 = r->r13;
	sc->r14 = r->r14;
	sc->r15 = r->r15;
	sc->rdi = r->rdi;
	sc->rsi = r->rsi;
	sc->rbp = r->rbp;
	sc->rbx = r->rbx;
	sc->rdx = r->rdx;
	sc->rax = r->rax;
	sc->rcx = r->rcx;
	sc->rsp = r->rsp;
	sc->rip = r->rip;
	sc->eflags = r->eflags;
	sc->cs = (u16)r->cs;
	sc->ss = (u16)r->ss;
	sc->err = f->trap_error;
	sc->trapno = f->trap_nr;
	sc->cr2 = f->trap_addr;
	sc->oldmask = f->blocked;
}

static void load_registers(struct hal_regs *r, const struct sigcontext *sc)
{
	r->r8 = sc->r8;
	r->r9 = sc->r9;
	r->r10 = sc->r10;
	r->r11 = sc->r11;
	r->r12 = sc->r12;
	r->r13 = sc->r13;
	r->r14 = sc->r14;
	r->r15 = sc->r15;
	r->rdi = sc->rdi;
	r->rsi = sc->rsi;
	r->rbp = sc->rbp;
	r->rbx = sc->rbx;
	r->rdx = sc->rdx;
	r->rax = sc->rax;
	r->rcx = sc->rcx;
	r->rsp = sc->rsp;
	r->rip = sc->rip;
	r->eflags = (r->eflags & ~FLAGS_RESTORED) | (sc->eflags & FLAGS_RESTORED);
	r->cs = USER_CS; /* there is no other code or stack segment to go back to */
	r->ss = USER_DS;
	hal_regs_leave_syscall(r);
}

/* FPU states of today's usual size pass through the stack, larger ones through allocated memory. */
#define SMALL_FPU 1024

static int push_fpu(struct hal_context *running, uaddr_t at)
{
	size_t size = hal_fpu_frame_size();
	char small[SMALL_FPU];
	void *buf = size <= sizeof(small) ? small : kmalloc(size, ALLOC_KERNEL);
	if (!buf)
		return -EFAULT;
	hal_fpu_frame_save(running, buf);
	int err = copy_to_user(at, buf, size) ? -EFAULT : 0;
	if (buf != small)
		kfree(buf);
	return err;
}

int hal_sigframe_push(struct hal_context *running, struct hal_regs *regs, const struct hal_sigframe *f)
{
	size_t fpu_size = hal_fpu_frame_size();
	uaddr_t top = f->start_sp ? f->start_sp : regs->rsp - RED_ZONE;
	uaddr_t fpu_at = (top - fpu_size) & ~63ul;
	uaddr_t at = ((fpu_at - sizeof(struct rt_sigframe)) & ~15ul) - 8;
	struct rt_sigframe frame;
	if (!f->restorer || at >= top || at >= HAL_USER_END || (f->low_limit && (at <= f->low_limit || at > top)))
		return -EFAULT;
	memset(&frame, 0, sizeof(frame));
	frame.return_address = f->restorer;
	frame.uc.uc_flags = (cpu_has_xsave ? UC_FP_XSTATE : 0) | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	frame.uc.uc_stack = (stack_t){ .ss_sp = (void *)f->stack_sp, .ss_flags = (int)f->stack_flags, .ss_size = f->stack_size };
	frame.uc.uc_sigmask = f->blocked;
	fill_registers(&frame.uc.uc_mcontext, regs, f);
	frame.uc.uc_mcontext.fpstate = (void *)fpu_at;
	size_t size = sizeof(frame);
	if (f->info)
		frame.info = *f->info;
	else
		size = offsetof(struct rt_sigframe, info);
	if (push_fpu(running, fpu_at) || copy_to_user(at, &frame, size))
		return -EFAULT;
	regs->rdi = (u64)f->sig;
	regs->rsi = at + offsetof(struct rt_sigframe, info);
	regs->rdx = at + offsetof(struct rt_sigframe, uc);
	regs->rax = 0;
	regs->rip = f->handler;
	regs->rsp = at;
	regs->eflags &= ~(FLAG_DF | FLAG_RF | FLAG_TF);
	regs->cs = USER_CS;
	regs->ss = USER_DS;
	return 0;
}

/* Is the XSAVE image complete: both magic numbers, our size? Else only its first 512 bytes count. */
static size_t fpu_valid_size(const char *buf, size_t size)
{
	const struct _fpx_sw_bytes *sw = (const void *)(buf + 464);
	size_t state = size - FP_XSTATE_MAGIC2_SIZE;
	if (!cpu_has_xsave)
		return size;
	if (sw->magic1 != FP_XSTATE_MAGIC1 || sw->xstate_size < 576 || sw->xstate_size > state || sw->extended_size < sw->xstate_size)
		return 512;
	u32 magic2;
	memcpy(&magic2, buf + sw->xstate_size, sizeof(magic2));
	return magic2 == FP_XSTATE_MAGIC2 ? size : 512;
}

static int pop_fpu(struct hal_context *running, uaddr_t at)
{
	size_t size = hal_fpu_frame_size();
	if (!at) {
		hal_fpu_reset(running);
		return 0;
	}
	char small[SMALL_FPU];
	char *buf = size <= sizeof(small) ? small : kmalloc(size, ALLOC_KERNEL);
	if (!buf)
		return -EFAULT;
	size_t missing = copy_from_user(buf, at, size);
	int err = size - missing < 512 ? -EFAULT : 0;
	if (!err)
		err = hal_fpu_frame_restore(running, buf, missing ? 512 : fpu_valid_size(buf, size));
	if (buf != small)
		kfree(buf);
	return err;
}

int hal_sigframe_pop(struct hal_context *running, struct hal_regs *regs, struct hal_sigframe *f)
{
	struct ucontext uc;
	/* The handler's return has taken the return address off. */
	if (copy_from_user(&uc, regs->rsp - 8 + offsetof(struct rt_sigframe, uc), sizeof(uc)))
		return -EFAULT;
	int err = pop_fpu(running, (uaddr_t)uc.uc_mcontext.fpstate);
	if (err)
		return err;
	load_registers(regs, &uc.uc_mcontext);
	f->blocked = uc.uc_sigmask;
	f->stack_sp = (uaddr_t)uc.uc_stack.ss_sp;
	f->stack_size = uc.uc_stack.ss_size;
	f->stack_flags = (u32)uc.uc_stack.ss_flags;
	return 0;
}

/* ---- causes of exceptions ---- */

unsigned hal_fpu_exceptions(struct hal_context *running, bool is_simd)
{
	u16 control, status;
	u32 mxcsr;
	if (is_simd) {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		return mxcsr & ~(mxcsr >> 7) & 0x3f;
	}
	__asm__ volatile("fnstcw %0" : "=m"(control));
	__asm__ volatile("fnstsw %0" : "=m"(status));
	return status & ~control & 0x3f;
}

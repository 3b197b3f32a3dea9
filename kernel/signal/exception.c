/* SPDX-License-Identifier: MIT */
/*
 * Exceptions of user mode become signals. What the CPU reported (vector, error code, address) is kept
 * for the handler's context. Sources: Intel SDM vol. 3A, 6.15; signal(7), sigaction(2) for si_code.
 */
#include "internal.h"
#include <hal/fpu.h>
#include <hal/mmu.h>
#include <hal/ptrace.h>
#include <kernel/entry.h>

#define PAGE_FAULT 14
#define PAGE_FAULT_PROTECTION 1

static void remember(u64 nr, u64 error)
{
	current->trap_nr = nr;
	current->trap_error = error;
}

/* The unmasked x87 or SSE exception bits, in the order Linux looks at them. */
static int float_code(unsigned bits)
{
	if (bits & 1)
		return FPE_FLTINV;
	if (bits & 4)
		return FPE_FLTDIV;
	if (bits & 8)
		return FPE_FLTOVF;
	if (bits & (2 | 16)) /* denormal operands count as underflow */
		return FPE_FLTUND;
	return bits & 32 ? FPE_FLTRES : 0;
}

static void arithmetic(struct hal_regs *regs, bool is_simd)
{
	int code = float_code(hal_fpu_exceptions(&current->ctx, is_simd));
	if (code)
		signal_force_fault(SIGFPE, code, hal_regs_ip(regs));
}

static int debug_code(u64 status)
{
	return status & HAL_DEBUG_STEP ? TRAP_TRACE : status & HAL_DEBUG_HITS ? TRAP_HWBKPT : TRAP_BRKPT;
}

void kernel_user_exception(struct hal_regs *regs, unsigned vector, u64 error)
{
	uaddr_t ip = hal_regs_ip(regs);
	current->in_syscall = true;
	hal_regs_leave_syscall(regs); /* the error code stands where a system call's number would */
	remember(vector, error == ~0ull || vector == 1 ? 0 : error);
	switch (vector) {
	case 0:
		signal_force_fault(SIGFPE, FPE_INTDIV, ip);
		break;
	case 1:
		current->ctx.debug_status = error;
		signal_force_fault(SIGTRAP, debug_code(error), ip);
		break;
	case 3:
		signal_force(SIGTRAP);
		break;
	case 6:
		signal_force_fault(SIGILL, ILL_ILLOPN, ip);
		break;
	case 11:
	case 12:
		signal_force(SIGBUS);
		break;
	case 16:
	case 19:
		arithmetic(regs, vector == 19);
		break;
	case 17:
		signal_force_fault(SIGBUS, BUS_ADRALN, 0);
		break;
	default: /* general protection, overflow, bounds and the rest */
		signal_force(SIGSEGV);
	}
	current->in_syscall = false;
}

void signal_force_page_fault(int sig, int code, uaddr_t addr, u64 error)
{
	/* What lies beyond user space looks protected, mapped or not. */
	remember(PAGE_FAULT, addr >= HAL_USER_END ? error | PAGE_FAULT_PROTECTION : error);
	current->trap_addr = addr;
	signal_force_fault(sig, code, addr);
}

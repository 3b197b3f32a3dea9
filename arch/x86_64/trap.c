/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts, sorted to those who handle them. A page fault in user mode or inside a
 * user-copy function goes to the memory manager; anything else in kernel mode is a bug and panics with
 * its cause. Source: Intel SDM vol. 3A, 6.15.
 */
#include "internal.h"
#include "selftest.h"
#include <hal/lock.h>
#include <hal/mmu.h>
#include <hal/ptrace.h>
#include <kernel/entry.h>
#include <lib/string.h>
#include <mm/fault.h>

struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, reserved;
};

static struct gate idt[256] __attribute__((aligned(16)));

extern char vector_stubs[], debug_entry[];
#define STUB_SIZE 16

static const char *const names[32] = {
	[0] = "divide error", [1] = "debug", [2] = "NMI", [3] = "breakpoint", [4] = "overflow", [5] = "bound range",
	[6] = "invalid opcode", [7] = "device not available", [8] = "double fault", [10] = "invalid TSS",
	[11] = "segment not present", [12] = "stack fault", [13] = "general protection", [14] = "page fault",
	[16] = "x87 error", [17] = "alignment check", [18] = "machine check", [19] = "SIMD error",
};

void traps_init(void)
{
	for (unsigned v = 0; v < 256; v++) {
		u64 at = v == 1 ? (u64)debug_entry : (u64)vector_stubs + v * STUB_SIZE;
		unsigned ist = v == 1 ? 2 : v == 2 || v == 8 || v == 18;
		bool user_may = v == 3 || v == 4;
		idt[v] = (struct gate){ (u16)at, KERNEL_CS, (u8)ist, user_may ? 0xee : 0x8e, (u16)(at >> 16), (u32)(at >> 32), 0 };
	}
}

void traps_load(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idtr = { sizeof(idt) - 1, (u64)idt };
	__asm__ volatile("lidt %0" ::"m"(idtr));
}

/* Page-fault error code bits: P W U RSVD I. */
static unsigned access_of(u64 error)
{
	_Static_assert(FAULT_PRESENT == 1 && FAULT_WRITE == 2 && FAULT_USER == 4 && FAULT_EXEC == 16, "as the CPU has them");
	return (unsigned)error & (FAULT_PRESENT | FAULT_WRITE | FAULT_USER | FAULT_EXEC);
}

struct extable_entry {
	u64 from, to;
};
extern const struct extable_entry extable_start[], extable_end[];

static u64 extable_find(u64 rip)
{
	for (const struct extable_entry *e = extable_start; e < extable_end; e++)
		if (e->from == rip)
			return e->to;
	return 0;
}

static const char *fault_cause(u64 error, u64 addr)
{
	if (error & 8)
		return "reserved bit in a page-table entry";
	if ((error & 17) == 17)
		return addr < HAL_USER_END ? "executing user memory (SMEP)" : "executing data (NX)";
	if ((error & 1) && addr < HAL_USER_END)
		return "touching user memory outside a user copy (SMAP)";
	if ((error & 3) == 3)
		return "writing read-only memory";
	if (addr < PAGE_SIZE)
		return "null pointer";
	if (addr >= VMAP_BASE && addr < FRAMES_BASE)
		return "address without memory (a kernel stack's guard page, perhaps)";
	return "address without memory";
}

static void kernel_page_fault(struct hal_regs *regs, u64 addr, u64 error)
{
	u64 fixup = extable_find(regs->rip);
	if (fixup && addr < HAL_USER_END) {
		if (regs->eflags & 0x200)
			hal_irq_enable();
		if (kernel_uaccess_fault(addr, access_of(error) & ~FAULT_USER))
			return;
		regs->rip = fixup;
		return;
	}
	if (fixup) {
		regs->rip = fixup;
		return;
	}
	if (selftest_caught(regs, 14, addr))
		return;
	panic_with_regs(regs, "page fault in the kernel at %#lx, error code %#lx: %s", addr, error, fault_cause(error, addr));
}

static void page_fault(struct hal_regs *regs)
{
	u64 addr = read_cr2();
	if (hal_regs_is_user(regs)) {
		hal_irq_enable();
		kernel_user_fault(regs, addr, access_of(regs->orig_rax));
	} else {
		kernel_page_fault(regs, addr, regs->orig_rax);
	}
}

static void exception(unsigned vector, struct hal_regs *regs)
{
	if (vector == 2) { /* only a panicking CPU sends it */
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	if (vector == 1) {
		regs->orig_rax = debug_take_status(); /* before another task on this CPU has one */
		if (regs->orig_rax & HAL_DEBUG_HITS)
			regs->eflags |= 1ul << 16; /* RF: not again for the same instruction */
		if (!hal_regs_is_user(regs))
			return; /* watched memory, touched by the kernel */
	}
	if (selftest_caught(regs, vector, 0))
		return;
	if (hal_regs_is_user(regs)) {
		hal_irq_enable();
		kernel_user_exception(regs, vector, regs->orig_rax);
		return;
	}
	u64 fixup = extable_find(regs->rip); /* a non-canonical user address */
	if (vector == 13 && fixup) {
		regs->rip = fixup;
		return;
	}
	if (vector == 8 && regs->rsp >= VMAP_BASE)
		panic_with_regs(regs, "double fault in the kernel: stack overflow, perhaps (RSP %016lx, CR2 %016lx)", regs->rsp, read_cr2());
	panic_with_regs(regs, "%s in the kernel (error code %#lx)", names[vector] ? names[vector] : "exception", regs->orig_rax);
}

void trap_dispatch(u64 vector, struct hal_regs *regs)
{
	if (likely(vector == 14)) {
		page_fault(regs);
		return;
	}
	if (vector < 32) {
		exception((unsigned)vector, regs);
		return;
	}
	regs->orig_rax = ~0ul; /* not a system call: nothing to restart */
	unsigned base = unlikely(hal_debug_checks) ? lock_rank_interrupt_enter() : 0;
	switch (vector) {
	case VECTOR_TIMER:
		irq_count_own(OWN_TIMER);
		lapic_eoi();
		kernel_timer();
		break;
	case VECTOR_KICK:
		irq_count_own(OWN_KICK);
		lapic_eoi();
		kernel_kick();
		break;
	case VECTOR_TLB:
		irq_count_own(OWN_TLB);
		tlb_ipi();
		lapic_eoi();
		break;
	case VECTOR_SPURIOUS:
		irq_count_own(OWN_SPURIOUS);
		break;
	default:
		irq_dispatch((unsigned)vector);
		lapic_eoi();
	}
	if (unlikely(hal_debug_checks))
		lock_rank_interrupt_leave(base);
}

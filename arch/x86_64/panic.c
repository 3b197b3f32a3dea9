/* SPDX-License-Identifier: MIT */
/*
 * The end: cause, registers, backtrace with names, on the console whatever else is broken. Then the
 * run ends: through QEMU's debug-exit device when there is one, else by a reset (panic=0: stays).
 */
#include "internal.h"
#include "ksyms.h"
#include <lib/format.h>
#include <stdarg.h>

extern char text_start[], text_end[];

static u32 panicking; /* 1 + the CPU that reports */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	hal_console_write(line, min((size_t)n, sizeof(line) - 1));
}

static void say_address(u64 addr)
{
	u64 offset;
	const char *name = ksym_lookup(addr, &offset);
	if (name)
		say("  [%016lx] %s+%#lx\n", addr, name, offset);
	else
		say("  [%016lx]\n", addr);
}

static bool is_stack_pointer(u64 p)
{
	extern char boot_stack_bottom[], boot_stack_top[];
	return !(p & 7) && ((p >= VMAP_BASE && p < FRAMES_BASE) || (p >= (u64)boot_stack_bottom && p < (u64)boot_stack_top));
}

static void say_repeats(unsigned n)
{
	if (n)
		say("  ... %u times more\n", n);
}

void backtrace(u64 rip, u64 rbp)
{
	say("Backtrace:\n");
	say_address(rip);
	u64 last = rip;
	unsigned repeats = 0;
	for (unsigned depth = 0; depth < 32 && is_stack_pointer(rbp);) {
		const u64 *frame = (const u64 *)rbp;
		if (frame[1] < (u64)text_start || frame[1] >= (u64)text_end)
			break;
		if (frame[1] == last) { /* recursion */
			repeats++;
		} else {
			say_repeats(repeats);
			repeats = 0;
			last = frame[1];
			say_address(last);
			depth++;
		}
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
	say_repeats(repeats);
}

static void end_run(void) __attribute__((noreturn));
static void end_run(void)
{
	say("---[ end of panic ]---\n");
	if (cmdline_number("panic", 1) == 0)
		for (;;)
			__asm__ volatile("cli\n\thlt");
	hal_out32(0x501, 0x3e); /* isa-debug-exit: QEMU's status becomes 125 */
	hal_reboot();
}

static void begin(const char *fmt, va_list ap)
{
	u32 none = 0, me = hal_cpu_id() + 1;
	hal_irq_disable();
	if (!__atomic_compare_exchange_n(&panicking, &none, me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (none == me) { /* inside its own report: what was said so far stands */
			say("(the report itself failed)\n");
			end_run();
		}
		for (;;)
			__asm__ volatile("cli\n\thlt");
	}
	cpus_stop();
	char text[512];
	vsnprintf(text, sizeof(text), fmt, ap);
	say("\nKernel panic on CPU %u: %s\n", hal_cpu_id(), text);
}

void panic_with_regs(struct hal_regs *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	say("RIP %016lx  CS %04lx  FLAGS %08lx  RSP %016lx\n", r->rip, r->cs, r->eflags, r->rsp);
	say("RAX %016lx  RBX %016lx  RCX %016lx  RDX %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	say("RSI %016lx  RDI %016lx  RBP %016lx  R8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
	say("R9  %016lx  R10 %016lx  R11 %016lx  R12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
	say("R13 %016lx  R14 %016lx  R15 %016lx  CR2 %016lx\n", r->r13, r->r14, r->r15, read_cr2());
	say("CR0 %08lx  CR3 %016lx  CR4 %08lx\n", read_cr0(), read_cr3(), read_cr4());
	backtrace(r->rip, r->rbp);
	end_run();
}

void hal_panic(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	const u64 *frame = __builtin_frame_address(0);
	say("RIP %016lx  RSP %016lx  RBP %016lx  CR2 %016lx\n", frame[1], (u64)(frame + 2), frame[0], read_cr2());
	say("CR0 %08lx  CR3 %016lx  CR4 %08lx\n", read_cr0(), read_cr3(), read_cr4());
	backtrace(frame[1], frame[0]);
	end_run();
}

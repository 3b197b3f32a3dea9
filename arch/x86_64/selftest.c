/* SPDX-License-Identifier: MIT */
/*
 * Self-tests of the protections: are the control bits set, and is each violation really caught?
 *
 *   quire.selftest=arch     tries every violation, logs "selftest: ok NAME" or "selftest: FAIL NAME ..." for
 *                           each, then "selftest: N passed, N failed", and switches the machine off
 *   quire.selftest=NAME     commits the one violation for real: ends in the panic that names it
 *   quire.selftest=panic    a panic some functions deep
 *   quire.selftest=overflow a kernel stack overflow: double fault on a stack of its own
 *
 * An attempt runs under selftest_try(); the fault it is expected to raise (vector, error code, address)
 * is recognised by selftest_caught(), before the trap code would panic. Any other fault panics as ever.
 * Runs on the boot CPU before there are other CPUs or user tasks.
 */
#include "internal.h"
#include "selftest.h"
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/pte.h>

#define VECTOR_GP 13
#define VECTOR_PF 14

#define ERROR_PRESENT  1u
#define ERROR_WRITE    2u
#define ERROR_RESERVED 8u
#define ERROR_FETCH    16u

#define USER_PAGE 0x400000ul
#define USER_CODE (USER_PAGE + PAGE_SIZE)
#define NR_USER_CODE 10

u64 selftest_try(void (*fn)(u64), u64 arg);
void selftest_enter_user(u64 rip, u64 rsp);
void cpu_set_kernel_stack(void *top);
extern char selftest_resume[], selftest_user_code[];
extern char text_start[], rodata_end[], image_start_phys[], boot_stack_bottom[];

u64 selftest_stack;

static struct {
	bool active;
	unsigned vector;
	u64 error, addr;
} expected;

static unsigned nr_passed, nr_failed;

/* Faults taken with AC still set: SMAP would be off in the handler. */
static unsigned nr_open_entries;

static bool is_smap_open(void)
{
	u64 flags;
	__asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
	return flags & (1u << 18);
}

bool selftest_caught(struct hal_regs *regs, unsigned vector, u64 addr)
{
	if (!expected.active)
		return false;
	u64 error = regs->orig_rax;
	if (error & ERROR_RESERVED)
		error |= ERROR_PRESENT; /* QEMU leaves it out, CPUs do not */
	if (vector != expected.vector || error != expected.error || (vector == VECTOR_PF && addr != expected.addr))
		return false;
	expected.active = false;
	nr_open_entries += is_smap_open();
	regs->rip = (u64)selftest_resume;
	regs->rsp = selftest_stack;
	regs->cs = KERNEL_CS;
	regs->ss = KERNEL_DS;
	regs->eflags = 0x2;
	return true;
}

static void report(bool ok, const char *name)
{
	if (ok)
		nr_passed++;
	else
		nr_failed++;
	hal_log(ok ? LOG_INFO : LOG_ERR, "selftest: %s %s", ok ? "ok" : "FAIL", name);
}

/* ---- the violations ---- */

static void do_read(u64 addr) { (void)*(volatile u8 *)addr; }
static void do_write(u64 addr) { *(volatile u8 *)addr = 0; }
static void do_call(u64 addr) { ((void (*)(void))addr)(); }
static void do_user(u64 addr) { selftest_enter_user(addr, USER_PAGE + PAGE_SIZE); }

static u8 some_data[16] = { 0xc3 }; /* RET, were it executable */
static const u8 some_constant[16] = { 0xc3 };

enum place { AT_TEXT, AT_TEXT_ALIAS, AT_CONSTANT, AT_DATA, AT_DATA_ALIAS, AT_USER, AT_RESERVED, AT_NULL, AT_LOW_IMAGE, AT_STACK_GUARD,
	AT_BOOT_STACK_GUARD, AT_NONCANONICAL, AT_USER_CODE };

struct violation {
	const char *name;
	void (*attempt)(u64);
	enum place place;
	u8 vector, error;
	unsigned offset;
};

static const struct violation violations[] = {
	{ "write-text", do_write, AT_TEXT, VECTOR_PF, ERROR_PRESENT | ERROR_WRITE, 0 },
	{ "write-text-alias", do_write, AT_TEXT_ALIAS, VECTOR_PF, ERROR_PRESENT | ERROR_WRITE, 0 },
	{ "write-constant", do_write, AT_CONSTANT, VECTOR_PF, ERROR_PRESENT | ERROR_WRITE, 0 },
	{ "execute-constant", do_call, AT_CONSTANT, VECTOR_PF, ERROR_PRESENT | ERROR_FETCH, 0 },
	{ "execute-data", do_call, AT_DATA, VECTOR_PF, ERROR_PRESENT | ERROR_FETCH, 0 },
	{ "execute-direct-map", do_call, AT_DATA_ALIAS, VECTOR_PF, ERROR_PRESENT | ERROR_FETCH, 0 },
	{ "smep", do_call, AT_USER, VECTOR_PF, ERROR_PRESENT | ERROR_FETCH, 0 },
	{ "smap-read", do_read, AT_USER, VECTOR_PF, ERROR_PRESENT, 0 },
	{ "smap-write", do_write, AT_USER, VECTOR_PF, ERROR_PRESENT | ERROR_WRITE, 0 },
	{ "reserved-bit", do_read, AT_RESERVED, VECTOR_PF, ERROR_PRESENT | ERROR_RESERVED, 0 },
	{ "null", do_read, AT_NULL, VECTOR_PF, 0, 0 },
	{ "low-image", do_read, AT_LOW_IMAGE, VECTOR_PF, 0, 0 },
	{ "stack-guard", do_write, AT_STACK_GUARD, VECTOR_PF, ERROR_WRITE, 0 },
	{ "boot-stack-guard", do_write, AT_BOOT_STACK_GUARD, VECTOR_PF, ERROR_WRITE, 0 },
	{ "noncanonical", do_read, AT_NONCANONICAL, VECTOR_GP, 0, 0 },
	{ "umip-sidt", do_user, AT_USER_CODE, VECTOR_GP, 0, 0 },
	{ "umip-sgdt", do_user, AT_USER_CODE, VECTOR_GP, 0, 8 },
	{ "umip-sldt", do_user, AT_USER_CODE, VECTOR_GP, 0, 16 },
	{ "umip-str", do_user, AT_USER_CODE, VECTOR_GP, 0, 24 },
	{ "umip-smsw", do_user, AT_USER_CODE, VECTOR_GP, 0, 32 },
	{ "user-cli", do_user, AT_USER_CODE, VECTOR_GP, 0, 40 },
	{ "user-hlt", do_user, AT_USER_CODE, VECTOR_GP, 0, 48 },
	{ "user-cr3", do_user, AT_USER_CODE, VECTOR_GP, 0, 56 },
	{ "user-rdmsr", do_user, AT_USER_CODE, VECTOR_GP, 0, 64 },
	{ "user-port", do_user, AT_USER_CODE, VECTOR_GP, 0, 72 },
};

static void *guarded_stack;

static u64 address_of(const struct violation *v)
{
	switch (v->place) {
	case AT_TEXT: return (u64)text_start;
	case AT_TEXT_ALIAS: return DIRECT_MAP_BASE + ((u64)text_start - IMAGE_BASE);
	case AT_CONSTANT: return (u64)some_constant;
	case AT_DATA: return (u64)some_data;
	case AT_DATA_ALIAS: return DIRECT_MAP_BASE + ((u64)some_data - IMAGE_BASE);
	case AT_USER: return USER_PAGE;
	case AT_RESERVED: return USER_PAGE + 2 * PAGE_SIZE;
	case AT_NULL: return 0;
	case AT_LOW_IMAGE: return (u64)image_start_phys;
	case AT_STACK_GUARD: return (u64)guarded_stack - HAL_STACK_SIZE - 1;
	case AT_BOOT_STACK_GUARD: return (u64)boot_stack_bottom - 1;
	case AT_NONCANONICAL: return 1ul << 47;
	case AT_USER_CODE: return USER_CODE + v->offset;
	}
	return 0;
}

static void try_violation(const struct violation *v)
{
	expected.vector = v->vector;
	expected.error = v->error;
	expected.addr = address_of(v);
	expected.active = true;
	bool caught = selftest_try(v->attempt, expected.addr);
	expected.active = false;
	report(caught, v->name);
}

/* ---- the stage: a root with three user pages ---- */

static paddr_t zeroed_frame(void)
{
	struct frame *f = frame_alloc(0, ALLOC_KERNEL | ALLOC_ZERO, FRAME_KERNEL);
	if (!f)
		hal_panic("selftest: no memory");
	return frame_pfn(f) << PAGE_SHIFT;
}

static void build_user_root(void)
{
	paddr_t root = zeroed_frame(), table = root;
	hal_root_init(root >> PAGE_SHIFT);
	for (unsigned level = 4; level > 1; level--) {
		u64 *e = (u64 *)phys_ptr(table) + ((USER_PAGE >> (12 + 9 * (level - 1))) & 511);
		table = zeroed_frame();
		*e = table | PTE_PRESENT | PTE_WRITE | PTE_USER;
	}
	u64 *leaf = (u64 *)phys_ptr(table) + ((USER_PAGE >> PAGE_SHIFT) & 511);
	paddr_t page = zeroed_frame(), code = zeroed_frame();
	memset(phys_ptr(page), 0xc3, PAGE_SIZE);
	memcpy(phys_ptr(code), selftest_user_code, NR_USER_CODE * 8);
	leaf[0] = page | PTE_PRESENT | PTE_WRITE | PTE_USER;
	leaf[1] = code | PTE_PRESENT | PTE_USER;
	leaf[2] = page | PTE_PRESENT | PTE_WRITE | 1ull << 51; /* beyond any CPU's physical bits */
	hal_root_switch(root >> PAGE_SHIFT);
	guarded_stack = hal_stack_alloc();
	cpu_set_kernel_stack(guarded_stack);
}

/* ---- what needs no violation ---- */

struct table_census {
	u64 nr_leaves, nr_write_execute, nr_user;
};

static void take_census(paddr_t table, unsigned level, u64 rights, struct table_census *out)
{
	const u64 *entry = phys_ptr(table);
	for (unsigned i = level == HAL_LEVELS ? 256 : 0; i < 512; i++) {
		u64 e = entry[i];
		if (!(e & PTE_PRESENT))
			continue;
		u64 here = (rights & e & (PTE_WRITE | PTE_USER)) | ((rights | e) & PTE_NX);
		if (level > 1 && !(e & (1u << 7))) {
			take_census(e & PTE_PFN, level - 1, here, out);
			continue;
		}
		out->nr_leaves++;
		out->nr_user += (here & PTE_USER) != 0;
		out->nr_write_execute += (here & PTE_WRITE) && !(here & PTE_NX);
	}
}

static void check_tables(void)
{
	struct table_census c = { 0 };
	take_census(kernel_root, HAL_LEVELS, PTE_WRITE | PTE_USER, &c);
	hal_log(LOG_INFO, "selftest: %lu kernel entries, %lu writable and executable, %lu for the user", (unsigned long)c.nr_leaves,
	        (unsigned long)c.nr_write_execute, (unsigned long)c.nr_user);
	report(c.nr_leaves > 0 && !c.nr_write_execute && !c.nr_user, "write-xor-execute");
}

static void check_bits(void)
{
	report(read_cr0() & (1ul << 16), "bit-wp");
	report(rdmsr(MSR_EFER) & (1ul << 11), "bit-nxe");
	report(read_cr4() & CR4_SMEP, "bit-smep");
	report(read_cr4() & CR4_SMAP, "bit-smap");
	report(read_cr4() & CR4_UMIP, "bit-umip");
}

/* The tests above would pass on a machine that faults always: what is allowed must work. */
static void check_allowed(void)
{
	__asm__ volatile("stac");
	report(*(volatile u8 *)USER_PAGE == 0xc3, "stac-read");
	__asm__ volatile("clac");
	report(*(volatile u8 *)some_constant == 0xc3 && *(volatile u8 *)(DIRECT_MAP_BASE + 0x1000) + 1 > 0, "kernel-read");
}

/* ---- ends in a panic ---- */

static void __attribute__((noinline)) selftest_panic_inner(const char *why)
{
	hal_panic("selftest: %s", why);
}

static void __attribute__((noinline)) selftest_panic_outer(const char *why)
{
	selftest_panic_inner(why);
	__asm__ volatile(""); /* a call, not a jump: it has to show in the backtrace */
}

static u64 __attribute__((noinline)) selftest_overflow(u64 depth)
{
	volatile u64 local[32];
	local[depth % 32] = depth;
	if (depth == ~0ull)
		return 0;
	return selftest_overflow(depth + 1) + local[depth % 32];
}

static void commit(const char *name)
{
	if (!strcmp(name, "panic"))
		selftest_panic_outer("asked for");
	if (!strcmp(name, "overflow"))
		selftest_overflow(0);
	for (unsigned i = 0; i < ARRAY_SIZE(violations); i++)
		if (!strcmp(name, violations[i].name))
			violations[i].attempt(address_of(&violations[i]));
	hal_log(LOG_ERR, "selftest: '%s' was not caught, or is unknown", name);
}

void hal_selftest(void)
{
	char name[32];
	if (!cmdline_text("quire.selftest", name, sizeof(name)) || !strcmp(name, "conformance") || !strcmp(name, "cost")) /* kernel/selftest.c */
		return;
	unsigned long flags = hal_irq_save();
	build_user_root();
	if (strcmp(name, "arch")) {
		commit(name);
	} else {
		check_bits();
		check_tables();
		check_allowed();
		for (unsigned i = 0; i < ARRAY_SIZE(violations); i++)
			try_violation(&violations[i]);
		report(!nr_open_entries, "smap-closed-at-entry");
		hal_log(LOG_INFO, "selftest: %u passed, %u failed", nr_passed, nr_failed);
	}
	hal_irq_restore(flags);
	hal_power_off();
}

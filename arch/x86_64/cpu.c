/* SPDX-License-Identifier: MIT */
/*
 * One CPU: segments (M8: flat code and data, user and kernel; the task state with its stacks; FS and GS
 * bases by MSR), features, system call registers. Source: Intel SDM vol. 3A, 3.4, 7.7, 5.8.8.
 */
#include "internal.h"
#include <lib/string.h>

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap;
} __attribute__((packed));

struct cpu_tables {
	u64 gdt[10];
	struct tss tss;
} __attribute__((aligned(64)));

struct hal_percpu cpu_blocks[HAL_MAX_CPUS];
unsigned hal_cpu_count = 1;
bool cpu_has_smap, cpu_has_xsave, cpu_has_rdrand;

static struct cpu_tables cpu_tables[HAL_MAX_CPUS];
/* Double fault, NMI, machine check and debug exceptions come on a stack of their own; further CPUs get theirs from smp.c. */
static char boot_ist_stack[4096] __attribute__((aligned(16)));
void *cpu_ist_stacks[HAL_MAX_CPUS] = { boot_ist_stack + sizeof(boot_ist_stack) };

static void load_segments(unsigned id)
{
	struct cpu_tables *t = &cpu_tables[id];
	u64 tss = (u64)&t->tss;
	t->gdt[2] = 0x00af9b000000ffff; /* kernel code */
	t->gdt[3] = 0x00cf93000000ffff; /* kernel data */
	t->gdt[4] = 0x00cffb000000ffff; /* user code, 32 bits: unused, SYSRET counts from here */
	t->gdt[5] = 0x00cff3000000ffff; /* user data */
	t->gdt[6] = 0x00affb000000ffff; /* user code */
	t->gdt[8] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	t->gdt[9] = tss >> 32;
	t->tss.iomap = sizeof(struct tss);
	t->tss.ist[0] = (u64)cpu_ist_stacks[id];
	t->tss.ist[1] = t->tss.ist[0] - 2048; /* debug exceptions, which need little */

	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) gdtr = { sizeof(t->gdt) - 1, (u64)t->gdt };
	__asm__ volatile("lgdt %0\n\t"
	                 "pushq %1\n\t"
	                 "leaq 1f(%%rip), %%rax\n\t"
	                 "pushq %%rax\n\t"
	                 "lretq\n"
	                 "1:\tmovl %2, %%eax\n\t"
	                 "movl %%eax, %%ss\n\t"
	                 "xorl %%eax, %%eax\n\t"
	                 "movl %%eax, %%ds\n\t"
	                 "movl %%eax, %%es\n\t"
	                 "movl %%eax, %%fs\n\t"
	                 "movl %%eax, %%gs\n\t"
	                 "movl $0x40, %%eax\n\t"
	                 "ltr %%ax" ::"m"(gdtr),
	                 "i"(KERNEL_CS), "i"(KERNEL_DS)
	                 : "rax", "memory");
}

static void enable_features(void)
{
	u32 r[4], f7[4];
	cpuid(1, 0, r);
	cpuid(0, 0, f7);
	if (f7[0] >= 7)
		cpuid(7, 0, f7);
	else
		memset(f7, 0, sizeof(f7));
	u64 cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE;
	cpu_has_xsave = r[2] & (1u << 26);
	cpu_has_rdrand = r[2] & (1u << 30);
	cpu_has_smap = f7[1] & (1u << 20);
	if (cpu_has_xsave)
		cr4 |= CR4_OSXSAVE;
	if (f7[1] & (1u << 7))
		cr4 |= CR4_SMEP;
	if (cpu_has_smap)
		cr4 |= CR4_SMAP;
	if (f7[2] & (1u << 2))
		cr4 |= CR4_UMIP;
	write_cr4(cr4);
	if (cpu_has_xsave) {
		u32 features[4];
		cpuid(0xd, 0, features);
		u32 mask = features[0] & 7; /* x87, SSE, AVX */
		__asm__ volatile("xsetbv" ::"c"(0), "a"(mask), "d"(0));
	}
}

/* The trap entry's placeholder becomes CLAC; by the boot tables, before the text is read-only. */
static void patch_clac(void)
{
	extern char trap_clac[];
	static const u8 clac[] = { 0x0f, 0x01, 0xca };
	memcpy(trap_clac, clac, sizeof(clac));
}

void cpu_init(unsigned id)
{
	extern char syscall_entry[];
	load_segments(id);
	struct hal_percpu *c = &cpu_blocks[id];
	c->cpu_id = id;
	c->root = kernel_root;
	wrmsr(MSR_GS_BASE, (u64)c);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	enable_features();
	if (id == 0 && cpu_has_smap)
		patch_clac();
	wrmsr(MSR_STAR, (u64)0x23 << 48 | (u64)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_SFMASK, 0x47700); /* TF IF DF IOPL NT AC: all off in the kernel */
	traps_load();
}

void hal_set_current(struct task *t) { cpu_blocks[hal_cpu_id()].current = t; }

/* The stack that kernel entry from user mode starts on. */
void cpu_set_kernel_stack(void *top);
void cpu_set_kernel_stack(void *top)
{
	unsigned id = hal_cpu_id();
	cpu_blocks[id].kernel_sp = (u64)top;
	cpu_tables[id].tss.rsp[0] = (u64)top;
}

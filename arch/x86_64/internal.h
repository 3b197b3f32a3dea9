/* SPDX-License-Identifier: MIT */
/* What the files of arch/x86_64 share: registers, boot order, per-CPU state. */
#ifndef X86_INTERNAL_H
#define X86_INTERNAL_H

#include <hal/boot.h>
#include <hal/context.h>
#include <hal/cpu.h>
#include <hal/irq.h>
#include <hal/log.h>
#include <hal/mem.h>
#include <mm/frame.h>
#include <machine/io.h>

#define CR4_DE         (1ul << 3)
#define CR4_PAE        (1ul << 5)
#define CR4_PGE        (1ul << 7)
#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_UMIP       (1ul << 11)
#define CR4_OSXSAVE    (1ul << 18)
#define CR4_SMEP       (1ul << 20)
#define CR4_SMAP       (1ul << 21)

#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_APIC_BASE      0x1bu

#define VECTOR_IRQ_BASE 0x20 /* wired and message-signalled interrupts */
#define VECTOR_IRQ_END  0xf0
#define VECTOR_TLB      0xfb
#define VECTOR_KICK     0xfc
#define VECTOR_TIMER    0xfe
#define VECTOR_SPURIOUS 0xff

/* Interrupts that no device sends; counted for hal_irq_count(). */
enum own_interrupt { OWN_TIMER, OWN_SPURIOUS, OWN_KICK, OWN_TLB, NR_OWN_INTERRUPTS };
void irq_count_own(enum own_interrupt which);

/* debugreg.c: the CPU's breakpoints become those of the next task, NULL: none; the cause of a debug exception, once. */
void debug_switch(const struct hal_debug *next);
u64 debug_take_status(void);

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline u64 rdtsc(void)
{
	u32 lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}
#define DEFINE_CR(n)                                                                                \
	static inline u64 read_cr##n(void)                                                              \
	{                                                                                               \
		u64 v;                                                                                      \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)::"memory");                                 \
		return v;                                                                                   \
	}                                                                                               \
	static inline void write_cr##n(u64 v) { __asm__ volatile("mov %0, %%cr" #n ::"r"(v) : "memory"); }
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)

static inline void cpuid(u32 leaf, u32 sub, u32 out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}

extern struct hal_percpu cpu_blocks[HAL_MAX_CPUS];
extern void *cpu_ist_stacks[HAL_MAX_CPUS]; /* tops */
extern bool cpu_has_smap, cpu_has_xsave, cpu_has_rdrand;

/* boot order on the boot CPU, each once */
void bootinfo_init(u32 magic, paddr_t info); /* memory map, command line, initial RAM disk */
void paging_init(void);                      /* the kernel's own root; early allocation works from here */
void cpu_init(unsigned id);                  /* GDT, TSS, features, system call registers; each CPU */
void traps_init(void);                       /* IDT content */
void traps_load(void);                       /* each CPU */
void acpi_init(void);
void apic_init(void);
void apic_init_cpu(void);
extern u64 boot_tsc;                         /* the counter at the kernel's first C code: time 0 */
void clock_init(void);                       /* TSC and timer rates */
void random_init(void);

/* Zeroed physical memory before there are frames; page aligned; never freed. */
paddr_t early_alloc(u64 bytes);
/* Largest physical address of RAM + 1. */
paddr_t ram_end(void);

struct memory_piece {
	paddr_t start, end;
	u32 type; /* E820: 1 RAM, 2 reserved, 3 ACPI, 4 NVS */
};
unsigned memory_map(const struct memory_piece **out);
paddr_t boot_rsdp(void);
bool cmdline_has(const char *word);
/* The text behind word=, cut to size; false: not given. */
bool cmdline_text(const char *word, char *out, size_t size);
/* The value of word= as a number, or `otherwise`. */
u64 cmdline_number(const char *word, u64 otherwise);

#define PTE_GLOBAL (1ull << 8)
#define KERNEL_RW  (PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL)

/* The last-level entry for an address of the kernel half. make: with tables that are missing, NULL when there
 * is no memory for them; otherwise they exist. */
u64 *kernel_entry(u64 vaddr, bool make);
/* len bytes of addresses in the area of stacks and device memory, never given back. */
u64 vmap_reserve(u64 len);
/* Drops kernel translations on every CPU; interrupts are on, no spin lock is held. */
void tlb_flush_kernel(u64 start, u64 end);

/* Maps 4 KiB pages into the kernel half; flags are entry bits. Panics without memory: at boot only. */
void kernel_map(u64 vaddr, paddr_t paddr, u64 len, u64 flags);
extern paddr_t kernel_root;
void paging_share_low(bool on); /* while other CPUs start */

void lapic_eoi(void);
void lapic_send(u32 apic_id, u32 command);
void lapic_timer_set(u64 ticks);
u32 lapic_timer_left(void);
u32 lapic_id(void);
void irq_dispatch(unsigned vector);
void tlb_ipi(void);
void cpus_stop(void); /* panic: all others halt */
void trap_dispatch(u64 vector, struct hal_regs *regs);
void panic_with_regs(struct hal_regs *regs, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
void backtrace(u64 rip, u64 rbp);

struct acpi_info {
	u32 lapic_ids[HAL_MAX_CPUS];
	unsigned nr_cpus;
	paddr_t lapic_base;
	struct { paddr_t base; u32 gsi_base; } ioapics[8];
	unsigned nr_ioapics;
	struct { u32 gsi; u16 flags; bool set; } isa[16]; /* overrides */
	u16 pm1a_control, pm1b_control, pm_timer, slp_typ_a, slp_typ_b;
	bool has_s5;
	u64 reset_address;
	u8 reset_value;
	bool has_reset;
};
extern struct acpi_info acpi;

#endif

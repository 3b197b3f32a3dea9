/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs: started one by one (INIT, SIPI, SIPI: Intel SDM vol. 3A, 8.4), flushed, kicked, and
 * stopped when one panics.
 *
 * Shoot-down: one request at a time, under a lock that is taken with interrupts on. The asking CPU
 * writes the request, interrupts the CPUs that have the root loaded, and waits until each has answered.
 */
#include "internal.h"
#include <hal/mmu.h>
#include <hal/time.h>
#include <kernel/entry.h>
#include <lib/string.h>
#include <mm/stat.h>

#define TRAMPOLINE 0x8000ul
#define FLUSH_ALL_PAGES 32 /* beyond this many pages reloading CR3 is cheaper */

u64 ap_stack;
static u32 cpus_online = 1;

void x86_start_ap(void);

static void wait_us(u64 us)
{
	u64 end = hal_clock_ns() + us * 1000;
	while (hal_clock_ns() < end)
		hal_cpu_pause();
}

static bool start_one(unsigned id, u32 apic_id)
{
	void *stack = hal_stack_alloc();
	cpu_ist_stacks[id] = hal_stack_alloc();
	if (!stack || !cpu_ist_stacks[id])
		return false;
	__atomic_store_n(&ap_stack, (u64)stack, __ATOMIC_SEQ_CST);
	lapic_send(apic_id, 0x4500); /* INIT */
	wait_us(200);
	for (unsigned tries = 0; tries < 2; tries++) {
		lapic_send(apic_id, 0x4600 | TRAMPOLINE >> 12);
		for (unsigned i = 0; i < 2000 && READ_ONCE(cpus_online) == id; i++)
			wait_us(tries ? 500 : 20);
		if (READ_ONCE(cpus_online) > id)
			return true;
	}
	hal_log(LOG_WARNING, "smp: CPU %u (APIC %u) does not answer", id, apic_id);
	return false;
}

void hal_start_cpus(unsigned limit)
{
	extern char trampoline_start[], trampoline_end[];
	limit = min(limit, (unsigned)cmdline_number("maxcpus", HAL_MAX_CPUS));
	if (limit <= 1 || acpi.nr_cpus <= 1)
		return;
	memcpy(phys_ptr(TRAMPOLINE), trampoline_start, (size_t)(trampoline_end - trampoline_start));
	paging_share_low(true);
	u32 me = cpu_blocks[0].apic_id;
	for (unsigned i = 0; i < acpi.nr_cpus && hal_cpu_count < limit; i++) {
		if (acpi.lapic_ids[i] == me)
			continue;
		if (start_one(hal_cpu_count, acpi.lapic_ids[i]))
			__atomic_fetch_add(&hal_cpu_count, 1, __ATOMIC_SEQ_CST);
	}
	paging_share_low(false);
}

/* First C code of a further CPU, on the stack it will keep. */
void x86_start_ap(void)
{
	unsigned id = READ_ONCE(cpus_online);
	cpu_init(id);
	apic_init_cpu();
	__atomic_fetch_add(&cpus_online, 1, __ATOMIC_SEQ_CST);
	while (READ_ONCE(hal_cpu_count) <= id)
		hal_cpu_pause();
	kernel_cpu_main();
}

void hal_cpu_kick(unsigned cpu)
{
	lapic_send(cpu_blocks[cpu].apic_id, VECTOR_KICK);
}

void cpus_stop(void)
{
	for (unsigned i = 0; i < hal_cpu_count; i++)
		if (i != hal_cpu_id())
			lapic_send(cpu_blocks[i].apic_id, 0x4400); /* NMI */
}

/* ---- translation look-aside buffers ---- */

static struct {
	u8 lock;
	u64 root; /* paddr; 0: addresses of the kernel, which every root has */
	uaddr_t start, end;
	u64 pending; /* CPUs that have not answered */
} request;

static void flush_here(uaddr_t start, uaddr_t end)
{
	if (end - start > FLUSH_ALL_PAGES * PAGE_SIZE) {
		write_cr3(read_cr3());
		return;
	}
	for (uaddr_t a = start; a < end; a += PAGE_SIZE)
		__asm__ volatile("invlpg (%0)" ::"r"(a) : "memory");
}

void hal_tlb_flush_local(uaddr_t addr)
{
	__asm__ volatile("invlpg (%0)" ::"r"(addr) : "memory");
}

void tlb_ipi(void)
{
	u64 me = 1ull << hal_cpu_id();
	if (!(__atomic_load_n(&request.pending, __ATOMIC_ACQUIRE) & me))
		return;
	if (!request.root || cpu_blocks[hal_cpu_id()].root == request.root)
		flush_here(request.start, request.end);
	__atomic_fetch_and(&request.pending, ~me, __ATOMIC_RELEASE);
}

static void flush_others(cpumask_t cpus, u64 root, uaddr_t start, uaddr_t end)
{
	/* While waiting for the lock this CPU may be asked itself: answer, whatever the interrupt state. */
	while (__atomic_exchange_n(&request.lock, 1, __ATOMIC_ACQUIRE)) {
		unsigned long flags = hal_irq_save();
		tlb_ipi();
		hal_irq_restore(flags);
		hal_cpu_pause();
	}
	request.root = root;
	request.start = start;
	request.end = end;
	__atomic_store_n(&request.pending, cpus, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < hal_cpu_count; i++)
		if (cpus & (1ull << i))
			lapic_send(cpu_blocks[i].apic_id, VECTOR_TLB);
	while (__atomic_load_n(&request.pending, __ATOMIC_ACQUIRE))
		hal_cpu_pause();
	__atomic_store_n(&request.lock, 0, __ATOMIC_RELEASE);
	stat_add(STAT_TLB_SHOOTDOWN, 1);
}

void hal_tlb_flush(cpumask_t cpus, pfn_t root, uaddr_t start, uaddr_t end, bool tables)
{
	cpumask_t me = 1ull << hal_cpu_id();
	u64 root_paddr = root << PAGE_SHIFT;
	(void)tables; /* INVLPG and CR3 loads drop the upper levels' caches too (SDM 4.10.4.1) */
	stat_add(STAT_TLB_FLUSH, 1);
	if (likely(cpus == me && end - start == PAGE_SIZE && cpu_blocks[hal_cpu_id()].root == root_paddr)) {
		hal_tlb_flush_local(start);
		return;
	}
	if (tables && end <= start)
		end = start + PAGE_SIZE;
	if ((cpus & me) && cpu_blocks[hal_cpu_id()].root == root_paddr)
		flush_here(start, end);
	if (unlikely(cpus & ~me))
		flush_others(cpus & ~me, root_paddr, start, end);
}

void tlb_flush_kernel(u64 start, u64 end)
{
	stat_add(STAT_TLB_FLUSH, 1);
	for (u64 from = start; from < end; from += FLUSH_ALL_PAGES * PAGE_SIZE) { /* a CR3 load would keep global ones */
		u64 to = min(end, from + FLUSH_ALL_PAGES * PAGE_SIZE);
		cpumask_t me = 1ull << hal_cpu_id(), all = hal_cpu_count == 64 ? ~0ull : (1ull << hal_cpu_count) - 1;
		flush_here(from, to);
		if (all & ~me)
			flush_others(all & ~me, 0, from, to);
	}
}

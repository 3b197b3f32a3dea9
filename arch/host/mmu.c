/* SPDX-License-Identifier: MIT */
/*
 * The software MMU: the page walk of x86-64, with a translation look-aside buffer and a cache of
 * level-2 entries for each CPU.
 *
 * Neither forgets by itself. So a translation that mm/ should have flushed stays, and the next use
 * finds it: a hit that disagrees with the tables (another frame, or more rights) stops the run. Fewer
 * rights than the tables give are allowed, as on real CPUs: the access faults, which drops the entry.
 *
 * With free-running CPUs a CPU holds its MMU's lock from the translation to the end of the access, and a
 * flush takes it: so a flush returns only when no access through the old translation is in flight, as
 * after an acknowledged interrupt, and TSan sees exactly that order and no other.
 * Source: Intel SDM vol. 3A, 4.10 (caching translation information).
 */
#include <hal/log.h>
#include <hal/mmu.h>
#include <host/machine.h>
#include <mm/pagetable.h>
#include <string.h>
#include "internal.h"

#ifndef TLB_SETS
#define TLB_SETS 4096 /* direct mapped: a collision evicts, which only costs a check */
#endif

struct tlb_entry {
	u64 page; /* addr >> PAGE_SHIFT, + 1; 0 = empty */
	pfn_t pfn;
	u64 rights; /* PTE_WRITE, PTE_NX */
	u32 generation; /* older than the MMU's: empty */
	bool dirty;
};

struct upper_entry {
	u64 span; /* addr / LEAF_SPAN, + 1 */
	pfn_t table;
	u64 rights;
	u32 generation;
};

static struct mmu {
	u8 lock;    /* held for one access, or to flush */
	pfn_t root; /* 0: the kernel's */
	struct space *space;
	u32 generation, upper_generation; /* so that dropping everything touches nothing */
	struct tlb_entry tlb[TLB_SETS];
	struct upper_entry upper[TLB_SETS];
} mmus[HAL_MAX_CPUS];

struct host_mmu_stat host_mmu_stat;

static struct mmu *mmu(void) { return &mmus[hal_cpu_id()]; }

static void mmu_lock(struct mmu *m)
{
	while (__atomic_exchange_n(&m->lock, 1, __ATOMIC_ACQUIRE))
		hal_cpu_pause();
}

static void mmu_unlock(struct mmu *m) { __atomic_store_n(&m->lock, 0, __ATOMIC_RELEASE); }

static void count(u64 *what) { __atomic_add_fetch(what, 1, __ATOMIC_RELAXED); }

void host_mmu_reset(void)
{
	memset(mmus, 0, host_nr_cpus * sizeof(mmus[0]));
	memset(&host_mmu_stat, 0, sizeof(host_mmu_stat));
	host_cpu_id = 0;
}

void host_be_cpu(unsigned cpu) { host_cpu_id = cpu; }

void hal_root_init(pfn_t root) { (void)root; }

static void flush_upper(struct mmu *m)
{
	if (++m->upper_generation)
		return;
	memset(m->upper, 0, sizeof(m->upper)); /* once in 2^32: old entries would be met again */
	m->upper_generation = 1;
}

static void flush_all(struct mmu *m)
{
	flush_upper(m);
	if (++m->generation)
		return;
	memset(m->tlb, 0, sizeof(m->tlb));
	m->generation = 1;
}

void hal_root_switch(pfn_t root)
{
	struct mmu *m = mmu();
	mmu_lock(m);
	m->root = root;
	flush_all(m);
	mmu_unlock(m);
}

void hal_root_switch_kernel(void) { hal_root_switch(0); }

void host_switch(struct space *next)
{
	space_switch(mmu()->space, next);
	mmu()->space = next;
}

struct space *host_loaded(void) { return mmu()->space; }

static void flush_range(struct mmu *m, uaddr_t start, uaddr_t end, bool tables)
{
	if (end - start > TLB_SETS * PAGE_SIZE) {
		flush_all(m);
		return;
	}
	for (uaddr_t a = start; a < end; a += PAGE_SIZE) {
		struct tlb_entry *e = &m->tlb[(a >> PAGE_SHIFT) % TLB_SETS];
		if (e->page == (a >> PAGE_SHIFT) + 1)
			e->page = 0;
	}
	if (tables)
		flush_upper(m);
}

void hal_tlb_flush(cpumask_t cpus, pfn_t root, uaddr_t start, uaddr_t end, bool tables)
{
	count(&host_mmu_stat.flushes);
	hal_switch_point(); /* the others may use what they have until it reaches them */
	for (unsigned c = 0; c < host_nr_cpus; c++) {
		if (!(cpus & (1ull << c)))
			continue;
		mmu_lock(&mmus[c]);
		if (mmus[c].root == root)
			flush_range(&mmus[c], start, end, tables);
		mmu_unlock(&mmus[c]);
	}
}

void hal_tlb_flush_local(uaddr_t addr)
{
	struct mmu *m = mmu();
	mmu_lock(m);
	flush_range(m, addr & PAGE_MASK, (addr & PAGE_MASK) + PAGE_SIZE, false);
	m->upper[addr / LEAF_SPAN % TLB_SETS].span = 0;
	mmu_unlock(m);
}

/* Walks the upper levels, setting A. False: not present. *rights: those of the levels passed. */
static bool walk_upper(pfn_t root, uaddr_t addr, pfn_t *table, u64 *rights)
{
	*table = root;
	*rights = PTE_WRITE;
	for (unsigned level = HAL_LEVELS; level > 1; level--) {
		pte_t *e = &((pte_t *)hal_frame_ptr(*table))[table_index(addr, level)];
		pte_t v = hal_entry_load(e);
		if (!(v.bits & PTE_PRESENT))
			return false;
		__atomic_fetch_or(&e->bits, PTE_ACCESSED, __ATOMIC_RELAXED);
		*rights &= v.bits & PTE_WRITE;
		*table = pte_pfn(v);
	}
	return true;
}

/* A full walk that changes nothing: what the tables say now. */
static bool walk_now(pfn_t root, uaddr_t addr, struct tlb_entry *out, pfn_t *table)
{
	u64 rights;
	*table = root;
	rights = PTE_WRITE;
	for (unsigned level = HAL_LEVELS; level > 0; level--) {
		pte_t v = hal_entry_load(&((pte_t *)hal_frame_ptr(*table))[table_index(addr, level)]);
		if (!(v.bits & PTE_PRESENT))
			return false;
		rights &= v.bits & PTE_WRITE;
		if (level == 1) {
			out->pfn = pte_pfn(v);
			out->rights = rights | (v.bits & PTE_NX);
			return true;
		}
		*table = pte_pfn(v);
	}
	return false;
}

/* What is wrong with a cached translation, now that every flush has been done. */
static const char *stale(const struct mmu *m, uaddr_t addr, const struct tlb_entry *hit)
{
	struct tlb_entry now;
	pfn_t table;
	if (!walk_now(m->root, addr, &now, &table))
		return "the tables have none";
	if (now.pfn != hit->pfn)
		return "another frame";
	if ((hit->rights & PTE_WRITE && !(now.rights & PTE_WRITE)) || (!(hit->rights & PTE_NX) && now.rights & PTE_NX))
		return "more rights than the tables";
	return NULL;
}

/* Between clearing and flushing another CPU may rightly see the old translation; but no frame is freed
 * before the flush. */
static void check_hit(struct mmu *m, uaddr_t addr, const struct tlb_entry *hit)
{
	if (host_threads)
		return;
	enum frame_kind kind = READ_ONCE(pfn_frame(hit->pfn)->kind);
	const char *broken = kind != FRAME_ANON && kind != FRAME_CACHE && kind != FRAME_SPECIAL ? "a frame that was freed" : NULL;
	if (!host_turns)
		broken = stale(m, addr, hit);
	if (broken)
		hal_panic("TLB: stale translation of %#lx: %s (missing flush)", (unsigned long)addr, broken);
}

static const char *validate_mmu(const struct mmu *m)
{
	for (unsigned i = 0; i < TLB_SETS; i++) {
		const struct tlb_entry *t = &m->tlb[i];
		const struct upper_entry *u = &m->upper[i];
		if (t->page && t->generation == m->generation && stale(m, (t->page - 1) << PAGE_SHIFT, t))
			return "TLB: a stale translation (missing flush)";
		if (!u->span || u->generation != m->upper_generation)
			continue;
		struct upper_entry now;
		if (!walk_upper(m->root, (u->span - 1) * LEAF_SPAN, &now.table, &now.rights) || now.table != u->table || u->rights & ~now.rights)
			return "TLB: a stale level-2 entry (missing flush)";
	}
	return NULL;
}

const char *host_tlb_validate(void)
{
	const char *broken = NULL;
	for (unsigned c = 0; c < host_nr_cpus && !broken; c++)
		if (mmus[c].root)
			broken = validate_mmu(&mmus[c]);
	return broken;
}

/* As check_hit, for a cached level-2 entry. */
static void check_upper(struct mmu *m, uaddr_t addr, const struct upper_entry *u)
{
	pfn_t table;
	u64 rights;
	if (host_threads)
		return;
	if (host_turns) {
		if (READ_ONCE(pfn_frame(u->table)->kind) != FRAME_TABLE)
			hal_panic("TLB: level-2 entry for %#lx leads to a table that was freed (missing flush)", (unsigned long)addr);
		return;
	}
	if (!walk_upper(m->root, addr, &table, &rights) || table != u->table)
		hal_panic("TLB: stale level-2 entry for %#lx (missing table flush)", (unsigned long)addr);
	if (u->rights & ~rights)
		hal_panic("TLB: level-2 entry for %#lx has more rights than the tables", (unsigned long)addr);
}

static bool find_table(struct mmu *m, uaddr_t addr, struct upper_entry *out)
{
	struct upper_entry *u = &m->upper[addr / LEAF_SPAN % TLB_SETS];
	if (u->span == addr / LEAF_SPAN + 1 && u->generation == m->upper_generation) {
		check_upper(m, addr, u);
		*out = *u;
		return true;
	}
	out->span = addr / LEAF_SPAN + 1;
	out->generation = m->upper_generation;
	if (!walk_upper(m->root, addr, &out->table, &out->rights))
		return false;
	*u = *out;
	return true;
}

/* Translates, filling the TLB. False: a page fault with *access completed. */
static bool translate(struct mmu *m, uaddr_t addr, unsigned *access, pfn_t *pfn)
{
	struct tlb_entry *t = &m->tlb[(addr >> PAGE_SHIFT) % TLB_SETS];
	bool write = *access & FAULT_WRITE;
	if (addr >= HAL_USER_END || !m->root)
		return false;
	if (t->page == (addr >> PAGE_SHIFT) + 1 && t->generation == m->generation) {
		check_hit(m, addr, t);
		bool allowed = (!write || t->rights & PTE_WRITE) && (!(*access & FAULT_EXEC) || !(t->rights & PTE_NX));
		if (allowed && (!write || t->dirty)) {
			count(&host_mmu_stat.tlb_hits);
			*pfn = t->pfn;
			return true;
		}
	}
	count(&host_mmu_stat.tlb_misses);
	struct upper_entry u;
	if (!find_table(m, addr, &u))
		return false;
	pte_t *e = &((pte_t *)hal_frame_ptr(u.table))[table_index(addr, 1)];
	pte_t v = hal_entry_load(e);
	for (;;) {
		if (!(v.bits & PTE_PRESENT))
			return false;
		*access |= FAULT_PRESENT;
		if ((write && !(v.bits & u.rights & PTE_WRITE)) || (*access & FAULT_EXEC && v.bits & PTE_NX))
			return false;
		pte_t marked = pte_set(v, PTE_ACCESSED | (write ? PTE_DIRTY : 0));
		if (hal_entry_cmpxchg(e, &v, marked))
			break;
	}
	*t = (struct tlb_entry){ .page = (addr >> PAGE_SHIFT) + 1, .pfn = pte_pfn(v), .generation = m->generation, .dirty = write,
		                     .rights = (v.bits & u.rights & PTE_WRITE) | (v.bits & PTE_NX) };
	*pfn = t->pfn;
	return true;
}

/* As translate, through faults. True: the MMU is locked, so that *pfn stays what addr shows. */
static bool reach_locked(uaddr_t addr, unsigned want, pfn_t *pfn, struct fault_verdict *verdict)
{
	struct mmu *m = mmu();
	for (unsigned tries = 0; host_threads || host_turns || tries < 100; tries++) {
		unsigned access = want | FAULT_USER;
		mmu_lock(m);
		if (translate(m, addr, &access, pfn))
			return true;
		mmu_unlock(m);
		hal_tlb_flush_local(addr); /* a fault drops what is cached for its address */
		count(&host_mmu_stat.faults);
		*verdict = fault_handle(m->space, addr, access);
		if (verdict->kind != FAULT_MAPPED && verdict->kind != FAULT_RETRY)
			return false;
	}
	hal_panic("fault at %#lx does not end", (unsigned long)addr);
}

static size_t move(uaddr_t addr, char *buf, size_t len, unsigned access, struct fault_verdict *verdict)
{
	size_t done = 0;
	*verdict = (struct fault_verdict){ .kind = FAULT_MAPPED };
	while (done < len) {
		size_t part = min(len - done, PAGE_SIZE - (addr & ~PAGE_MASK));
		pfn_t pfn;
		if (!reach_locked(addr, access, &pfn, verdict))
			return done;
		char *p = (char *)hal_frame_ptr(pfn) + (addr & ~PAGE_MASK);
		if (access & FAULT_WRITE)
			memcpy(p, buf + done, part);
		else
			memcpy(buf + done, p, part);
		mmu_unlock(mmu());
		done += part;
		addr += part;
	}
	return done;
}

size_t host_load(uaddr_t addr, void *buf, size_t len, struct fault_verdict *verdict)
{
	return move(addr, buf, len, 0, verdict);
}

size_t host_store(uaddr_t addr, const void *buf, size_t len, struct fault_verdict *verdict)
{
	return move(addr, (char *)buf, len, FAULT_WRITE, verdict);
}

bool host_fetch(uaddr_t addr, struct fault_verdict *verdict)
{
	pfn_t pfn;
	*verdict = (struct fault_verdict){ .kind = FAULT_MAPPED };
	bool may = reach_locked(addr, FAULT_EXEC, &pfn, verdict);
	if (may)
		mmu_unlock(mmu());
	return may;
}

/* SPDX-License-Identifier: MIT */
/* Per-CPU rings of trace records. Only a ring's own CPU writes it; readers stop it by its lock. */
#include <asm/errno.h>
#include <hal/lock.h>
#include <hal/time.h>
#include <lib/string.h>
#include <mm/host.h>
#include <mm/slab.h>
#include <mm/trace.h>

u32 trace_mask;

struct ring {
	u8 lock;
	u64 head, tail; /* records written, records read */
	u64 lost;
	struct trace_record *records;
};

static struct ring rings[HAL_MAX_CPUS];

static const struct {
	const char *name, *format;
} events[TRACE_NR] = {
	[TRACE_FAULT] = { "fault", "address:x access:f8(present,write,user,reserved,exec)+"
	                           "cause:e8(zero-fill,zero-page,file-page,shared-memory,copy,own,swap-in,special,stale,retry,signal,no-memory)+"
	                           "signal:u8+code:u8+major:b8 frame:x cost:n" },
	[TRACE_MAP] = { "map", "start:x length:u rights:f8(read,write,exec)+flags:x48+heap:b8 file:u" },
	[TRACE_UNMAP] = { "unmap", "start:x length:u" },
	[TRACE_SHARE] = { "share", "parent_root:x child_root:x tables:u" },
	[TRACE_UNSHARE] = { "unshare", "address:x table:x sharers_left:u" },
	[TRACE_COPY] = { "copy", "address:x from:x to:x" },
	[TRACE_NO_MEMORY] = { "no-memory", "order:u alloc:x kind:u" },
	[TRACE_KILL] = { "kill", "pid:u pages:u tables:u adj:s" },
	[TRACE_CANDIDATE] = { "candidate", "pid:u points:s pages:u adj:s" },
	[TRACE_OPEN] = { "open", "file:u name:t3" },
	[TRACE_FILL] = { "fill", "file:u index:u pages:u waits:b8+metadata:b8" },
	[TRACE_DIRTY] = { "dirty", "file:u index:u pages:u metadata:b" },
	[TRACE_WRITE] = { "write", "file:u index:u pages:u metadata:b" },
	[TRACE_WRITTEN] = { "written", "file:u index:u pages:u failed:x" },
	[TRACE_JUDGE] = { "judge", "frame:x verdict:e8(keep,evict)+from:u8+to:u8+used:f8(mapped,twice,exec,call,dirty,locked,protected)+anon:b8" },
	[TRACE_VICTIM] = { "victim", "frame:x file:u index:u address:x" },
	[TRACE_EVICT] = { "evict", "frame:x outcome:e8(freed,to-swap,dirty,busy,in-use)" },
	[TRACE_RECLAIM] = { "reclaim", "wanted:u freed:u group:u cost:n56+worker:b8" },
	[TRACE_SWAP_OUT] = { "swap-out", "slot:x frame:x" },
	[TRACE_SWAP_IN] = { "swap-in", "slot:x frame:x pages:u" },
	[TRACE_MIGRATE] = { "migrate", "from:x to:x error:s" },
	[TRACE_COMPACT] = { "compact", "order:u found:b8+worker:b8 cost:n" },
	[TRACE_SWITCH] = { "switch", "next:u cr3:x previous_sleeps:b" },
	[TRACE_FORK] = { "fork", "child:u flags:x" },
	[TRACE_EXEC] = { "exec", "name:t2" },
	[TRACE_EXIT] = { "exit", "status:x" },
};

const char *trace_name(enum trace_event e) { return events[e].name; }
const char *trace_format(enum trace_event e) { return events[e].format; }

static u32 ring_records = TRACE_RING_RECORDS; /* a power of two */
static u32 reader_tid;

void trace_write_at(u64 ns, enum trace_event e, u64 a0, u64 a1, u64 a2, u64 a3)
{
	u32 tid = host_tid();
	if (unlikely(tid == READ_ONCE(reader_tid)))
		return;
	unsigned long flags = hal_irq_save();
	unsigned cpu = hal_cpu_id();
	struct ring *r = &rings[cpu];
	byte_lock_nested(&r->lock, RANK_LOG);
	if (r->records) {
		if (r->head - r->tail == ring_records) {
			r->tail++;
			r->lost++;
		}
		r->records[r->head++ & (ring_records - 1)] = (struct trace_record){ ns, (u16)e, (u16)cpu, tid, { a0, a1, a2, a3 } };
	}
	byte_unlock(&r->lock, RANK_LOG);
	hal_irq_restore(flags);
}

void trace_write(enum trace_event e, u64 a0, u64 a1, u64 a2, u64 a3) { trace_write_at(hal_clock_ns(), e, a0, a1, a2, a3); }

u32 trace_size(void) { return ring_records; }

int trace_set_size(u32 records)
{
	if (records < TRACE_RING_RECORDS || records > TRACE_MAX_RECORDS || records & (records - 1))
		return -EINVAL;
	if (READ_ONCE(trace_mask))
		return -EBUSY;
	trace_release();
	ring_records = records;
	return 0;
}

int trace_enable(u32 mask, u32 reader)
{
	for (unsigned i = 0; mask && i < hal_nr_cpus(); i++) {
		if (rings[i].records)
			continue;
		rings[i].records = kmalloc(ring_records * sizeof(struct trace_record), ALLOC_KERNEL);
		if (!rings[i].records)
			return -ENOMEM;
	}
	WRITE_ONCE(reader_tid, reader);
	WRITE_ONCE(trace_mask, mask);
	return 0;
}

void trace_release(void)
{
	WRITE_ONCE(trace_mask, 0);
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++) {
		struct ring *r = &rings[i];
		unsigned long flags = hal_irq_save();
		byte_lock_nested(&r->lock, RANK_LOG);
		struct trace_record *records = r->records;
		r->records = NULL;
		r->head = r->tail = r->lost = 0;
		byte_unlock(&r->lock, RANK_LOG);
		hal_irq_restore(flags);
		kfree(records);
	}
}

unsigned trace_read(unsigned cpu, struct trace_record *out, unsigned n, u64 *lost)
{
	struct ring *r = &rings[cpu];
	unsigned done = 0;
	unsigned long flags = hal_irq_save();
	byte_lock_nested(&r->lock, RANK_LOG);
	for (; done < n && r->tail != r->head; done++)
		out[done] = r->records[r->tail++ & (ring_records - 1)];
	*lost = r->lost;
	r->lost = 0;
	byte_unlock(&r->lock, RANK_LOG);
	hal_irq_restore(flags);
	return done;
}

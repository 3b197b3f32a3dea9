/* SPDX-License-Identifier: MIT */
/* Per-CPU rings of trace records. Only a ring's own CPU writes it; readers stop it by its lock. */
#include <asm/errno.h>
#include <hal/lock.h>
#include <hal/time.h>
#include <lib/string.h>
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

static const char *const names[TRACE_NR] = {
	[TRACE_FAULT] = "fault", [TRACE_MAP] = "map",   [TRACE_UNMAP] = "unmap",          [TRACE_SHARE] = "share",
	[TRACE_UNSHARE] = "unshare", [TRACE_COPY] = "copy", [TRACE_NO_MEMORY] = "no-memory",
	[TRACE_KILL] = "kill",
};

const char *trace_name(enum trace_event e) { return names[e]; }

void trace_write(enum trace_event e, u64 a0, u64 a1, u64 a2, u64 a3)
{
	unsigned long flags = hal_irq_save();
	unsigned cpu = hal_cpu_id();
	struct ring *r = &rings[cpu];
	byte_lock_nested(&r->lock, RANK_LOG);
	if (r->records) {
		if (r->head - r->tail == TRACE_RING_RECORDS) {
			r->tail++;
			r->lost++;
		}
		r->records[r->head++ % TRACE_RING_RECORDS] =
		        (struct trace_record){ hal_clock_ns(), (u16)e, (u16)cpu, 0, { a0, a1, a2, a3 } };
	}
	byte_unlock(&r->lock, RANK_LOG);
	hal_irq_restore(flags);
}

int trace_enable(u32 mask)
{
	for (unsigned i = 0; mask && i < hal_nr_cpus(); i++) {
		if (rings[i].records)
			continue;
		rings[i].records = kmalloc(TRACE_RING_RECORDS * sizeof(struct trace_record), ALLOC_KERNEL);
		if (!rings[i].records)
			return -ENOMEM;
	}
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
		out[done] = r->records[r->tail++ % TRACE_RING_RECORDS];
	*lost = r->lost;
	r->lost = 0;
	byte_unlock(&r->lock, RANK_LOG);
	hal_irq_restore(flags);
	return done;
}

/* SPDX-License-Identifier: MIT */
/* Clocks: wall-clock time as an offset to the monotonic one, and CPU-time clocks of tasks. */
#include <hal/cpu.h>
#include <hal/time.h>
#include <kernel/errno.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <linux/time.h>

static s64 offset_ns; /* atomic */
void (*clock_offset_changed)(s64 offset_ns);

s64 clock_realtime_offset_ns(void) { return READ_ONCE(offset_ns); }
s64 clock_realtime_ns(void) { return (s64)hal_clock_ns() + READ_ONCE(offset_ns); }

void clock_set_realtime(s64 ns)
{
	WRITE_ONCE(offset_ns, ns - (s64)hal_clock_ns());
	if (clock_offset_changed)
		clock_offset_changed(offset_ns);
}

/* CPU-time clocks of others have negative ids: ~pid << 3 | thread flag 4 | kind (0 prof, 1 virt, 2 sched). */
static int read_cpu_clock(s32 id, s64 *ns)
{
	u32 nr = (u32)~(id >> 3), kind = id & 3;
	u64 u = 0, s = 0;
	int err = kind == 3 ? -EINVAL : 0;
	struct task *t = err ? NULL : nr ? task_find(nr) : current;
	if (!t)
		return -EINVAL;
	if (nr == 0)
		task_get(t);
	if (id & 4) {
		if (t->process != current->process)
			err = -EINVAL;
		else
			task_cpu_times(t, &u, &s);
	} else if (nr && t->process->pid != nr) {
		err = -EINVAL;
	} else {
		process_cpu_times(t->process, &u, &s);
	}
	task_put(t);
	*ns = (s64)(kind == 1 ? u : u + s);
	return err;
}

int clock_read(s32 clock_id, s64 *ns)
{
	u64 u, s;
	switch (clock_id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
		*ns = clock_realtime_ns();
		return 0;
	case CLOCK_TAI:
		*ns = clock_realtime_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = (s64)hal_clock_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		process_cpu_times(current->process, &u, &s);
		*ns = (s64)(u + s);
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		task_cpu_times(current, &u, &s);
		*ns = (s64)(u + s);
		return 0;
	}
	return clock_id < 0 ? read_cpu_clock(clock_id, ns) : -EINVAL;
}

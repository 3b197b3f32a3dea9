/* SPDX-License-Identifier: MIT */
/*
 * rseq(2): per thread an area in user memory with the number of its CPU, and a pointer to a descriptor
 * of the sequence it executes. When the thread was preempted, moved or gets a signal inside the
 * sequence, it goes on at the sequence's abort address. Source: <linux/rseq.h>, rseq(2).
 */
#include <hal/mmu.h>
#include <hal/uaccess.h>
#include <kernel/rseq.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <linux/rseq.h>
#include <linux/sched.h>

#define AREA_SIZE 32u /* the original layout, all that 6.1 accepts */

static void clear(struct task *t)
{
	t->rseq_area = 0;
	t->rseq_len = t->rseq_sig = 0;
}

void rseq_fork(struct task *child, u64 clone_flags)
{
	clear(child);
	if (clone_flags & CLONE_VM)
		return;
	child->rseq_area = current->rseq_area;
	child->rseq_len = current->rseq_len;
	child->rseq_sig = current->rseq_sig;
	/* Its copy of the area is right while it runs where its parent did: no write, no page to copy. */
	child->rseq_cpu = current->rseq_cpu;
}

void rseq_exec(struct task *t) { clear(t); }

static int write_cpu(struct task *t, u32 start, u32 id)
{
	u32 both[2] = { start, id };
	return copy_to_user(t->rseq_area, both, sizeof(both)) ? -EFAULT : 0;
}

/* 0, or the descriptor is unusable. */
static int abort_sequence(struct task *t, struct hal_regs *regs)
{
	struct rseq_cs cs;
	u64 ptr, none = 0;
	u32 signature;
	if (get_user(ptr, t->rseq_area + offsetof(struct rseq, rseq_cs)))
		return -EFAULT;
	if (!ptr)
		return 0;
	if (copy_from_user(&cs, ptr, sizeof(cs)))
		return -EFAULT;
	if (cs.version > 0 || cs.start_ip >= HAL_USER_END || cs.start_ip + cs.post_commit_offset >= HAL_USER_END ||
	    cs.abort_ip >= HAL_USER_END || cs.start_ip + cs.post_commit_offset < cs.start_ip)
		return -EINVAL;
	if (cs.abort_ip - cs.start_ip < cs.post_commit_offset)
		return -EINVAL;
	if (get_user(signature, cs.abort_ip - sizeof(signature)))
		return -EFAULT;
	if (signature != t->rseq_sig)
		return -EINVAL;
	if (put_user(none, t->rseq_area + offsetof(struct rseq, rseq_cs)))
		return -EFAULT;
	if (hal_regs_ip(regs) - cs.start_ip < cs.post_commit_offset)
		hal_regs_set_ip(regs, cs.abort_ip);
	return 0;
}

void rseq_prepare_return(struct hal_regs *regs)
{
	struct task *t = current;
	if (t->rseq_area && abort_sequence(t, regs))
		signal_force_fatal(SIGSEGV);
}

void rseq_exit_to_user(struct hal_regs *regs)
{
	struct task *t = current;
	if (!t->rseq_area)
		return;
	u32 cpu = hal_cpu_id();
	bool is_new = t->rseq_cpu != cpu;
	t->rseq_cpu = cpu;
	if (abort_sequence(t, regs) || (is_new && write_cpu(t, cpu, cpu)))
		signal_force_fatal(SIGSEGV);
}

static long unregister(struct task *t, uaddr_t area, u32 len, u32 sig)
{
	if (t->rseq_area != area || !area || len != AREA_SIZE)
		return -EINVAL;
	if (t->rseq_sig != sig)
		return -EPERM;
	if (write_cpu(t, 0, (u32)RSEQ_CPU_ID_UNINITIALIZED))
		return -EFAULT;
	clear(t);
	return 0;
}

SYSCALL4(rseq, area, len, flags, sig)
{
	struct task *t = current;
	if (flags & RSEQ_FLAG_UNREGISTER)
		return flags & ~(u64)RSEQ_FLAG_UNREGISTER ? -EINVAL : unregister(t, area, (u32)len, (u32)sig);
	if (flags)
		return -EINVAL;
	if (t->rseq_area) {
		if (t->rseq_area != area || len != t->rseq_len)
			return -EINVAL;
		return t->rseq_sig != (u32)sig ? -EPERM : -EBUSY;
	}
	if (area % AREA_SIZE || len != AREA_SIZE)
		return -EINVAL;
	if (area >= HAL_USER_END - AREA_SIZE)
		return -EFAULT;
	t->rseq_area = area;
	t->rseq_len = (u32)len;
	t->rseq_sig = (u32)sig;
	t->rseq_cpu = ~0u;
	task_set_work(t, WORK_OTHER);
	return 0;
}

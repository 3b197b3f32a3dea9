/* SPDX-License-Identifier: MIT */
/*
 * Calls on the memory of other processes and CPUs: process_vm_readv, process_vm_writev,
 * process_madvise, membarrier.
 *
 * No page of the other process is pinned: bytes go through a kernel buffer of one page, and each part
 * goes through that process's tables at the moment it is copied.
 */
#include <fs/file.h>
#include <fs/iov.h>
#include <hal/mmu.h>
#include <hal/uaccess.h>
#include <kernel/pidfd.h>
#include <kernel/ptrace.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/mman.h>
#include <mm/inspect.h>
#include <mm/mman.h>
#include <mm/slab.h>
#include <mm/space.h>

#define MAX_IOV 1024

static long import_iov(uaddr_t uvec, u64 nr, struct iovec_k **out)
{
	*out = NULL;
	if (nr > MAX_IOV)
		return -EINVAL;
	if (!nr)
		return 0;
	struct iovec_k *v = kmalloc(nr * sizeof(*v), ALLOC_KERNEL);
	if (!v)
		return -ENOMEM;
	u64 total = 0;
	long err = copy_from_user(v, uvec, nr * sizeof(*v)) ? -EFAULT : 0;
	for (u64 i = 0; !err && i < nr; i++) {
		total += v[i].len;
		if ((s64)v[i].len < 0 || (s64)total < 0)
			err = -EINVAL;
	}
	if (err)
		kfree(v);
	else
		*out = v;
	return err;
}

static long get_space(u64 pid, struct space **out)
{
	struct task *t = task_find((u32)pid);
	if (!t)
		return -ESRCH;
	bool ok = ptrace_may_access(t, false);
	*out = ok ? task_get_space(t) : NULL;
	task_put(t);
	return !ok ? -EPERM : *out ? 0 : -ESRCH;
}

/* Copies one remote piece; returns bytes done. local: the caller's pieces, advanced. */
static long copy_piece(struct space *s, const struct iovec_k *r, struct iov *local, char *buf, bool write)
{
	u64 done = 0;
	while (done < r->len && local->left) {
		u64 at = (r->base + done) & ~PAGE_MASK;
		u64 n = min(min(PAGE_SIZE - at, r->len - done), local->left), moved;
		if (write) {
			moved = iov_copy_from(local, buf, n);
			moved = moved ? space_access(s, r->base + done, buf, moved, true, false) : 0;
		} else {
			n = space_access(s, r->base + done, buf, n, false, false);
			moved = n ? iov_copy_to(local, buf, n) : 0;
		}
		done += moved;
		if (moved < n || !moved)
			break;
	}
	return (long)done;
}

static long process_vm_rw(u64 pid, u64 lvec, u64 nr_local, u64 rvec, u64 nr_remote, u64 flags, bool write)
{
	struct iovec_k *local, *remote = NULL;
	struct space *s = NULL;
	char *buf = NULL;
	long total = 0;
	if (flags)
		return -EINVAL;
	long err = import_iov(lvec, nr_local, &local);
	if (!err)
		err = import_iov(rvec, nr_remote, &remote);
	if (err || !local || !remote)
		goto out;
	struct iov v = { .vec = local, .nr = (unsigned)nr_local };
	for (u64 i = 0; i < nr_local; i++)
		v.left += local[i].len;
	if (!v.left)
		goto out;
	err = get_space(pid, &s);
	buf = err ? NULL : kmalloc(PAGE_SIZE, ALLOC_KERNEL);
	if (!err && !buf)
		err = -ENOMEM;
	for (u64 i = 0; !err && i < nr_remote && v.left; i++) {
		u64 want = min(remote[i].len, v.left);
		long n = copy_piece(s, &remote[i], &v, buf, write);
		total += n;
		if ((u64)n < want)
			err = -EFAULT;
	}
out:
	kfree(buf);
	if (s)
		space_put(s);
	kfree(local);
	kfree(remote);
	return total ? total : err;
}

SYSCALL6(process_vm_readv, pid, lvec, nr_local, rvec, nr_remote, flags)
{
	return process_vm_rw(pid, lvec, nr_local, rvec, nr_remote, flags, false);
}

SYSCALL6(process_vm_writev, pid, lvec, nr_local, rvec, nr_remote, flags)
{
	return process_vm_rw(pid, lvec, nr_local, rvec, nr_remote, flags, true);
}

static bool advice_is_harmless(u64 advice)
{
	return advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_WILLNEED || advice == 25 /* MADV_COLLAPSE */;
}

SYSCALL5(process_madvise, pidfd, uvec, nr, advice, flags)
{
	struct iovec_k *v = NULL;
	if (flags)
		return -EINVAL;
	long err = import_iov(uvec, nr, &v);
	if (err)
		return err;
	struct file *f = fd_get((int)pidfd);
	struct process *p = f ? pidfd_process(f) : NULL;
	struct space *s = NULL;
	if (!p)
		err = -EBADF;
	else if (!advice_is_harmless(advice))
		err = -EINVAL;
	else if (p != current->process && !capable(CAP_SYS_NICE))
		err = -EPERM;
	else if (!ptrace_may_access(p->leader, false) || !(s = task_get_space(p->leader)))
		err = -ESRCH;
	long done = 0;
	for (u64 i = 0; !err && i < nr; i++) {
		err = space_madvise(s, v[i].base, v[i].len, (int)advice);
		if (!err)
			done += (long)v[i].len;
	}
	if (s)
		space_put(s);
	if (p)
		process_put(p);
	if (f)
		file_put(f);
	kfree(v);
	return done ? done : err;
}

/* ---- membarrier ---- */

#define MEMBARRIER_ALL                                                                                                          \
	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |                       \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE | \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE | MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ |                              \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ)

/* A flush that other CPUs acknowledge is a full barrier on each of them. */
static void barrier_on(cpumask_t cpus)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	hal_tlb_flush(cpus, current->space->root_pfn, 0, PAGE_SIZE, false);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

SYSCALL3(membarrier, cmd, flags, cpu_id)
{
	struct process *p = current->process;
	cpumask_t all = hal_nr_cpus() == 64 ? ~0ull : (1ull << hal_nr_cpus()) - 1;
	if (flags && !(cmd == MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ && flags == MEMBARRIER_CMD_FLAG_CPU))
		return -EINVAL;
	switch (cmd) {
	case MEMBARRIER_CMD_QUERY:
		return MEMBARRIER_ALL;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		barrier_on(all);
		return 0;
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
		return 0;
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ:
		__atomic_fetch_or(&p->membarrier_registered, (u32)cmd >> 1, __ATOMIC_RELAXED);
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ:
		if (!(READ_ONCE(p->membarrier_registered) & cmd))
			return -EPERM;
		barrier_on(READ_ONCE(current->space->cpus));
		return 0;
	}
	return -EINVAL;
}

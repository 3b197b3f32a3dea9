/* SPDX-License-Identifier: MIT */
/* A stopped tracee's registers and the system call it is in. Source: ptrace(2); <linux/elf.h> for the sets. */
#include "internal.h"
#include <fs/iov.h>
#include <hal/ptrace.h>
#include <hal/uaccess.h>
#include <lib/string.h>
#include <linux/audit.h>
#include <linux/elf.h>
#include <mm/slab.h>

#define REGS_SIZE (HAL_NR_USER_REGS * sizeof(u64))
#define FLAGS_WORD 18
#define STEP_FLAG (1ul << 8)
/* struct user of <sys/user.h>: the debug registers at its end. */
#define USER_SIZE 912u
#define USER_DEBUG_REGS 848u

/* The program's own registers, without the tracer's step. */
static void trace_get_regs(const struct trace *tr, u64 *words)
{
	hal_user_regs_get(&tr->task->ctx, words);
	if (tr->forced_step)
		words[FLAGS_WORD] &= ~STEP_FLAG;
}

static int trace_set_regs(struct trace *tr, const u64 *words)
{
	int err = hal_user_regs_set(&tr->task->ctx, words);
	if (!err && words[FLAGS_WORD] & STEP_FLAG)
		tr->forced_step = false; /* the program's own now */
	else if (!err && tr->forced_step)
		hal_regs_set_step(hal_context_regs(&tr->task->ctx), true);
	return err;
}

long ptrace_get_regs(struct trace *tr, uaddr_t to)
{
	u64 words[HAL_NR_USER_REGS];
	trace_get_regs(tr, words);
	return copy_to_user(to, words, REGS_SIZE) ? -EFAULT : 0;
}

/* The first len bytes of them. */
static long set_regs_part(struct trace *tr, uaddr_t from, size_t len)
{
	u64 words[HAL_NR_USER_REGS];
	trace_get_regs(tr, words);
	if (copy_from_user(words, from, len))
		return -EFAULT;
	return trace_set_regs(tr, words);
}

long ptrace_set_regs(struct trace *tr, uaddr_t from) { return set_regs_part(tr, from, REGS_SIZE); }

/* `size` bytes of floating-point state, of which len go from or to the user. */
static long fpu_part(struct trace *tr, size_t size, uaddr_t at, size_t len, bool write)
{
	u8 *buf = kzalloc(size, ALLOC_KERNEL);
	long err = 0;
	if (!buf)
		return -ENOMEM;
	hal_user_fpu_get(&tr->task->ctx, buf, size);
	if (write) {
		err = copy_from_user(buf, at, len) ? -EFAULT : hal_user_fpu_set(&tr->task->ctx, buf, size);
	} else if (copy_to_user(at, buf, len)) {
		err = -EFAULT;
	}
	kfree(buf);
	return err;
}

long ptrace_fpregs(struct trace *tr, uaddr_t at, bool write)
{
	return fpu_part(tr, HAL_USER_FPREGS_SIZE, at, HAL_USER_FPREGS_SIZE, write);
}

long ptrace_regset(struct trace *tr, u64 type, uaddr_t uiov, bool write)
{
	struct iovec_k iov;
	if (copy_from_user(&iov, uiov, sizeof(iov)))
		return -EFAULT;
	size_t size = type == NT_PRSTATUS ? REGS_SIZE : type == NT_PRFPREG ? HAL_USER_FPREGS_SIZE : type == NT_X86_XSTATE ? hal_user_fpu_size() : 0;
	if (!size || iov.len % sizeof(u64))
		return -EINVAL;
	if (type == NT_X86_XSTATE && size == HAL_USER_FPREGS_SIZE)
		return -ENODEV; /* a CPU without it */
	iov.len = min(iov.len, (u64)size);
	long err;
	if (type == NT_X86_XSTATE && write && iov.len != size)
		err = -EFAULT; /* it cannot be set in part */
	else if (type != NT_PRSTATUS)
		err = fpu_part(tr, size, iov.base, iov.len, write);
	else if (write)
		err = set_regs_part(tr, iov.base, iov.len);
	else {
		u64 words[HAL_NR_USER_REGS];
		trace_get_regs(tr, words);
		err = copy_to_user(iov.base, words, iov.len) ? -EFAULT : 0;
	}
	if (err)
		return err;
	u64 len = iov.len;
	return put_user(len, uiov + offsetof(struct iovec_k, len)) ? -EFAULT : 0;
}

long ptrace_peek_user(struct trace *tr, u64 offset, uaddr_t to)
{
	u64 words[HAL_NR_USER_REGS], value = 0;
	if (offset % sizeof(u64) || offset >= USER_SIZE)
		return -EIO;
	if (offset < REGS_SIZE) {
		trace_get_regs(tr, words);
		value = words[offset / sizeof(u64)];
	} else if (offset >= USER_DEBUG_REGS) {
		value = hal_user_debug_get(&tr->task->ctx, (unsigned)((offset - USER_DEBUG_REGS) / sizeof(u64)));
	}
	return put_user(value, to) ? -EFAULT : 0;
}

long ptrace_poke_user(struct trace *tr, u64 offset, u64 value)
{
	u64 words[HAL_NR_USER_REGS];
	if (offset % sizeof(u64) || offset >= USER_SIZE)
		return -EIO;
	if (offset >= USER_DEBUG_REGS)
		return hal_user_debug_set(&tr->task->ctx, (unsigned)((offset - USER_DEBUG_REGS) / sizeof(u64)), value);
	if (offset >= REGS_SIZE)
		return -EIO;
	trace_get_regs(tr, words);
	words[offset / sizeof(u64)] = value;
	return trace_set_regs(tr, words);
}

long ptrace_call_info(struct trace *tr, u64 size, uaddr_t to)
{
	const struct hal_regs *r = hal_context_regs(&tr->task->ctx);
	struct ptrace_syscall_info info;
	u64 actual = offsetof(struct ptrace_syscall_info, entry);
	memset(&info, 0, sizeof(info));
	info.arch = AUDIT_ARCH_X86_64;
	info.instruction_pointer = hal_regs_ip(r);
	info.stack_pointer = hal_regs_sp(r);
	if (tr->code == (SIGTRAP | 0x80) && tr->message == PTRACE_EVENTMSG_SYSCALL_ENTRY) {
		info.op = PTRACE_SYSCALL_INFO_ENTRY;
		info.entry.nr = hal_regs_syscall_nr(r);
		for (unsigned n = 0; n < 6; n++)
			info.entry.args[n] = hal_regs_syscall_arg(r, n);
		actual = offsetof(struct ptrace_syscall_info, entry.args) + sizeof(info.entry.args);
	} else if (tr->code == (SIGTRAP | 0x80) && tr->message == PTRACE_EVENTMSG_SYSCALL_EXIT) {
		info.op = PTRACE_SYSCALL_INFO_EXIT;
		info.exit.rval = (s64)hal_regs_ret(r);
		info.exit.is_error = info.exit.rval < 0 && info.exit.rval >= -4095;
		actual = offsetof(struct ptrace_syscall_info, exit.is_error) + sizeof(info.exit.is_error);
	}
	return copy_to_user(to, &info, min(size, actual)) ? -EFAULT : (long)actual;
}

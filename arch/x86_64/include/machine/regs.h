/* SPDX-License-Identifier: MIT */
/* The user's registers as kernel entry saves them, in the order of Linux's struct pt_regs. */
#ifndef MACHINE_REGS_H
#define MACHINE_REGS_H

#include <hal/types.h>

struct hal_regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax; /* system call number; exceptions: error code; interrupts: ~0 */
	u64 rip, cs, eflags, rsp, ss;
};

#define USER_CS   0x33ul
#define USER_DS   0x2bul
#define KERNEL_CS 0x10ul
#define KERNEL_DS 0x18ul

static inline bool hal_regs_is_user(const struct hal_regs *r) { return r->cs & 3; }
static inline u64 hal_regs_ip(const struct hal_regs *r) { return r->rip; }
static inline u64 hal_regs_sp(const struct hal_regs *r) { return r->rsp; }
static inline u64 hal_regs_ret(const struct hal_regs *r) { return r->rax; }
static inline void hal_regs_set_ip(struct hal_regs *r, u64 v) { r->rip = v; }
static inline void hal_regs_set_sp(struct hal_regs *r, u64 v) { r->rsp = v; }
static inline void hal_regs_set_ret(struct hal_regs *r, u64 v) { r->rax = v; }
static inline void hal_regs_set_arg0(struct hal_regs *r, u64 v) { r->rdi = v; }
static inline u64 hal_regs_syscall_nr(const struct hal_regs *r) { return r->orig_rax; }

static inline u64 hal_regs_syscall_arg(const struct hal_regs *r, unsigned i)
{
	const u64 args[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };
	return args[i];
}

/* The system call is over: nothing of it is left to restart. */
static inline void hal_regs_leave_syscall(struct hal_regs *r) { r->orig_rax = ~0ul; }

/* The return to user mode executes the SYSCALL instruction (2 bytes) again, with this number. */
static inline void hal_regs_restart_syscall(struct hal_regs *r, u64 nr)
{
	r->rax = nr;
	r->rip -= 2;
}

/* What a program starts with: all zero but these. */
static inline void hal_regs_init_user(struct hal_regs *r, u64 ip, u64 sp)
{
	*r = (struct hal_regs){ .rip = ip, .cs = USER_CS, .eflags = 0x202, .rsp = sp, .ss = USER_DS, .orig_rax = ~0ul };
}

#endif

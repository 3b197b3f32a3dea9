/* SPDX-License-Identifier: MIT */
/* What the files of kernel/ptrace/ share. */
#ifndef KERNEL_PTRACE_INTERNAL_H
#define KERNEL_PTRACE_INTERNAL_H

#include <kernel/errno.h>
#include <kernel/ptrace.h>
#include <linux/signal.h>

#define PTRACE_O_KNOWN (0xffu | PTRACE_O_EXITKILL)

/* attach.c */
long ptrace_traceme(void);
/* PTRACE_ATTACH, PTRACE_SEIZE */
long ptrace_attach(struct task *t, bool seize, u64 addr, u64 options);

/* stop.c: goes on with `sig`; tasklist_lock is not needed. Not stopped: nothing. */
void trace_resume(struct trace *tr, enum trace_mode mode, u32 sig);
/* It listens, and has something to tell: makes its next stop. signal_lock held. */
void trace_stop_anew_locked(struct trace *tr);
/* The request is over (T3): who was resumed or killed meanwhile goes. */
void trace_let_go(struct trace *tr);

/* regset.c, of a stopped task. */
long ptrace_regset(struct trace *tr, u64 type, uaddr_t uiov, bool write);
long ptrace_get_regs(struct trace *tr, uaddr_t to);
long ptrace_set_regs(struct trace *tr, uaddr_t from);
long ptrace_fpregs(struct trace *tr, uaddr_t at, bool write);
long ptrace_peek_user(struct trace *tr, u64 offset, uaddr_t to);
long ptrace_poke_user(struct trace *tr, u64 offset, u64 value);
long ptrace_call_info(struct trace *tr, u64 size, uaddr_t to);

#endif

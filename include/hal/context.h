/* SPDX-License-Identifier: MIT */
/*
 * Execution contexts: kernel stacks, switching, entering user mode.
 *
 * <machine/regs.h> defines struct hal_regs: the user registers saved at kernel entry (x86-64: the
 * order of Linux's pt_regs), always at the top of the task's kernel stack; and accessors
 *   u64 hal_regs_ip/sp/ret(const struct hal_regs *), hal_regs_set_ip/sp/ret/arg0(...)
 *   u64 hal_regs_syscall_nr(...), hal_regs_syscall_arg(regs, 0..5)
 */
#ifndef HAL_CONTEXT_H
#define HAL_CONTEXT_H

#include <hal/types.h>
#include <machine/regs.h>

struct hal_debug;

#define HAL_STACK_SIZE (16 * 1024ul)

struct hal_context {
	u64 kernel_sp;   /* saved stack pointer while not running */
	void *stack_top; /* top of the kernel stack */
	u64 fs_base, gs_base; /* user segment bases */
	void *fpu;       /* saved FPU/SSE/AVX state; NULL for kernel threads */
	struct hal_debug *debug; /* a tracer's breakpoints of the CPU (hal/ptrace.h), or NULL */
	u64 debug_status;        /* HAL_DEBUG_* of the last debug exception */
};

/* What a task entered the kernel with: at the top of its stack. */
static inline struct hal_regs *hal_context_regs(const struct hal_context *c) { return (struct hal_regs *)c->stack_top - 1; }

/* A kernel stack with an unmapped guard page below, or NULL; freed ones are kept for reuse. */
void *hal_stack_alloc(void); /* returns the top */
void hal_stack_free(void *stack_top);
/* Freed ones that are kept; gives the memory of up to nr of them back, how many did. Task context, interrupts
 * on, no spin lock held. */
u64 hal_stack_nr_ready(void);
u64 hal_stack_drain(u64 nr);

/* Prepares a context that calls kernel_context_started() with interrupts off, then fn(arg) in kernel
 * mode with interrupts on; fn never returns. */
void hal_context_init_kernel(struct hal_context *c, void *stack_top, void (*fn)(void *), void *arg);

/* Prepares a context whose first switch calls kernel_context_started() with interrupts off, then leaves
 * to user mode through kernel_exit_to_user (if there is work) with the registers that the caller then fills in (returned pointer, on the new stack). */
struct hal_regs *hal_context_init_user(struct hal_context *c, void *stack_top);

/* FPU state: a fresh one (exec), a copy of the running task's (fork). 0 or -ENOMEM. */
int hal_fpu_init(struct hal_context *c);
/* exec: the fresh state into an area that exists and into the registers. */
void hal_fpu_reset(struct hal_context *running);
int hal_fpu_copy(struct hal_context *child, const struct hal_context *running);
void hal_context_release(struct hal_context *c); /* frees the FPU area */

/* The running task's FPU state as the user sees it in a signal frame or core (XSAVE layout with
 * Linux's fpx_sw_bytes). Size in bytes; save writes to a kernel buffer; restore returns -EINVAL for
 * a malformed state. */
size_t hal_fpu_frame_size(void);
void hal_fpu_frame_save(struct hal_context *running, void *buf);
int hal_fpu_frame_restore(struct hal_context *running, const void *buf, size_t len);

/* Switches stacks; interrupts are off. `prev` may be a context that is never run again. The user
 * root is switched separately by space_switch(). */
void hal_context_switch(struct hal_context *prev, struct hal_context *next);

/* Leaves for user mode with *regs from a kernel thread's stack (first process, exec). */
void hal_enter_user(struct hal_regs *regs) __attribute__((noreturn));

/* The user segment bases of the running task (arch_prctl, CLONE_SETTLS). */
void hal_set_fs_base(struct hal_context *running, u64 base);
void hal_set_gs_base(struct hal_context *running, u64 base);

/* Does base lie in user space (canonical, below HAL_USER_END)? */
static inline bool hal_user_base_ok(u64 base) { return base < 0x00007ffffffff000ul; }

/* What the machine tells a program in its auxiliary vector. */
u64 hal_elf_hwcap(void);
u64 hal_elf_hwcap2(void);
#define HAL_ELF_PLATFORM "x86_64"

struct task;
/* The running task; set by the scheduler around a switch. <machine/cpu.h> has the inline read
 * `struct task *hal_current(void)`. */
void hal_set_current(struct task *t);

#endif

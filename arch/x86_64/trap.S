/* SPDX-License-Identifier: MIT */
/*
 * Kernel entry and exit: 256 vectors, the system call, the return to user mode, context switch.
 *
 * Every entry leaves a full struct hal_regs on the stack. GS is swapped exactly when the CPU comes from
 * user mode, which the saved CS tells.
 */
#define USER_CS 0x33
#define USER_DS 0x2b
#define PERCPU_CURRENT 0
#define PERCPU_KERNEL_SP 8
#define PERCPU_SCRATCH 16

#define REGS_RCX 88
#define REGS_R11 48
#define REGS_RIP 128
#define REGS_CS 136
#define REGS_FLAGS 144
#define REGS_SIZE 168

	.macro save_rest
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq %rax
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

	.macro restore_all
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
	popq %rdi
	.endm

	.text
	.align 16
	.globl vector_stubs
vector_stubs:
	vector = 0
	.rept 256
	.align 16
	/* These vectors push an error code themselves. */
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq $-1
	.endif
	pushq $vector
	jmp trap_common
	vector = vector + 1
	.endr

	/* A debug exception may come at the first instruction of syscall_entry, with the user's stack and GS: so it has a
	 * stack of its own, which it leaves for the task's when it comes from user mode. */
	.align 16
	.globl debug_entry
debug_entry:
	pushq $-1
	pushq $1
	xchgq %rdi, (%rsp)
	save_rest
	cld
	testb $3, REGS_CS(%rsp)
	jz trap_clac
	swapgs
	movq %gs:PERCPU_KERNEL_SP, %rdi
	swapgs
	subq $REGS_SIZE, %rdi
	movq %rdi, %rax
	movq %rsp, %rsi
	movl $REGS_SIZE / 8, %ecx
	rep movsq
	movq %rax, %rsp
	movl $1, %edi
	jmp trap_clac

	.align 16
trap_common:
	/* The vector stands where RDI belongs. */
	xchgq %rdi, (%rsp)
	save_rest
	cld
	.globl trap_clac
trap_clac:				/* CLAC where the CPU has SMAP: user mode, or a user copy, may have set AC */
	.byte 0x0f, 0x1f, 0x00
	testb $3, REGS_CS(%rsp)
	jz 1f
	swapgs
1:	movq %rsp, %rsi
	xorl %ebp, %ebp
	call trap_dispatch
	.globl trap_return
trap_return:
	testb $3, REGS_CS(%rsp)
	jz 2f
	cli
	movq %gs:PERCPU_CURRENT, %rax
	cmpl $0, (%rax)
	jne exit_work
exit_user:
	movq REGS_RIP(%rsp), %rdx
	shrq $47, %rdx
	jne bad_rip
exit_checked:
	swapgs
2:	restore_all
	addq $8, %rsp
	iretq

bad_rip:				/* IRET would fault in kernel mode: let the user fault at 0 */
	movq $0, REGS_RIP(%rsp)
	jmp exit_checked

exit_work:
	sti
	movq %rsp, %rdi
	call kernel_exit_to_user
	jmp trap_return

	.align 16
	.globl syscall_entry
syscall_entry:
	swapgs
	movq %rsp, %gs:PERCPU_SCRATCH
	movq %gs:PERCPU_KERNEL_SP, %rsp
	pushq $USER_DS
	pushq %gs:PERCPU_SCRATCH
	pushq %r11
	pushq $USER_CS
	pushq %rcx
	pushq %rax
	pushq %rdi
	save_rest
	sti
	movq %rsp, %rdi
	xorl %ebp, %ebp
	call kernel_syscall
	cli
	movq %gs:PERCPU_CURRENT, %rax
	cmpl $0, (%rax)
	jne exit_work
	/* SYSRET loads RIP from RCX and flags from R11: only when they are what the regs say, and the
	 * address is canonical (SDM: a non-canonical RCX faults in kernel mode). */
	movq REGS_RCX(%rsp), %rcx
	cmpq %rcx, REGS_RIP(%rsp)
	jne exit_user
	movq %rcx, %rdx
	shrq $47, %rdx
	jne exit_user
	movq REGS_R11(%rsp), %r11
	cmpq %r11, REGS_FLAGS(%rsp)
	jne exit_user
	cmpq $USER_CS, REGS_CS(%rsp)
	jne exit_user
	testq $0x10100, %r11		/* RF, TF */
	jne exit_user
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	addq $8, %rsp
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	addq $8, %rsp
	popq %rdx
	popq %rsi
	popq %rdi
	movq 32(%rsp), %rsp
	swapgs
	sysretq

/* void context_swap(u64 *save_sp, u64 load_sp) */
	.align 16
	.globl context_swap
context_swap:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

/* First steps of a new context. */
	.globl context_start_user, context_start_kernel
context_start_user:
	call kernel_context_started
	jmp trap_return
context_start_kernel:			/* RBX = function, R12 = argument */
	call kernel_context_started
	sti
	movq %r12, %rdi
	call *%rbx
	ud2

/* void hal_enter_user(struct hal_regs *) */
	.globl hal_enter_user
hal_enter_user:
	movq %rdi, %rsp
	jmp trap_return

/* The fault handler jumps to an entry's second address when the first faults for good. */
	.macro extable from, to
	.pushsection .extable, "a"
	.quad \from, \to
	.popsection
	.endm

/* size_t user_copy(void *dst, const void *src, size_t n): bytes not copied. SMAP is off around it. */
	.align 16
	.globl user_copy
user_copy:
	movq %rdx, %rcx
	andl $7, %edx
	shrq $3, %rcx
1:	rep movsq
	movl %edx, %ecx
2:	rep movsb
	xorl %eax, %eax
	ret
3:	leaq (%rdx, %rcx, 8), %rcx	/* words left and the tail: the last bytes before the fault count too */
	jmp 2b
4:	movq %rcx, %rax
	ret
	extable 1b, 3b
	extable 2b, 4b

/* size_t user_clear(void *dst, size_t n): bytes not cleared */
	.align 16
	.globl user_clear
user_clear:
	movq %rsi, %rcx
	movl %esi, %edx
	andl $7, %edx
	shrq $3, %rcx
	xorl %eax, %eax
1:	rep stosq
	movl %edx, %ecx
2:	rep stosb
	ret
3:	leaq (%rdx, %rcx, 8), %rcx
	jmp 2b
4:	movq %rcx, %rax
	ret
	extable 1b, 3b
	extable 2b, 4b

/* long user_strncpy(char *dst, const char *src, size_t n): length, n when no NUL came, -14. By words as long
 * as there is room; a word that reaches into a page that is absent for good is done by bytes. */
	.align 16
	.globl user_strncpy
user_strncpy:
	xorl %eax, %eax
	movabsq $0x0101010101010101, %r8
	movabsq $0x8080808080808080, %r9
	jmp 2f
1:	movq %rcx, (%rdi, %rax)
	addq $8, %rax
2:	leaq 8(%rax), %rcx
	cmpq %rdx, %rcx
	ja 5f
3:	movq (%rsi, %rax), %rcx
	movq %rcx, %r10
	movq %rcx, %r11
	subq %r8, %r10
	notq %r11
	andq %r9, %r10
	andq %r11, %r10			/* the lowest bit set marks the first NUL */
	jz 1b
	movq %rcx, (%rdi, %rax)
	bsfq %r10, %r10
	shrq $3, %r10
	addq %r10, %rax
	ret
4:	incq %rax
5:	cmpq %rdx, %rax
	je 7f
6:	movb (%rsi, %rax), %cl
	movb %cl, (%rdi, %rax)
	testb %cl, %cl
	jne 4b
7:	ret
8:	movq $-14, %rax
	ret
	extable 3b, 5b
	extable 6b, 8b

/* int user_load32(const u32 *p, u32 *out) */
	.globl user_load32
user_load32:
1:	movl (%rdi), %eax
	movl %eax, (%rsi)
	xorl %eax, %eax
	ret
2:	movl $-14, %eax
	ret
	extable 1b, 2b

/* int user_cmpxchg32(u32 *p, u32 expected, u32 desired, u32 *out) */
	.globl user_cmpxchg32
user_cmpxchg32:
	movl %esi, %eax
1:	lock cmpxchgl %edx, (%rdi)
	movl %eax, (%rcx)
	xorl %eax, %eax
	ret
2:	movl $-14, %eax
	ret
	extable 1b, 2b

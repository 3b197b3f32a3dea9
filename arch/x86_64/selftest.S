/* SPDX-License-Identifier: MIT */
/* The steps of the self-tests that C cannot take: an attempt that may fault, and user mode. */

/* u64 selftest_try(void (*fn)(u64), u64 arg): 0 when fn returned, 1 when it was cut short by the fault
 * that selftest_caught() recognised: that one continues at selftest_resume. */
	.text
	.globl selftest_try, selftest_resume
selftest_try:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, selftest_stack(%rip)
	movq %rdi, %rax
	movq %rsi, %rdi
	call *%rax
	xorl %eax, %eax
1:	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
selftest_resume:
	movl $1, %eax
	jmp 1b

/* void selftest_enter_user(u64 rip, u64 rsp): interrupts stay off */
	.globl selftest_enter_user
selftest_enter_user:
	pushq $0x2b
	pushq %rsi
	pushq $0x40002			/* AC: must not open user memory to the kernel */
	pushq $0x33
	pushq %rdi
	swapgs
	iretq

/* Instructions that user mode must not execute, padded to 8 bytes each: selftest.c copies them to a user page. */
	.section .rodata
	.globl selftest_user_code
	.align 8
selftest_user_code:
	sidt -16(%rsp)
	.align 8
	sgdt -16(%rsp)
	.align 8
	sldt %eax
	.align 8
	str %eax
	.align 8
	smsw %eax
	.align 8
	cli
	.align 8
	hlt
	.align 8
	movq %cr3, %rax
	.align 8
	rdmsr
	.align 8
	inb $0x60, %al
	.align 8

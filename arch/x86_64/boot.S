/* SPDX-License-Identifier: MIT */
/*
 * From the loader to C: 32-bit protected mode without paging (PVH, multiboot2) to long mode at high
 * addresses. The first tables map the first 4 GiB (a loader may leave its information anywhere
 * there) three times: one to one, in the direct map and at the image's place; paging_init() replaces them.
 *
 * PVH: Xen's docs/misc/pvh: entry address in an ELF note, EBX = struct hvm_start_info.
 * Multiboot2: EAX = 0x36d76289, EBX = information.
 */
#define PVH_MAGIC 0x336ec578

	.section .note.pvh, "a", @note
	.align 4
	.long 4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long pvh_start32

	.section .multiboot2, "a"
	.align 8
mb2_header:
	.long 0xe85250d6, 0, mb2_end - mb2_header
	.long -(0xe85250d6 + 0 + (mb2_end - mb2_header))
	.align 8			/* entry address: the same 32-bit code */
	.short 3, 0
	.long 12
	.long mb2_start32
	.align 8			/* modules on page boundaries */
	.short 6, 0
	.long 8
	.align 8			/* end */
	.short 0, 0
	.long 8
mb2_end:

	.section .boot.text, "ax"
	.code32
	.globl pvh_start32
pvh_start32:
	movl $PVH_MAGIC, %eax
mb2_start32:
	cld
	cli
	movl %eax, %edi			/* magic and information, kept for C */
	movl %ebx, %esi
	movl $boot_stack_phys_top, %esp

	/* Level 4: entries 0 (one to one), 256 (direct map), 511 (image). */
	movl $boot_pdpt + 3, %eax
	movl %eax, boot_pml4
	movl %eax, boot_pml4 + 256 * 8
	movl $boot_pdpt_high + 3, %eax
	movl %eax, boot_pml4 + 511 * 8
	movl $boot_pd + 3, %eax
	movl %eax, boot_pdpt_high + 510 * 8
	movl %eax, boot_pdpt
	addl $0x1000, %eax
	movl %eax, boot_pdpt + 8
	addl $0x1000, %eax
	movl %eax, boot_pdpt + 16
	addl $0x1000, %eax
	movl %eax, boot_pdpt + 24
	movl $0x83, %eax		/* present, writable, 2 MiB */
	xorl %ecx, %ecx
1:	movl %eax, boot_pd(, %ecx, 8)
	incl %ecx
	addl $0x200000, %eax		/* ends by wrapping around to flags alone */
	cmpl $0x83, %eax
	jne 1b

	movl %cr4, %eax
	orl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl $boot_pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx		/* EFER: LME, NXE, SCE */
	rdmsr
	orl $0x901, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80010001, %eax		/* PG, WP, PE */
	andl $~0x6000000c, %eax		/* EM, TS off; caches on (INIT turned them off) */
	orl $0x2, %eax			/* MP */
	movl %eax, %cr0
	lgdt boot_gdt_ptr
	ljmp $0x10, $1f
	.code64
1:	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movabsq $high_start, %rax
	jmp *%rax

	.align 16
boot_gdt:
	.quad 0, 0
	.quad 0x00af9b000000ffff	/* 0x10: kernel code */
	.quad 0x00cf93000000ffff	/* 0x18: kernel data */
boot_gdt_end:
	.globl boot_gdt_ptr
boot_gdt_ptr:
	.short boot_gdt_end - boot_gdt - 1
	.long boot_gdt
	.long 0

	.section .boot.bss, "aw", @nobits
	.align 4096
	.globl boot_pml4
boot_pml4:	.skip 4096
boot_pdpt:	.skip 4096
boot_pdpt_high:	.skip 4096
boot_pd:	.skip 4 * 4096
	.skip 256
boot_stack_phys_top:

	.text
	.code64
high_start:
	movq $boot_stack_top, %rsp
	xorl %ebp, %ebp
	call x86_start
	ud2

	.section .bss
	.align 4096
	.globl boot_stack_guard, boot_stack_bottom, boot_stack_top
boot_stack_guard:			/* paging_init() unmaps it */
	.skip 4096
boot_stack_bottom:
	.skip 16384
boot_stack_top:

/*
 * Other CPUs begin here, in real mode, at TRAMPOLINE (copied there). They borrow the boot tables, then
 * load the kernel's root and the stack that the boot CPU left in ap_stack.
 */
#define TRAMPOLINE 0x8000
	.section .rodata
	.globl trampoline_start, trampoline_end
	.align 16
trampoline_start:
	.code16
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl TRAMPOLINE + (tramp_gdt_ptr - trampoline_start)
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $0x08, $(TRAMPOLINE + (tramp32 - trampoline_start))
	.code32
tramp32:
	movw $0x18, %ax
	movw %ax, %ds
	movw %ax, %ss
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $boot_pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x901, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80010003, %eax
	andl $~0x6000000c, %eax
	movl %eax, %cr0
	ljmp $0x10, $(TRAMPOLINE + (tramp64 - trampoline_start))
	.code64
tramp64:
	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movabsq $ap_start, %rax
	jmp *%rax
	.align 16
tramp_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 0x08: 32-bit code */
	.quad 0x00af9b000000ffff	/* 0x10: 64-bit code */
	.quad 0x00cf93000000ffff	/* 0x18: data */
tramp_gdt_ptr:
	.short tramp_gdt_ptr - tramp_gdt - 1
	.long TRAMPOLINE + (tramp_gdt - trampoline_start)
trampoline_end:

	.text
ap_start:
	movq kernel_root(%rip), %rax
	movq %rax, %cr3
	movq ap_stack(%rip), %rsp
	xorl %ebp, %ebp
	call x86_start_ap
	ud2

/* SPDX-License-Identifier: MIT */
/* The vDSO's ELF image, as built from vdso/. */
	.section .rodata, "a"
	.balign 4096
	.globl vdso_image, vdso_image_end
vdso_image:
	.incbin VDSO_IMAGE
vdso_image_end:
	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/* kernel/config.txt, packed: /proc/config.gz. */
	.section .rodata, "a"
	.globl proc_config, proc_config_end
proc_config:
	.incbin CONFIG_IMAGE
proc_config_end:
	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/* What the boot loader left. */
#ifndef HAL_BOOT_H
#define HAL_BOOT_H

#include <hal/types.h>

struct hal_boot_info {
	const char *cmdline;   /* NUL-terminated, never NULL */
	const void *initrd;    /* NULL: none */
	size_t initrd_len;     /* bytes */
};
const struct hal_boot_info *hal_boot_info(void);

/* The first n bytes of the initial RAM disk have been unpacked: their memory joins the free frames. No n is smaller than the one before. */
void hal_boot_release_initrd(size_t n);

/* Starts the other CPUs, up to max in all; each runs kernel_cpu_main(). */
void hal_start_cpus(unsigned max);

/* With quire.selftest= on the command line: tests the machine's own protections and ends the run; else
 * nothing. Once frames and slabs stand, before there are tasks or other CPUs. */
void hal_selftest(void);

/* Bytes on the machine's debug console (serial line). Any context. */
void hal_console_write(const char *s, size_t len);

#endif

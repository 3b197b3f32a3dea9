/* SPDX-License-Identifier: MIT */
/*
 * Boot-time initialization of parts that the core does not know by name. INITCALL(level, fn) in any
 * file makes the init task call fn once, in the order of levels; inside one level in no fixed order.
 * fn may sleep and allocate; it panics when the system is useless without it.
 *
 *   core: caches, tables          fs: vfs_register(), pseudo file systems
 *   device: buses, drivers        late: what needs the others
 */
#ifndef KERNEL_INIT_H
#define KERNEL_INIT_H

typedef void (*initcall_fn)(void);

#define INITCALL(level, fn) \
	static const initcall_fn initcall_##fn __attribute__((used, section("initcall_" #level))) = fn

/* Value of NAME=VALUE on the kernel's command line (the last one), or NULL; "" for a bare NAME. Valid for ever. */
const char *cmdline_get(const char *name);

#endif

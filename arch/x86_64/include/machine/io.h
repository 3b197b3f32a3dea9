/* SPDX-License-Identifier: MIT */
/* Port and device-memory access. */
#ifndef MACHINE_IO_H
#define MACHINE_IO_H

#include <hal/types.h>

#define DEFINE_PORT(bits, suffix)                                                                   \
	static inline u##bits hal_in##bits(u16 port)                                                    \
	{                                                                                               \
		u##bits v;                                                                                  \
		__asm__ volatile("in" suffix " %1, %0" : "=a"(v) : "Nd"(port));                             \
		return v;                                                                                   \
	}                                                                                               \
	static inline void hal_out##bits(u16 port, u##bits v) { __asm__ volatile("out" suffix " %0, %1" ::"a"(v), "Nd"(port)); }
DEFINE_PORT(8, "b")
DEFINE_PORT(16, "w")
DEFINE_PORT(32, "l")

#define DEFINE_MMIO(bits)                                                                           \
	static inline u##bits mmio_read##bits(const volatile void *p) { return *(const volatile u##bits *)p; } \
	static inline void mmio_write##bits(volatile void *p, u##bits v) { *(volatile u##bits *)p = v; }
DEFINE_MMIO(8)
DEFINE_MMIO(16)
DEFINE_MMIO(32)
DEFINE_MMIO(64)

#endif

/* SPDX-License-Identifier: MIT */
#ifndef LIB_CRC32_H
#define LIB_CRC32_H

#include <hal/types.h>

/* The CRC of IEEE 802.3 over more bytes; crc is what earlier bytes gave, 0 at first. */
u32 crc32(u32 crc, const void *data, size_t len);

#endif

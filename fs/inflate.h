/* SPDX-License-Identifier: MIT */
/* Decoder of gzip members (RFC 1952, 1951). */
#ifndef FS_INFLATE_H
#define FS_INFLATE_H

#include <hal/types.h>

/* Takes the next piece of output; non-zero (-errno) stops the decoder. */
typedef int (*inflate_sink)(void *arg, const u8 *data, size_t len);

/* Decodes the gzip member at data; *used = bytes of input it took. 0; -EINVAL: malformed or truncated;
 * -ENOMEM; or what the sink returned. */
int gzip_inflate(const u8 *data, size_t len, size_t *used, inflate_sink sink, void *arg);

#endif

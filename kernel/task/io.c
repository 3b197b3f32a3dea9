/* SPDX-License-Identifier: MIT */
/* The I/O that tasks caused: what mm/ tells (see mm/host.h). */
#include <kernel/task.h>

void host_count_io(enum host_io what, u64 bytes) { current->io.bytes[what] += bytes; }

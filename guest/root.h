/* SPDX-License-Identifier: MIT */
/* The root on a disk: entered at the start, left clean at the end. */
#ifndef GUEST_ROOT_H
#define GUEST_ROOT_H

#include <stdbool.h>
#include <stddef.h>

/* The value of the last NAME=VALUE word of a kernel command line, or of the bare word NAME (then ""). false: it is not there. */
bool root_option(const char *command_line, const char *name, char *value, size_t size);

/*
 * Mounts the disk that root= names (rootfstype=, rootflags=, ro) and makes it the root, with /dev, /proc and /sys
 * moved there. Then copies what the run adds (ADDED, LIBRARIES) and frees the initial RAM disk. Without root= it
 * does nothing. false: it has said on standard error why it failed.
 */
bool root_enter(const char *command_line);

/* Takes the device that quire.swap= names into use as swap. false: as above. */
bool swap_enter(const char *command_line);

/* Ends all processes and takes the disks out of use: unmounted, or read-only where they are the root. */
void root_leave(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Replays a reference string in the guest. After each reference its translation is dropped (by two changes of rights), as
 * other work would on a busy machine: so each use shows in the accessed bit.
 */
#ifndef LABS_REPLAY_H
#define LABS_REPLAY_H

#include "references.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(file);
	close(fd);
}

static inline void touch(volatile unsigned char *p, bool write)
{
	if (write)
		*p = 1;
	else
		(void)*p;
	if (mprotect((void *)p, PAGE, PROT_NONE) || mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE))
		_exit(3);
}

static inline void replay(unsigned char *base, enum pattern pattern, bool is_file, unsigned length)
{
	struct references r = { .pattern = pattern, .state = 1 };
	for (unsigned i = 0; i < length; i++) {
		bool write;
		uint32_t page = ref_next(&r, &write);
		touch(base + page * PAGE, write && !is_file);
	}
}

/* The pages of the string, private: of a block device, without read-ahead, or (fd -1) anonymous. */
static inline unsigned char *map_at(unsigned long at, int fd)
{
	unsigned char *p = mmap((void *)at, REF_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (p == MAP_FAILED || (fd >= 0 && madvise(p, REF_PAGES * PAGE, MADV_RANDOM)))
		_exit(2);
	return p;
}

#endif

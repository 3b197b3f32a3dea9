/* SPDX-License-Identifier: MIT */
/* What a touch of an address leads to. */
#ifndef MM_FAULT_H
#define MM_FAULT_H

#include <hal/types.h>

struct region;
struct space;

/* In the order of x86's error code, which needs no conversion then. */
#define FAULT_PRESENT (1u << 0) /* the entry was present: a matter of rights */
#define FAULT_WRITE   (1u << 1)
#define FAULT_USER    (1u << 2) /* the CPU was in user mode */
#define FAULT_EXEC    (1u << 4)

enum fault_kind {
	FAULT_MAPPED, /* done: repeat the access */
	FAULT_RETRY,  /* nothing decided (the page was being migrated, or killed while waiting): check signals, then repeat */
	FAULT_SIGNAL, /* send sig with code and the address */
	FAULT_OOM,    /* no memory */
};

struct fault_verdict {
	u8 kind;  /* enum fault_kind */
	u8 major; /* waited for a disk */
	u8 sig;   /* SIGSEGV or SIGBUS */
	u8 code;  /* SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR */
};

/* Handles a fault at addr in `s`. flags: FAULT_*. Takes the space's lock for reading; may sleep.
 * Counts the fault in the statistics (tasks keep their own). Never sends a signal itself. */
struct fault_verdict fault_handle(struct space *s, uaddr_t addr, unsigned flags);

/* The same for one page of a region whose rights were checked; the space's lock is held for reading, addr
 * is page aligned. */
struct fault_verdict fault_region(struct space *s, struct region *r, uaddr_t addr, unsigned access);

#endif

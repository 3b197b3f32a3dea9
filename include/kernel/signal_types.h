/* SPDX-License-Identifier: MIT */
/* Signals: sets, queues, actions. Numbers and siginfo layout are Linux's (<asm/signal.h>, <asm/siginfo.h>). */
#ifndef KERNEL_SIGNAL_TYPES_H
#define KERNEL_SIGNAL_TYPES_H

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <hal/types.h>
#include <lib/list.h>

typedef u64 sigset_bits; /* bit n-1 = signal n, 1..64 */
#define SIG_BIT(n) (1ull << ((n)-1))

struct signal_queue {
	sigset_bits set;        /* pending */
	struct list_head infos; /* struct queued_signal */
};

struct sigaction_k { /* layout of the rt_sigaction system call */
	uaddr_t handler;
	u64 flags;
	uaddr_t restorer;
	sigset_bits mask;
};

struct sighand {
	u32 refs;
	struct sigaction_k actions[64];
};

#endif

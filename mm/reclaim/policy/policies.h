/* SPDX-License-Identifier: MIT */
/* All policies, one line each: struct policy policy_NAME in NAME.c. The first is the default. */
#ifndef MM_RECLAIM_POLICIES_H
#define MM_RECLAIM_POLICIES_H

#define POLICIES(X) \
	X(lru)          \
	X(fifo)         \
	X(lru_exact)    \
	X(lfu)          \
	X(nur)          \
	X(mglru)        \
	X(s3fifo)

#define X(name) extern const struct policy policy_##name;
POLICIES(X)
#undef X

#endif

/* SPDX-License-Identifier: MIT */
/* Naive models of the replacement policies: arrays and searches, nothing shared with mm/reclaim. */
#ifndef POLICY_MODEL_H
#define POLICY_MODEL_H

#include <stdbool.h>

#define MODEL_PAGES 256 /* pages of a reference string: 0 .. MODEL_PAGES - 1 */

/* How a policy learns of uses: as they happen, or by accessed bits when it asks. */
enum seeing { SEES_ALL, SEES_BITS };

struct model {
	const char *policy;
	/* frames that can hold a page; anon: the pages count as anonymous ones. */
	void (*reset)(unsigned nr_frames, enum seeing seeing, bool anon);
	/* One reference: the page that had to go (-1: none was evicted); *fault: it was not in memory. */
	int (*reference)(unsigned page, bool is_write, bool *fault);
};

extern const struct model policy_models[];
extern const unsigned nr_policy_models;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The header of a swap area. Source: mkswap(8) and Linux's include/linux/swap.h (union swap_header). An area made
 * on a machine of the other byte order is taken too. Nothing in it is trusted: it may be any file.
 */
#include "internal.h"

#define MAGIC "SWAPSPACE2"

static u32 number(u32 v, bool is_foreign) { return is_foreign ? __builtin_bswap32(v) : v; }

/* Puts a page into its place in the list; lists from mkswap come in order. */
static void add_bad(struct swap_header *h, u32 page)
{
	u32 at = h->nr_bad;
	while (at && h->bad[at - 1] > page)
		at--;
	if (at && h->bad[at - 1] == page)
		return;
	memmove(&h->bad[at + 1], &h->bad[at], (h->nr_bad - at) * sizeof(h->bad[0]));
	h->bad[at] = page;
	h->nr_bad++;
}

static int parse_bad(const struct swap_disk_header *d, bool is_foreign, struct swap_header *out)
{
	u32 nr = number(d->nr_bad, is_foreign);
	if (nr > SWAP_MAX_BAD)
		return -EINVAL;
	for (u32 k = 0; k < nr; k++) {
		u32 page = number(d->bad[k], is_foreign);
		if (!page || page >= out->nr_pages)
			return -EINVAL;
		add_bad(out, page);
	}
	return 0;
}

int swap_header_parse(const struct swap_disk_header *d, u64 room, bool is_device, struct swap_header *out)
{
	if (memcmp(d->magic, MAGIC, sizeof(d->magic))) {
		hal_log(LOG_ERR, "Unable to find swap-space signature");
		return -EINVAL;
	}
	bool is_foreign = d->version == __builtin_bswap32(1);
	if (number(d->version, is_foreign) != 1) {
		hal_log(LOG_WARNING, "Unable to handle swap header version %u", d->version);
		return -EINVAL;
	}
	u64 last = number(d->last_page, is_foreign);
	if (!last) {
		hal_log(LOG_WARNING, "Empty swap-file");
		return -EINVAL;
	}
	out->nr_pages = min(last + 1, (u64)SWAP_MAX_PAGES);
	out->nr_bad = 0;
	if (out->nr_pages > room) {
		hal_log(LOG_WARNING, "Swap area shorter than signature indicates");
		return -EINVAL;
	}
	if (d->nr_bad && !is_device)
		return -EINVAL;
	int err = parse_bad(d, is_foreign, out);
	if (!err && out->nr_bad + 1 >= out->nr_pages) {
		hal_log(LOG_WARNING, "Empty swap-file");
		err = -EINVAL;
	}
	return err;
}

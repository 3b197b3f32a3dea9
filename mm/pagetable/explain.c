/* SPDX-License-Identifier: MIT */
/* What the tables say of one address, and who shares what they lead to: for people (/proc/PID/explain). */
#include <mm/explain.h>
#include <mm/leaf.h>
#include <mm/mapping.h>
#include <mm/swap.h>

/* Upper tables stay while the space's lock is held. The number of sharers is a look. */
static void step_down(struct space *s, uaddr_t addr, struct explained *out)
{
	struct frame *t = pfn_frame(s->root_pfn);
	for (unsigned level = HAL_LEVELS; level > 1; level--) {
		pte_t e = hal_entry_load(&table_entries(t)[table_index(addr, level)]);
		out->steps[out->nr_steps++] = (struct explained_step){ frame_pfn(t), level, table_index(addr, level), 1, e };
		if (pte_is_none(e))
			return;
		t = pte_frame(e);
	}
}

/* The entry of a locked leaf; unlocks it. */
static void explain_leaf(struct explained *out, struct leaf *l)
{
	pte_t e = hal_entry_load(l->entry);
	out->steps[out->nr_steps++] = (struct explained_step){ frame_pfn(l->table), 1, l->index, l->table->nr_slots, e };
	if (pte_is_swap(e)) {
		out->swap_entry = pte_swap_entry(e);
		out->frame = swap_cache_find(out->swap_entry);
		out->swap_users = swapped_sharers(e, l);
		return;
	}
	if (pte_is_mapped(e) && !pte_is_special(e)) {
		out->frame = pte_frame(e);
		out->is_mapped = true;
		frame_get(out->frame);
	}
	leaf_unlock(l);
}

void explain_locked(struct space *s, uaddr_t addr, struct explained *out)
{
	struct leaf l;
	*out = (struct explained){ 0 };
	step_down(s, addr, out);
	if (leaf_lock(s, addr, &l)) {
		out->nr_steps = HAL_LEVELS - 1; /* it may just have come */
		out->steps[HAL_LEVELS - 2].entry = hal_entry_load(l.upper_entry);
		explain_leaf(out, &l);
	}
	struct region *r = region_lookup(s, addr);
	bool has_entry = out->nr_steps == HAL_LEVELS && !pte_is_none(out->steps[HAL_LEVELS - 1].entry);
	if (!has_entry && r && r->start <= addr && r->mapping)
		out->frame = mapping_find(r->mapping, region_index(r, addr));
	if (out->frame && frame_flags(out->frame) & FRAME_SWAPCACHE && !out->swap_entry)
		out->swap_entry = frame_swap_entry(out->frame);
}

struct collected {
	struct explained_user *out;
	unsigned nr;
	u64 seen;
};

static bool collect(struct space *s, uaddr_t addr, pte_t e, void *arg)
{
	struct collected *c = arg;
	if (c->seen < c->nr) {
		space_pin(s);
		c->out[c->seen] = (struct explained_user){ s, addr, e };
	}
	c->seen++;
	return true;
}

u64 explain_users(struct frame *f, struct explained_user *out, unsigned nr)
{
	struct collected c = { .out = out, .nr = nr };
	walk_back(f, collect, &c);
	return c.seen;
}

/* SPDX-License-Identifier: MIT */
/*
 * Triggers on pressure: a program is woken when a stall has grown by a threshold within a window.
 *
 * Windows follow one another. Within one, the growth is what has come since its begin plus the part of the previous
 * window's growth that a window which ends now would still cover, as if that had been spread evenly. It is
 * looked at ten times in each window.
 * Source: Linux, Documentation/accounting/psi.rst, and the rules of Linux 6.1.
 */
#include <asm/errno.h>
#include <hal/time.h>
#include <lib/parse.h>
#include <lib/string.h>
#include <mm/psi.h>

#define LOOKS_PER_WINDOW 10u

static void begin_window(struct psi_trigger *t, u64 now, u64 total, u64 previous)
{
	t->start_ns = now;
	t->start_total_ns = total;
	t->previous_ns = previous;
}

static u64 growth_in_window(struct psi_trigger *t, u64 now, u64 total)
{
	u64 elapsed = now - t->start_ns, growth = total - t->start_total_ns;
	if (elapsed > t->window_ns)
		begin_window(t, now, total, growth);
	else
		growth += t->previous_ns * ((t->window_ns - elapsed) / 1000) / (t->window_ns / 1000);
	return growth;
}

u64 psi_triggers_look(struct psi_group *g, u64 now)
{
	struct psi_trigger *t;
	u64 next = ~0ull;
	list_for_each_entry(t, &g->triggers, link) {
		if (growth_in_window(t, now, g->total_ns[t->stall]) >= t->threshold_ns)
			t->is_due = true;
		if (t->is_due && (!t->fired_ns || now >= t->fired_ns + t->window_ns)) {
			t->is_due = false;
			t->fired_ns = now;
			__atomic_store_n(&t->has_fired, 1, __ATOMIC_RELEASE);
			host_wake_all(&t->queue);
		}
		next = min(next, now + t->window_ns / LOOKS_PER_WINDOW);
	}
	return next;
}

/* A number behind blanks. */
static bool next_number(const char **p, u64 *out)
{
	while (**p == ' ' || **p == '\t' || **p == '\n')
		++*p;
	return parse_u64(*p, 10, out, p);
}

int psi_trigger_parse(struct psi_trigger *t, enum psi_resource r, const char *text)
{
	u64 threshold, window;
	bool full = !strncmp(text, "full", 4);
	if (!full && strncmp(text, "some", 4))
		return -EINVAL;
	text += 4;
	if (!next_number(&text, &threshold) || !next_number(&text, &window))
		return -EINVAL;
	if (window < PSI_WINDOW_MIN_US || window > PSI_WINDOW_MAX_US || !threshold || threshold > window)
		return -EINVAL;
	*t = (struct psi_trigger){ .stall = psi_stall(r, full), .threshold_ns = threshold * 1000, .window_ns = window * 1000 };
	host_waitq_init(&t->queue);
	list_init(&t->link);
	return 0;
}

void psi_trigger_add(struct psi_group *g, struct psi_trigger *t)
{
	psi_group_update(g); /* the window begins with the total of now */
	unsigned long flags = spin_lock_irq(&g->lock);
	u64 now = hal_clock_ns();
	begin_window(t, now, g->total_ns[t->stall], 0);
	list_add_tail(&t->link, &g->triggers);
	g->next_look_ns = min(g->next_look_ns, now + t->window_ns / LOOKS_PER_WINDOW);
	spin_unlock_irq(&g->lock, flags);
}

void psi_trigger_remove(struct psi_group *g, struct psi_trigger *t)
{
	unsigned long flags = spin_lock_irq(&g->lock);
	list_del(&t->link);
	spin_unlock_irq(&g->lock, flags);
}

bool psi_trigger_take(struct psi_trigger *t) { return __atomic_exchange_n(&t->has_fired, 0, __ATOMIC_ACQ_REL); }

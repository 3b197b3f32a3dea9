/* SPDX-License-Identifier: MIT */
/*
 * Turns, against thrashing.
 *
 * Thrashing: several processes use more together than there is, each of them less. Each fault takes away a page
 * that another one needs soon, so all of them wait for the disk nearly all the time, and replacement cannot help: no
 * choice of pages is right for all. What helps is to let fewer run (Denning). Here one process at a time, the
 * holder, keeps whatever it maps; the others go on with the rest of memory, slowly, until it is their turn.
 *
 * T1  A space misses its working set when its faults wait for pages that were evicted, for a tenth of a second within
 *     one; not if a memory group's own limit is the reason. Then it stands in the queue, until it has had its turn
 *     or has missed nothing for two.
 * T2  A turn begins when two at least stand there, or when another one's ends. The first one gets it.
 * T3  It ends when the holder has worked, that is, not waited for pages from the disk, for turn_ms and for as long as it
 *     had to wait since the turn began: so at least half of the time is work. But not later than LONGEST times turn_ms; and
 *     at once when it has more than three quarters of memory, which no turn would make enough.
 * T4  Reclaim tells its policy that a page which the holder maps, or which was read ahead for it, is used; if it shall
 *     go nevertheless, it goes to the warm end of its list. When too little else is found in as many pages as there are, or a
 *     memory group is at its limit, turns do not count: no allocation fails, and nobody is killed, for their sake.
 * T5  Who stands in the queue, and is not small, pauses after each fault from user mode that waited, up to a tenth of
 *     a second, so that the holder has the disk and the CPU. Everybody gets on: at ten faults a second at least.
 *
 * Source: Denning, Working Sets Past and Present, 1980 (load control); Jiang and Zhang, Token-ordered LRU, 2005
 * (which Linux had from 2.6.9 to 3.4: a token that protects one process). New here: who asks for a turn is found by
 * refaults, a turn's length follows from what it costs to bring the working set in, and others pause.
 */
#include "internal.h"
#include <hal/time.h>
#include <mm/group.h>
#include <mm/host.h>
#include <mm/turn.h>

#define WINDOW_NS   1000000000ull
#define MISSED_NS   (WINDOW_NS / 10)
#define FORGET_NS   (2 * WINDOW_NS)
#define PAUSE_NS    100000000ull
#define LONGEST     30u
#define SMALL_PART  16u /* of memory */

static struct spinlock lock = SPINLOCK_INIT(RANK_LRU);
static struct space *holder;    /* (lock) */
static u64 since_ns, waited_ns; /* (lock) of the turn: its begin, how long the holder waited for pages */
static struct list_head queue = LIST_HEAD_INIT(queue); /* (lock) struct space.turn */
static unsigned nr_queued;      /* (lock) */
static struct host_waitq pauses;
bool turn_is_held;
u32 turn_number;

static u64 turn_ns(void) { return (u64)READ_ONCE(mm_tunables.turn_ms) * 1000000; }

static u64 pages_of(const struct space *s, bool with_swap)
{
	s64 n = READ_ONCE(s->rss[RSS_ANON]) + READ_ONCE(s->rss[RSS_FILE]) + READ_ONCE(s->rss[RSS_SHMEM]);
	n += with_swap ? READ_ONCE(s->rss[RSS_SWAP]) : 0;
	return n > 0 ? (u64)n : 0;
}

/* Does a group that the page is charged to use nearly what it may? Then it was evicted for that, most likely, and no turn
 * of others helps. */
static bool is_at_a_limit(const struct frame *f)
{
	for (const struct mem_group *g = mem_group_at(f->group); g; g = g->parent)
		if (READ_ONCE(g->memory.usage) > READ_ONCE(g->memory.max) / 8 * 7)
			return true;
	return false;
}

/* ---- the queue (lock held) ---- */

static void enqueue(struct space *s)
{
	s->turn.is_queued = true;
	list_add_tail(&s->turn.link, &queue);
	nr_queued++;
}

static void dequeue(struct space *s)
{
	s->turn.is_queued = false;
	list_del(&s->turn.link);
	nr_queued--;
}

/* T1 */
static void note(struct space *s, u64 now, u64 waited)
{
	struct turn_note *t = &s->turn;
	if (now - t->window_ns > WINDOW_NS) {
		t->window_ns = now - waited;
		t->waited_ns = 0;
	}
	t->waited_ns += waited;
	t->last_ns = now;
	if (t->waited_ns >= MISSED_NS && !t->is_queued && !READ_ONCE(s->is_dead))
		enqueue(s);
}

/* ---- turns (lock held) ---- */

static void begin_turn(struct space *s, u64 now)
{
	dequeue(s);
	holder = s;
	since_ns = now;
	waited_ns = 0;
	s->turn.waited_ns = 0;
	WRITE_ONCE(turn_number, turn_number + 1);
	WRITE_ONCE(s->is_protected, true);
	WRITE_ONCE(turn_is_held, true);
	stat_add(STAT_RECLAIM_TURNS, 1);
}

static void end_turn(void)
{
	WRITE_ONCE(holder->is_protected, false);
	WRITE_ONCE(turn_is_held, false);
	holder = NULL;
}

/* T3 */
static bool is_over(u64 now)
{
	u64 length = turn_ns(), passed = now > since_ns ? now - since_ns : 0, waited = min(waited_ns, passed);
	if (!length || passed >= LONGEST * length || pages_of(holder, false) > frame_total() / 4 * 3)
		return true;
	return passed - waited >= max(length, waited);
}

/* True: it is another one's turn, or nobody's. */
static bool pass_on(u64 now)
{
	bool ends = holder && is_over(now);
	if (ends)
		end_turn();
	if (holder)
		return false;
	while (nr_queued) {
		struct space *s = list_first_entry(&queue, struct space, turn.link);
		if (now - s->turn.last_ns > FORGET_NS && now > s->turn.last_ns) {
			dequeue(s);
			continue;
		}
		if (!turn_ns() || nr_queued + ends < 2)
			break;
		begin_turn(s, now);
		return true;
	}
	return ends;
}

/* ---- the way in ---- */

static void wake_if(bool passed)
{
	if (passed)
		host_wake_all(&pauses);
}

void turn_missed(struct space *s, const struct frame *f, u64 began_ns)
{
	bool was_evicted = f->kind == FRAME_ANON || frame_flags(f) & (FRAME_SHMEM | FRAME_REFAULT); /* the first two: from swap */
	if (!turn_ns() || !(was_evicted || READ_ONCE(s->is_protected)) || is_at_a_limit(f))
		return;
	u64 now = hal_clock_ns(), waited = now > began_ns ? now - began_ns : 0;
	spin_lock(&lock);
	if (s == holder)
		waited_ns += waited;
	else
		note(s, now, waited);
	bool passed = pass_on(now);
	spin_unlock(&lock);
	wake_if(passed);
}

void turn_refresh(void)
{
	if (likely(!READ_ONCE(turn_is_held)))
		return;
	spin_lock(&lock);
	bool passed = pass_on(hal_clock_ns());
	spin_unlock(&lock);
	wake_if(passed);
}

void turn_leave(struct space *s)
{
	bool passed = false;
	spin_lock(&lock);
	if (s->turn.is_queued)
		dequeue(s);
	if (s == holder) {
		end_turn();
		pass_on(hal_clock_ns());
		passed = true;
	}
	spin_unlock(&lock);
	wake_if(passed);
}

bool turn_is_wanted(struct frame *f)
{
	bool is_same = READ_ONCE(turn_is_held) && !(READ_ONCE(turn_number) & 1) == !(frame_flags(f) & FRAME_WANTED_ODD);
	if (!is_same)
		frame_clear_flags(f, FRAME_WANTED);
	return is_same;
}

/* Called under the queue's lock; what it compares with may change at any time. */
static bool may_go_on(void *arg)
{
	struct space *s = arg;
	return !READ_ONCE(turn_is_held) || READ_ONCE(s->is_protected) || !READ_ONCE(s->turn.is_queued);
}

/* T5 */
void turn_pause(struct space *s)
{
	if (likely(!READ_ONCE(turn_is_held)) || may_go_on(s) || pages_of(s, true) < frame_total() / SMALL_PART || host_current()->is_being_killed)
		return;
	stat_add(STAT_RECLAIM_PAUSES, 1);
	bool stalls = host_stall_begin();
	host_wait(&pauses, may_go_on, s, PAUSE_NS);
	host_stall_end(stalls);
	turn_refresh();
}

void turn_init(void)
{
	host_waitq_init(&pauses);
	list_init(&queue);
	holder = NULL;
	nr_queued = 0;
	turn_is_held = false;
}

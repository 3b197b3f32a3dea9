/* SPDX-License-Identifier: MIT */
/* What mm/ asks of its host, include/mm/host.h: sleeping, waking, the reader/writer lock. */
#include "conformance.h"
#include <asm/errno.h>
#include <hal/cpu.h>
#include <hal/time.h>
#include <mm/host.h>

/* Something happens once, and somebody waits for it. */
struct event {
	struct host_waitq q;
	bool has_happened;
};

static void event_init(struct event *e)
{
	host_waitq_init(&e->q);
	e->has_happened = false;
}

static bool has_happened(void *arg) { return __atomic_load_n(&((struct event *)arg)->has_happened, __ATOMIC_ACQUIRE); }

static void event_set(struct event *e)
{
	unsigned long flags = spin_lock_irq(&e->q.lock);
	__atomic_store_n(&e->has_happened, true, __ATOMIC_RELEASE);
	spin_unlock_irq(&e->q.lock, flags);
	host_wake_all(&e->q);
}

static void event_wait(struct event *e) { host_wait(&e->q, has_happened, e, 0); }

static bool always(void *arg) { return arg != NULL; }
static bool never(void *arg) { return arg == NULL; }

static const char *wait_returns_at_once_when_ready(const struct conformance_machine *m)
{
	struct host_waitq q;
	host_waitq_init(&q);
	EXPECT(host_wait(&q, always, &q, 0) == 0);
	EXPECT(host_wait(&q, always, &q, 1) == 0);
	return NULL;
}

static const char *wait_times_out(const struct conformance_machine *m)
{
	struct host_waitq q;
	host_waitq_init(&q);
	u64 start = hal_clock_ns();
	EXPECT(host_wait(&q, never, &q, 2000000) == -ETIMEDOUT);
	EXPECT(hal_clock_ns() - start >= 2000000);
	return NULL;
}

/* Two tasks that hand the turn to each other many times. */
struct game {
	struct host_waitq q;
	u32 turn;
	struct event over;
};

#define NR_TURNS 200u

static bool is_odd(void *arg) { return READ_ONCE(((struct game *)arg)->turn) & 1; }
static bool is_even(void *arg) { return !is_odd(arg); }

static void take_turn(struct game *g)
{
	__atomic_fetch_add(&g->turn, 1, __ATOMIC_ACQ_REL);
	host_wake_all(&g->q);
}

static void play_odd(void *arg)
{
	struct game *g = arg;
	for (unsigned i = 0; i < NR_TURNS; i++) {
		host_wait(&g->q, is_odd, g, 0);
		take_turn(g);
	}
	event_set(&g->over);
}

static const char *no_wake_up_is_lost(const struct conformance_machine *m)
{
	static struct game g;
	host_waitq_init(&g.q);
	event_init(&g.over);
	g.turn = 0;
	m->spawn(play_odd, &g);
	for (unsigned i = 0; i < NR_TURNS; i++) {
		host_wait(&g.q, is_even, &g, 0);
		take_turn(&g);
	}
	event_wait(&g.over);
	EXPECT(READ_ONCE(g.turn) == 2 * NR_TURNS);
	return NULL;
}

/* Writers alone, readers together. */
struct trial {
	struct rwlock lock;
	u32 inside, value;
	bool overlapped;
	struct event started, over;
};

static void write_some(struct trial *t)
{
	for (unsigned i = 0; i < 100; i++) {
		rwlock_write(&t->lock);
		if (__atomic_fetch_add(&t->inside, 1, __ATOMIC_RELAXED))
			t->overlapped = true;
		u32 v = t->value;
		hal_cpu_pause();
		t->value = v + 1;
		__atomic_fetch_sub(&t->inside, 1, __ATOMIC_RELAXED);
		rwlock_write_unlock(&t->lock);
		rwlock_read(&t->lock);
		v = t->value;
		hal_cpu_pause();
		if (t->value != v)
			__atomic_store_n(&t->overlapped, true, __ATOMIC_RELAXED);
		rwlock_read_unlock(&t->lock);
	}
}

static void other_writer(void *arg)
{
	write_some(arg);
	event_set(&((struct trial *)arg)->over);
}

static const char *writers_are_alone(const struct conformance_machine *m)
{
	static struct trial t;
	rwlock_init(&t.lock, RANK_SPACE);
	event_init(&t.over);
	t.inside = t.value = 0;
	t.overlapped = false;
	m->spawn(other_writer, &t);
	write_some(&t);
	event_wait(&t.over);
	EXPECT(!t.overlapped);
	EXPECT(t.value == 200);
	EXPECT(READ_ONCE(t.lock.state) == 0 && t.lock.writers_waiting == 0);
	return NULL;
}

static void write_once(void *arg)
{
	struct trial *t = arg;
	event_set(&t->started);
	rwlock_write(&t->lock);
	t->value = 1;
	rwlock_write_unlock(&t->lock);
	event_set(&t->over);
}

static const char *a_writer_waits_for_the_reader(const struct conformance_machine *m)
{
	static struct trial t;
	rwlock_init(&t.lock, RANK_SPACE);
	event_init(&t.started);
	event_init(&t.over);
	t.value = 0;
	rwlock_read(&t.lock);
	rwlock_read(&t.lock); /* readers do not exclude each other */
	m->spawn(write_once, &t);
	event_wait(&t.started);
	struct host_waitq q;
	host_waitq_init(&q);
	host_wait(&q, never, &q, 1000000);
	u32 early = t.value;
	rwlock_read_unlock(&t.lock);
	rwlock_read_unlock(&t.lock);
	event_wait(&t.over);
	EXPECT(early == 0);
	EXPECT(t.value == 1);
	return NULL;
}

static const char *somebody_is_asking(const struct conformance_machine *m)
{
	EXPECT(host_current() != NULL);
	EXPECT(!host_current()->is_being_killed);
	return NULL;
}

const struct conformance_test conformance_host_tests[] = {
	{ "host: a wait returns at once when ready", wait_returns_at_once_when_ready },
	{ "host: a wait times out", wait_times_out },
	{ "host: no wake-up is lost", no_wake_up_is_lost },
	{ "host: writers are alone", writers_are_alone },
	{ "host: a writer waits for the reader", a_writer_waits_for_the_reader },
	{ "host: somebody is asking", somebody_is_asking },
	{ NULL, NULL },
};

/* SPDX-License-Identifier: MIT */
/*
 * The disk in memory. A request stands on the disk's queue from submit to its end; bytes move when it
 * ends, so that what is in flight is not yet on the medium.
 */
#include <asm/errno.h>
#include <hal/log.h>
#include <hal/time.h>
#include <host/disk.h>
#include <host/machine.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "internal.h"

#define MAX_FAULTS 16

struct fault_rule {
	enum block_op op;
	u64 first, end, skip, count;
};

struct host_disk {
	struct block_device dev;
	struct host_disk_config config;
	u8 *bytes, *first_bytes; /* now; when recording began */
	u64 delay_ns;            /* atomic */
	pthread_mutex_t mutex;   /* what follows */
	pthread_cond_t changed;
	struct list_head queue;  /* block_request.link, in order of arrival; driver[0]: when it is due */
	bool is_stalled, must_stop;
	bool is_working; /* with threads: a request is ending */
	struct host_event event; /* without threads: the first of the queue is due */
	pthread_t worker;
	struct fault_rule faults[MAX_FAULTS];
	unsigned nr_faults;
	u64 nr_failed;
	struct host_disk_record *records;
	size_t nr_records, max_records;
};

/* ---- a request's end ---- */

static bool strikes(struct fault_rule *f, const struct block_request *r)
{
	bool touches = r->op == BLOCK_FLUSH || (r->sector < f->end && f->first < r->sector + r->nr_sectors);
	if (f->op != r->op || !touches || !f->count)
		return false;
	if (f->skip) {
		f->skip--;
		return false;
	}
	if (f->count != ~0ull)
		f->count--;
	return true;
}

static bool fails(struct host_disk *d, const struct block_request *r)
{
	bool any = false;
	for (unsigned i = 0; i < d->nr_faults; i++)
		any |= strikes(&d->faults[i], r);
	d->nr_failed += any;
	return any;
}

static void move_bytes(struct host_disk *d, struct block_request *r)
{
	u8 *at = d->bytes + (r->sector << SECTOR_SHIFT);
	for (u32 i = 0; i < r->nr_segments; i++) {
		struct block_segment *s = &r->segments[i];
		u8 *page = (u8 *)frame_ptr(s->frame) + s->offset;
		if (r->op == BLOCK_READ)
			memcpy(page, at, s->len);
		else
			memcpy(at, page, s->len);
		at += s->len;
	}
}

static void record(struct host_disk *d, const struct block_request *r)
{
	u8 *copy = NULL;
	if (!d->config.records || r->op == BLOCK_READ)
		return;
	if (d->nr_records == d->max_records) {
		d->max_records = d->max_records ? 2 * d->max_records : 256;
		d->records = realloc(d->records, d->max_records * sizeof(d->records[0]));
		ASSERT(d->records);
	}
	if (r->op == BLOCK_WRITE) {
		size_t len = (size_t)r->nr_sectors << SECTOR_SHIFT;
		copy = malloc(len);
		ASSERT(copy);
		memcpy(copy, d->bytes + (r->sector << SECTOR_SHIFT), len);
	}
	d->records[d->nr_records++] = (struct host_disk_record){ r->op, r->sector, r->nr_sectors, copy };
}

/* The mutex is held; it is released for done. */
static void end_first(struct host_disk *d)
{
	struct block_request *r = list_first_entry(&d->queue, struct block_request, link);
	list_del(&r->link);
	int err = fails(d, r) ? -EIO : 0;
	if (!err) {
		move_bytes(d, r);
		record(d, r);
	}
	pthread_mutex_unlock(&d->mutex);
	block_done(r, err);
	pthread_mutex_lock(&d->mutex);
}

/* ---- when it ends ---- */

static void arm(struct host_disk *d)
{
	host_event_cancel(&d->event);
	if (!host_threads && !d->is_stalled && !list_is_empty(&d->queue))
		host_event_add(&d->event, list_first_entry(&d->queue, struct block_request, link)->driver[0]);
}

static void is_due(struct host_event *e)
{
	struct host_disk *d = container_of(e, struct host_disk, event);
	pthread_mutex_lock(&d->mutex);
	if (!list_is_empty(&d->queue))
		end_first(d);
	arm(d);
	pthread_mutex_unlock(&d->mutex);
}

void host_disk_settle(struct host_disk *d)
{
	pthread_mutex_lock(&d->mutex);
	while (host_threads && (d->is_working || !list_is_empty(&d->queue)))
		pthread_cond_wait(&d->changed, &d->mutex);
	pthread_mutex_unlock(&d->mutex);
}

static void sleep_for(u64 ns)
{
	struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	nanosleep(&t, NULL);
}

static void *work(void *arg)
{
	struct host_disk *d = arg;
	host_be_cpu(d->config.worker_cpu);
	pthread_mutex_lock(&d->mutex);
	while (!d->must_stop) {
		if (d->is_stalled || list_is_empty(&d->queue)) {
			pthread_cond_wait(&d->changed, &d->mutex);
			continue;
		}
		pthread_mutex_unlock(&d->mutex);
		sleep_for(__atomic_load_n(&d->delay_ns, __ATOMIC_RELAXED));
		pthread_mutex_lock(&d->mutex);
		if (!d->is_stalled) {
			d->is_working = true;
			end_first(d);
			d->is_working = false;
			pthread_cond_broadcast(&d->changed);
		}
	}
	pthread_mutex_unlock(&d->mutex);
	return NULL;
}

static void submit(struct block_device *dev, struct block_request *r)
{
	struct host_disk *d = container_of(dev, struct host_disk, dev);
	u64 delay = __atomic_load_n(&d->delay_ns, __ATOMIC_RELAXED);
	r->driver[0] = hal_clock_ns() + delay; /* may pass the turn on: not with the mutex held */
	pthread_mutex_lock(&d->mutex);
	bool at_once = !delay && !d->is_stalled && list_is_empty(&d->queue);
	list_add_tail(&r->link, &d->queue);
	if (at_once && !host_threads)
		end_first(d);
	else
		arm(d);
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->mutex);
}

static const struct block_ops ops = { .submit = submit };

unsigned host_disk_run(struct host_disk *d)
{
	unsigned n = 0;
	pthread_mutex_lock(&d->mutex);
	while (!d->is_stalled && !list_is_empty(&d->queue)) {
		host_clock_pass(list_first_entry(&d->queue, struct block_request, link)->driver[0]);
		end_first(d);
		n++;
	}
	arm(d);
	pthread_mutex_unlock(&d->mutex);
	return n;
}

/* ---- what the test says ---- */

void host_disk_set_delay(struct host_disk *d, u64 ns) { __atomic_store_n(&d->delay_ns, ns, __ATOMIC_RELAXED); }

void host_disk_stall(struct host_disk *d, bool stalled)
{
	pthread_mutex_lock(&d->mutex);
	d->is_stalled = stalled;
	arm(d);
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->mutex);
}

void host_disk_fail(struct host_disk *d, enum block_op op, u64 first, u64 end, u64 skip, u64 count)
{
	pthread_mutex_lock(&d->mutex);
	ASSERT(d->nr_faults < MAX_FAULTS);
	d->faults[d->nr_faults++] = (struct fault_rule){ op, first, end, skip, count };
	pthread_mutex_unlock(&d->mutex);
}

void host_disk_heal(struct host_disk *d)
{
	pthread_mutex_lock(&d->mutex);
	d->nr_faults = 0;
	pthread_mutex_unlock(&d->mutex);
}

u64 host_disk_nr_failed(const struct host_disk *d) { return d->nr_failed; }

size_t host_disk_records(const struct host_disk *d, const struct host_disk_record **out)
{
	*out = d->records;
	return d->nr_records;
}

static u64 next_random(u64 *state)
{
	/* Source: Marsaglia, "Xorshift RNGs" (2003). */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void host_disk_crash_image(const struct host_disk *d, size_t nr, u64 seed, u8 *out)
{
	u64 state = seed * 0x9e3779b97f4a7c15ull + 1;
	size_t safe = 0, block = d->dev.logical_block;
	ASSERT(d->config.records && nr <= d->nr_records);
	for (size_t i = 0; i < nr; i++)
		if (d->records[i].op == BLOCK_FLUSH)
			safe = i;
	memcpy(out, d->first_bytes, d->config.nr_sectors << SECTOR_SHIFT);
	for (size_t i = 0; i < nr; i++) {
		const struct host_disk_record *r = &d->records[i];
		size_t len = (size_t)r->nr_sectors << SECTOR_SHIFT;
		for (size_t at = 0; at < len; at += block)
			if (i < safe || next_random(&state) >> 32 & 1)
				memcpy(out + (r->sector << SECTOR_SHIFT) + at, r->data + at, block);
	}
}

/* ---- life ---- */

struct block_device *host_disk_device(struct host_disk *d) { return &d->dev; }
u8 *host_disk_bytes(struct host_disk *d) { return d->bytes; }

static u8 *new_medium(const struct host_disk_config *c)
{
	size_t len = c->nr_sectors << SECTOR_SHIFT;
	u8 *p = calloc(1, len);
	ASSERT(p);
	if (c->content)
		memcpy(p, c->content, len);
	return p;
}

struct host_disk *host_disk_create(const struct host_disk_config *c)
{
	static unsigned next_minor;
	struct host_disk *d = calloc(1, sizeof(*d));
	ASSERT(d);
	d->config = *c;
	d->delay_ns = c->delay_ns;
	d->bytes = new_medium(c);
	d->first_bytes = c->records ? new_medium(c) : NULL;
	pthread_mutex_init(&d->mutex, NULL);
	pthread_cond_init(&d->changed, NULL);
	list_init(&d->queue);
	host_event_init(&d->event, is_due);
	struct block_device *b = &d->dev;
	b->ops = &ops;
	b->nr_sectors = c->nr_sectors;
	b->logical_block = c->logical_block ? c->logical_block : SECTOR_SIZE;
	b->physical_block = b->logical_block;
	b->max_segments = c->max_segments ? c->max_segments : 128;
	b->max_sectors = c->max_sectors ? c->max_sectors : 1024;
	b->is_read_only = c->is_read_only;
	b->dev = 254ull << 8 | (next_minor++ & 0xff);
	strncpy(b->name, c->name ? c->name : "disk", sizeof(b->name) - 1);
	block_device_init(b);
	if (host_threads && pthread_create(&d->worker, NULL, work, d))
		hal_panic("no thread for a disk");
	return d;
}

void host_disk_destroy(struct host_disk *d)
{
	if (host_threads) {
		pthread_mutex_lock(&d->mutex);
		d->must_stop = true;
		pthread_cond_broadcast(&d->changed);
		pthread_mutex_unlock(&d->mutex);
		pthread_join(d->worker, NULL);
	}
	host_event_cancel(&d->event);
	block_device_destroy(&d->dev);
	for (size_t i = 0; i < d->nr_records; i++)
		free((void *)d->records[i].data);
	free(d->records);
	free(d->first_bytes);
	free(d->bytes);
	free(d);
}

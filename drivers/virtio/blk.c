/* SPDX-License-Identifier: MIT */
/*
 * Virtio disks: vda, vdb, ...
 *
 * A request takes a slot, which holds what the device reads and writes besides the data: header, status
 * and the table of pieces. Who finds no slot free sleeps until one is. The interrupt wakes the disk's
 * thread, which ends requests.
 *
 * Life of a slot: free -> busy (with the device) -> free; or busy -> lost when the device has not answered
 * in time -> free when it does after all. A lost slot's request has ended with -EIO, but the device may
 * still write into its memory: the slot holds a reference to each of its frames. (Resetting the device
 * would end that, but a device that does not answer requests need not answer a reset either: QEMU then
 * stops the whole machine until it can.)
 *
 * I1  Each slot is in exactly one place: `free`, `busy` (in the order of deadlines), or counted in nr_lost.
 * I2  The timer runs while `busy` has a member; it may fire early, never late.
 *
 * Source: Virtio 1.1, 5.2.
 */
#include "virtio.h"
#include <asm/errno.h>
#include <fs/blkdev.h>
#include <fs/vfs.h>
#include <hal/log.h>
#include <hal/time.h>
#include <kernel/init.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <lib/format.h>
#include <lib/parse.h>
#include <lib/string.h>
#include <linux/virtio_blk.h>
#include <machine/io.h>
#include <mm/block.h>
#include <mm/slab.h>

#define NR_SLOTS       64  /* the queue's size */
#define SLOTS_PER_PAGE 2
#define MAX_PIECES     124 /* of data: with header and status half a page */
#define BLK_MAJOR      254
#define MINORS         16  /* of one disk: itself and its partitions */
#define LOG_PER_DISK   10  /* errors of one kind that are logged in one period */
#define LOG_PERIOD_NS  (5 * NSEC_PER_SEC)

/* What the device sees of a slot. */
struct wire {
	struct virtio_blk_outhdr header;
	u8 status, pad[15];
	struct vring_desc table[MAX_PIECES + 2];
};
_Static_assert(sizeof(struct wire) * SLOTS_PER_PAGE == PAGE_SIZE, "slots fill their page");

struct slot {
	struct list_head link;
	struct wire *wire;
	struct block_request *request; /* NULL: lost */
	u64 deadline_ns;
	u32 nr_pieces;                 /* of data, in wire->table[1..] */
};

/* Why a request failed. */
enum complaint { DEVICE_ERROR, NOT_SUPPORTED, NOT_ANSWERED, NR_COMPLAINTS };

struct vdisk {
	struct block_device dev;
	struct virtio_device virtio;
	struct virtq *queue;
	u64 timeout_ns;
	struct spinlock lock; /* RANK_DEVICE, irq: lists, counts, timer */
	struct list_head free, busy;
	unsigned nr_lost;
	bool timer_runs;
	struct ktimer timer;
	bool is_late, has_new_config; /* atomic: work for the thread */
	struct host_waitq work, room; /* the thread; those who wait for a slot */
	u64 log_since_ns;             /* thread only */
	unsigned nr_logged[NR_COMPLAINTS];
	char place[64];
	struct slot slots[NR_SLOTS];
};

static struct vdisk *vdisk_of(struct block_device *b) { return container_of(b, struct vdisk, dev); }
static bool has(const struct vdisk *d, unsigned feature) { return d->virtio.features >> feature & 1; }
static paddr_t paddr_of(const void *p) { return hal_ptr_pfn(p) << PAGE_SHIFT | ((u64)p & ~PAGE_MASK); }

/* ---- submitting ---- */

struct room_wait {
	struct vdisk *disk;
	struct slot *slot;
};

/* True: a slot, or none to be had because the device keeps them all. */
static bool take_slot(void *arg)
{
	struct room_wait *w = arg;
	struct vdisk *d = w->disk;
	unsigned long flags = spin_lock_irq(&d->lock);
	bool is_dead = d->nr_lost == d->queue->size;
	if (!list_is_empty(&d->free)) {
		w->slot = list_first_entry(&d->free, struct slot, link);
		list_del(&w->slot->link);
	}
	spin_unlock_irq(&d->lock, flags);
	return w->slot || is_dead;
}

/* Pieces that lie side by side in memory become one. */
static u32 list_pieces(struct vring_desc *table, const struct block_request *r)
{
	u16 flags = VRING_DESC_F_NEXT | (r->op == BLOCK_READ ? VRING_DESC_F_WRITE : 0);
	u32 n = 0;
	for (u32 i = 0; i < r->nr_segments; i++) {
		const struct block_segment *s = &r->segments[i];
		paddr_t at = (frame_pfn(s->frame) << PAGE_SHIFT) + s->offset;
		if (n && table[n - 1].addr + table[n - 1].len == at)
			table[n - 1].len += s->len;
		else
			table[n++] = (struct vring_desc){ .addr = at, .len = s->len, .flags = flags };
	}
	return n;
}

static void fill_slot(struct slot *s, struct block_request *r)
{
	static const u32 types[] = { [BLOCK_READ] = VIRTIO_BLK_T_IN, [BLOCK_WRITE] = VIRTIO_BLK_T_OUT, [BLOCK_FLUSH] = VIRTIO_BLK_T_FLUSH };
	struct wire *w = s->wire;
	w->header = (struct virtio_blk_outhdr){ .type = types[r->op], .sector = r->op == BLOCK_FLUSH ? 0 : r->sector };
	w->status = 0xff;
	w->table[0] = (struct vring_desc){ .addr = paddr_of(&w->header), .len = sizeof(w->header), .flags = VRING_DESC_F_NEXT };
	s->nr_pieces = list_pieces(&w->table[1], r);
	w->table[s->nr_pieces + 1] = (struct vring_desc){ .addr = paddr_of(&w->status), .len = 1, .flags = VRING_DESC_F_WRITE };
	for (u32 i = 0; i <= s->nr_pieces; i++)
		w->table[i].next = (u16)(i + 1);
	s->request = r;
}

static void submit(struct block_device *b, struct block_request *r)
{
	struct vdisk *d = vdisk_of(b);
	struct room_wait w = { .disk = d };
	if (r->op == BLOCK_FLUSH && !has(d, VIRTIO_BLK_F_FLUSH)) {
		block_done(r, 0); /* such a device writes through */
		return;
	}
	host_wait_io(&d->room, take_slot, &w, d->timeout_ns);
	if (!w.slot) {
		block_done(r, -EIO);
		return;
	}
	struct slot *s = w.slot;
	fill_slot(s, r);
	unsigned long flags = spin_lock_irq(&d->lock);
	s->deadline_ns = hal_clock_ns() + d->timeout_ns;
	list_add_tail(&s->link, &d->busy);
	u64 fire = d->timer_runs ? 0 : s->deadline_ns;
	d->timer_runs = true;
	spin_unlock_irq(&d->lock, flags);
	if (fire)
		ktimer_start(&d->timer, fire);
	int err = virtq_add_table(d->queue, paddr_of(s->wire->table), s->nr_pieces + 2, s);
	ASSERT(!err); /* there are no more slots than places in the queue */
	virtq_kick(d->queue);
}

/* ---- ending ---- */

/* A disk that fails may do so thousands of times a second. Each kind of failure is counted by itself, so that
 * many errors do not hide the silence that follows. */
static bool may_log(struct vdisk *d, enum complaint why)
{
	u64 now = hal_clock_ns();
	if (now - d->log_since_ns >= LOG_PERIOD_NS) {
		d->log_since_ns = now;
		memset(d->nr_logged, 0, sizeof(d->nr_logged));
	}
	return d->nr_logged[why]++ < LOG_PER_DISK;
}

static void log_error(struct vdisk *d, const struct block_request *r, enum complaint why)
{
	static const char *const names[] = { "read", "write", "flush" };
	static const char *const reasons[] = { "the device reports an error", "not supported", "not answered in time, given up" };
	if (may_log(d, why))
		hal_log(LOG_ERR, "I/O error, dev %s, sector %llu op %s: %s", d->dev.name, (unsigned long long)r->sector, names[r->op], reasons[why]);
}

static int error_of(struct vdisk *d, const struct block_request *r, u8 status)
{
	if (status == VIRTIO_BLK_S_OK)
		return 0;
	log_error(d, r, status == VIRTIO_BLK_S_UNSUPP ? NOT_SUPPORTED : DEVICE_ERROR);
	return status == VIRTIO_BLK_S_UNSUPP ? -EOPNOTSUPP : -EIO;
}

static void for_each_frame(struct slot *s, void (*fn)(struct frame *f))
{
	for (u32 i = 1; i <= s->nr_pieces; i++) {
		paddr_t end = s->wire->table[i].addr + s->wire->table[i].len;
		for (pfn_t p = s->wire->table[i].addr >> PAGE_SHIFT; p << PAGE_SHIFT < end; p++)
			fn(pfn_frame(p));
	}
}

/* The device has let go of s. */
static void end_slot(struct vdisk *d, struct slot *s)
{
	struct block_request *r = s->request;
	u8 status = READ_ONCE(s->wire->status);
	if (!r)
		for_each_frame(s, frame_put);
	unsigned long flags = spin_lock_irq(&d->lock);
	if (r)
		list_del(&s->link);
	bool was_last_lost = !r && --d->nr_lost == 0;
	list_add(&s->link, &d->free);
	spin_unlock_irq(&d->lock, flags);
	host_wake_all(&d->room);
	if (r)
		block_done(r, error_of(d, r, status));
	if (was_last_lost)
		hal_log(LOG_WARNING, "%s: all requests given up have been answered after all", d->dev.name);
}

static struct slot *take_late_slot(struct vdisk *d, u64 now)
{
	struct slot *s = NULL;
	unsigned long flags = spin_lock_irq(&d->lock);
	if (!list_is_empty(&d->busy)) {
		s = list_first_entry(&d->busy, struct slot, link);
		if (s->deadline_ns <= now) {
			list_del(&s->link);
			d->nr_lost++;
		} else {
			s = NULL;
		}
	}
	spin_unlock_irq(&d->lock, flags);
	return s;
}

static void give_up_late(struct vdisk *d)
{
	struct slot *s;
	while ((s = take_late_slot(d, hal_clock_ns())) != NULL) {
		struct block_request *r = s->request;
		for_each_frame(s, frame_get);
		s->request = NULL;
		log_error(d, r, NOT_ANSWERED);
		block_done(r, -EIO);
	}
	host_wake_all(&d->room); /* there may be none left to wait for */
}

/* The timer has fired: for the oldest request there is now. */
static void restart_timer(struct vdisk *d)
{
	u64 fire = 0;
	unsigned long flags = spin_lock_irq(&d->lock);
	if (!list_is_empty(&d->busy))
		fire = list_first_entry(&d->busy, struct slot, link)->deadline_ns;
	d->timer_runs = fire != 0;
	spin_unlock_irq(&d->lock, flags);
	if (fire)
		ktimer_start(&d->timer, fire);
}

/* ---- interrupts and the thread ---- */

static void wake_thread(struct virtq *q) { host_wake_all(&((struct vdisk *)q->owner)->work); }

static void timer_fired(struct ktimer *t)
{
	struct vdisk *d = container_of(t, struct vdisk, timer);
	__atomic_store_n(&d->is_late, true, __ATOMIC_RELEASE);
	host_wake_all(&d->work);
}

static void config_changed(void *arg)
{
	struct vdisk *d = arg;
	__atomic_store_n(&d->has_new_config, true, __ATOMIC_RELEASE);
	host_wake_all(&d->work);
}

static bool has_work(void *arg)
{
	struct vdisk *d = arg;
	return virtq_has_used(d->queue) || READ_ONCE(d->is_late) || READ_ONCE(d->has_new_config);
}

static u32 config32(struct vdisk *d, size_t offset) { return mmio_read32(d->virtio.config + offset); }

static u64 read_capacity(struct vdisk *d)
{
	size_t at = offsetof(struct virtio_blk_config, capacity);
	u32 high, low;
	do { /* two reads of a value that may change between them */
		high = config32(d, at + 4);
		low = config32(d, at);
	} while (config32(d, at + 4) != high);
	u64 sectors = (u64)high << 32 | low;
	return sectors - sectors % (d->dev.logical_block >> SECTOR_SHIFT);
}

static void update_size(struct vdisk *d)
{
	u64 old = d->dev.nr_sectors, now = read_capacity(d);
	if (now == old)
		return;
	hal_log(LOG_INFO, "%s: %llu sectors now, %llu before", d->dev.name, (unsigned long long)now, (unsigned long long)old);
	block_set_size(&d->dev, now);
}

static void disk_thread(void *arg)
{
	struct vdisk *d = arg;
	struct slot *s;
	u32 len;
	for (;;) {
		host_wait(&d->work, has_work, d, 0);
		while ((s = virtq_take(d->queue, &len)) != NULL)
			end_slot(d, s);
		if (__atomic_exchange_n(&d->is_late, false, __ATOMIC_ACQUIRE)) {
			give_up_late(d);
			restart_timer(d);
		}
		if (__atomic_exchange_n(&d->has_new_config, false, __ATOMIC_ACQUIRE))
			update_size(d);
	}
}

static const struct block_ops ops = { .submit = submit };

/* ---- set-up ---- */

static int make_slots(struct vdisk *d)
{
	struct wire *w = NULL;
	for (unsigned i = 0; i < d->queue->size; i++) {
		if (i % SLOTS_PER_PAGE == 0) {
			struct frame *f = frame_alloc(0, ALLOC_KERNEL | ALLOC_ZERO, FRAME_KERNEL);
			if (!f)
				return -ENOMEM;
			w = frame_ptr(f);
		}
		d->slots[i].wire = w++;
		list_add_tail(&d->slots[i].link, &d->free);
	}
	return 0;
}

static int read_limits(struct vdisk *d)
{
	struct block_device *b = &d->dev;
	u32 seg_max = has(d, VIRTIO_BLK_F_SEG_MAX) ? config32(d, offsetof(struct virtio_blk_config, seg_max)) : 1;
	b->logical_block = has(d, VIRTIO_BLK_F_BLK_SIZE) ? config32(d, offsetof(struct virtio_blk_config, blk_size)) : SECTOR_SIZE;
	if (b->logical_block < SECTOR_SIZE || b->logical_block > PAGE_SIZE || (b->logical_block & (b->logical_block - 1)))
		return -EINVAL;
	b->physical_block = b->logical_block;
	if (has(d, VIRTIO_BLK_F_TOPOLOGY)) {
		u8 shift = mmio_read8(d->virtio.config + offsetof(struct virtio_blk_config, physical_block_exp));
		b->physical_block = shift < 16 ? b->logical_block << shift : b->logical_block;
	}
	b->max_segments = max(min(seg_max, (u32)MAX_PIECES), 1u);
	b->max_sectors = b->max_segments * (PAGE_SIZE / SECTOR_SIZE);
	/* Pieces grow by merging up to a whole request. */
	if (has(d, VIRTIO_BLK_F_SIZE_MAX) && config32(d, offsetof(struct virtio_blk_config, size_max)) < b->max_sectors * SECTOR_SIZE) {
		b->max_sectors = config32(d, offsetof(struct virtio_blk_config, size_max)) / SECTOR_SIZE;
		if (b->max_sectors < PAGE_SIZE / SECTOR_SIZE)
			return -EINVAL;
	}
	b->is_read_only = has(d, VIRTIO_BLK_F_RO);
	b->nr_sectors = read_capacity(d);
	return 0;
}

static struct blkdev_geometry read_geometry(struct vdisk *d)
{
	struct blkdev_geometry g = { .heads = 64, .sectors = 32, .cylinders = (u16)(d->dev.nr_sectors >> 11) };
	size_t at = offsetof(struct virtio_blk_config, geometry);
	if (has(d, VIRTIO_BLK_F_GEOMETRY)) {
		u32 v = config32(d, at);
		g = (struct blkdev_geometry){ .cylinders = (u16)v, .heads = (u8)(v >> 16), .sectors = (u8)(v >> 24) };
	}
	return g;
}

static u64 timeout_from_cmdline(void)
{
	const char *s = cmdline_get("quire.disk_timeout");
	u64 seconds;
	return s && parse_u64(s, 10, &seconds, NULL) && seconds && seconds < 100000 ? seconds * NSEC_PER_SEC : 30 * NSEC_PER_SEC;
}

static int start(struct vdisk *d, const struct pci_device *pci, unsigned number)
{
	u64 wanted = 1ull << VIRTIO_BLK_F_SIZE_MAX | 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_RO | 1ull << VIRTIO_BLK_F_BLK_SIZE |
	             1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_GEOMETRY | 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	int err = virtio_start(&d->virtio, pci, number, wanted);
	if (!err && (!has(d, VIRTIO_RING_F_INDIRECT_DESC) || !d->virtio.config))
		err = -ENODEV;
	if (!err)
		err = read_limits(d);
	if (!err)
		err = virtq_create(&d->virtio, 0, wake_thread, d);
	if (err)
		return err;
	d->queue = d->virtio.queues[0];
	err = make_slots(d);
	if (!err)
		err = virtio_watch_config(&d->virtio, config_changed, d);
	if (!err && !kthread_create(disk_thread, d, d->dev.name))
		err = -ENOMEM;
	return err;
}

static void init_disk(struct vdisk *d)
{
	spin_lock_init(&d->lock, RANK_DEVICE);
	list_init(&d->free);
	list_init(&d->busy);
	host_waitq_init(&d->work);
	host_waitq_init(&d->room);
	ktimer_init(&d->timer, timer_fired);
	d->timeout_ns = timeout_from_cmdline();
	d->dev.ops = &ops;
}

void virtio_blk_probe(const struct pci_device *pci, unsigned number)
{
	static unsigned nr_disks;
	struct vdisk *d = kzalloc(sizeof(*d), ALLOC_KERNEL);
	if (!d) {
		hal_log(LOG_ERR, "virtio-blk: no memory for a disk");
		return;
	}
	init_disk(d);
	blkdev_disk_name(d->dev.name, "vd", nr_disks);
	d->dev.dev = dev_make(BLK_MAJOR, nr_disks * MINORS);
	snprintf(d->place, sizeof(d->place), "pci0000:%02x/0000:%02x:%02x.%u/virtio%u", pci->bus, pci->bus, pci->slot, pci->function, number);
	int err = start(d, pci, number);
	if (err) { /* what the device may know of stays */
		hal_log(LOG_ERR, "virtio-blk: a disk cannot be used (error %d)", -err);
		return;
	}
	nr_disks++;
	block_device_init(&d->dev);
	virtio_ready(&d->virtio);
	struct blkdev_info info = {
		.driver = "virtblk", .place = d->place, .nr_requests = d->queue->size, .nr_minors = MINORS, .is_rotational = true,
		.has_write_cache = has(d, VIRTIO_BLK_F_FLUSH), .geometry = read_geometry(d),
	};
	err = blkdev_register(&d->dev, &info);
	if (err)
		hal_log(LOG_ERR, "%s: not registered (error %d)", d->dev.name, -err);
}

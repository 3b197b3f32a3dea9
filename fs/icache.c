/* SPDX-License-Identifier: MIT */
/*
 * The cache of inodes of one super: by number, for file systems whose inodes live on a device.
 *
 * Life of an inode here: loading -> in use <-> unused -> evicting -> gone. An unused one (no references) stays,
 * oldest first on a list, until memory is wanted; one without links, or any once the super is being
 * unmounted, is evicted when its last reference goes, by whoever drops that: when a removed file is closed,
 * its pages are free. Write-back only pins an inode, and is waited for. Whoever looks for a number that is
 * loading or evicting waits.
 *
 * C1  An inode in the tree is hashed; it leaves when its eviction has ended or its loading failed.
 * C2  It is on the unused list exactly when it is in the tree, has no references, and is not evicting.
 * C3  References go from 0 to 1 and to 0 only under the cache's lock.
 * C4  An evicting inode gets no more pins, and is evicted when it has none.
 *
 * The lock (RANK_ICACHE) is taken under a flusher's, so marking an inode dirty never happens under it.
 */
#include "internal.h"
#include <mm/radix.h>
#include <mm/writeback.h>

#define BUSY_TIMEOUT_NS 10000000000ull

struct icache {
	struct spinlock lock;
	struct radix_tree tree;  /* (lock) inode number -> struct inode */
	struct list_head unused; /* (lock) inode->unused_link, oldest first */
	u64 nr_unused, nr_inodes;
	bool is_closing;         /* (lock) */
	u64 nr_changes;          /* loadings, evictions and last pins that ended */
	struct host_waitq waitq;
};

int icache_create(struct super *s)
{
	struct icache *c = kzalloc(sizeof(*c), ALLOC_KERNEL);
	if (!c)
		return -ENOMEM;
	spin_lock_init(&c->lock, RANK_ICACHE);
	radix_init(&c->tree);
	list_init(&c->unused);
	host_waitq_init(&c->waitq);
	s->icache = c;
	return 0;
}

void icache_destroy(struct super *s)
{
	ASSERT(!s->icache || !s->icache->nr_inodes);
	kfree(s->icache);
	s->icache = NULL;
}

u64 icache_nr_unused(const struct super *s) { return s->icache ? READ_ONCE(s->icache->nr_unused) : 0; }

static void get_locked(struct icache *c, struct inode *i)
{
	if (__atomic_fetch_add(&i->refs, 1, __ATOMIC_RELAXED) == 0) {
		list_del(&i->unused_link);
		WRITE_ONCE(c->nr_unused, c->nr_unused - 1);
	}
}

/* Sleeps until an inode was loaded, left or lost its last pin since `seen` was read (under the lock). */
struct change {
	struct icache *c;
	u64 seen;
};

static bool has_changed(void *arg)
{
	struct change *w = arg;
	return __atomic_load_n(&w->c->nr_changes, __ATOMIC_ACQUIRE) != w->seen;
}

static int wait_change(struct icache *c, u64 seen, u64 timeout_ns)
{
	struct change w = { c, seen };
	return host_wait(&c->waitq, has_changed, &w, timeout_ns);
}

/* Under the lock, so that whoever sees it and destroys the cache comes after. */
static void changed_locked(struct icache *c)
{
	__atomic_fetch_add(&c->nr_changes, 1, __ATOMIC_RELEASE);
	host_wake_all(&c->waitq);
}

/* The inode with a reference, loaded; NULL: not there (any more). */
static void find(struct icache *c, u64 ino, struct inode **out)
{
	for (;;) {
		spin_lock(&c->lock);
		struct inode *i = radix_lookup(&c->tree, ino);
		bool unsettled = i && (i->state & (INODE_EVICTING | INODE_LOADING));
		u64 seen = READ_ONCE(c->nr_changes);
		if (i && !unsettled)
			get_locked(c, i);
		spin_unlock(&c->lock);
		*out = i;
		if (!unsettled)
			return;
		wait_change(c, seen, 0);
	}
}

struct inode *icache_find(struct super *s, u64 ino)
{
	struct icache *c = s->icache;
	spin_lock(&c->lock);
	struct inode *i = radix_lookup(&c->tree, ino);
	if (i && (i->state & (INODE_EVICTING | INODE_LOADING)))
		i = NULL;
	if (i)
		get_locked(c, i);
	spin_unlock(&c->lock);
	return i;
}

int icache_insert(struct inode *i)
{
	struct icache *c = i->super->icache;
	int err;
	do { /* again when the tree changed while nodes were allocated */
		struct radix_reserve reserve;
		spin_lock(&c->lock);
		unsigned missing = radix_missing(&c->tree, i->ino);
		spin_unlock(&c->lock);
		if (radix_reserve(&reserve, missing, ALLOC_KERNEL))
			return -ENOMEM;
		spin_lock(&c->lock);
		err = radix_insert(&c->tree, i->ino, i, &reserve);
		if (!err) {
			i->state |= INODE_CACHED | INODE_LOADING;
			c->nr_inodes++;
		}
		spin_unlock(&c->lock);
		radix_release(&reserve);
	} while (err == -EAGAIN);
	return err;
}

int icache_get(struct super *s, u64 ino, struct inode **out, bool *is_new)
{
	struct icache *c = s->icache;
	*is_new = false;
	for (;;) {
		find(c, ino, out);
		if (*out)
			return 0;
		struct inode *i = inode_new(s, 0);
		if (!i)
			return -ENOMEM;
		i->ino = ino;
		int err = icache_insert(i);
		if (!err) {
			*out = i;
			*is_new = true;
			return 0;
		}
		inode_put(i);
		if (err != -EEXIST)
			return err;
	}
}

static void remove_locked(struct icache *c, struct inode *i)
{
	radix_remove(&c->tree, i->ino);
	i->state &= ~INODE_CACHED;
	c->nr_inodes--;
}

void icache_loaded(struct inode *i, int err)
{
	struct icache *c = i->super->icache;
	spin_lock(&c->lock);
	i->state &= ~INODE_LOADING;
	if (err)
		remove_locked(c, i);
	changed_locked(c);
	spin_unlock(&c->lock);
}

bool icache_pin(struct inode *i)
{
	struct icache *c = i->super->icache;
	spin_lock(&c->lock);
	bool ok = (i->state & (INODE_CACHED | INODE_LOADING | INODE_EVICTING)) == INODE_CACHED;
	if (ok)
		i->nr_pins++;
	spin_unlock(&c->lock);
	return ok;
}

void icache_unpin(struct inode *i)
{
	struct icache *c = i->super->icache;
	spin_lock(&c->lock);
	if (!--i->nr_pins && i->state & INODE_EVICTING)
		changed_locked(c);
	spin_unlock(&c->lock);
}

static void wait_for_pins(struct icache *c, struct inode *i)
{
	for (bool is_pinned = true; is_pinned;) {
		spin_lock(&c->lock);
		is_pinned = i->nr_pins != 0;
		u64 seen = READ_ONCE(c->nr_changes);
		spin_unlock(&c->lock);
		if (is_pinned)
			wait_change(c, seen, 0);
	}
}

static void evict(struct icache *c, struct inode *i)
{
	if (!i->nlink && i->mapping.store)
		writeback_give_up(i->mapping.store);
	wait_for_pins(c, i);
	inode_clear(i);
	spin_lock(&c->lock);
	remove_locked(c, i);
	changed_locked(c);
	spin_unlock(&c->lock);
	inode_free(i);
}

bool icache_put(struct inode *i)
{
	struct icache *c = i->super->icache;
	spin_lock(&c->lock);
	if (!(i->state & INODE_CACHED)) {
		spin_unlock(&c->lock);
		return false;
	}
	bool last = __atomic_sub_fetch(&i->refs, 1, __ATOMIC_ACQ_REL) == 0, keep = i->nlink && !c->is_closing;
	if (last && keep) {
		list_add_tail(&i->unused_link, &c->unused);
		WRITE_ONCE(c->nr_unused, c->nr_unused + 1);
	} else if (last) {
		i->state |= INODE_EVICTING;
	}
	spin_unlock(&c->lock);
	if (last && !keep)
		evict(c, i);
	return true;
}

static bool is_clean(const struct inode *i)
{
	const struct backing_store *b = i->mapping.store;
	return !i->mapping.nr_pages && (!b || !(READ_ONCE(b->nr_dirty) || READ_ONCE(b->nr_writeback) || READ_ONCE(b->is_meta_dirty)));
}

/* Takes up to BATCH clean ones off the list, looking at no more than *budget. */
#define BATCH 16u
static unsigned pick_unused(struct icache *c, struct inode **out, unsigned max, u64 *budget)
{
	unsigned nr = 0;
	spin_lock(&c->lock);
	while (nr < max && *budget && !list_is_empty(&c->unused)) {
		struct inode *i = list_first_entry(&c->unused, struct inode, unused_link);
		list_del(&i->unused_link);
		--*budget;
		if (is_clean(i) && !i->nr_pins) {
			WRITE_ONCE(c->nr_unused, c->nr_unused - 1);
			i->state |= INODE_EVICTING;
			out[nr++] = i;
		} else {
			list_add_tail(&i->unused_link, &c->unused); /* its pages come first */
		}
	}
	spin_unlock(&c->lock);
	return nr;
}

u64 icache_shrink(struct super *s, u64 max)
{
	struct icache *c = s->icache;
	if (!c)
		return 0; /* its inodes live in memory only */
	u64 done = 0, budget = READ_ONCE(c->nr_unused);
	while (done < max) {
		struct inode *batch[BATCH];
		unsigned nr = pick_unused(c, batch, (unsigned)min((u64)BATCH, max - done), &budget);
		for (unsigned n = 0; n < nr; n++)
			evict(c, batch[n]);
		done += nr;
		if (!nr)
			break;
	}
	return done;
}

void icache_for_each(struct super *s, void (*fn)(struct inode *i, void *arg), void *arg)
{
	struct icache *c = s->icache;
	for (u64 ino = 0; c; ino++) {
		spin_lock(&c->lock);
		struct inode *i = radix_next(&c->tree, &ino);
		bool ok = i && !(i->state & (INODE_LOADING | INODE_EVICTING));
		if (ok)
			get_locked(c, i);
		spin_unlock(&c->lock);
		if (!i)
			return;
		if (!ok)
			continue;
		fn(i, arg);
		inode_put(i);
	}
}

void icache_evict_all(struct super *s)
{
	struct icache *c = s->icache;
	spin_lock(&c->lock);
	c->is_closing = true;
	spin_unlock(&c->lock);
	for (;;) {
		u64 ino = 0;
		spin_lock(&c->lock);
		struct inode *i = radix_next(&c->tree, &ino);
		bool unused = i && !list_is_empty(&i->unused_link);
		if (unused) {
			list_del(&i->unused_link);
			WRITE_ONCE(c->nr_unused, c->nr_unused - 1);
			i->state |= INODE_EVICTING;
		}
		u64 seen = READ_ONCE(c->nr_changes);
		spin_unlock(&c->lock);
		if (!i)
			return;
		if (unused)
			evict(c, i);
		else if (wait_change(c, seen, BUSY_TIMEOUT_NS)) /* a reference leaked */
			hal_log(LOG_ERR, "unmounting %s: inode %llu is still in use", s->type, (unsigned long long)ino);
	}
}

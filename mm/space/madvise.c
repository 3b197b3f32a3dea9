/* SPDX-License-Identifier: MIT */
/*
 * madvise. Advice that changes what a program reads later is done exactly (DONTNEED, FREE, REMOVE,
 * WIPEONFORK, DONTFORK, POPULATE_*); hints about access patterns are remembered in the region's flags.
 *
 * MADV_FREE drops the pages at once, as a machine without swap that is short of memory would: the
 * caller must expect zeros from then until its next write. Holes are skipped and end in ENOMEM.
 */
#include "internal.h"
#include <mm/readahead.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum advice_way {
	WAY_INVALID,
	WAY_FLAGS,    /* changes region flags: lock for writing */
	WAY_DROP,     /* empties page-table entries: lock for reading */
	WAY_REMOVE,   /* punches a hole into the file */
	WAY_READ,     /* reads file pages ahead */
	WAY_OUT,      /* writes private pages to swap */
	WAY_POPULATE,
	WAY_NOTHING,  /* accepted */
};

struct advice {
	enum advice_way way;
	u32 clear, set;
};

static struct advice advice_decode(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
		return (struct advice){ WAY_FLAGS, REGION_SEQ_READ | REGION_RAND_READ, 0 };
	case MADV_SEQUENTIAL:
		return (struct advice){ WAY_FLAGS, REGION_RAND_READ, REGION_SEQ_READ };
	case MADV_RANDOM:
		return (struct advice){ WAY_FLAGS, REGION_SEQ_READ, REGION_RAND_READ };
	case MADV_DONTFORK:
		return (struct advice){ WAY_FLAGS, 0, REGION_DONTFORK };
	case MADV_DOFORK:
		return (struct advice){ WAY_FLAGS, REGION_DONTFORK, 0 };
	case MADV_WIPEONFORK:
		return (struct advice){ WAY_FLAGS, 0, REGION_WIPEONFORK };
	case MADV_KEEPONFORK:
		return (struct advice){ WAY_FLAGS, REGION_WIPEONFORK, 0 };
	case MADV_DONTDUMP:
		return (struct advice){ WAY_FLAGS, 0, REGION_DONTDUMP };
	case MADV_DODUMP:
		return (struct advice){ WAY_FLAGS, REGION_DONTDUMP, 0 };
	case MADV_HUGEPAGE:
		return (struct advice){ WAY_FLAGS, REGION_NOHUGEPAGE, REGION_HUGEPAGE };
	case MADV_NOHUGEPAGE:
		return (struct advice){ WAY_FLAGS, REGION_HUGEPAGE, REGION_NOHUGEPAGE };
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
		return (struct advice){ WAY_DROP, 0, 0 };
	case MADV_REMOVE:
		return (struct advice){ WAY_REMOVE, 0, 0 };
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return (struct advice){ WAY_POPULATE, 0, 0 };
	case MADV_WILLNEED:
		return (struct advice){ WAY_READ, 0, 0 };
	case MADV_PAGEOUT:
		return (struct advice){ WAY_OUT, 0, 0 };
	case MADV_COLD:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
		return (struct advice){ WAY_NOTHING, 0, 0 };
	}
	return (struct advice){ WAY_INVALID, 0, 0 };
}

static int advise_flags(struct space *s, struct region *r, uaddr_t at, uaddr_t to, int advice, const struct advice *a,
                        struct region **out)
{
	*out = r;
	if (advice == MADV_WIPEONFORK && (r->mapping || r->flags & REGION_SHARED))
		return -EINVAL;
	if ((advice == MADV_DOFORK || advice == MADV_DODUMP) && r->flags & REGION_SPECIAL)
		return -EINVAL;
	return region_change_flags(s, r, at, to, a->clear, a->set, out);
}

static int advise_drop(struct space *s, struct region *r, uaddr_t at, uaddr_t to, int advice)
{
	if (r->flags & REGION_SPECIAL || (r->flags & REGION_LOCKED && advice != MADV_DONTNEED_LOCKED))
		return -EINVAL;
	if (advice == MADV_FREE && (r->mapping || r->flags & REGION_SHARED))
		return -EINVAL;
	if (range_unshare_edges(s, at, to))
		return -ENOMEM;
	struct gather g;
	space_note_hiwater(s);
	gather_begin(&g, s);
	zap_range(&g, at, to);
	gather_end(&g);
	return 0;
}

/* The hole goes through the file; the lock is not held meanwhile. */
static int advise_remove(struct space *s, struct region *r, uaddr_t at, uaddr_t to)
{
	struct mapping *m = r->mapping;
	if (r->flags & REGION_LOCKED || !m)
		return -EINVAL;
	if ((r->flags & (REGION_SHARED | REGION_MAYWRITE)) != (REGION_SHARED | REGION_MAYWRITE))
		return -EACCES;
	void *file = r->file;
	u64 start = region_index(r, at) << PAGE_SHIFT, end = start + (to - at);
	bool has_way = file && m->ops->punch;
	int err = 0;
	if (m->store && !has_way)
		return -EOPNOTSUPP;
	if (file && m->ops->file_get)
		m->ops->file_get(file);
	rwlock_read_unlock(&s->lock);
	if (has_way)
		err = m->ops->punch(file, start, end);
	else
		mapping_punch(m, start, end);
	if (file && m->ops->file_put)
		m->ops->file_put(file);
	rwlock_read(&s->lock);
	return err;
}

/* Starts reading what is not in memory yet. */
static int advise_read(struct region *r, uaddr_t at, uaddr_t to)
{
	return r->mapping && r->mapping->store ? readahead_force(r->mapping, region_index(r, at), (to - at) >> PAGE_SHIFT) : 0;
}

static int advise_populate(struct space *s, struct region *r, uaddr_t at, uaddr_t to, int advice)
{
	u32 need = advice == MADV_POPULATE_WRITE ? REGION_WRITE : REGION_READ;
	if (r->flags & REGION_SPECIAL || !(r->flags & need))
		return -EINVAL;
	return populate_advised(s, at, to, advice == MADV_POPULATE_WRITE);
}

static int advise_region(struct space *s, struct region *r, uaddr_t at, uaddr_t to, int advice, const struct advice *a,
                         struct region **out)
{
	*out = r;
	switch (a->way) {
	case WAY_FLAGS:
		return advise_flags(s, r, at, to, advice, a, out);
	case WAY_DROP:
		return advise_drop(s, r, at, to, advice);
	case WAY_REMOVE:
		*out = NULL; /* the lock was dropped: look again */
		return advise_remove(s, r, at, to);
	case WAY_READ:
		return advise_read(r, at, to);
	case WAY_POPULATE:
		return advise_populate(s, r, at, to, advice);
	case WAY_OUT:
		if (r->flags & (REGION_LOCKED | REGION_SPECIAL))
			return -EINVAL;
		pageout_range(s, at, to);
		return 0;
	default:
		return advice == MADV_COLD && r->flags & (REGION_LOCKED | REGION_SPECIAL) ? -EINVAL : 0;
	}
}

static int madvise_locked(struct space *s, uaddr_t start, uaddr_t end, int advice, const struct advice *a)
{
	int unmapped = 0;
	struct region *r = region_lookup(s, start);
	for (uaddr_t at = start; at < end;) {
		if (!r)
			return -ENOMEM;
		if (r->start > at) {
			unmapped = -ENOMEM;
			if (r->start >= end)
				break;
			at = r->start;
		}
		uaddr_t to = min(r->end, end);
		int err = advise_region(s, r, at, to, advice, a, &r);
		if (err)
			return err;
		at = to;
		r = r && r->end > at ? r : at < end ? region_lookup(s, at) : NULL;
	}
	return unmapped;
}

int space_madvise(struct space *s, uaddr_t addr, u64 len, int advice)
{
	struct advice a = advice_decode(advice);
	u64 size = PAGE_ALIGN_UP(len);
	if (a.way == WAY_INVALID || (addr & ~PAGE_MASK) || (len && !size) || addr + size < addr)
		return -EINVAL;
	if (!size)
		return 0;
	if (a.way == WAY_FLAGS)
		rwlock_write(&s->lock);
	else
		rwlock_read(&s->lock);
	int err = madvise_locked(s, addr, addr + size, advice, &a);
	if (a.way == WAY_FLAGS)
		rwlock_write_unlock(&s->lock);
	else
		rwlock_read_unlock(&s->lock);
	return err;
}

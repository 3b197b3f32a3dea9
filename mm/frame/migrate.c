/* SPDX-License-Identifier: MIT */
/*
 * Migration: a page moves from one frame to another while programs, the page cache and reclaim use it.
 *
 * Mapped anonymous pages and pages of files and shmem objects move, dirty ones too; pages under I/O, and those
 * whose frame somebody holds a reference to, stay where they are. So whoever has a reference to a frame in hand finds
 * the page in it for as long as he has it.
 *
 *  1. busy bit: nobody fills, writes back, truncates or evicts the page. From here on nobody maps it anew either:
 *     who would do so looks at the bit under the lock of the page's index (a file's, or the slot in swap), which is
 *     passed through once.
 *  2. every entry that maps it is suspended; who touches it waits (mm/pagetable/migrate.c).
 *  3. with the index locked: if nobody but index, entries and migration holds a reference, nobody can change the
 *     content any more, and nobody can come to it. It is copied and the new frame put into the index, the replacement
 *     list, and so on, in the place of the old one.
 *  4. the entries are resumed, with the new frame or (3. failed) the old one; the busy bits are released.
 */
#include <asm/errno.h>
#include <mm/mapping.h>
#include <mm/migrate.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <mm/trace.h>

/* Flags that say something about the page; those of its list go with the list. */
#define FLAGS_OF_PAGE (FRAME_UPTODATE | FRAME_DIRTY | FRAME_ACCESSED | FRAME_SHMEM | FRAME_READAHEAD | FRAME_SWAPCACHE | FRAME_REFUSED)

static bool is_movable(const struct frame *f)
{
	u32 flags = frame_flags(f);
	return (flags & (FRAME_UPTODATE | FRAME_WRITEBACK)) == FRAME_UPTODATE && (f->kind == FRAME_ANON || (f->kind == FRAME_CACHE && f->mapping));
}

/* Nobody looks at either but the caller; the lists' lock aside. */
static void move_page(struct frame *f, struct frame *to)
{
	hal_page_copy(frame_pfn(to), frame_pfn(f));
	WRITE_ONCE(to->kind, f->kind);
	to->group = f->group;
	to->mapping = f->mapping;
	to->index = f->index;
	to->owner = f->owner;
	__atomic_store_n(&to->flags, (frame_flags(f) & FLAGS_OF_PAGE) | FRAME_BUSY, __ATOMIC_RELEASE);
	lru_replace(f, to);
	f->group = 0; /* the charge goes with the page */
}

/* With the locks that new references need: if nobody holds f but its slots and nr_others, the page moves. */
static bool move_if_quiet(struct frame *f, struct frame *to, u32 nr_others)
{
	if (frame_flags(f) & FRAME_SWAPCACHE)
		return swap_cache_move(f, to, nr_others, move_page);
	bool ok = frame_is_quiet(f, nr_others);
	if (ok)
		move_page(f, to);
	return ok;
}

static bool move_cached(struct mapping *m, struct frame *f, struct frame *to, u32 nr_others)
{
	spin_lock(&m->tree_lock);
	bool ok = move_if_quiet(f, to, nr_others);
	if (ok) {
		frame_get(to); /* the index's */
		radix_replace(&m->pages, f->index, to);
		f->mapping = NULL;
	}
	spin_unlock(&m->tree_lock);
	if (ok)
		frame_put(f); /* the index's */
	return ok;
}

/* Whoever maps pages of m from now on sees what was set before. */
static bool pass_index(struct mapping *m)
{
	spin_lock(&m->tree_lock);
	spin_unlock(&m->tree_lock);
	return true;
}

static bool move_busy(struct frame *f, struct frame *to)
{
	struct mapping *m = f->kind == FRAME_CACHE ? f->mapping : NULL;
	u32 nr_others = 1; /* the caller; index and swap cache have one each */
	if (m)
		nr_others += pass_index(m);
	nr_others += swap_cache_pass(f);
	if (!frame_is_quiet(f, nr_others)) /* likely it is not later either: spares the entries */
		return false;
	walk_back_suspend(f);
	bool moved = m ? move_cached(m, f, to, nr_others) : move_if_quiet(f, to, nr_others);
	walk_back_resume(f, moved ? to : f);
	if (moved)
		frame_busy_unlock(to);
	return moved;
}

int frame_migrate(struct frame *f, struct frame *to)
{
	int err = -EBUSY;
	if (frame_busy_trylock(f)) {
		err = !is_movable(f) ? -EINVAL : move_busy(f, to) ? 0 : -EBUSY;
		frame_busy_unlock(f);
	}
	if (!err)
		frame_put(to);
	trace_point(TRACE_MIGRATE, frame_pfn(f), frame_pfn(to), (u64)err, 0);
	stat_add(err ? STAT_PGMIGRATE_FAIL : STAT_PGMIGRATE_SUCCESS, 1);
	return err;
}

/* SPDX-License-Identifier: MIT */
/* Bringing pages in without a touch: MAP_POPULATE, mlock, MADV_POPULATE_*, and kernel access by address. */
#include "internal.h"
#include <asm/signal.h>
#include <lib/string.h>
#include <mm/fault.h>
#include <mm/leaf.h>

/* In regions without any of the flags `except`. */
static int populate(struct space *s, uaddr_t start, uaddr_t end, bool want_write, u32 except)
{
	struct region *r = region_lookup(s, start);
	for (uaddr_t at = start; r && r->start < end; r = region_next(r)) {
		at = max(at, r->start);
		if (!region_is_accessible(r) || r->flags & except)
			continue;
		/* A private writable page is written to, so that it is the region's own afterwards. */
		unsigned access = want_write && (r->flags & (REGION_WRITE | REGION_SHARED)) == REGION_WRITE ? FAULT_WRITE : 0;
		if (want_write && r->flags & REGION_WRITE && r->flags & REGION_SHARED)
			access = FAULT_WRITE;
		for (; at < min(r->end, end); at += PAGE_SIZE) {
			if (host_current()->is_being_killed)
				return -EINTR;
			struct fault_verdict v = fault_region(s, r, at, access);
			if (v.kind == FAULT_RETRY)
				at -= PAGE_SIZE; /* this one again */
			if (v.kind == FAULT_OOM)
				return -ENOMEM;
			if (v.kind == FAULT_SIGNAL)
				return -EFAULT;
		}
	}
	return 0;
}

int populate_locked(struct space *s, uaddr_t start, uaddr_t end, bool want_write)
{
	return populate(s, start, end, want_write, REGION_SPECIAL | REGION_LOCKONFAULT);
}

int populate_advised(struct space *s, uaddr_t start, uaddr_t end, bool want_write)
{
	return populate(s, start, end, want_write, REGION_SPECIAL);
}

int space_populate(struct space *s, uaddr_t addr, u64 len)
{
	rwlock_read(&s->lock);
	int err = populate_locked(s, addr & PAGE_MASK, PAGE_ALIGN_UP(addr + len), true);
	rwlock_read_unlock(&s->lock);
	return err;
}

/* The frame at addr with a reference, or NULL when it is not there with the rights asked for; for a
 * write (`own`) its table must not be shared. */
static struct frame *frame_at(struct space *s, uaddr_t addr, bool own, bool write)
{
	struct leaf l;
	struct frame *f = NULL;
	if (!leaf_lock(s, addr, &l))
		return NULL;
	pte_t e = hal_entry_load(l.entry);
	if (pte_is_mapped(e) && !pte_is_migrating(e) && !(own && l.is_shared) && (!write || pte_is_writable(e))) {
		f = pte_frame(e);
		if (!pte_is_special(e))
			frame_get(f);
	}
	leaf_unlock(&l);
	return f;
}

/* Copies within one page; false: not accessible. */
static bool access_page(struct space *s, struct region *r, uaddr_t addr, void *buf, size_t len, bool write, bool force)
{
	u32 need = write ? REGION_WRITE : REGION_READ | REGION_WRITE | REGION_EXEC;
	if (!(r->flags & need)) {
		u32 may = write ? REGION_MAYWRITE : REGION_MAYREAD;
		if (!force || !(r->flags & may) || (write && r->flags & REGION_SHARED))
			return false;
	}
	/* Forced writes to a read-only private page break the sharing first, then go to the frame. */
	for (unsigned tries = 0; tries < 64; tries++) {
		struct frame *f = frame_at(s, addr, write, write && r->flags & REGION_WRITE);
		bool is_own = f && (!write || r->flags & REGION_WRITE || (f->kind == FRAME_ANON && f->nr_slots == 1));
		if (is_own) {
			char *p = (char *)frame_ptr(f) + (addr & ~PAGE_MASK);
			if (write)
				memcpy(p, buf, len);
			else
				memcpy(buf, p, len);
			if (f->kind != FRAME_SPECIAL)
				frame_put(f);
			return true;
		}
		if (f && f->kind != FRAME_SPECIAL)
			frame_put(f);
		struct fault_verdict v = fault_region(s, r, addr & PAGE_MASK, write ? FAULT_WRITE : 0);
		if (v.kind == FAULT_SIGNAL || v.kind == FAULT_OOM)
			return false;
		tries -= v.kind == FAULT_RETRY && !host_current()->is_being_killed; /* migrated just now: decides nothing */
	}
	return false;
}

size_t space_access(struct space *s, uaddr_t addr, void *buf, size_t len, bool write, bool force)
{
	size_t done = 0;
	rwlock_read(&s->lock);
	while (done < len) {
		struct region *r = region_lookup(s, addr);
		if (!r || r->start > addr)
			break;
		size_t part = min(len - done, PAGE_SIZE - (addr & ~PAGE_MASK));
		if (!access_page(s, r, addr, (char *)buf + done, part, write, force))
			break;
		done += part;
		addr += part;
	}
	rwlock_read_unlock(&s->lock);
	return done;
}

/* SPDX-License-Identifier: MIT */
/*
 * Which word is meant, and the table of buckets. A private word is known by its address in the space; a
 * shared one by the mapping behind its region, so that other processes find it at other addresses.
 * Keys hold no references: a mapping that goes away while somebody waits can at worst cause a wake-up
 * too many, which waiters have to expect.
 */
#include "internal.h"
#include <hal/mmu.h>
#include <hal/uaccess.h>
#include <lib/hash.h>
#include <mm/region.h>
#include <mm/space.h>

#define BUCKET_BITS 8

static struct futex_bucket buckets[1 << BUCKET_BITS] = {
	[0 ... (1 << BUCKET_BITS) - 1] = { .lock = { .rank = RANK_FUTEX } },
};

struct futex_bucket *futex_bucket_of(const struct futex_key *key)
{
	struct futex_bucket *b = &buckets[hash_u64((u64)key->object ^ key->offset * 31, BUCKET_BITS)];
	if (unlikely(!__atomic_load_n(&b->waiters.next, __ATOMIC_ACQUIRE))) {
		spin_lock(&b->lock);
		if (!b->waiters.next)
			list_init(&b->waiters);
		spin_unlock(&b->lock);
	}
	return b;
}

void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a > b) {
		struct futex_bucket *t = a;
		a = b;
		b = t;
	}
	spin_lock(&a->lock);
	if (a != b)
		spin_lock_nested(&b->lock); /* by address */
}

void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a != b)
		spin_unlock(&b->lock);
	spin_unlock(&a->lock);
}

int futex_key_make(uaddr_t addr, bool is_private, struct futex_key *key)
{
	struct space *s = current->space;
	if (addr % sizeof(u32))
		return -EINVAL;
	if (addr >= HAL_USER_END)
		return -EFAULT;
	*key = (struct futex_key){ s, addr };
	if (is_private)
		return 0;
	rwlock_read(&s->lock);
	struct region *r = region_lookup(s, addr);
	int err = r && r->start <= addr && (r->flags & (REGION_READ | REGION_WRITE)) ? 0 : -EFAULT;
	if (!err && r->mapping && (r->flags & REGION_SHARED))
		*key = (struct futex_key){ r->mapping, (r->pgoff << PAGE_SHIFT) + (addr - r->start) };
	rwlock_read_unlock(&s->lock);
	return err;
}

int futex_load_nofault(uaddr_t addr, u32 *value)
{
	current->no_faults = true;
	int err = user_load_u32(addr, value);
	current->no_faults = false;
	return err;
}

int futex_cmpxchg_nofault(uaddr_t addr, u32 expected, u32 desired, u32 *found)
{
	current->no_faults = true;
	int err = user_cmpxchg_u32(addr, expected, desired, found);
	current->no_faults = false;
	return err;
}

int futex_touch(uaddr_t addr, bool write)
{
	u32 v;
	int err = user_load_u32(addr, &v);
	return err || !write ? err : user_cmpxchg_u32(addr, v, v, &v);
}

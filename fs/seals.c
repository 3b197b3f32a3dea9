/* SPDX-License-Identifier: MIT */
/*
 * Seals of memfd files: promises that a file will not shrink, grow or be written any more. They are
 * only ever added. F_SEAL_WRITE needs that no shared mapping could write; from then on the mapping's
 * nr_writable is negative and such mappings are refused.
 */
#include "internal.h"
#include <mm/region.h>

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static bool has_writable_region(struct mapping *m)
{
	struct region *r;
	bool found = false;
	rwlock_read(&m->regions_lock);
	list_for_each_entry(r, &m->regions, mapping_link)
		found |= (r->flags & (REGION_SHARED | REGION_MAYWRITE)) == (REGION_SHARED | REGION_MAYWRITE);
	rwlock_read_unlock(&m->regions_lock);
	return found;
}

static int deny_writable(struct mapping *m)
{
	s64 none = 0;
	if (has_writable_region(m) || !__atomic_compare_exchange_n(&m->nr_writable, &none, -(1ll << 32), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return -EBUSY;
	return 0;
}

long seals_add(struct file *f, u32 seals)
{
	struct inode *i = f->inode;
	if (!(i->mapping.flags & MAPPING_SHMEM))
		return -EINVAL;
	if (!FMODE_CAN_WRITE(f))
		return -EPERM;
	if (seals & ~ALL_SEALS)
		return -EINVAL;
	mutex_lock(&i->lock);
	int err = i->seals & F_SEAL_SEAL ? -EPERM : 0;
	if (!err && (seals & F_SEAL_WRITE) && !(i->seals & F_SEAL_WRITE))
		err = deny_writable(&i->mapping);
	if (!err)
		i->seals |= seals;
	mutex_unlock(&i->lock);
	return err;
}

long seals_get(struct file *f)
{
	return f->inode->mapping.flags & MAPPING_SHMEM ? (long)f->inode->seals : -EINVAL;
}

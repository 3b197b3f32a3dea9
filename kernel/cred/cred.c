/* SPDX-License-Identifier: MIT */
/*
 * Credentials are never changed in place: a call copies them, changes the copy and commits it. Others
 * look at a task's credentials under tasklist_lock, under which they are exchanged.
 */
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <mm/slab.h>

struct cred *cred_prepare(void)
{
	struct cred *c = kmalloc(sizeof(*c), ALLOC_KERNEL);
	if (!c)
		return NULL;
	memcpy(c, current->cred, sizeof(*c));
	c->refs = 1;
	return c;
}

void cred_abort(struct cred *c) { kfree(c); }

/* A program that changes who it is must not be looked into by who it was. */
static bool has_changed(const struct cred *a, const struct cred *b)
{
	return a->euid != b->euid || a->egid != b->egid || a->fsuid != b->fsuid || a->fsgid != b->fsgid ||
	       (a->cap_permitted & ~b->cap_permitted);
}

int cred_commit(struct cred *c)
{
	struct task *t = current;
	const struct cred *old = t->cred;
	if (has_changed(c, old)) {
		t->process->dumpable = false;
		t->pdeath_signal = 0;
	}
	u32 old_uid = old->uid, new_uid = c->uid;
	spin_lock(&tasklist_lock);
	t->cred = c;
	spin_unlock(&tasklist_lock);
	if (old_uid != new_uid)
		uid_move_task(old_uid, new_uid);
	cred_put(old);
	return 0;
}

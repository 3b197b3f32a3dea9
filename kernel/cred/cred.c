/* SPDX-License-Identifier: MIT */
/*
 * Whose credentials are whose. Credentials are never changed in place: a call copies them, changes the
 * copy and commits it. Only a task exchanges its own (task->cred), and it does so under tasklist_lock. So
 * a task reads its own without a lock; another one holds that lock while it looks, or takes a reference
 * (task_get_cred). What must be known where the lock cannot be taken is a word of its own
 * (process->real_uid).
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

const struct cred *task_get_cred(struct task *t)
{
	spin_lock(&tasklist_lock);
	const struct cred *c = cred_get(t->cred);
	spin_unlock(&tasklist_lock);
	return c;
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
	if (t->process->leader == t)
		WRITE_ONCE(t->process->real_uid, new_uid);
	spin_unlock(&tasklist_lock);
	if (old_uid != new_uid)
		uid_move_task(old_uid, new_uid);
	cred_put(old);
	return 0;
}

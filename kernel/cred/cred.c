/* SPDX-License-Identifier: MIT */
/*
 * Whose credentials are whose. Credentials are never changed in place: a call copies them, changes the
 * copy and commits it. Only a task exchanges its own (task->cred), and it does so under tasklist_lock. So
 * a task reads its own without a lock; another one holds that lock while it looks, or takes a reference
 * (task_get_cred). What must be known where the lock cannot be taken is the process's own
 * (process->user).
 */
#include <kernel/cred.h>
#include <kernel/errno.h>
#include <kernel/user.h>
#include <lib/string.h>
#include <mm/slab.h>

struct cred *cred_copy(const struct cred *from)
{
	struct cred *c = kmalloc(sizeof(*c), ALLOC_KERNEL);
	if (!c)
		return NULL;
	memcpy(c, from, sizeof(*c));
	c->refs = 1;
	user_get(c->user);
	groups_get(c->groups);
	return c;
}

void cred_put(const struct cred *shared)
{
	struct cred *c = (struct cred *)shared;
	if (__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	user_put(c->user);
	groups_put(c->groups);
	kfree(c);
}

struct cred *cred_prepare(void) { return cred_copy(current->cred); }
void cred_abort(struct cred *c) { cred_put(c); }

int cred_set_uid(struct cred *c, u32 uid)
{
	struct user *u = user_of(uid);
	if (!u)
		return -EAGAIN;
	user_put(c->user);
	c->user = u;
	c->uid = uid;
	return 0;
}

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
	spin_lock(&tasklist_lock);
	t->cred = c;
	if (c->user != old->user) {
		__atomic_fetch_sub(&old->user->nr_tasks, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&c->user->nr_tasks, 1, __ATOMIC_RELAXED);
		if (t->process->leader == t)
			process_set_user(t->process, c->user);
	}
	spin_unlock(&tasklist_lock);
	cred_put(old);
	return 0;
}

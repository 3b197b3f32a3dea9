/* SPDX-License-Identifier: MIT */
/*
 * The users that exist, ordered by uid. A look-up finds an object only with a reference left, since the last one is
 * given back under users_lock, which also takes the object out of the tree. All others come and go without the lock.
 */
#include <hal/lock.h>
#include <kernel/user.h>
#include <mm/slab.h>

static struct spinlock users_lock = SPINLOCK_INIT(RANK_USER);
struct user user_root = { .refs = 1 };
static struct rb_root users = { &user_root.node };

/* Where uid is or belongs. */
static struct user *find_locked(u32 uid, struct rb_node **parent, struct rb_node ***link)
{
	*parent = NULL;
	*link = &users.node;
	while (**link) {
		struct user *u = container_of(**link, struct user, node);
		if (u->uid == uid)
			return u;
		*parent = &u->node;
		*link = uid < u->uid ? &u->node.left : &u->node.right;
	}
	return NULL;
}

struct user *user_of(u32 uid)
{
	struct rb_node *parent, **link;
	struct user *made = kzalloc(sizeof(*made), ALLOC_KERNEL);
	spin_lock(&users_lock);
	struct user *u = find_locked(uid, &parent, &link);
	if (u) {
		user_get(u);
	} else if (made) {
		u = made;
		made = NULL;
		u->uid = uid;
		u->refs = 1;
		rb_insert(&users, &u->node, parent, link, NULL);
	}
	spin_unlock(&users_lock);
	kfree(made);
	return u;
}

void user_put(struct user *u)
{
	u32 refs = __atomic_load_n(&u->refs, __ATOMIC_RELAXED);
	while (refs > 1)
		if (__atomic_compare_exchange_n(&u->refs, &refs, refs - 1, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return;
	spin_lock(&users_lock);
	bool gone = !__atomic_sub_fetch(&u->refs, 1, __ATOMIC_ACQ_REL);
	if (gone)
		rb_erase(&users, &u->node, NULL);
	spin_unlock(&users_lock);
	if (gone)
		kfree(u);
}

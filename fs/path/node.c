/* SPDX-License-Identifier: MIT */
/*
 * The cache of names. A node is one name in one directory of one file system, hashed by parent and
 * name. A node in use (refs > 0) always stays; an unused hashed one waits on its super's list, and the
 * oldest of the super leave when more than unused_max wait in all, or when memory is wanted (vfs_shrink).
 *
 * A name that does not exist has a node too, without an inode, where only this kernel changes the
 * directory (super->keeps_absent): it spares the search through a directory. It gives way when the
 * name comes to be; nobody but lookup_child_locked ever sees one.
 *
 * Names of directories with ops->no_cache are never hashed, so each lookup makes a new node, unless
 * something is mounted there.
 *
 * I1  A node holds references to its parent and its inode (if it has one). A root is its own parent, uncounted.
 * I2  A node is on its super's list exactly when it is hashed and refs == 0.
 * I3  One hashed node at most for a (parent, name): nodes are added under the directory's lock.
 *
 * vfs_lock guards hash, LRU, parents and names. Inodes are put outside it.
 */
#include "path.h"
#include <mm/cache.h>
#include <mm/reclaim.h>

struct path_node **node_buckets;   /* (vfs_lock) as many as RAM asks for */
unsigned node_bucket_shift;
static u64 nr_unused, unused_max;  /* (vfs_lock) */
static struct slab_cache *node_cache;

void node_init_cache(void)
{
	node_cache = slab_cache_create("dentry", sizeof(struct path_node), 0, SLAB_RECLAIMABLE);
	unused_max = frame_total() / 4;
	unsigned bits = 8;
	while (1ull << bits < frame_total() / 8 && bits < 18)
		bits++;
	node_bucket_shift = 32 - bits;
	node_buckets = kzalloc(sizeof(node_buckets[0]) << bits, ALLOC_KERNEL);
	ASSERT(node_cache && node_buckets);
}

/* n is not a root. */
static inline struct super *super_of(const struct path_node *n) { return n->parent->inode->super; }

static void set_used_locked(struct path_node *n)
{
	if (list_is_empty(&n->lru))
		return;
	list_del(&n->lru);
	super_of(n)->nr_unused_names--;
	nr_unused--;
}

void node_get_locked(struct path_node *n)
{
	if (__atomic_fetch_add(&n->refs, 1, __ATOMIC_RELAXED) == 0)
		set_used_locked(n);
}

static void hash_locked(struct path_node *n)
{
	struct path_node **b = node_bucket(n->hash);
	n->hash_next = *b;
	*b = n;
	n->is_hashed = true;
}

static void unhash_locked(struct path_node *n)
{
	if (!n->is_hashed)
		return;
	struct path_node **at = node_bucket(n->hash);
	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
	n->is_hashed = false;
	set_used_locked(n);
	if (!n->inode)
		list_del(&n->absent_link);
}

struct path_node *node_find(struct path_node *parent, const char *name, size_t len)
{
	u32 hash = name_hash(parent, name, len);
	spin_lock(&vfs_lock);
	struct path_node *n = node_find_locked(parent, hash, name, len);
	if (n)
		node_get_locked(n);
	spin_unlock(&vfs_lock);
	return n;
}

/* Frees an unhashed node without references; returns its parent, whose reference passes on. */
static struct path_node *node_free(struct path_node *n)
{
	struct path_node *parent = n->parent == n ? NULL : n->parent;
	struct inode *i = n->inode;
	if (n->name != n->inline_name)
		kfree(n->name);
	slab_free(node_cache, n);
	if (i)
		inode_put(i);
	return parent;
}

/* The oldest unused node of super s, unhashed; NULL: none. */
static struct path_node *pick_unused_locked(struct super *s)
{
	if (list_is_empty(&s->unused_names))
		return NULL;
	struct path_node *n = list_first_entry(&s->unused_names, struct path_node, lru);
	unhash_locked(n);
	return n;
}

void node_put(struct path_node *n)
{
	while (n) {
		s32 refs = READ_ONCE(n->refs);
		while (refs > 1)
			if (__atomic_compare_exchange_n(&n->refs, &refs, refs - 1, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
				return;
		struct path_node *victim = NULL;
		spin_lock(&vfs_lock);
		if (__atomic_sub_fetch(&n->refs, 1, __ATOMIC_ACQ_REL) == 0) {
			if (!n->is_hashed) {
				victim = n;
			} else {
				struct super *s = super_of(n);
				list_add_tail(&n->lru, &s->unused_names);
				s->nr_unused_names++;
				if (++nr_unused > unused_max)
					victim = pick_unused_locked(s);
			}
		}
		spin_unlock(&vfs_lock);
		n = victim ? node_free(victim) : NULL;
	}
}

u64 node_drop_unused(struct super *s, u64 max)
{
	u64 nr = 0;
	while (nr < max) {
		spin_lock(&vfs_lock);
		struct path_node *n = pick_unused_locked(s);
		spin_unlock(&vfs_lock);
		if (!n)
			break;
		nr++;
		node_put(node_free(n)); /* the parent may join the list, so a whole tree goes */
	}
	return nr;
}

unsigned vfs_drop_names(void)
{
	u64 nr = 0;
	for (struct super *s = super_next(NULL); s; s = super_next(s))
		nr += node_drop_unused(s, ~0ull) + icache_shrink(s, ~0ull);
	return (unsigned)nr;
}

u64 vfs_nr_unused(void)
{
	u64 nr = READ_ONCE(nr_unused);
	for (struct super *s = super_next(NULL); s; s = super_next(s))
		nr += icache_nr_unused(s);
	return nr;
}

/* From each super its share. */
u64 vfs_shrink(u64 nr)
{
	u64 all = max(vfs_nr_unused(), 1ull), done = 0;
	for (struct super *s = super_next(NULL); s; s = super_next(s)) {
		u64 names = READ_ONCE(s->nr_unused_names), inodes = icache_nr_unused(s);
		done += node_drop_unused(s, (names * nr + all - 1) / all);
		done += icache_shrink(s, (inodes * nr + all - 1) / all);
	}
	return done;
}

static void drop_pages(struct inode *i, void *arg) { mapping_drop_clean(&i->mapping, 0, ~0ull); }

void vfs_drop_pages(void)
{
	for (struct super *s = super_next(NULL); s; s = super_next(s)) {
		icache_for_each(s, drop_pages, NULL);
		if (s->ops && s->ops->drop_buffers)
			s->ops->drop_buffers(s);
	}
}

/* vm.vfs_cache_pressure: percent of what is asked for that is given; 0: nothing at all. */
static u64 shrink_count(struct shrinker *s) { return READ_ONCE(mm_tunables.vfs_cache_pressure) ? vfs_nr_unused() : 0; }
static u64 shrink_scan(struct shrinker *s, u64 nr) { return vfs_shrink(max(nr * READ_ONCE(mm_tunables.vfs_cache_pressure) / 100, 1ull)); }
static struct shrinker shrinker = { .name = "names and inodes", .count = shrink_count, .scan = shrink_scan };

void node_shrinker_init(void) { shrinker_register(&shrinker); }

static bool set_name(struct path_node *n, const char *name, size_t len)
{
	n->name = len < NODE_INLINE ? n->inline_name : kmalloc(NODE_NAME_ROOM(len), ALLOC_KERNEL);
	if (!n->name)
		return false;
	memcpy(n->name, name, len);
	n->name[len] = 0;
	n->len = (u16)len;
	return true;
}

struct path_node *node_new_anon(const char *name, struct inode *inode)
{
	struct path_node *n = slab_alloc(node_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!n) {
		inode_put(inode);
		return NULL;
	}
	n->refs = 1;
	n->parent = n;
	n->inode = inode;
	list_init(&n->lru);
	list_init(&n->absent_children);
	if (set_name(n, name, strlen(name)))
		return n;
	slab_free(node_cache, n);
	inode_put(inode);
	return NULL;
}

struct path_node *node_new_root(struct inode *inode) { return node_new_anon("", inode); }

struct path_node *node_prepare(struct path_node *parent, const char *name, size_t len)
{
	struct path_node *n = slab_alloc(node_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!n || !set_name(n, name, len)) {
		if (n)
			slab_free(node_cache, n);
		return NULL;
	}
	n->refs = 1;
	n->parent = parent;
	n->hash = name_hash(parent, name, len);
	list_init(&n->lru);
	list_init(&n->absent_children);
	node_get(parent);
	return n;
}

struct path_node *node_add_deleted(struct path_node *parent, const char *name, size_t len, struct inode *inode)
{
	struct path_node *n = node_prepare(parent, name, len);
	if (!n) {
		inode_put(inode);
		return NULL;
	}
	n->inode = inode;
	n->is_deleted = true;
	return n;
}

/* The node that says parent/name does not exist leaves the hash; to be freed by free_absent, or NULL. */
static struct path_node *unhash_absent_locked(struct path_node *parent, u32 hash, const char *name, size_t len)
{
	struct path_node *n = node_find_locked(parent, hash, name, len);
	if (!n || n->inode)
		return NULL;
	bool unused = !list_is_empty(&n->lru);
	unhash_locked(n);
	return unused ? n : NULL; /* else whoever holds it frees it */
}

static void free_absent(struct path_node *n)
{
	if (n)
		node_put(node_free(n));
}

void node_complete(struct path_node *n, struct inode *inode)
{
	struct path_node *parent = n->parent, *absent = NULL;
	n->inode = inode;
	if (parent->inode->ops->no_cache)
		return;
	spin_lock(&vfs_lock);
	if (parent->inode->super->keeps_absent)
		absent = unhash_absent_locked(parent, n->hash, n->name, n->len);
	hash_locked(n);
	spin_unlock(&vfs_lock);
	free_absent(absent);
}

struct path_node *node_add(struct path_node *parent, const char *name, size_t len, struct inode *inode)
{
	struct path_node *n = node_prepare(parent, name, len);
	if (n)
		node_complete(n, inode);
	else
		inode_put(inode);
	return n;
}

void node_add_absent(struct path_node *parent, const char *name, size_t len)
{
	if (!parent->inode->nlink) /* a removed directory would stay for its sake */
		return;
	struct path_node *n = node_prepare(parent, name, len);
	if (!n)
		return;
	spin_lock(&vfs_lock);
	hash_locked(n);
	list_add(&n->absent_link, &parent->absent_children);
	spin_unlock(&vfs_lock);
	node_put(n);
}

/* The directory was removed: nothing in it is to be remembered. */
static void drop_absent_children(struct path_node *n)
{
	for (;;) {
		spin_lock(&vfs_lock);
		struct path_node *c = list_is_empty(&n->absent_children) ? NULL : list_first_entry(&n->absent_children, struct path_node, absent_link);
		bool unused = c && !list_is_empty(&c->lru);
		if (c)
			unhash_locked(c);
		spin_unlock(&vfs_lock);
		if (!c)
			return;
		if (unused)
			free_absent(c);
	}
}

void node_pin_hashed(struct path_node *n)
{
	for (; n->parent != n; n = n->parent)
		if (!n->is_hashed && !n->is_deleted && !node_find_locked(n->parent, n->hash, n->name, n->len))
			hash_locked(n);
}

void node_delete(struct path_node *n)
{
	spin_lock(&vfs_lock);
	unhash_locked(n);
	n->is_deleted = true;
	spin_unlock(&vfs_lock);
	drop_absent_children(n);
}

/* A hashed node of i, unhashed, with a reference; NULL: none. */
static struct path_node *take_node_of(struct inode *i)
{
	struct path_node *n = NULL;
	spin_lock(&vfs_lock);
	for (unsigned b = 0; b < 1u << (32 - node_bucket_shift) && !n; b++)
		for (n = node_buckets[b]; n && n->inode != i; n = n->hash_next)
			;
	if (n) {
		unhash_locked(n);
		n->is_deleted = true;
		node_get(n);
	}
	spin_unlock(&vfs_lock);
	return n;
}

void node_delete_all(struct inode *i)
{
	struct path_node *n;
	while ((n = take_node_of(i)) != NULL)
		node_put(n);
}

int node_prepare_name(const char *name, size_t len, char **out)
{
	*out = NULL;
	if (len < NODE_INLINE)
		return 0;
	*out = kmalloc(NODE_NAME_ROOM(len), ALLOC_KERNEL);
	return *out ? 0 : -ENOMEM;
}

/* Gives n a new place; *old_name takes what has to be kfree'd. Returns the old parent. */
static struct path_node *move_locked(struct path_node *n, struct path_node *parent, const char *name, size_t len,
                                     char *longname, char **old_name)
{
	struct path_node *old_parent = n->parent;
	bool was_hashed = n->is_hashed;
	unhash_locked(n);
	*old_name = n->name == n->inline_name ? NULL : n->name;
	n->name = longname ? longname : n->inline_name;
	memcpy(n->name, name, len);
	n->name[len] = 0;
	n->len = (u16)len;
	n->parent = parent;
	n->hash = name_hash(parent, name, len);
	if (was_hashed)
		hash_locked(n);
	return old_parent;
}

void node_move(struct path_node *n, struct path_node *parent, const char *name, size_t len, char *longname,
               struct path_node *replaced, bool exchange, char *longname2)
{
	char old[FS_NAME_MAX + 1], *free1 = NULL, *free2 = NULL;
	struct path_node *put1, *put2 = NULL, *absent = NULL;
	node_get(parent);
	node_get(n->parent);
	spin_lock(&vfs_lock);
	if (!replaced && parent->inode->super->keeps_absent)
		absent = unhash_absent_locked(parent, name_hash(parent, name, len), name, len);
	struct path_node *n_parent = n->parent;
	size_t old_len = n->len;
	memcpy(old, n->name, old_len);
	if (replaced && exchange) {
		unhash_locked(n);
		n->is_hashed = false;
		put2 = move_locked(replaced, n_parent, old, old_len, longname2, &free2);
		n->is_hashed = false;
		put1 = move_locked(n, parent, name, len, longname, &free1);
		if (!parent->inode->ops->no_cache)
			hash_locked(n);
	} else {
		if (replaced) {
			unhash_locked(replaced);
			replaced->is_deleted = true;
		}
		put1 = move_locked(n, parent, name, len, longname, &free1);
	}
	spin_unlock(&vfs_lock);
	free_absent(absent);
	if (replaced && !exchange)
		drop_absent_children(replaced);
	kfree(free1);
	kfree(free2);
	node_put(put1);
	if (put2)
		node_put(put2);
	else
		node_put(n_parent);
}

bool node_is_ancestor(const struct path_node *a, struct path_node *n)
{
	bool found = false;
	spin_lock(&vfs_lock);
	for (;;) {
		if (n == a) {
			found = true;
			break;
		}
		if (n->parent == n)
			break;
		n = n->parent;
	}
	spin_unlock(&vfs_lock);
	return found;
}

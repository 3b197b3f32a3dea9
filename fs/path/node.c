/* SPDX-License-Identifier: MIT */
/*
 * The cache of names. A node is one name in one directory of one file system, hashed by parent and
 * name; only names that exist are kept. A node in use (refs > 0) always stays; an unused hashed one
 * waits on the LRU list, and the oldest leave when more than UNUSED_MAX wait.
 *
 * Names of directories with ops->no_cache are never hashed, so each lookup makes a new node, unless
 * something is mounted there.
 *
 * I1  A node holds references to its parent and its inode. A root is its own parent, uncounted.
 * I2  A node is on the LRU list exactly when it is hashed and refs == 0.
 * I3  One hashed node at most for a (parent, name): nodes are added under the directory's lock.
 *
 * vfs_lock guards hash, LRU, parents and names. Inodes are put outside it.
 */
#include "path.h"

#define NR_BUCKETS 1024u
#define UNUSED_MAX 2048u

static struct path_node *buckets[NR_BUCKETS];
static struct list_head lru = LIST_HEAD_INIT(lru); /* oldest first */
static unsigned nr_unused;
static struct slab_cache *node_cache;

void node_init_cache(void)
{
	node_cache = slab_cache_create("dentry", sizeof(struct path_node), 0, SLAB_RECLAIMABLE);
	ASSERT(node_cache);
}

u32 node_hash(const struct path_node *parent, const char *name, size_t len)
{
	u64 h = (u64)parent >> 6;
	while (len--)
		h = (h ^ (u8)*name++) * 0x100000001b3ull;
	return (u32)(h ^ (h >> 32));
}

static inline struct path_node **bucket_of(u32 hash) { return &buckets[(hash ^ (hash >> 10)) % NR_BUCKETS]; }

static struct path_node *find_locked(struct path_node *parent, u32 hash, const char *name, size_t len)
{
	for (struct path_node *n = *bucket_of(hash); n; n = n->hash_next)
		if (n->hash == hash && n->parent == parent && n->len == len && !memcmp(n->name, name, len))
			return n;
	return NULL;
}

static void hash_locked(struct path_node *n)
{
	struct path_node **b = bucket_of(n->hash);
	n->hash_next = *b;
	*b = n;
	n->is_hashed = true;
}

static void unhash_locked(struct path_node *n)
{
	if (!n->is_hashed)
		return;
	struct path_node **at = bucket_of(n->hash);
	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
	n->is_hashed = false;
	if (!list_is_empty(&n->lru)) {
		list_del(&n->lru);
		nr_unused--;
	}
}

struct path_node *node_find(struct path_node *parent, const char *name, size_t len)
{
	u32 hash = node_hash(parent, name, len);
	spin_lock(&vfs_lock);
	struct path_node *n = find_locked(parent, hash, name, len);
	if (n && __atomic_fetch_add(&n->refs, 1, __ATOMIC_RELAXED) == 0) {
		list_del(&n->lru);
		nr_unused--;
	}
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
	inode_put(i);
	return parent;
}

/* The oldest unused node (of super s), unhashed; NULL: none. */
static struct path_node *pick_unused_locked(struct super *s)
{
	struct path_node *n;
	list_for_each_entry(n, &lru, lru) {
		if (s && n->inode->super != s)
			continue;
		unhash_locked(n);
		return n;
	}
	return NULL;
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
				list_add_tail(&n->lru, &lru);
				if (++nr_unused > UNUSED_MAX)
					victim = pick_unused_locked(NULL);
			}
		}
		spin_unlock(&vfs_lock);
		n = victim ? node_free(victim) : NULL;
	}
}

unsigned node_drop_unused(struct super *s, unsigned max)
{
	unsigned nr = 0;
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

unsigned vfs_drop_names(void) { return node_drop_unused(NULL, ~0u); }

static bool set_name(struct path_node *n, const char *name, size_t len)
{
	n->name = len < NODE_INLINE ? n->inline_name : kmalloc(len + 1, ALLOC_KERNEL);
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
	if (set_name(n, name, strlen(name)))
		return n;
	slab_free(node_cache, n);
	inode_put(inode);
	return NULL;
}

struct path_node *node_new_root(struct inode *inode) { return node_new_anon("", inode); }

static struct path_node *node_new(struct path_node *parent, const char *name, size_t len, struct inode *inode)
{
	struct path_node *n = slab_alloc(node_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!n || !set_name(n, name, len)) {
		if (n)
			slab_free(node_cache, n);
		inode_put(inode);
		return NULL;
	}
	n->refs = 1;
	n->inode = inode;
	n->parent = parent;
	n->hash = node_hash(parent, name, len);
	list_init(&n->lru);
	node_get(parent);
	return n;
}

struct path_node *node_add_deleted(struct path_node *parent, const char *name, size_t len, struct inode *inode)
{
	struct path_node *n = node_new(parent, name, len, inode);
	if (n)
		n->is_deleted = true;
	return n;
}

struct path_node *node_add(struct path_node *parent, const char *name, size_t len, struct inode *inode)
{
	struct path_node *n = node_new(parent, name, len, inode);
	if (n && !parent->inode->ops->no_cache) {
		spin_lock(&vfs_lock);
		hash_locked(n);
		spin_unlock(&vfs_lock);
	}
	return n;
}

void node_pin_hashed(struct path_node *n)
{
	if (!n->is_hashed && !n->is_deleted && n->parent != n)
		hash_locked(n);
}

void node_delete(struct path_node *n)
{
	spin_lock(&vfs_lock);
	unhash_locked(n);
	n->is_deleted = true;
	spin_unlock(&vfs_lock);
}

/* A hashed node of i, unhashed, with a reference; NULL: none. */
static struct path_node *take_node_of(struct inode *i)
{
	struct path_node *n = NULL;
	spin_lock(&vfs_lock);
	for (unsigned b = 0; b < NR_BUCKETS && !n; b++)
		for (n = buckets[b]; n && n->inode != i; n = n->hash_next)
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
	*out = kmalloc(len + 1, ALLOC_KERNEL);
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
	n->hash = node_hash(parent, name, len);
	if (was_hashed)
		hash_locked(n);
	return old_parent;
}

void node_move(struct path_node *n, struct path_node *parent, const char *name, size_t len, char *longname,
               struct path_node *replaced, bool exchange, char *longname2)
{
	char old[FS_NAME_MAX + 1], *free1 = NULL, *free2 = NULL;
	struct path_node *put1, *put2 = NULL;
	node_get(parent);
	node_get(n->parent);
	spin_lock(&vfs_lock);
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

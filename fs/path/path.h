/* SPDX-License-Identifier: MIT */
/* The cache of names, mounts and the walk: shared by fs/path and the system calls. */
#ifndef FS_PATH_H
#define FS_PATH_H

#include "../internal.h"
#include "hash.h"
#include <lib/format.h>

#define NODE_INLINE 40
#define NODE_NAME_ROOM(len) (((len) + 8) & ~(size_t)7) /* with the NUL; whole words, for names_equal */

/* umount2(2) */
#define MNT_FORCE       1u
#define MNT_DETACH      2u
#define MNT_EXPIRE      4u
#define UMOUNT_NOFOLLOW 8u

struct path_node {
	s32 refs;          /* atomic; holders: paths, children, the mount tree */
	u32 hash;
	u16 len;
	bool is_hashed;    /* (vfs_lock) findable */
	bool is_deleted;   /* (vfs_lock) unlinked: shown with " (deleted)" */
	u32 nr_mounts;     /* (vfs_lock) mounts on this name */
	union {            /* (vfs_lock) */
		struct list_head absent_children; /* names in this directory known not to exist */
		struct list_head absent_link;     /* inode == NULL: in the parent's list */
	};
	struct path_node *parent; /* (vfs_lock) with a reference; a root: itself, without */
	struct inode *inode;      /* with a reference; NULL: the name does not exist */
	struct path_node *hash_next; /* (vfs_lock) */
	struct list_head lru;     /* (vfs_lock) in super->unused_names while hashed and unused */
	char *name;               /* (vfs_lock) inline_name or kmalloc'ed */
	char inline_name[NODE_INLINE];
};

struct mount {
	s32 refs; /* atomic; 1 for being in the tree */
	u32 flags; /* MS_* of the mount */
	u32 id;
	bool is_attached;         /* (vfs_lock) */
	struct super *super;      /* with a reference */
	struct path_node *root;   /* with a reference */
	struct mount *parent;     /* (vfs_lock) with a reference; NULL: root of everything or detached */
	struct path_node *point;  /* (vfs_lock) with a reference: where in parent */
	struct list_head link;    /* (vfs_lock) all attached mounts, oldest first */
	char *source;
};

/* node.c */
void node_init_cache(void);
void node_shrinker_init(void);
extern struct path_node **node_buckets;
extern unsigned node_bucket_shift;
static inline struct path_node **node_bucket(u32 hash) { return &node_buckets[hash >> node_bucket_shift]; }
/* The hashed node of that name and hash (name_hash), or NULL; vfs_lock is held. */
static inline struct path_node *node_find_locked(const struct path_node *parent, u32 hash, const char *name, size_t len)
{
	for (struct path_node *n = *node_bucket(hash); n; n = n->hash_next)
		if (n->hash == hash && n->parent == parent && n->len == len && names_equal(n->name, name, len))
			return n;
	return NULL;
}
void node_get_locked(struct path_node *n); /* a reference to a node that may have none; vfs_lock is held */
/* The cached child with a reference, or NULL; node_is_absent: known not to exist. */
struct path_node *node_find(struct path_node *parent, const char *name, size_t len);
/* A new name for inode (takes over its reference); hashed unless the directory is not cached. The
 * parent's lock is held. NULL: no memory (the reference is dropped). */
struct path_node *node_add(struct path_node *parent, const char *name, size_t len, struct inode *inode);
/* The same in two steps, for who makes the file in between and must not fail afterwards: a name without an
 * inode (node_put drops it), and its completion. */
struct path_node *node_prepare(struct path_node *parent, const char *name, size_t len);
void node_complete(struct path_node *n, struct inode *inode);
/* The same for a file that has no name any more or yet (O_TMPFILE): never hashed, shown as deleted. */
struct path_node *node_add_deleted(struct path_node *parent, const char *name, size_t len, struct inode *inode);
struct path_node *node_new_root(struct inode *inode); /* takes over the reference */
struct path_node *node_new_anon(const char *name, struct inode *inode); /* takes over the reference; its own parent */
static inline void node_get(struct path_node *n) { __atomic_fetch_add(&n->refs, 1, __ATOMIC_RELAXED); }
void node_put(struct path_node *n);
void node_delete(struct path_node *n);                        /* the name was unlinked */
void node_delete_all(struct inode *i); /* every name of i was, by the kernel itself: looks at the whole cache */
int node_prepare_name(const char *name, size_t len, char **out); /* memory for node_move; *out may be NULL */
/* n becomes parent/name; `replaced` (or NULL) is deleted, with `exchange` it takes n's old place. */
void node_move(struct path_node *n, struct path_node *parent, const char *name, size_t len, char *longname,
               struct path_node *replaced, bool exchange, char *longname2);
bool node_is_ancestor(const struct path_node *a, struct path_node *n); /* a == n or above n */
u64 node_drop_unused(struct super *s, u64 max);
/* Remembers that parent has no such name; the parent's lock is held, and parent->inode->super->keeps_absent. */
void node_add_absent(struct path_node *parent, const char *name, size_t len);
static inline bool node_is_absent(const struct path_node *n) { return !n->inode; }
void node_pin_hashed(struct path_node *n); /* a mount point must be found again, and so what it lies in */

/* mount.c */
extern struct mount *root_mount;
extern struct mount *anon_mount; /* where files without a name are; not in the tree */
static inline void mount_get(struct mount *m) { __atomic_fetch_add(&m->refs, 1, __ATOMIC_RELAXED); }
void mount_put(struct mount *m);
bool mount_cross(struct path *p);    /* while something is mounted on *p: go there */
bool mount_up(struct path *p);       /* at a mount's root: to its mount point; false at the top */
/* What mount_cross leads to, without references; vfs_lock is held. */
struct path mount_top_locked(struct path p);
int mount_want_write(const struct path *p); /* 0 or -EROFS */
int vfs_mount_at(const char *source, const struct path *at, const char *type, u32 flags, const char *data);

/* lookup.c */
/* openat2's: these look at each step, or hold on to places. */
#define LOOKUP_RESTRICTED (LOOKUP_NO_XDEV | LOOKUP_NO_MAGICLINKS | LOOKUP_NO_SYMLINKS | LOOKUP_BENEATH | LOOKUP_IN_ROOT)

enum last_type { LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT };

struct walk {
	struct path at;       /* where we are, with references */
	struct path root;     /* with references; node NULL: not asked for yet, see walk_root */
	u32 flags;            /* LOOKUP_* */
	bool must_be_dir;     /* the end of the walk, because of slashes */
	unsigned nr_links;
	char *buffer;         /* text of the last symbolic link followed + rest; kfree'd */
	const char *rest;     /* not yet walked */
	const char *last;     /* LOOKUP_PARENT: the last component */
	size_t last_len;
	enum last_type last_type;
	bool slash;           /* the last component is followed by slashes */
	struct mount *start_mount; /* for LOOKUP_NO_XDEV */
	struct path_node *start_node; /* for LOOKUP_BENEATH; with a reference; NULL without it */
};

/* Starts at dirfd, and goes as far as walk_advance does; on success walk_end must follow. */
int walk_begin(struct walk *w, int dirfd, const char *name, u32 flags);
/* advance.c. From w->at, which has no references, along w->rest as far as the cache of names leads; vfs_lock is
 * held. 0, or -ENOENT: a name that is known not to exist. */
int walk_advance_locked(struct walk *w);
int walk_run(struct walk *w);                                /* to the end or, with LOOKUP_PARENT, to the parent */
int walk_child(struct walk *w, struct path *out);            /* the last component in w->at; not followed, mounts crossed */
int walk_follow(struct walk *w, struct path *link);          /* goes on with the link's text; link is consumed */
void walk_end(struct walk *w);
int vfs_lookup_parent(struct walk *w, int dirfd, const char *name, u32 flags);
struct path_node *lookup_child(struct path_node *dir, const char *name, size_t len); /* ERR_PTR; takes the dir's lock */
struct path_node *lookup_child_locked(struct path_node *dir, const char *name, size_t len);

/* context.c */
void fs_get_root(struct path *out);
void fs_get_cwd(struct path *out);
/* Without references; vfs_lock is held. */
struct path fs_root_locked(void);
struct path fs_cwd_locked(void);
int fs_set_cwd(struct path *p);  /* takes over the references */
int fs_set_root(struct path *p);
u32 fs_set_umask(u32 mask);

extern struct mutex namespace_lock;

/* open.c */
/* open(2) with LOOKUP_* of openat2; mode without umask. ERR_PTR. */
struct file *open_at(int dirfd, const char *name, u32 flags, u32 mode, u32 lookup_flags);
struct file *open_path(const struct path *p, u32 flags, bool created);

/* modify.c */
int may_create(struct path *dir);
int may_delete(struct inode *dir, struct inode *victim, bool is_dir);
int create_node(struct path_node *dir, const char *name, size_t len, u32 mode, u64 rdev, const char *target, struct path_node **out);

#endif

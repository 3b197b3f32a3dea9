/* SPDX-License-Identifier: MIT */
/*
 * The virtual file system: inodes, names, mounts, path lookup.
 *
 * An inode is a file; a path_node is one name of it in the cache of names (Linux: dentry) on one
 * mounted file system. A struct path (node + mount) is a place in the tree. Lookup goes node by node,
 * follows symbolic links (40 at most) and crosses mounts.
 */
#ifndef FS_VFS_H
#define FS_VFS_H

#include <fs/file.h>
#include <hal/types.h>
#include <lib/list.h>
#include <lib/rbtree.h>
#include <mm/mapping.h>

struct super;
struct inode;
struct mount;
struct seq;
struct path {
	struct path_node *node;
	struct mount *mount;
};

struct attr { /* what chmod, chown, truncate, utimens change */
	u32 valid; /* ATTR_* */
	u32 mode, uid, gid;
	u64 size;
	s64 atime_ns, mtime_ns, ctime_ns;
};
#define ATTR_MODE  1u
#define ATTR_UID   2u
#define ATTR_GID   4u
#define ATTR_SIZE  8u
#define ATTR_ATIME 16u
#define ATTR_MTIME 32u

struct inode_ops {
	/* Directories. The parent's lock is held. lookup: *out = inode with a reference, or -ENOENT. */
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **out);
	/* mode carries the type (S_IFREG, S_IFDIR, S_IFIFO, S_IFCHR...); target for symlinks. */
	int (*create)(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const char *target, struct inode **out);
	int (*link)(struct inode *dir, const char *name, size_t len, struct inode *target);
	int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *victim); /* rmdir too */
	int (*rename)(struct inode *od, const char *on, size_t ol, struct inode *nd, const char *nn, size_t nl, struct inode *moved, struct inode *replaced, u32 flags);
	/* Symbolic link's text into buf; length. May depend on the caller (/proc/self). */
	long (*readlink)(struct inode *i, char *buf, size_t size);
	/* Magic links (/proc/PID/fd/N): the place itself; NULL = use readlink. */
	int (*follow)(struct inode *i, struct path *out);
	int (*setattr)(struct inode *i, const struct attr *a);
	void (*getattr)(struct inode *i, struct stat *st); /* NULL: from the inode's fields */
	/* Called by open after checks; may replace f->ops and set f->priv. NULL: by the inode's type
	 * (FIFO, registered character device, else nothing). f->flags still has O_NOCTTY, O_TRUNC. */
	int (*open)(struct inode *i, struct file *f);
	int (*permission)(struct inode *i, u32 mask); /* NULL: mode bits */
	void (*evict)(struct inode *i); /* the last reference went: free contents; spin locks only */
	int (*tmpfile)(struct inode *dir, u32 mode, struct inode **out); /* O_TMPFILE; NULL: -EOPNOTSUPP */
	/* Extended attributes by full name; rights were checked. NULL: there are none. get and list: bytes (size 0:
	 * how many there would be), -ERANGE, -ENODATA, -EOPNOTSUPP; set: XATTR_CREATE, XATTR_REPLACE. */
	long (*xattr_get)(struct inode *i, const char *name, void *value, size_t size);
	int (*xattr_set)(struct inode *i, const char *name, const void *value, size_t size, u32 flags, bool remove);
	long (*xattr_list)(struct inode *i, char *list, size_t size);
	bool no_cache; /* names of this directory are looked up anew each time (/proc) */
};

/* inode->flags */
#define INODE_FIXED_CHARGE (1u << 0) /* tmpfs: charged_pages are charged, for the whole size, not the pages there are */
#define INODE_IMMUTABLE    (1u << 1) /* chattr +i: nothing about it changes */
#define INODE_APPEND       (1u << 2) /* chattr +a: grows at its end only */
#define INODE_NOATIME      (1u << 3)
#define INODE_SYNC         (1u << 4) /* writes are O_SYNC */
#define INODE_SWAP         (1u << 5) /* (lock) swap lies on it: its blocks stay as they are, see fs/swap/place.c */

/* inode->state: of those kept by number (icache) */
#define INODE_CACHED   (1u << 0) /* in its super's icache */
#define INODE_LOADING  (1u << 1) /* its maker fills it in */
#define INODE_EVICTING (1u << 2)

struct inode {
	s32 refs; /* atomic */
	u32 mode, uid, gid;
	u32 nlink;
	u64 ino, size, rdev;
	u64 blocks; /* 512-byte units; tmpfs: from mapping.nr_pages */
	s64 atime_ns, mtime_ns, ctime_ns;
	const struct inode_ops *ops;
	const struct file_ops *fops;
	struct super *super;
	struct mutex lock; /* RANK_INODE */
	struct mapping mapping;
	struct list_head nodes; /* path_nodes that name it */
	const char *link;       /* a symbolic link's text as long as the inode lives; NULL: ask ops->readlink */
	const char *anon_name;  /* pipe:[N] etc. for files without a name */
	s32 writers;            /* > 0: open for writing; < 0: being executed (ETXTBSY) */
	u32 seals;
	u32 flags;         /* INODE_* */
	u32 state;         /* (icache lock) INODE_CACHED ... */
	u32 nr_pins;       /* (icache lock) icache_pin */
	struct list_head unused_link; /* (icache lock) */
	u64 charged_pages; /* tmpfs: INODE_FIXED_CHARGE */
	void *priv;
	void *flocks;  /* byte-range and whole-file locks: fs/locks.c */
	void *special; /* (lock) FIFO: struct pipe; socket: struct unix_sock bound here */
	struct host_waitq waitq;
};


struct super_ops {
	void (*statfs)(struct super *s, void *statfs64);
	void (*unmount)(struct super *s);
	int (*sync)(struct super *s);
	/* mount(MS_REMOUNT): flags has MS_RDONLY and MS_SYNCHRONOUS as they shall be; s->flags follows on success.
	 * NULL: no options, nothing to do. */
	int (*remount)(struct super *s, u32 flags, const char *data);
	/* Fields of i changed by the vfs (times_only: nothing but times). Any context that may take RANK_FLUSHER.
	 * NULL: nothing to write. */
	void (*dirty_inode)(struct inode *i, bool times_only);
	void (*drop_buffers)(struct super *s); /* clean pages of its device: drop_caches 1; NULL: none */
	void (*show_options)(struct super *s, struct seq *seq); /* ",name=value" behind the flags; NULL: none */
};

struct icache;
struct super {
	const struct super_ops *ops;
	const char *type; /* "tmpfs", "proc" */
	u64 dev;          /* st_dev */
	u32 magic;
	u32 flags;        /* MS_* */
	void *priv;
	struct inode *root;
	u64 next_ino;     /* atomic; for inode_new() */
	s32 refs;         /* mounts of it, atomic */
	u64 max_bytes;    /* 0: MAX_LFS */
	u32 block_size;   /* st_blksize; 0: a page */
	bool has_seconds; /* times are whole seconds, 32 bits signed */
	bool keeps_absent; /* names that do not exist are cached: only this kernel changes its directories */
	s32 nr_writers;   /* atomic: files open for writing, for remount read-only */
	s32 nr_unlinked;  /* atomic: inodes in use without a name: the same */
	struct icache *icache; /* inodes by number, or NULL */
	struct list_head link; /* (vfs_lock) every super */
	s32 nr_walkers;        /* atomic: super_next */
	struct list_head unused_names; /* (vfs_lock) path_node.lru, oldest first */
	u64 nr_unused_names;   /* (vfs_lock) */
};

/* A super block with one reference, dev and next_ino set, or NULL; root is set by the caller. */
struct super *super_new(const struct super_ops *ops, const char *type, u32 magic);
void super_put(struct super *s); /* the last: unmount, root inode, memory */

void path_get(struct path *p);
void path_put(struct path *p);

#define LOOKUP_FOLLOW    1u /* follow a final symbolic link */
#define LOOKUP_PARENT    2u /* stop at the parent; the last component goes to *last */
#define LOOKUP_DIRECTORY 4u
#define LOOKUP_EMPTY     8u /* "" means the start itself (AT_EMPTY_PATH) */
/* openat2(2) */
#define LOOKUP_NO_XDEV       0x100u
#define LOOKUP_NO_MAGICLINKS 0x200u
#define LOOKUP_NO_SYMLINKS   0x400u
#define LOOKUP_BENEATH       0x800u
#define LOOKUP_IN_ROOT       0x1000u

/* Resolves a kernel string relative to dirfd (AT_FDCWD). 0 or -errno; *out holds references. */
int vfs_lookup(int dirfd, const char *name, u32 flags, struct path *out);
struct inode *path_inode(const struct path *p);
/* Absolute name as seen from the caller's root. NUL-terminated; length or -ENAMETOOLONG. */
long path_name(const struct path *p, char *buf, size_t size);
/* The caller's root is p or lies above it. */
bool path_is_reachable(const struct path *p);

/* open(2) for the kernel: file with a reference or ERR_PTR. */
struct file *vfs_open(int dirfd, const char *name, u32 flags, u32 mode);
/* The same for exec: checks x permission and regular file, denies writers (ETXTBSY) until allow. */
struct file *vfs_open_exec(int dirfd, const char *name, u32 lookup_flags);
void vfs_allow_write(struct file *f);

int vfs_mkdir(int dirfd, const char *name, u32 mode);
int vfs_mknod(int dirfd, const char *name, u32 mode, u64 rdev);
int vfs_symlink(const char *target, int dirfd, const char *name);
int vfs_link(int olddir, const char *oldname, int newdir, const char *newname, u32 flags);
int vfs_unlink(int dirfd, const char *name, bool is_rmdir);
int vfs_rename(int od, const char *on, int nd, const char *nn, u32 flags);

int inode_permission(struct inode *i, u32 mask); /* MAY_READ 4, MAY_WRITE 2, MAY_EXEC 1 */
struct inode *inode_new(struct super *s, u32 mode); /* one reference, nlink 1, owner 0:0, now; NULL */
void inode_get(struct inode *i);
void inode_put(struct inode *i);
void inode_stat(struct inode *i, struct stat *st);
s64 inode_now(void); /* wall-clock time for time stamps, ns */
s64 inode_time(const struct inode *i, s64 ns); /* as i's file system can keep it */

/* Inodes by number (fs/icache.c), for file systems on devices: s->icache. */
int icache_create(struct super *s); /* 0 or -ENOMEM */
void icache_destroy(struct super *s); /* all are gone */
/* Inode `ino` with a reference. *is_new: nobody else has it yet; the caller fills it in and calls
 * icache_loaded. 0 or -ENOMEM. */
int icache_get(struct super *s, u64 ino, struct inode **out, bool *is_new);
/* With a reference, or NULL: not in memory (or on its way in or out). */
struct inode *icache_find(struct super *s, u64 ino);
/* Puts a new inode in under its i->ino, loading. 0, -EEXIST, -ENOMEM. */
int icache_insert(struct inode *i);
/* err: it leaves again (the caller still has its reference). */
void icache_loaded(struct inode *i, int err);
/* For write-back, which only knows that it was there (mapping_ops.pin): keeps the inode's memory, but is no
 * reference; who drops the last one of a removed file waits. false: it is going or not ready. */
bool icache_pin(struct inode *i);
void icache_unpin(struct inode *i);
/* Evicts up to max unused clean inodes without pages. How many went. */
u64 icache_shrink(struct super *s, u64 max);
u64 icache_nr_unused(const struct super *s);
void icache_for_each(struct super *s, void (*fn)(struct inode *i, void *arg), void *arg);
void icache_evict_all(struct super *s); /* unmount: no names, files or mounts are left */
/* Owner and mode of a file that the running task makes in dir (umask is applied by the caller). */
void inode_init_owner(struct inode *i, const struct inode *dir, u32 mode);

struct fs_type {
	const char *name;
	bool needs_device;
	int (*mount)(const char *source, u32 flags, const char *data, struct super **out);
	struct list_head link;
};
void vfs_register(struct fs_type *t);
int vfs_mount(const char *source, const char *target, const char *type, u32 flags, const char *data);
int vfs_umount(const char *target, u32 flags);
/* Every mount, oldest first; text is valid in the call only. Names are seen from the caller's root. */
struct mount_info {
	u64 id, parent_id;
	const char *source, *target, *root, *type;
	struct super *super;
	u32 flags; /* MS_* of mount and super */
	bool is_reachable; /* from the caller's root; else the name means nothing to it */
};
void vfs_for_each_mount(bool (*fn)(const struct mount_info *, void *arg), void *arg);
/* Registered types, for /proc/filesystems. */
void vfs_for_each_type(bool (*fn)(const struct fs_type *, void *arg), void *arg);
void vfs_init(void); /* mounts the root tmpfs */
/* Drops unused names of the cache (drop_caches, unmount). How many went. */
unsigned vfs_drop_names(void);
u64 vfs_new_dev(void); /* anonymous st_dev */
/* A super on device dev with a reference, NULL: none. -EBUSY: one is being unmounted. */
int super_find(u64 dev, struct super **out);
/* Walks all supers: the next one, which stays until it is given as `after` (so a walk goes to its end: NULL). */
struct super *super_next(struct super *after);
/* Frees about nr names and inodes that nobody uses, oldest first: for reclaim. How many went. */
u64 vfs_shrink(u64 nr);
u64 vfs_nr_unused(void); /* names and inodes that vfs_shrink could free */
/* drop_caches: clean pages of every cached file (1), unused names and inodes (2). */
void vfs_drop_pages(void);

/* Per-task path context. */
struct fs_context *fs_context_new(void);
struct fs_context *fs_context_copy(struct fs_context *c);
void fs_context_get(struct fs_context *c);
void fs_context_put(struct fs_context *c);
u32 fs_umask(void);
u32 fs_context_umask(const struct fs_context *c);
/* Places of a task, with references (/proc/PID/cwd, /proc/PID/root). */
void fs_context_cwd(struct fs_context *c, struct path *out);
void fs_context_root(struct fs_context *c, struct path *out);
/* CLONE_FS undone for the running task (unshare). */
int fs_unshare_current(void);

/* tmpfs without a name (memfd, MAP_SHARED|MAP_ANONYMOUS, SysV shm). Shown as "/NAME (deleted)". */
#define SHMEM_NORESERVE 1u /* pages are charged to Committed_AS one by one, not the size at once */
#define SHMEM_SEALABLE  2u /* memfd_create(MFD_ALLOW_SEALING) */
struct file *shmem_file_new(const char *name, u64 size, u32 flags); /* ERR_PTR */

/* A tmpfs-like super for devtmpfs and its kind; data: mount options (size=, nr_inodes=, mode=, uid=, gid=). */
int tmpfs_super_new(const char *type, const char *data, struct super **out);

/* newc cpio archive (plain or gzip) into the root. 0 or -errno; logs what is wrong. used_up() is told meanwhile that the
 * first n bytes are not needed any more: a small machine has no room for both the archive and its files. */
int initramfs_unpack(const void *data, size_t len, void (*used_up)(size_t n));

/* Character devices. */
struct chrdev {
	u32 major, minor, nr_minors;
	const char *name;
	const struct file_ops *fops;
	int (*open)(struct inode *i, struct file *f);
	struct list_head link;
	u32 mode; /* of its node in devtmpfs; 0: 0600 */
};
int chrdev_register(struct chrdev *d); /* 0 or -EBUSY; also tells chrdev_added */
/* Called for each device registered from now on; devtmpfs sets it (and walks the ones before). */
extern void (*chrdev_added)(struct chrdev *d);
void chrdev_for_each(bool (*fn)(struct chrdev *d, void *arg), void *arg);

/* Device numbers as st_rdev and mknod carry them (Linux's encoding). */
static inline u64 dev_make(u32 major, u32 minor)
{
	return (minor & 0xff) | ((u64)(major & 0xfff) << 8) | ((u64)(minor & ~0xffu) << 12) | ((u64)(major & ~0xfffu) << 32);
}
static inline u32 dev_major(u64 dev) { return ((dev >> 8) & 0xfff) | ((dev >> 32) & ~0xfffull); }
static inline u32 dev_minor(u64 dev) { return (dev & 0xff) | ((dev >> 12) & ~0xffull); }

/* The wall clock jumped: timerfds with TFD_TIMER_CANCEL_ON_SET report it. Not from interrupts. */
void timerfd_clock_was_set(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Open files and descriptor tables. A file is an open description (Linux's word): position and flags,
 * shared by dup and fork. What it does is its ops table; the rest of the kernel knows no kinds.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include <fs/iov.h>
#include <hal/types.h>
#include <kernel/errno.h>
#include <kernel/wait.h>

struct file;
struct inode;
struct path_node; /* a directory entry in the cache, with its mount: see fs/vfs.h */
struct poll_table;
struct stat;
struct mmap_request;

struct file_ops {
	/* Move bytes at *pos (NULL pos: a stream), advance it. Bytes done or -errno. May sleep. */
	long (*read)(struct file *f, struct iov *iov, u64 *pos);
	long (*write)(struct file *f, struct iov *iov, u64 *pos);
	s64 (*seek)(struct file *f, s64 offset, int whence);
	/* POLL* bits that hold now; registers the caller on the queues that change them. NULL: always ready. */
	u32 (*poll)(struct file *f, struct poll_table *pt);
	long (*ioctl)(struct file *f, u32 cmd, u64 arg);
	/* Adjusts a mapping request (sets mapping, refuses with -ENODEV/-EACCES). NULL: inode's mapping. */
	int (*mmap)(struct file *f, struct mmap_request *req);
	/* Directory: calls emit until it returns false. NULL: not a directory. */
	int (*readdir)(struct file *f, struct dir_emit *e);
	int (*fsync)(struct file *f, bool data_only);
	void (*release)(struct file *f); /* the last reference went */
	const char *name;                /* for debugging */
};

struct file {
	s32 refs; /* atomic */
	u32 flags;  /* O_* as given to open, changeable by F_SETFL */
	const struct file_ops *ops;
	struct inode *inode;      /* never NULL; anonymous files have one too */
	struct path_node *node;   /* NULL: no name (pipe, socket, memfd show inode->anon_name) */
	struct mutex pos_lock;
	u64 pos;
	void *priv;               /* the ops' own */
	u64 version;              /* for readers of generated files */
};

#define FMODE_CAN_READ(f)  (((f)->flags & O_ACCMODE) != O_WRONLY)
#define FMODE_CAN_WRITE(f) (((f)->flags & O_ACCMODE) != O_RDONLY)

static inline void file_get(struct file *f) { __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED); }
void file_put(struct file *f);
/* A new description with one reference; takes over a reference to inode. NULL: no memory. */
struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags);

/* Kernel-side I/O on an open file, kernel buffers. Bytes or -errno. */
long file_read_at(struct file *f, void *buf, size_t len, u64 pos);
long file_write_at(struct file *f, const void *buf, size_t len, u64 pos);
u32 file_poll(struct file *f, struct poll_table *pt);
/* Its name as /proc/PID/fd and maps show it; "(deleted)" added. Writes a NUL-terminated string. */
size_t file_name(struct file *f, char *buf, size_t size);

/* Descriptor tables. */
struct files;
struct files *files_new(void);
struct files *files_copy(struct files *from); /* fork: NULL = no memory */
void files_get(struct files *t);
void files_put(struct files *t);
void files_close_on_exec(struct files *t);
int files_unshare_current(void);

/* The running task's descriptor fd with a reference, or NULL. */
struct file *fd_get(int fd);
/* Lowest free descriptor >= from for f (takes over the reference). fd or -EMFILE/-ENOMEM. */
int fd_install(struct file *f, int from, bool close_on_exec);
struct file *files_lookup(struct files *t, int fd); /* with a reference */
int files_next_fd(struct files *t, int from);       /* lowest used descriptor >= from, or -1 */

#endif

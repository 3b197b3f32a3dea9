/* SPDX-License-Identifier: MIT */
/* What the files of fs/ share among themselves. */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include <fs/file.h>
#include <fs/poll.h>
#include <fs/vfs.h>
#include <hal/log.h>
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <mm/slab.h>

#define FS_NAME_MAX  255
#define FS_PATH_MAX  4096
#define FS_LINKS_MAX 40
#define FS_MAX_BYTES 0x7fffffffffffffffull /* largest file size */

#define MAY_EXEC  1u
#define MAY_WRITE 2u
#define MAY_READ  4u

#define SETID_MASK (S_ISUID | S_ISGID)

/* Guards the cache of names, mounts, descriptor tables, file locks. RANK_VFS; never slept under. */
extern struct spinlock vfs_lock;

/* Wall clock in ns since 1970 (kernel/time). */
s64 clock_realtime_ns(void);

/* inode.c */
void inode_init_cache(void);
void inode_touch_atime(struct file *f);
void inode_touch_mtime(struct inode *i); /* mtime and ctime = now */
void inode_touch_ctime(struct inode *i);
/* Tells the file system that fields changed. */
static inline void inode_dirty(struct inode *i, bool times_only)
{
	if (i->super->ops && i->super->ops->dirty_inode)
		i->super->ops->dirty_inode(i, times_only);
}
/* For the icache: what goes with the inode, then its memory. */
void inode_clear(struct inode *i);
void inode_free(struct inode *i);
bool icache_put(struct inode *i); /* the last reference may go; false: not (any more) in the cache */
int inode_get_write(struct inode *i);    /* counts a writer: 0 or -ETXTBSY */
static inline void inode_put_write(struct inode *i) { __atomic_fetch_sub(&i->writers, 1, __ATOMIC_RELEASE); }
int inode_deny_write(struct inode *i); /* 0 or -ETXTBSY */
static inline void inode_allow_write(struct inode *i) { __atomic_fetch_add(&i->writers, 1, __ATOMIC_RELEASE); }
struct inode *inode_new_anon(u32 mode, const char *name); /* of the super for nameless files */
int inode_setattr(struct inode *i, struct attr *a, bool forced); /* takes the lock; checks rights unless forced */
int inode_truncate(struct inode *i, u64 size);                   /* lock is taken inside */
void inode_drop_setid(struct inode *i);                          /* after a write by the unprivileged */
bool inode_owner_or_capable(const struct inode *i);
extern struct super *anon_super;
static inline u32 cred_fsuid(void) { return current->cred ? cred_acting()->fsuid : 0; }
static inline u32 cred_fsgid(void) { return current->cred ? cred_acting()->fsgid : 0; }
bool cred_in_group(u32 gid);
bool fs_capable(unsigned cap); /* true also before the first task has credentials */

/* file.c, fdtable.c */
extern const struct mapping_ops inode_mapping_ops;
u64 inode_mapping_size(struct mapping *m); /* its size operation */
extern const struct file_ops path_file_ops; /* O_PATH */
extern const struct file_ops no_file_ops;
void file_init_cache(void);
void fdtable_init_cache(void);
u64 fd_limit(void); /* RLIMIT_NOFILE */
int fd_dup_to(int oldfd, int newfd, u32 flags);
int fd_set_cloexec(int fd, bool on);
int fd_get_cloexec(int fd);
/* A free descriptor, not yet visible; then fd_publish or fd_unreserve. */
int fd_reserve(int from, bool close_on_exec);
void fd_publish(int fd, struct file *f);
void fd_unreserve(int fd);
int fd_close_range(unsigned first, unsigned last, bool cloexec_only);

/* start-up, called by vfs_init */
void fs_context_init_cache(void);
void tmpfs_init(void);
void user_path_init(void);
void pipe_init(void);
void epoll_init_cache(void);

/* locks.c */
void locks_release_owner(struct inode *i, void *owner); /* close(2) of any descriptor: POSIX locks of a table */
void locks_release_file(struct file *f);                /* last reference: flock and OFD locks */
void locks_free(struct inode *i);
long locks_fcntl(struct file *f, u32 cmd, uaddr_t arg);
long locks_flock(struct file *f, u32 op);

enum lock_kind { KIND_POSIX, KIND_OFD, KIND_FLOCK };

struct lock_view {
	u8 kind; /* enum lock_kind */
	bool is_write, is_waiting;
	u32 number;     /* from 1; one that waits has its holder's */
	s32 pid;        /* -1: of an open file, not of a process */
	u64 dev;        /* dev_major(), dev_minor() */
	u64 ino;
	u64 start, end; /* bytes, both inclusive; end ~0: up to the end of the file */
};
/* All locks, the newest first, each with those that wait for it; with f only those held through it (table: its descriptors').
 * How many there are; out gets max of them. */
u32 locks_view(const struct file *f, const struct files *table, struct lock_view *out, u32 max);

/* seals.c */
long seals_add(struct file *f, u32 seals);
long seals_get(struct file *f);

/* epoll.c */
void epoll_forget_file(struct file *f);

/* pipe.c */
extern const struct file_ops pipe_ops;
int fifo_open(struct inode *i, struct file *f);
void pipe_inode_evict(struct inode *i);
long pipe_set_size(struct file *f, u64 bytes);
long pipe_get_size(struct file *f);
int pipe_make(struct file *ends[2], u32 flags); /* [0] reads, [1] writes */
/* For splice and tee. Bytes that can be read or written now; 0 = end (no writers left). -EAGAIN,
 * -ERESTARTSYS, -EPIPE (SIGPIPE is sent). */
long pipe_wait_data(struct file *f, bool nonblock);
long pipe_wait_room(struct file *f, bool nonblock);
size_t pipe_peek(struct file *f, size_t skip, void *buf, size_t len); /* copies without consuming */
void pipe_consume(struct file *f, size_t len);

/* socket/ */
extern const struct file_ops unix_ops;
void sock_collect(void); /* closes sockets that are only in each other's queues */

/* chrdev.c */
int special_open(struct inode *i, struct file *f);

/* poll.c: a caller that waits on several files. */
struct poll_chunk;
struct poll_waiter {
	struct poll_table table; /* first */
	struct host_waitq waitq; /* only this task sleeps here */
	bool triggered;          /* atomic */
	int error;               /* -ENOMEM: not everywhere registered */
	struct file *file;       /* being asked now */
	struct task *task;
	struct poll_chunk *chunks;
};
void poll_waiter_init(struct poll_waiter *w);
/* Asks f and registers on its queues while w->table.add is set. */
u32 poll_ask(struct poll_waiter *w, struct file *f);
/* Sleeps until something triggered; further asking does not register again. */
int poll_sleep(struct poll_waiter *w, u64 deadline_ns);
void poll_waiter_end(struct poll_waiter *w);

/* A system call's own signal mask (ppoll, pselect6, epoll_pwait): set for the call, and kept until a
 * signal was delivered when the call was interrupted. usize must be 8. */
int sigmask_begin(uaddr_t umask, u64 usize);
void sigmask_end(bool has_mask, bool interrupted);

/* sys/ioctl.c */
long file_ioctl(struct file *f, unsigned fd, u32 cmd, u64 arg);

/* sys/: user strings. A path copied in, given back by user_path_put. ERR_PTR(-EFAULT, -ENAMETOOLONG, -ENOMEM), which
 * every vfs_* call takes for a name too: it reports the error when the name's turn comes. */
char *user_path_get(uaddr_t uname);
void user_path_put(char *name);

/* sys/at.c: what a *at() call means: a name, or with AT_EMPTY_PATH (or NULL name where allowed) the
 * descriptor itself, which need not have a name. Holds references until target_put. */
struct target {
	struct inode *inode;
	struct path path; /* node NULL: a file without a name */
};
int target_get(struct target *t, int dirfd, uaddr_t uname, u32 at_flags, bool follow);
int target_from_fd(struct target *t, int fd, bool allow_path);
void target_put(struct target *t);
int target_want_write(const struct target *t);

#endif

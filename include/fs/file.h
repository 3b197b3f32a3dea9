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
#include <linux/fcntl.h>
#include <mm/readahead.h>

struct file;
struct inode;
struct path;
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
	/* Adjusts a mapping request (sets mapping, refuses with -ENODEV/-EACCES). NULL: inode's mapping. When
	 * it sets req->file to another file, the caller of file_prepare_mmap drops that reference after
	 * space_mmap. */
	int (*mmap)(struct file *f, struct mmap_request *req);
	/* Directory: calls emit until it returns false. NULL: not a directory. */
	int (*readdir)(struct file *f, struct dir_emit *e);
	int (*fsync)(struct file *f, bool data_only);
	void (*release)(struct file *f); /* the last reference went; spin locks only, may run under RANK_SPACE */
	const char *name;                /* for debugging */
	int (*fallocate)(struct file *f, u32 mode, u64 offset, u64 len); /* NULL: -EOPNOTSUPP */
	void (*show_fdinfo)(struct file *f, void *seq); /* further lines of /proc/PID/fdinfo; NULL: none */
};

/*
 * seek == NULL says that the file is a stream: read and write get a NULL pos, lseek and pread give
 * -ESPIPE. Others are serialized on pos_lock by read(2), write(2) and lseek(2).
 */
s64 file_seek_generic(struct file *f, s64 offset, int whence); /* within inode->size */
s64 file_seek_unbounded(struct file *f, s64 offset, int whence); /* SEEK_SET and SEEK_CUR only (/proc) */
s64 file_seek_none(struct file *f, s64 offset, int whence); /* always position 0 (/dev/null, /dev/zero) */

/* file->state, atomic */
#define FILE_WRITER    (1u << 0) /* counts in inode->writers */
#define FILE_EXEC_DENY (1u << 1) /* holds writers off while executed */
#define FILE_EXCLUSIVE (1u << 2) /* a block device opened with O_EXCL */

struct file {
	s32 refs; /* atomic */
	u32 flags;  /* O_* as given to open, changeable by F_SETFL */
	const struct file_ops *ops;
	struct inode *inode;      /* never NULL; anonymous files have one too */
	struct mapping *mapping;  /* its bytes: the inode's, or for a block device the device's */
	struct path_node *node;   /* NULL: no name (pipe, socket, memfd show inode->anon_name) */
	struct mount *mount;      /* with node: through which it was opened */
	struct mutex pos_lock;
	u64 pos;
	void *priv;               /* the ops' own */
	u64 version;              /* for readers of generated files */
	u32 state;                /* FILE_* */
	u32 nr_reads;             /* how often the access time was asked for: see inode_touch_atime */
	s32 owner_pid;            /* F_SETOWN: > 0 process, < 0 group */
	u32 owner_sig;            /* F_SETSIG */
	struct list_head watches; /* (RANK_VFS) epoll items */
	struct readahead ra;      /* files on a device: set by the file system's open */
	u64 error_seen;           /* write errors up to here were reported to fsync: see mm/writeback.h */
};

/* Access mode 3 (neither read nor write, for ioctl) and O_PATH files can do neither. */
#define FMODE_CAN_READ(f)  (!((f)->flags & (O_PATH | O_WRONLY)))
#define FMODE_CAN_WRITE(f) (!((f)->flags & O_PATH) && (((f)->flags & O_ACCMODE) == O_WRONLY || ((f)->flags & O_ACCMODE) == O_RDWR))

static inline void file_get(struct file *f) { __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED); }
void file_put(struct file *f);
/* Open descriptions: how many there may be for those without CAP_SYS_ADMIN (/proc/sys/fs/file-max), and how many there are. */
extern u64 files_max;
u64 files_count(void);

/* A new description with one reference; takes over a reference to inode. ERR_PTR: -ENOMEM, -ENFILE (files_max). */
struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags);
/* Frees one that nobody has seen and that got no inode. */
void file_discard(struct file *f);

/* A file without a name on an inode of its own; name is static text: "anon_inode:[eventfd]". ERR_PTR. */
struct file *file_new_anon(const struct file_ops *ops, const char *name, void *priv, u32 flags);

/* read(2) and write(2) below the descriptor: checks the access mode, moves the position. */
long file_read(struct file *f, struct iov *iov);
long file_write(struct file *f, struct iov *iov);
long file_pread(struct file *f, struct iov *iov, u64 pos);
long file_pwrite(struct file *f, struct iov *iov, u64 pos);

/* fallocate(2) below the descriptor; mode is FALLOC_FL_*. 0 or -errno. */
long file_fallocate(struct file *f, u32 mode, s64 offset, s64 len);

/* Fills mapping, file and rights of a mapping request (prot, flags, offset are set). 0, -ENODEV,
 * -EACCES, -EPERM. */
int file_prepare_mmap(struct file *f, struct mmap_request *req);

/* What mm/ asks of the file behind a region (void *file is a struct file), for every mapping_ops. */
void vfs_mapping_get(void *file);
void vfs_mapping_put(void *file);
struct readahead *vfs_mapping_readahead(void *file);
int vfs_mapping_fsync(void *file, u64 start, u64 end);
int vfs_mapping_punch(void *file, u64 start, u64 end);
#define VFS_MAPPING_OPS                                                                                            \
	.file_get = vfs_mapping_get, .file_put = vfs_mapping_put, .readahead = vfs_mapping_readahead, .fsync = vfs_mapping_fsync, \
	.punch = vfs_mapping_punch

/* Kernel-side I/O on an open file, kernel buffers. Bytes or -errno. */
long file_read_at(struct file *f, void *buf, size_t len, u64 pos);
long file_write_at(struct file *f, const void *buf, size_t len, u64 pos);
u32 file_poll(struct file *f, struct poll_table *pt);
/* Its name as /proc/PID/fd and maps show it; "(deleted)" added. Writes a NUL-terminated string. */
size_t file_name(struct file *f, char *buf, size_t size);
/* The place of an open file with references; a file without a name gets one that path_name shows as
 * file_name does ("pipe:[7]"). For magic links. 0 or -ENOMEM. */
int file_get_path(struct file *f, struct path *out);

/* Descriptor tables. */
struct files;
struct files *files_new(void);
struct files *files_copy(struct files *from); /* fork: NULL = no memory */
void files_get(struct files *t);
void files_put(struct files *t);
void files_close_on_exec(struct files *t);
int files_unshare_current(void);

/* The running task's descriptor fd with a reference, or NULL. O_PATH files are left out by fd_get. */
struct file *fd_get(int fd);
struct file *fd_get_path(int fd);
/* Lowest free descriptor >= from for f (takes over the reference). fd or -EMFILE/-ENOMEM. */
int fd_install(struct file *f, int from, bool close_on_exec);
struct file *files_lookup(struct files *t, int fd); /* with a reference */
int files_next_fd(struct files *t, int from);       /* lowest used descriptor >= from, or -1 */
bool files_is_close_on_exec(struct files *t, int fd);
unsigned files_capacity(struct files *t);           /* FDSize of /proc/PID/status */
int fd_close(int fd);                               /* of the running task: 0 or -EBADF */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The one chart of lock order. A CPU (for spin locks) or a task (for sleeping locks) takes locks in
 * rising rank only. Two locks of one rank are taken together only through a function that names the
 * order (`..._nested`). Sleeping locks all rank below spin locks: nothing sleeps under a spin lock.
 */
#ifndef HAL_LOCKRANK_H
#define HAL_LOCKRANK_H

enum lock_rank {
	/* sleeping locks, outermost first */
	RANK_TTY_WRITE,    /* one writer's bytes stay together on a terminal */
	RANK_TASK_EXEC,    /* execve and ptrace look at one process at a time */
	RANK_FS_NAMESPACE, /* mounts and rename across directories */
	RANK_FLUSH_ROUND,  /* a device's flusher at work: takes whatever writing a file takes */
	RANK_INODE,        /* directory content, file size; parent before child by nested call */
	RANK_PIPE,         /* a pipe's buffer; copies from user space while held, so above RANK_SPACE's users */
	RANK_SWAP_PLACES,  /* which devices and files swap lies on */
	RANK_CGROUP,       /* the tree of control groups */
	RANK_POLICY,       /* one change of the replacement policy at a time */
	RANK_SWAP_CHANGE,  /* one swap area comes or goes at a time */
	RANK_SPACE,        /* a space's regions: written by mmap & co, read by faults */
	RANK_MAPPING,      /* a file's list of regions */
	RANK_FS_COMMIT,    /* one commit of a file system at a time */
	RANK_FRAME_BUSY,   /* a frame's content is being filled or removed; a block device's own frames: behind the next two */
	RANK_FS_MAP,       /* where the blocks of one file lie; its attributes before them */
	RANK_FS_GROUP,     /* one block group's bitmaps */
	RANK_SLEEP_LAST,

	/* spin locks that interrupt handlers never take, outermost first */
	RANK_VFS,         /* dentry and inode caches, descriptor tables */
	RANK_TASKLIST,    /* the tree of processes */
	RANK_USER,        /* the users that exist; the last reference may go under the tree of processes */
	RANK_FUTEX,       /* a futex hash bucket */
	RANK_BLOCK_HOLDER,/* who keeps metadata on a block device */
	RANK_UPPER_TABLE, /* an upper page-table page */
	RANK_LEAF_TABLE,  /* a last-level page-table page */
	RANK_MAPPING_TREE,/* a file's index of pages */
	RANK_FLUSHER,     /* a device's list of files with dirty pages */
	RANK_ICACHE,      /* inodes of one super by number; a flusher pins files under its own lock */
	RANK_SWAP_AREA,   /* which slots of a swap area are in use */
	RANK_SWAP_SLOT,   /* the entries that name one page in swap, and its frame */
	RANK_FRAME_CHAIN, /* the slots that map one frame */
	RANK_LRU,         /* one node's replacement lists */
	RANK_MEM_GROUP,   /* the tree of memory groups: the last page of one may go anywhere above */
	RANK_SLAB,        /* one slab cache's lists */
	RANK_BUDDY,       /* one node's free lists */

	/* spin locks taken with interrupts off: a handler may need them whatever the code it interrupted
	 * holds, so they rank behind all others, and nothing is allocated under them */
	RANK_TTY,         /* terminal buffers */
	RANK_SIGNAL,      /* one process's signal state */
	RANK_PSI,         /* sums and averages of pressure: collected from run queues, wakes who polls */
	RANK_TIMER,       /* per-CPU timer queues */
	RANK_WAITQ,       /* a wait queue; wake-ups happen under nearly everything */
	RANK_EPOLL,       /* an epoll instance: marked ready from wake-ups of the files it watches; inner before outer */
	RANK_RUNQUEUE,    /* one CPU's run queue */
	RANK_DEVICE,      /* a driver's queue */
	RANK_LOG,         /* the log ring: messages are allowed everywhere */
};

#endif

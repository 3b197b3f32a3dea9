/* SPDX-License-Identifier: MIT */
/* Sockets of the local machine (AF_UNIX): the parts shared by connections, messages and calls. */
#ifndef FS_SOCKET_H
#define FS_SOCKET_H

#include "../path/path.h"
#include <hal/time.h>
#include <kernel/wait.h>
#include <linux/socket.h>
#include <linux/un.h>

/* <linux/socket.h> of the UAPI leaves these to the C library. */
#define AF_UNSPEC 0
#define AF_UNIX   1
#define SOCK_STREAM    1u
#define SOCK_DGRAM     2u
#define SOCK_RAW       3u
#define SOCK_SEQPACKET 5u
#define SOCK_CLOEXEC   ((u32)O_CLOEXEC)
#define SOCK_NONBLOCK  ((u32)O_NONBLOCK)
#define MSG_OOB          0x1u
#define MSG_PEEK         0x2u
#define MSG_CTRUNC       0x8u
#define MSG_TRUNC        0x20u
#define MSG_DONTWAIT     0x40u
#define MSG_EOR          0x80u
#define MSG_WAITALL      0x100u
#define MSG_NOSIGNAL     0x4000u
#define MSG_CMSG_CLOEXEC 0x40000000u
#define SCM_RIGHTS       1
#define SCM_CREDENTIALS  2
#define SHUT_RD_BIT 1u
#define SHUT_WR_BIT 2u
#define SCM_MAX_FDS 253u
#define BUFFER_BYTES 212992u /* net.core.wmem_default */
#define MAX_DATAGRAMS 10u    /* net.unix.max_dgram_qlen */

struct ucred_k { s32 pid; u32 uid, gid; };

enum sock_state { SOCK_FRESH, SOCK_LISTENING, SOCK_CONNECTED, SOCK_CLOSED };

struct sock_addr { /* as the user gave it; path[0] == 0: abstract */
	u32 len; /* of path, without the family; 0: unnamed */
	char path[UNIX_PATH_MAX + 1];
};

/* One message, or a piece of a stream. */
struct message {
	struct list_head link;
	u32 len, done;       /* bytes; already read */
	u32 nr_files;
	struct file **files; /* with references; NULL: none */
	struct ucred_k cred;
	struct unix_sock *sender; /* of a queued datagram, with a reference: told when there is room again */
	struct sock_addr *from; /* datagrams of a named sender; NULL: unnamed */
	bool is_counted;     /* its sockets are counted in nr_in_flight */
	u8 data[];
};

struct unix_sock {
	s32 refs; /* atomic: the file, peers, the backlog */
	u32 type;
	enum sock_state state;     /* (unix_lock) like everything to `backlog` */
	u32 shutdown;              /* SHUT_*_BIT */
	int error;                 /* reported once */
	struct unix_sock *peer;    /* with a reference */
	struct list_head queue;    /* messages to read */
	u32 queued_bytes, nr_queued;
	struct list_head pending;  /* LISTENING: connections to accept. Else: link in such a list */
	u32 nr_pending, backlog;
	struct sock_addr addr;
	struct inode *bound;       /* with a reference; its ->special is this socket */
	struct list_head abstract_link;
	struct ucred_k peer_cred;
	struct mutex read_lock;    /* RANK_PIPE: one reader of the queue at a time */
	struct host_waitq waitq;   /* anything changed here or at the peer */
	bool pass_cred;
	struct list_head all_link; /* (unix_lock) all_sockets */
	struct file *file;         /* (unix_lock) no reference; NULL: not accepted yet, or closed */
	u32 nr_in_flight;          /* (unix_lock) messages that carry this socket's file */
	u32 nr_inside, is_reached; /* collect.c */
	u64 recv_timeout_ns, send_timeout_ns;
};

extern struct spinlock unix_lock; /* RANK_VFS */
extern const struct file_ops unix_ops;

static inline bool sock_is_stream(const struct unix_sock *s) { return s->type == SOCK_STREAM; }
static inline bool sock_is_connected_type(const struct unix_sock *s) { return s->type != SOCK_DGRAM; }

/* unix.c */
void sock_put(struct unix_sock *s);
static inline void sock_get(struct unix_sock *s) { __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED); }
struct file *sock_file_new(u32 type, u32 flags); /* ERR_PTR */
int sock_pair(struct unix_sock *a, struct unix_sock *b);
int sock_bind(struct unix_sock *s, const struct sock_addr *a, bool automatic);
int sock_listen(struct unix_sock *s, int backlog);
int sock_connect(struct unix_sock *s, const struct sock_addr *a, bool nonblock);
struct file *sock_accept(struct unix_sock *s, bool nonblock, u32 flags); /* ERR_PTR */
int sock_shutdown(struct unix_sock *s, int how);
int sock_find(const struct sock_addr *a, u32 type, struct unix_sock **out); /* with a reference */
struct ucred_k cred_of_current(void);

/* sys.c */
/* The socket behind a descriptor with a reference, or NULL and *err: -EBADF, -ENOTSOCK. */
struct file *sock_file(u64 fd, long *err);
/* Runs `body` with struct file *f and struct unix_sock *s; its value is the result. */
#define WITH_SOCKET(fd, body)               \
	long err_;                              \
	struct file *f = sock_file(fd, &err_);  \
	if (!f)                                 \
		return err_;                        \
	struct unix_sock *s = f->priv;          \
	long ret_ = (body);                     \
	file_put(f);                            \
	return ret_

/* collect.c */
extern struct list_head all_sockets; /* (unix_lock) */
void message_count_locked(struct message *m); /* it was queued */
void message_uncount(struct message *m);      /* its files leave it */
void sock_collect(void); /* closes sockets that only reach each other through their own queues */

/* message.c */
struct send_request {
	struct iov *iov;
	u32 flags;               /* MSG_* */
	const struct sock_addr *to; /* NULL: the peer */
	struct file **files;     /* taken over when sent */
	u32 nr_files;
	struct ucred_k cred;
};
struct recv_result {
	u32 flags;               /* MSG_TRUNC */
	struct sock_addr from;
	struct ucred_k cred;
	struct file **files;     /* to be installed or put, and kfree'd, by the caller */
	u32 nr_files;
};
long sock_send(struct unix_sock *s, struct send_request *r);
long sock_recv(struct unix_sock *s, struct iov *iov, u32 flags, struct recv_result *out);
void message_free(struct message *m);
void messages_bury(struct list_head *doomed); /* frees them all, without recursion through what they carry */
size_t sock_readable_bytes(struct unix_sock *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Socket calls: addresses, message headers, control messages (descriptors, credentials). Only
 * AF_UNIX exists; every other family answers EAFNOSUPPORT.
 */
#include "socket.h"
#include <asm/socket.h>
#include <kernel/time.h>

#define CMSG_ALIGN(n) (((n) + 7) & ~(u64)7)
#define CONTROL_MAX   20479u /* less than net.core.optmem_max */
#define ADDRESS_MAX   128u /* struct sockaddr_storage */
#define AF_MAX        46u
#define SOCK_TYPE_MAX 11u

struct msghdr_k {
	uaddr_t name;
	u32 name_len, pad;
	uaddr_t iov;
	u64 nr_iov;
	uaddr_t control;
	u64 control_len;
	u32 flags, pad2;
};

struct cmsghdr_k {
	u64 len;
	s32 level, type;
};

struct file *sock_file(u64 fd, long *err)
{
	struct file *f = fd_get((int)fd);
	*err = !f ? -EBADF : f->ops != &unix_ops ? -ENOTSOCK : 0;
	if (*err && f)
		file_put(f);
	return *err ? NULL : f;
}

/* As WITH_SOCKET, with a file of any kind: for calls that look at other things first. */
#define WITH_FILE(fd, body)                 \
	struct file *f = fd_get((int)(fd));     \
	if (!f)                                 \
		return -EBADF;                      \
	long ret_ = (body);                     \
	file_put(f);                            \
	return ret_

/* Addresses. */

/* As it stands in user memory: calls read it before they know what it is for. */
struct raw_addr {
	u32 len;
	union {
		u16 family;
		char bytes[ADDRESS_MAX];
	};
};

static int addr_from_user(uaddr_t u, u64 len, struct raw_addr *raw)
{
	memset(raw, 0, sizeof(*raw));
	if ((u32)len > ADDRESS_MAX)
		return -EINVAL;
	raw->len = (u32)len;
	return copy_from_user(raw->bytes, u, raw->len) ? -EFAULT : 0;
}

static bool is_unspecified(const struct raw_addr *raw) { return raw->len >= sizeof(raw->family) && raw->family == AF_UNSPEC; }

/* 0 or -EINVAL; only the family given: a->len is 0. */
static int addr_parse(const struct raw_addr *raw, struct sock_addr *a)
{
	memset(a, 0, sizeof(*a));
	if (raw->len < sizeof(raw->family) || raw->len > sizeof(struct sockaddr_un) || raw->family != AF_UNIX)
		return -EINVAL;
	a->len = raw->len - 2;
	memcpy(a->path, raw->bytes + 2, a->len);
	if (a->path[0])
		a->len = (u32)strlen(a->path) + 1;
	return 0;
}

/* One to connect or send to must have a name. */
static int addr_parse_named(const struct raw_addr *raw, struct sock_addr *a)
{
	int err = addr_parse(raw, a);
	return err ? err : a->len ? 0 : -EINVAL;
}

static int bytes_to_user(const void *buf, s32 full, uaddr_t u, uaddr_t ulen)
{
	s32 room;
	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(u, buf, (size_t)min(room, full)))
		return -EFAULT;
	return put_user(full, ulen);
}

static int addr_to_user(const struct sock_addr *a, uaddr_t u, uaddr_t ulen)
{
	u16 family = AF_UNIX;
	char buf[2 + sizeof(a->path)];
	memcpy(buf, &family, 2);
	memcpy(buf + 2, a->path, a->len);
	return bytes_to_user(buf, (s32)(a->len + 2), u, ulen);
}

/* The address of a sender without a name has no bytes at all. */
static int sender_to_user(const struct sock_addr *a, uaddr_t u, uaddr_t ulen)
{
	return a->len ? addr_to_user(a, u, ulen) : bytes_to_user(NULL, 0, u, ulen);
}

/* Making. */

static bool has_bad_flags(u64 type) { return (u32)type & ~(15u | SOCK_CLOEXEC | SOCK_NONBLOCK); }

static long check_kind(u64 family, u64 type, u64 protocol)
{
	u32 base = (u32)type & 15u;
	if ((u32)family < AF_MAX && base >= SOCK_TYPE_MAX)
		return -EINVAL;
	if ((u32)family != AF_UNIX)
		return -EAFNOSUPPORT;
	if ((int)protocol && (int)protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (base != SOCK_STREAM && base != SOCK_DGRAM && base != SOCK_SEQPACKET && base != SOCK_RAW)
		return -ESOCKTNOSUPPORT;
	return 0;
}

static u32 base_type(u64 type)
{
	u32 base = (u32)type & 15u;
	return base == SOCK_RAW ? SOCK_DGRAM : base;
}

SYSCALL3(socket, family, type, protocol)
{
	long err = has_bad_flags(type) ? -EINVAL : check_kind(family, type, protocol);
	if (err)
		return err;
	struct file *f = sock_file_new(base_type(type), (u32)type & SOCK_NONBLOCK);
	return IS_ERR(f) ? PTR_ERR(f) : fd_install(f, 0, type & SOCK_CLOEXEC);
}

static long make_pair(u64 family, u64 type, u64 protocol, struct file *ends[2])
{
	long err = check_kind(family, type, protocol);
	if (err)
		return err;
	for (unsigned n = 0; n < 2; n++) {
		ends[n] = sock_file_new(base_type(type), (u32)type & SOCK_NONBLOCK);
		if (IS_ERR(ends[n])) {
			if (n)
				file_put(ends[0]);
			return PTR_ERR(ends[n]);
		}
	}
	sock_pair(ends[0]->priv, ends[1]->priv);
	return 0;
}

/* As Linux: the numbers are in the caller's memory before it is asked what kind of pair that would be. */
SYSCALL4(socketpair, family, type, protocol, ufds)
{
	struct file *ends[2];
	int fds[2];
	if (has_bad_flags(type))
		return -EINVAL;
	fds[0] = fd_reserve(0, type & SOCK_CLOEXEC);
	fds[1] = fds[0] < 0 ? fds[0] : fd_reserve(0, type & SOCK_CLOEXEC);
	long err = fds[1] < 0 ? fds[1] : copy_to_user(ufds, fds, sizeof(fds)) ? -EFAULT : make_pair(family, type, protocol, ends);
	if (!err) {
		fd_publish(fds[0], ends[0]);
		fd_publish(fds[1], ends[1]);
		return 0;
	}
	if (fds[0] >= 0)
		fd_unreserve(fds[0]);
	if (fds[1] >= 0)
		fd_unreserve(fds[1]);
	return err;
}

/* Names and connections. */

static long do_bind(struct unix_sock *s, uaddr_t uaddr, u64 len)
{
	struct raw_addr raw;
	struct sock_addr a;
	int err = addr_from_user(uaddr, len, &raw);
	if (!err)
		err = addr_parse(&raw, &a);
	return err ? err : sock_bind(s, &a, !a.len);
}

static long do_connect(struct file *f, uaddr_t uaddr, u64 len)
{
	struct raw_addr raw;
	struct sock_addr a;
	int err = addr_from_user(uaddr, len, &raw);
	if (!err && f->ops != &unix_ops)
		err = -ENOTSOCK;
	if (err)
		return err;
	struct unix_sock *s = f->priv;
	if (is_unspecified(&raw))
		return sock_connect(s, NULL, false);
	err = addr_parse_named(&raw, &a);
	return err ? err : sock_connect(s, &a, f->flags & O_NONBLOCK);
}

static long do_accept(struct file *f, uaddr_t uaddr, uaddr_t ulen, u32 flags)
{
	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (f->ops != &unix_ops)
		return -ENOTSOCK;
	int fd = fd_reserve(0, flags & SOCK_CLOEXEC);
	if (fd < 0)
		return fd;
	struct file *n = sock_accept(f->priv, f->flags & O_NONBLOCK, flags & SOCK_NONBLOCK);
	long err = IS_ERR(n) ? PTR_ERR(n) : 0;
	if (!err) {
		struct unix_sock *half = n->priv;
		struct sock_addr none = { 0 };
		spin_lock(&unix_lock);
		if (half->peer)
			none = half->peer->addr;
		spin_unlock(&unix_lock);
		err = uaddr ? addr_to_user(&none, uaddr, ulen) : 0;
		if (err)
			file_put(n);
	}
	if (err) {
		fd_unreserve(fd);
		return err;
	}
	fd_publish(fd, n);
	return fd;
}

static long do_getpeername(struct unix_sock *s, uaddr_t uaddr, uaddr_t ulen)
{
	struct sock_addr a = { 0 };
	spin_lock(&unix_lock);
	bool connected = s->peer != NULL;
	if (connected)
		a = s->peer->addr;
	spin_unlock(&unix_lock);
	return connected ? addr_to_user(&a, uaddr, ulen) : -ENOTCONN;
}

SYSCALL3(bind, fd, uaddr, len) { WITH_SOCKET(fd, do_bind(s, uaddr, len)); }
SYSCALL2(listen, fd, backlog) { WITH_SOCKET(fd, sock_listen(s, (int)backlog)); }
SYSCALL3(connect, fd, uaddr, len) { WITH_FILE(fd, do_connect(f, uaddr, len)); }
SYSCALL3(accept, fd, uaddr, ulen) { WITH_FILE(fd, do_accept(f, uaddr, ulen, 0)); }
SYSCALL4(accept4, fd, uaddr, ulen, flags) { WITH_FILE(fd, do_accept(f, uaddr, ulen, (u32)flags)); }
SYSCALL2(shutdown, fd, how) { WITH_SOCKET(fd, sock_shutdown(s, (int)how)); }
SYSCALL3(getsockname, fd, uaddr, ulen) { WITH_SOCKET(fd, addr_to_user(&s->addr, uaddr, ulen)); }
SYSCALL3(getpeername, fd, uaddr, ulen) { WITH_SOCKET(fd, do_getpeername(s, uaddr, ulen)); }

/* Sending. */

static u32 effective_flags(const struct file *f, u64 flags)
{
	return (u32)flags | (f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
}

/* Who a message goes to: nobody named, or r->to. What a stream is told is not looked at, only that it was told. */
static int set_receiver(struct unix_sock *s, const struct raw_addr *raw, struct sock_addr *to, struct send_request *r)
{
	if (!raw->len)
		return 0;
	r->to = to;
	return sock_is_connected_type(s) ? 0 : addr_parse_named(raw, to);
}

static long do_sendto(struct file *f, struct unix_sock *s, uaddr_t ubuf, u64 len, u64 flags, uaddr_t uaddr, u64 addr_len)
{
	struct iovec_k one;
	struct iov iov;
	struct raw_addr raw = { 0 };
	struct sock_addr to;
	struct send_request r = { .iov = &iov, .flags = effective_flags(f, flags), .cred = cred_of_current() };
	int err = uaddr ? addr_from_user(uaddr, addr_len, &raw) : 0;
	if (!err)
		err = set_receiver(s, &raw, &to, &r);
	if (err)
		return err;
	iov_init_user(&iov, &one, ubuf, len);
	return sock_send(s, &r);
}

SYSCALL6(sendto, fd, ubuf, len, flags, uaddr, addr_len)
{
	len = min(len, FS_MAX_RW);
	if (!user_range_ok(ubuf, len))
		return -EFAULT;
	WITH_SOCKET(fd, do_sendto(f, s, ubuf, len, flags, uaddr, addr_len));
}

static void put_files(struct file **files, u32 nr)
{
	for (u32 n = 0; n < nr; n++)
		file_put(files[n]);
	kfree(files);
}

static int take_rights(const u8 *data, u64 bytes, struct send_request *r)
{
	u32 nr = (u32)(bytes / sizeof(int));
	if (r->nr_files + nr > SCM_MAX_FDS)
		return -EINVAL;
	struct file **files = krealloc(r->files, (r->nr_files + nr) * sizeof(*files), ALLOC_KERNEL);
	if (!files && nr)
		return -ENOMEM;
	r->files = files;
	for (u32 n = 0; n < nr; n++) {
		int fd;
		memcpy(&fd, data + n * sizeof(fd), sizeof(fd));
		struct file *f = fd_get_path(fd);
		if (!f)
			return -EBADF;
		r->files[r->nr_files++] = f;
	}
	return 0;
}

static int take_credentials(const u8 *data, u64 bytes, struct send_request *r)
{
	struct ucred_k c, mine = cred_of_current();
	if (bytes != sizeof(c))
		return -EINVAL;
	memcpy(&c, data, sizeof(c));
	const struct cred *k = current->cred;
	bool pid_ok = c.pid == mine.pid || fs_capable(CAP_SYS_ADMIN);
	bool uid_ok = c.uid == k->uid || c.uid == k->euid || c.uid == k->suid || fs_capable(CAP_SETUID);
	bool gid_ok = c.gid == k->gid || c.gid == k->egid || c.gid == k->sgid || fs_capable(CAP_SETGID);
	if (!pid_ok || !uid_ok || !gid_ok)
		return -EPERM;
	r->cred = c;
	return 0;
}

/* Control messages of a sendmsg. On failure the caller puts what was taken. */
static int parse_control(const u8 *c, u64 len, struct send_request *r)
{
	u64 at = 0;
	while (at + sizeof(struct cmsghdr_k) <= len) {
		struct cmsghdr_k h;
		memcpy(&h, c + at, sizeof(h));
		if (h.len < sizeof(h) || h.len > len - at)
			return -EINVAL;
		const u8 *data = c + at + sizeof(h);
		int err = 0;
		if (h.level == SOL_SOCKET && h.type == SCM_RIGHTS)
			err = take_rights(data, h.len - sizeof(h), r);
		else if (h.level == SOL_SOCKET && h.type == SCM_CREDENTIALS)
			err = take_credentials(data, h.len - sizeof(h), r);
		else if (h.level == SOL_SOCKET)
			err = -EINVAL;
		if (err)
			return err;
		at += CMSG_ALIGN(h.len);
	}
	return 0;
}

/* The header and what it names: the address (unless raw is NULL) and the pieces; iov_vector_free must follow. */
static int header_from_user(uaddr_t umsg, struct msghdr_k *h, struct raw_addr *raw, struct iov_vector *v)
{
	if (copy_from_user(h, umsg, sizeof(*h)))
		return -EFAULT;
	if (!h->name)
		h->name_len = 0;
	if ((s32)h->name_len < 0)
		return -EINVAL;
	h->name_len = min(h->name_len, ADDRESS_MAX);
	int err = raw ? addr_from_user(h->name, h->name_len, raw) : 0;
	if (err)
		return err;
	return h->nr_iov > FS_IOV_MAX ? -EMSGSIZE : iov_vector_get(v, h->iov, h->nr_iov);
}

static int control_from_user(const struct msghdr_k *h, struct send_request *r)
{
	if (!h->control_len)
		return 0;
	if (h->control_len > CONTROL_MAX)
		return -ENOBUFS;
	u8 *c = kmalloc(h->control_len, ALLOC_KERNEL);
	if (!c)
		return -ENOMEM;
	int err = copy_from_user(c, h->control, h->control_len) ? -EFAULT : parse_control(c, h->control_len, r);
	kfree(c);
	return err;
}

static long do_sendmsg(struct file *f, struct unix_sock *s, uaddr_t umsg, u64 flags)
{
	struct msghdr_k h;
	struct raw_addr raw;
	struct sock_addr to;
	struct iov_vector v;
	int err = header_from_user(umsg, &h, &raw, &v);
	if (err)
		return err;
	struct send_request r = { .iov = &v.iov, .flags = effective_flags(f, flags), .cred = cred_of_current() };
	err = control_from_user(&h, &r);
	if (!err)
		err = set_receiver(s, &raw, &to, &r);
	long n = err ? err : sock_send(s, &r);
	put_files(r.files, r.nr_files);
	iov_vector_free(&v);
	return n;
}

/* 32-bit callers' layout is not for user space to ask for. */
#define MSG_CMSG_COMPAT 0x80000000u

SYSCALL3(sendmsg, fd, umsg, flags)
{
	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	WITH_SOCKET(fd, do_sendmsg(f, s, umsg, flags));
}

/* Receiving. */

static long do_recvfrom(struct file *f, struct unix_sock *s, uaddr_t ubuf, u64 len, u64 flags, uaddr_t uaddr, uaddr_t ulen)
{
	struct iovec_k one;
	struct iov iov;
	struct recv_result r = { 0 };
	iov_init_user(&iov, &one, ubuf, len);
	long n = sock_recv(s, &iov, effective_flags(f, flags), &r);
	put_files(r.files, r.nr_files);
	if (n >= 0 && uaddr) {
		int err = sender_to_user(&r.from, uaddr, ulen);
		if (err)
			return err;
	}
	return n;
}

SYSCALL6(recvfrom, fd, ubuf, len, flags, uaddr, ulen)
{
	len = min(len, FS_MAX_RW);
	if (!user_range_ok(ubuf, len))
		return -EFAULT;
	WITH_SOCKET(fd, do_recvfrom(f, s, ubuf, len, flags, uaddr, ulen));
}

/* The user's control buffer being filled. */
struct control_out {
	uaddr_t at;
	u64 left, used;
	u32 flags;
};

static void put_control(struct control_out *c, int type, const void *data, u64 bytes)
{
	struct cmsghdr_k h = { sizeof(h) + bytes, SOL_SOCKET, type };
	if (c->left < sizeof(h) + bytes || copy_to_user(c->at, &h, sizeof(h)) || copy_to_user(c->at + sizeof(h), data, bytes)) {
		c->flags |= MSG_CTRUNC;
		return;
	}
	u64 step = min(CMSG_ALIGN(h.len), c->left);
	c->at += step;
	c->left -= step;
	c->used += step;
}

/* Installs the received files as far as there is room; the rest is closed. */
static void put_rights(struct control_out *c, struct recv_result *r, bool cloexec)
{
	int fds[SCM_MAX_FDS];
	u64 room = c->left > sizeof(struct cmsghdr_k) ? (c->left - sizeof(struct cmsghdr_k)) / sizeof(int) : 0;
	u32 nr = 0;
	for (u32 n = 0; n < r->nr_files; n++) {
		if (n >= room) {
			c->flags |= MSG_CTRUNC;
			file_put(r->files[n]);
			continue;
		}
		int fd = fd_install(r->files[n], 0, cloexec);
		if (fd < 0)
			c->flags |= MSG_CTRUNC;
		else
			fds[nr++] = fd;
	}
	if (nr)
		put_control(c, SCM_RIGHTS, fds, nr * sizeof(int));
	kfree(r->files);
}

static long do_recvmsg(struct file *f, struct unix_sock *s, uaddr_t umsg, u64 flags)
{
	struct msghdr_k h;
	struct iov_vector v;
	struct recv_result r = { 0 };
	int err = header_from_user(umsg, &h, NULL, &v);
	if (err)
		return err;
	long n = sock_recv(s, &v.iov, effective_flags(f, flags), &r);
	iov_vector_free(&v);
	if (n < 0) {
		put_files(r.files, r.nr_files);
		return n;
	}
	struct control_out c = { .at = h.control, .left = h.control ? h.control_len : 0 };
	if (s->pass_cred)
		put_control(&c, SCM_CREDENTIALS, &r.cred, sizeof(r.cred));
	if (r.nr_files)
		put_rights(&c, &r, flags & MSG_CMSG_CLOEXEC);
	u32 out_flags = r.flags | c.flags | ((u32)flags & MSG_CMSG_CLOEXEC);
	if (h.name && sender_to_user(&r.from, h.name, umsg + offsetof(struct msghdr_k, name_len)))
		return -EFAULT;
	if (put_user(out_flags, umsg + offsetof(struct msghdr_k, flags)) || put_user(c.used, umsg + offsetof(struct msghdr_k, control_len)))
		return -EFAULT;
	return n;
}

SYSCALL3(recvmsg, fd, umsg, flags)
{
	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	WITH_SOCKET(fd, do_recvmsg(f, s, umsg, flags));
}

/* Several messages at once: struct mmsghdr is a header and the number of bytes. */

#define MMSG_SIZE       (sizeof(struct msghdr_k) + 8)
#define MMSG_SEND_MAX   1024u
#define MSG_WAITFORONE  0x10000u

static long put_count(uaddr_t at, long n)
{
	return n < 0 ? n : put_user((u32)n, at + sizeof(struct msghdr_k));
}

static long do_send_many(struct file *f, struct unix_sock *s, uaddr_t uvec, u32 nr, u64 flags)
{
	u32 done = 0;
	for (; done < min(nr, MMSG_SEND_MAX); done++) {
		uaddr_t at = uvec + done * MMSG_SIZE;
		long err = put_count(at, do_sendmsg(f, s, at, flags));
		if (err)
			return done ? (long)done : err;
		cond_resched();
	}
	return (long)done;
}

/* For the next call to tell. */
static void keep_error(struct unix_sock *s, int error)
{
	spin_lock(&unix_lock);
	s->error = error;
	spin_unlock(&unix_lock);
}

/* The time is looked at after each message, so the call may wait longer for the next: recvmmsg(2) calls it a bug. */
static long do_recv_many(struct file *f, struct unix_sock *s, uaddr_t uvec, u32 nr, u64 flags, u64 deadline)
{
	u32 done = 0;
	while (done < nr) {
		uaddr_t at = uvec + done * MMSG_SIZE;
		long err = put_count(at, do_recvmsg(f, s, at, flags & ~(u64)MSG_WAITFORONE));
		if (err && !done)
			return err;
		if (err) {
			if (err != -EAGAIN)
				keep_error(s, (int)-err);
			break;
		}
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (hal_clock_ns() >= deadline)
			break;
		cond_resched();
	}
	return (long)done;
}

SYSCALL4(sendmmsg, fd, uvec, nr, flags)
{
	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	WITH_SOCKET(fd, do_send_many(f, s, uvec, (u32)nr, flags));
}

static long recv_many(u64 fd, uaddr_t uvec, u32 nr, u64 flags, u64 deadline)
{
	WITH_SOCKET(fd, do_recv_many(f, s, uvec, nr, flags, deadline));
}

SYSCALL5(recvmmsg, fd, uvec, nr, flags, utime)
{
	struct timespec_k t;
	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	if (!utime)
		return recv_many(fd, uvec, (u32)nr, flags, ~0ull);
	if (get_user(t, utime))
		return -EFAULT;
	if (!timespec_is_valid(&t))
		return -EINVAL;
	u64 ns = timespec_to_ns(&t), now = hal_clock_ns(), deadline = ns > ~0ull - now ? ~0ull : now + ns;
	long n = recv_many(fd, uvec, (u32)nr, flags, deadline);
	if (n <= 0)
		return n;
	now = hal_clock_ns();
	t = ns_to_timespec(deadline > now ? (s64)min(deadline - now, (u64)INT64_MAX) : 0);
	return put_user(t, utime) ? -EFAULT : n;
}

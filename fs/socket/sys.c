/* SPDX-License-Identifier: MIT */
/*
 * Socket calls: addresses, message headers, control messages (descriptors, credentials), options. Only
 * AF_UNIX exists; every other family answers EAFNOSUPPORT.
 */
#include "socket.h"
#include <asm/socket.h>
#include <linux/time_types.h>

#define CMSG_ALIGN(n) (((n) + 7) & ~(u64)7)
#define CONTROL_MAX   4096u

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

static struct file *sock_file(u64 fd, long *err)
{
	struct file *f = fd_get((int)fd);
	*err = !f ? -EBADF : f->ops != &unix_ops ? -ENOTSOCK : 0;
	if (*err && f)
		file_put(f);
	return *err ? NULL : f;
}

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

/* Addresses. */

/* 0 or -errno; *automatic: only the family was given. */
static int addr_from_user(uaddr_t u, u64 len, struct sock_addr *a, bool *automatic)
{
	u16 family;
	memset(a, 0, sizeof(*a));
	if (len < sizeof(family) || len > sizeof(struct sockaddr_un))
		return -EINVAL;
	if (copy_from_user(&family, u, sizeof(family)) || copy_from_user(a->path, u + 2, len - 2))
		return -EFAULT;
	if (family != AF_UNIX)
		return family == AF_UNSPEC ? -EAFNOSUPPORT : -EINVAL;
	a->len = (u32)len - 2;
	if (automatic)
		*automatic = !a->len;
	if (a->path[0])
		a->len = (u32)strlen(a->path) + 1;
	return 0;
}

static int addr_to_user(const struct sock_addr *a, uaddr_t u, uaddr_t ulen)
{
	u16 family = AF_UNIX;
	s32 room, full = (s32)(a->len + 2);
	char buf[2 + sizeof(a->path)];
	if (!u)
		return 0;
	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	memcpy(buf, &family, 2);
	memcpy(buf + 2, a->path, a->len);
	if (copy_to_user(u, buf, (size_t)min(room, full)))
		return -EFAULT;
	return put_user(full, ulen);
}

/* The address of a sender without a name has no bytes at all. */
static int sender_to_user(const struct sock_addr *a, uaddr_t u, uaddr_t ulen)
{
	return a->len ? addr_to_user(a, u, ulen) : put_user((s32)0, ulen);
}

/* Making. */

static long check_type(u64 family, u64 type, u64 protocol)
{
	u32 base = (u32)type & 15u;
	if ((u32)type & ~(15u | SOCK_CLOEXEC | SOCK_NONBLOCK))
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
	long err = check_type(family, type, protocol);
	if (err)
		return err;
	struct file *f = sock_file_new(base_type(type), (u32)type & SOCK_NONBLOCK);
	return IS_ERR(f) ? PTR_ERR(f) : fd_install(f, 0, type & SOCK_CLOEXEC);
}

SYSCALL4(socketpair, family, type, protocol, ufds)
{
	long err = check_type(family, type, protocol);
	if (err)
		return err;
	struct file *a = sock_file_new(base_type(type), (u32)type & SOCK_NONBLOCK);
	if (IS_ERR(a))
		return PTR_ERR(a);
	struct file *b = sock_file_new(base_type(type), (u32)type & SOCK_NONBLOCK);
	if (IS_ERR(b)) {
		file_put(a);
		return PTR_ERR(b);
	}
	sock_pair(a->priv, b->priv);
	int fds[2];
	fds[0] = fd_reserve(0, type & SOCK_CLOEXEC);
	fds[1] = fds[0] < 0 ? fds[0] : fd_reserve(0, type & SOCK_CLOEXEC);
	err = fds[1] < 0 ? fds[1] : copy_to_user(ufds, fds, sizeof(fds)) ? -EFAULT : 0;
	if (!err) {
		fd_publish(fds[0], a);
		fd_publish(fds[1], b);
		return 0;
	}
	if (fds[0] >= 0)
		fd_unreserve(fds[0]);
	if (fds[1] >= 0)
		fd_unreserve(fds[1]);
	file_put(a);
	file_put(b);
	return err;
}

/* Names and connections. */

static long do_bind(struct unix_sock *s, uaddr_t uaddr, u64 len)
{
	struct sock_addr a;
	bool automatic;
	int err = addr_from_user(uaddr, (u32)len, &a, &automatic);
	return err ? err == -EAFNOSUPPORT ? -EINVAL : err : sock_bind(s, &a, automatic);
}

static long do_connect(struct file *f, struct unix_sock *s, uaddr_t uaddr, u64 len)
{
	struct sock_addr a;
	bool automatic;
	int err = addr_from_user(uaddr, (u32)len, &a, &automatic);
	if (err == -EAFNOSUPPORT)
		return sock_connect(s, NULL, false);
	if (!err && automatic)
		err = -EINVAL;
	return err ? err : sock_connect(s, &a, f->flags & O_NONBLOCK);
}

static long do_accept(struct file *f, struct unix_sock *s, uaddr_t uaddr, uaddr_t ulen, u32 flags)
{
	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	int fd = fd_reserve(0, flags & SOCK_CLOEXEC);
	if (fd < 0)
		return fd;
	struct file *n = sock_accept(s, f->flags & O_NONBLOCK, flags & SOCK_NONBLOCK);
	long err = IS_ERR(n) ? PTR_ERR(n) : 0;
	if (!err) {
		struct unix_sock *half = n->priv;
		struct sock_addr none = { 0 };
		spin_lock(&unix_lock);
		if (half->peer)
			none = half->peer->addr;
		spin_unlock(&unix_lock);
		err = addr_to_user(&none, uaddr, ulen);
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
SYSCALL3(connect, fd, uaddr, len) { WITH_SOCKET(fd, do_connect(f, s, uaddr, len)); }
SYSCALL3(accept, fd, uaddr, ulen) { WITH_SOCKET(fd, do_accept(f, s, uaddr, ulen, 0)); }
SYSCALL4(accept4, fd, uaddr, ulen, flags) { WITH_SOCKET(fd, do_accept(f, s, uaddr, ulen, (u32)flags)); }
SYSCALL2(shutdown, fd, how) { WITH_SOCKET(fd, sock_shutdown(s, (int)how)); }
SYSCALL3(getsockname, fd, uaddr, ulen) { WITH_SOCKET(fd, addr_to_user(&s->addr, uaddr, ulen)); }
SYSCALL3(getpeername, fd, uaddr, ulen) { WITH_SOCKET(fd, do_getpeername(s, uaddr, ulen)); }

/* Sending. */

static u32 effective_flags(const struct file *f, u64 flags)
{
	return (u32)flags | (f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
}

static long do_sendto(struct file *f, struct unix_sock *s, uaddr_t ubuf, u64 len, u64 flags, uaddr_t uaddr, u64 addr_len)
{
	struct iovec_k one;
	struct iov iov;
	struct sock_addr to;
	if (uaddr) {
		int err = addr_from_user(uaddr, (u32)addr_len, &to, NULL);
		if (err)
			return err;
	}
	iov_init_user(&iov, &one, ubuf, min(len, FS_MAX_RW));
	struct send_request r = { .iov = &iov, .flags = effective_flags(f, flags), .to = uaddr ? &to : NULL, .cred = cred_of_current() };
	return sock_send(s, &r);
}

SYSCALL6(sendto, fd, ubuf, len, flags, uaddr, addr_len) { WITH_SOCKET(fd, do_sendto(f, s, ubuf, len, flags, uaddr, addr_len)); }

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

/* The pieces of a message header. */
static int pieces_from_user(const struct msghdr_k *h, struct iovec_k **vec, struct iov *iov)
{
	u64 total = 0;
	if (h->nr_iov > FS_IOV_MAX)
		return -EMSGSIZE;
	*vec = kmalloc(max(h->nr_iov, (u64)1) * sizeof(**vec), ALLOC_KERNEL);
	if (!*vec)
		return -ENOMEM;
	int err = copy_from_user(*vec, h->iov, h->nr_iov * sizeof(**vec)) ? -EFAULT : 0;
	for (u64 n = 0; n < h->nr_iov && !err; n++) {
		if ((s64)(*vec)[n].len < 0)
			err = -EINVAL;
		(*vec)[n].len = min((*vec)[n].len, FS_MAX_RW - total);
		total += (*vec)[n].len;
	}
	if (err)
		kfree(*vec);
	else
		*iov = (struct iov){ .vec = *vec, .nr = (unsigned)h->nr_iov, .left = total };
	return err;
}

static int control_from_user(const struct msghdr_k *h, struct send_request *r)
{
	if (!h->control || !h->control_len)
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
	struct sock_addr to;
	struct iovec_k *vec;
	struct iov iov;
	if (copy_from_user(&h, umsg, sizeof(h)))
		return -EFAULT;
	struct send_request r = { .iov = &iov, .flags = effective_flags(f, flags), .cred = cred_of_current() };
	int err = h.name && h.name_len ? addr_from_user(h.name, h.name_len, &to, NULL) : 0;
	if (err)
		return err;
	if (h.name && h.name_len)
		r.to = &to;
	err = pieces_from_user(&h, &vec, &iov);
	if (err)
		return err;
	err = control_from_user(&h, &r);
	long n = err ? err : sock_send(s, &r);
	put_files(r.files, r.nr_files);
	kfree(vec);
	return n;
}

SYSCALL3(sendmsg, fd, umsg, flags) { WITH_SOCKET(fd, do_sendmsg(f, s, umsg, flags)); }

/* Receiving. */

static long do_recvfrom(struct file *f, struct unix_sock *s, uaddr_t ubuf, u64 len, u64 flags, uaddr_t uaddr, uaddr_t ulen)
{
	struct iovec_k one;
	struct iov iov;
	struct recv_result r = { 0 };
	iov_init_user(&iov, &one, ubuf, min(len, FS_MAX_RW));
	long n = sock_recv(s, &iov, effective_flags(f, flags), &r);
	put_files(r.files, r.nr_files);
	if (n >= 0 && uaddr) {
		int err = sender_to_user(&r.from, uaddr, ulen);
		if (err)
			return err;
	}
	return n;
}

SYSCALL6(recvfrom, fd, ubuf, len, flags, uaddr, ulen) { WITH_SOCKET(fd, do_recvfrom(f, s, ubuf, len, flags, uaddr, ulen)); }

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
	struct iovec_k *vec;
	struct iov iov;
	struct recv_result r = { 0 };
	if (copy_from_user(&h, umsg, sizeof(h)))
		return -EFAULT;
	int err = pieces_from_user(&h, &vec, &iov);
	if (err)
		return err;
	long n = sock_recv(s, &iov, effective_flags(f, flags), &r);
	kfree(vec);
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

SYSCALL3(recvmsg, fd, umsg, flags) { WITH_SOCKET(fd, do_recvmsg(f, s, umsg, flags)); }

/* Several messages at once: struct mmsghdr is a header and the number of bytes. */
#define MMSG_SIZE (sizeof(struct msghdr_k) + 8)

static long do_many(struct file *f, struct unix_sock *s, uaddr_t uvec, u32 nr, u64 flags, bool send)
{
	long n = 0;
	u32 done = 0;
	while (done < min(nr, 1024u)) {
		uaddr_t at = uvec + done * MMSG_SIZE;
		n = send ? do_sendmsg(f, s, at, flags) : do_recvmsg(f, s, at, done && (flags & 0x10000) ? flags | MSG_DONTWAIT : flags & ~0x10000ull);
		if (n < 0)
			break;
		if (put_user((u32)n, at + sizeof(struct msghdr_k))) {
			n = -EFAULT;
			break;
		}
		done++;
	}
	return done ? (long)done : n;
}

SYSCALL4(sendmmsg, fd, uvec, nr, flags) { WITH_SOCKET(fd, do_many(f, s, uvec, (u32)nr, flags, true)); }
SYSCALL5(recvmmsg, fd, uvec, nr, flags, utime) { WITH_SOCKET(fd, do_many(f, s, uvec, (u32)nr, flags, false)); }

/* Options. */

static long set_timeout(u64 *ns, uaddr_t uval, u64 len)
{
	struct { s64 sec, usec; } t;
	if (len < sizeof(t))
		return -EINVAL;
	if (copy_from_user(&t, uval, sizeof(t)))
		return -EFAULT;
	if (t.usec < 0 || t.usec >= 1000000)
		return -EDOM;
	*ns = t.sec < 0 || (!t.sec && !t.usec) ? 0 : (u64)t.sec * 1000000000ull + (u64)t.usec * 1000;
	return 0;
}

static long do_setsockopt(struct unix_sock *s, int level, int name, uaddr_t uval, u64 len)
{
	int val;
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (name == SO_RCVTIMEO_OLD || name == SO_SNDTIMEO_OLD)
		return set_timeout(name == SO_RCVTIMEO_OLD ? &s->recv_timeout_ns : &s->send_timeout_ns, uval, len);
	if ((u32)len < sizeof(val))
		return -EINVAL;
	if (get_user(val, uval))
		return -EFAULT;
	switch (name) {
	case SO_PASSCRED:
		s->pass_cred = val != 0;
		return 0;
	case SO_REUSEADDR: case SO_KEEPALIVE: case SO_SNDBUF: case SO_RCVBUF: case SO_BROADCAST: case SO_OOBINLINE: case SO_PRIORITY:
	case SO_TIMESTAMP_OLD: case SO_DONTROUTE: case SO_LINGER:
		return 0;
	case SO_TYPE: case SO_ERROR: case SO_DOMAIN: case SO_PROTOCOL: case SO_ACCEPTCONN: case SO_PEERCRED:
	default:
		return -ENOPROTOOPT;
	}
}

static long option_value(struct unix_sock *s, int name, int *val)
{
	switch (name) {
	case SO_TYPE:
		*val = (int)s->type;
		return 0;
	case SO_ERROR:
		spin_lock(&unix_lock);
		*val = s->error;
		s->error = 0;
		spin_unlock(&unix_lock);
		return 0;
	case SO_DOMAIN:
		*val = AF_UNIX;
		return 0;
	case SO_ACCEPTCONN:
		*val = s->state == SOCK_LISTENING;
		return 0;
	case SO_SNDBUF: case SO_RCVBUF:
		*val = BUFFER_BYTES;
		return 0;
	case SO_PASSCRED:
		*val = s->pass_cred;
		return 0;
	case SO_PROTOCOL: case SO_REUSEADDR: case SO_KEEPALIVE: case SO_BROADCAST: case SO_OOBINLINE: case SO_PRIORITY: case SO_DONTROUTE:
		*val = 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static long do_getsockopt(struct unix_sock *s, int level, int name, uaddr_t uval, uaddr_t ulen)
{
	union { int val; struct ucred_k cred; struct { s64 sec, usec; } time; } v = { 0 };
	s32 room, full = sizeof(int);
	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (name == SO_PEERCRED) {
		v.cred = s->peer ? s->peer_cred : (struct ucred_k){ 0, ~0u, ~0u };
		full = sizeof(v.cred);
	} else if (name == SO_RCVTIMEO_OLD || name == SO_SNDTIMEO_OLD) {
		u64 ns = name == SO_RCVTIMEO_OLD ? s->recv_timeout_ns : s->send_timeout_ns;
		v.time.sec = (s64)(ns / 1000000000);
		v.time.usec = (s64)(ns % 1000000000 / 1000);
		full = sizeof(v.time);
	} else {
		long err = option_value(s, name, &v.val);
		if (err)
			return err;
	}
	full = min(full, room);
	return copy_to_user(uval, &v, (size_t)full) ? -EFAULT : put_user(full, ulen);
}

SYSCALL5(setsockopt, fd, level, name, uval, len) { WITH_SOCKET(fd, do_setsockopt(s, (int)level, (int)name, uval, len)); }
SYSCALL5(getsockopt, fd, level, name, uval, ulen) { WITH_SOCKET(fd, do_getsockopt(s, (int)level, (int)name, uval, ulen)); }

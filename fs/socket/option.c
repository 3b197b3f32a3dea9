/* SPDX-License-Identifier: MIT */
/* setsockopt and getsockopt at the level of sockets. Options that mean nothing on one machine are taken and forgotten. */
#include "socket.h"
#include <asm/socket.h>

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

SYSCALL5(setsockopt, fd, level, name, uval, len)
{
	if ((s32)len < 0)
		return -EINVAL;
	WITH_SOCKET(fd, do_setsockopt(s, (int)level, (int)name, uval, (u32)len));
}

SYSCALL5(getsockopt, fd, level, name, uval, ulen) { WITH_SOCKET(fd, do_getsockopt(s, (int)level, (int)name, uval, ulen)); }

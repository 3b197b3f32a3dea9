/* SPDX-License-Identifier: MIT */
/* What processes share through files: locks, seals, splices, holes, local sockets, descriptors sent. */
#include "check.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/falloc.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

static int lock(int fd, int cmd, int type, long start, long len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(fd, cmd, &l);
}

static void show_lock(const char *name, int fd, int type, long start, long len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	if (fcntl(fd, F_GETLK, &l))
		out("%s: %s\n", name, errno_name(errno));
	else
		out("%s: type %d start %ld len %ld\n", name, l.l_type, (long)l.l_start, (long)l.l_len);
}

/* In a child, which owns no locks. */
static void in_child(void (*fn)(int), int fd)
{
	pid_t p = fork();
	if (!p) {
		fn(fd);
		_exit(0);
	}
	waitpid(p, NULL, 0);
}

static void child_looks(int fd)
{
	show_lock("fcntl F_GETLK 0-5", fd, F_WRLCK, 0, 5);
	show_lock("fcntl F_GETLK 5-15", fd, F_WRLCK, 5, 10);
	show_lock("fcntl F_GETLK 15-", fd, F_WRLCK, 15, 0);
	show_lock("fcntl F_GETLK read", fd, F_RDLCK, 0, 0);
	R("fcntl EAGAIN F_SETLK", lock(fd, F_SETLK, F_WRLCK, 0, 100));
	R("fcntl F_SETLK between", lock(fd, F_SETLK, F_WRLCK, 12, 2));
	R("fcntl F_UNLCK of others", lock(fd, F_SETLK, F_UNLCK, 0, 0));
	R("fcntl EAGAIN after F_UNLCK", lock(fd, F_SETLK, F_RDLCK, 0, 1));
}

static void child_free(int fd) { R("fcntl F_SETLK after close of another descriptor", lock(fd, F_SETLK, F_WRLCK, 0, 0)); }

static void locks(void)
{
	int fd = open("lk", O_CREAT | O_RDWR, 0600);
	ftruncate(fd, 100);
	lock(fd, F_SETLK, F_WRLCK, 0, 20);
	lock(fd, F_SETLK, F_UNLCK, 10, 5);
	lock(fd, F_SETLK, F_RDLCK, 30, 10);
	lock(fd, F_SETLK, F_RDLCK, 40, 10);
	in_child(child_looks, fd);
	close(dup(fd));
	in_child(child_free, fd);
	R("fcntl EINVAL l_type", lock(fd, F_SETLK, 9, 0, 1));
	R("fcntl EINVAL negative start", lock(fd, F_SETLK, F_RDLCK, -1, 1));
	R("fcntl negative length", lock(fd, F_SETLK, F_RDLCK, 10, -5));
	R("fcntl EBADF write lock on read-only", lock(open("lk", O_RDONLY), F_SETLK, F_WRLCK, 0, 1));
	R("fcntl EFAULT", fcntl(fd, F_SETLK, (void *)8));
	R("fcntl EOVERFLOW", lock(fd, F_SETLK, F_RDLCK, 5, LONG_MAX));

	int go[2];
	char c;
	pipe(go);
	pid_t p = fork();
	if (!p) {
		int f = open("lk", O_RDWR);
		lock(f, F_SETLK, F_WRLCK, 50, 1);
		write(go[1], "x", 1);
		wait_in_call(getppid(), SYS_fcntl);
		_exit(0);
	}
	read(go[0], &c, 1);
	R("fcntl F_SETLKW until the owner ends", lock(fd, F_SETLKW, F_WRLCK, 50, 1));
	waitpid(p, NULL, 0);

	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	lock(fd, F_SETLK, F_WRLCK, 1, 1);
	p = fork();
	if (!p) {
		lock(fd, F_SETLK, F_WRLCK, 2, 1);
		write(go[1], "x", 1);
		_exit(lock(fd, F_SETLKW, F_WRLCK, 1, 1) ? 1 : 0);
	}
	read(go[0], &c, 1);
	wait_in_call(p, SYS_fcntl);
	R("fcntl EDEADLK", lock(fd, F_SETLKW, F_WRLCK, 2, 1));
	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	int st;
	waitpid(p, &st, 0);
	VAL("fcntl the other got it", st);

	int a = open("lk", O_RDWR), b = open("lk", O_RDWR);
	R("fcntl F_OFD_SETLK", lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	R("fcntl EAGAIN F_OFD_SETLK", lock(b, F_OFD_SETLK, F_RDLCK, 5, 10));
	R("fcntl EAGAIN F_SETLK against F_OFD_SETLK", lock(b, F_SETLK, F_RDLCK, 5, 10));
	close(a);
	R("fcntl F_OFD_SETLK after close", lock(b, F_OFD_SETLK, F_RDLCK, 5, 10));

	a = open("lk", O_RDONLY);
	R("flock LOCK_EX", flock(a, LOCK_EX));
	R("flock EAGAIN", flock(b, LOCK_SH | LOCK_NB));
	R("flock downgrade", flock(a, LOCK_SH));
	R("flock shared", flock(b, LOCK_SH | LOCK_NB));
	R("flock EAGAIN upgrade", flock(b, LOCK_EX | LOCK_NB));
	close(a);
	R("flock after close", flock(b, LOCK_EX | LOCK_NB));
	R("flock EINVAL", flock(b, 0));
}

static void seals(void)
{
	int fd = SC(SYS_memfd_create, "sealed", 2), plain = SC(SYS_memfd_create, "plain", 0);
	char path[64], name[64] = { 0 };
	R("memfd_create EINVAL flags", SC(SYS_memfd_create, "x", 0x100));
	R("memfd_create EFAULT", SC(SYS_memfd_create, 8, 0));
	VAL("fcntl F_GET_SEALS", fcntl(fd, F_GET_SEALS));
	VAL("fcntl F_GET_SEALS not sealable", fcntl(plain, F_GET_SEALS));
	R("fcntl EPERM F_ADD_SEALS not sealable", fcntl(plain, F_ADD_SEALS, F_SEAL_GROW));
	R("write memfd", write(fd, "hello", 5));
	R("fcntl F_ADD_SEALS F_SEAL_GROW", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	R("write EPERM F_SEAL_GROW", write(fd, "x", 1));
	R("write inside F_SEAL_GROW", pwrite(fd, "J", 1, 0));
	R("ftruncate EPERM F_SEAL_GROW", ftruncate(fd, 100));
	R("ftruncate smaller", ftruncate(fd, 4));
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	R("ftruncate EPERM F_SEAL_SHRINK", ftruncate(fd, 1));
	char *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	R("fcntl EBUSY F_SEAL_WRITE", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(m, PAGE);
	R("fcntl F_SEAL_WRITE", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	R("write EPERM F_SEAL_WRITE", pwrite(fd, "x", 1, 0));
	R("fallocate EPERM F_SEAL_WRITE", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
	OK("mmap EPERM F_SEAL_WRITE", mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	YES("mmap private F_SEAL_WRITE", mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
	R("fcntl EPERM F_SEAL_SEAL", fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	VAL("fcntl F_GET_SEALS all", fcntl(fd, F_GET_SEALS));
	R("fcntl EINVAL F_ADD_SEALS", fcntl(SC(SYS_memfd_create, "y", 2), F_ADD_SEALS, 0x1000));
	R("fcntl EINVAL F_GET_SEALS pipe", fcntl(0, F_GET_SEALS) >= 0 ? 0 : -1);
	int w = SC(SYS_memfd_create, "future", 2);
	ftruncate(w, PAGE);
	m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w, 0);
	R("fcntl F_SEAL_FUTURE_WRITE", fcntl(w, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	m[0] = 'z';
	R("pwrite EPERM F_SEAL_FUTURE_WRITE", pwrite(w, "x", 1, 0));
	YES("mmap F_SEAL_FUTURE_WRITE read", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, w, 0) != MAP_FAILED);
	OK("mmap EPERM F_SEAL_FUTURE_WRITE", mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w, 0));
	struct stat st;
	fstat(fd, &st);
	out("memfd mode %o links %d\n", st.st_mode, (int)st.st_nlink);
}

static void holes(void)
{
	struct stat st;
	char b[8];
	int fd = open("holes", O_CREAT | O_RDWR, 0600);
	pwrite(fd, "a", 1, 0), pwrite(fd, "b", 1, 5 * PAGE), ftruncate(fd, 10 * PAGE);
	VAL("lseek SEEK_DATA 0", lseek(fd, 0, SEEK_DATA)), VAL("lseek SEEK_HOLE 0", lseek(fd, 0, SEEK_HOLE));
	VAL("lseek SEEK_DATA 1 page", lseek(fd, PAGE, SEEK_DATA)), VAL("lseek SEEK_HOLE 5 pages", lseek(fd, 5 * PAGE + 3, SEEK_HOLE));
	R("lseek ENXIO SEEK_DATA tail", lseek(fd, 6 * PAGE, SEEK_DATA));
	R("lseek SEEK_HOLE tail", lseek(fd, 7 * PAGE, SEEK_HOLE));
	R("lseek ENXIO SEEK_HOLE at the end", lseek(fd, 10 * PAGE, SEEK_HOLE));
	fstat(fd, &st), VAL("blocks", st.st_blocks);
	R("fallocate", fallocate(fd, 0, PAGE, 2 * PAGE));
	fstat(fd, &st), VAL("blocks after fallocate", st.st_blocks);
	R("fallocate FALLOC_FL_PUNCH_HOLE", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE));
	fstat(fd, &st), VAL("blocks after punch", st.st_blocks);
	pread(fd, b, 1, 0), VAL("punched byte", b[0]);
	R("fallocate EOPNOTSUPP punch without keep", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE));
	R("fallocate EOPNOTSUPP FALLOC_FL_ZERO_RANGE", fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE));
	R("fallocate EOPNOTSUPP FALLOC_FL_COLLAPSE_RANGE", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE));
	R("fallocate EINVAL length", fallocate(fd, 0, 0, 0));
	R("fallocate EFBIG", fallocate(fd, 0, LONG_MAX - 10, 100));
	int p[2];
	pipe(p);
	R("fallocate ESPIPE", fallocate(p[1], 0, 0, 1));
	pwrite(fd, "xyz", 3, PAGE - 1), ftruncate(fd, PAGE), ftruncate(fd, 2 * PAGE);
	pread(fd, b, 3, PAGE - 1), out("truncate zeroes: %d %d %d\n", b[0], b[1], b[2]);
	pwrite(fd, "xyz", 3, 100), ftruncate(fd, 101), ftruncate(fd, 200);
	pread(fd, b, 3, 100), out("truncate zeroes inside a page: %d %d %d\n", b[0], b[1], b[2]);
	struct rlimit old, l;
	getrlimit(RLIMIT_FSIZE, &old), l = old, l.rlim_cur = 1000;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &l);
	lseek(fd, 998, SEEK_SET);
	/* Standard output may be a file too: nothing is printed under the limit. */
	long cut = write(fd, "abcdef", 6), refused = write(fd, "abcdef", 6), e1 = errno, longer = ftruncate(fd, 2000), e2 = errno;
	setrlimit(RLIMIT_FSIZE, &old);
	R("write cut by RLIMIT_FSIZE", cut);
	R("write EFBIG RLIMIT_FSIZE", (errno = e1, refused));
	R("ftruncate EFBIG RLIMIT_FSIZE", (errno = e2, longer));
}

static void transfers(void)
{
	char b[100] = { 0 };
	int p[2], q[2], src = open("src", O_CREAT | O_RDWR, 0600), dst = open("dst", O_CREAT | O_RDWR, 0600);
	loff_t off = 3;
	pipe(p), pipe(q);
	write(src, "0123456789", 10);
	R("splice file to pipe", splice(src, &off, p[1], NULL, 4, 0));
	VAL("splice offset", off);
	R("tee", tee(p[0], q[1], 100, 0));
	R("read teed", read(q[0], b, 100));
	out("tee %s\n", b);
	off = 20;
	R("splice pipe to file", splice(p[0], NULL, dst, &off, 100, 0));
	VAL("splice file size", lseek(dst, 0, SEEK_END));
	R("splice EINVAL no pipe", splice(src, NULL, dst, NULL, 1, 0));
	R("splice ESPIPE offset of a pipe", splice(p[0], &off, dst, NULL, 1, 0));
	R("splice EAGAIN SPLICE_F_NONBLOCK", splice(p[0], NULL, q[1], NULL, 1, SPLICE_F_NONBLOCK));
	R("splice EINVAL flags", splice(p[0], NULL, q[1], NULL, 1, 0x100));
	R("splice EBADF", splice(999, NULL, q[1], NULL, 1, 0));
	struct iovec v = { "gift", 4 };
	R("vmsplice", vmsplice(p[1], &v, 1, 0));
	R("splice pipe to pipe", splice(p[0], NULL, q[1], NULL, 2, 0));
	R("read spliced", read(q[0], b, 100));
	close(p[1]);
	R("splice rest", splice(p[0], NULL, q[1], NULL, 100, 0));
	R("splice at the end", splice(p[0], NULL, q[1], NULL, 100, 0));
	off = 0;
	R("sendfile offset", sendfile(dst, src, &off, 5));
	VAL("sendfile offset after", off);
	R("sendfile EINVAL from a pipe", sendfile(dst, q[0], NULL, 5));
	R("sendfile EINVAL append", sendfile(open("dst", O_WRONLY | O_APPEND), src, &off, 5));
	R("sendfile EBADF", sendfile(open("dst", O_RDONLY), src, &off, 5));
	loff_t in = 2, to = 0;
	R("copy_file_range", copy_file_range(src, &in, dst, &to, 4, 0));
	R("copy_file_range EINVAL flags", copy_file_range(src, &in, dst, &to, 4, 1));
	in = 0, to = 2;
	R("copy_file_range EINVAL overlap", copy_file_range(src, &in, src, &to, 4, 0));
	in = 10;
	R("copy_file_range at the end", copy_file_range(src, &in, dst, &to, 4, 0));
	R("copy_file_range EISDIR", copy_file_range(open(".", O_RDONLY), NULL, dst, NULL, 1, 0));
	R("copy_file_range EINVAL pipe", copy_file_range(q[0], NULL, dst, NULL, 1, 0));
}

static int send_fd(int s, int fd)
{
	char c = 'f', ctl[CMSG_SPACE(sizeof fd)] = { 0 };
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	return sendmsg(s, &m, 0);
}

static int recv_fd(int s)
{
	char c, ctl[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl };
	int fd = -1;
	if (recvmsg(s, &m, MSG_CMSG_CLOEXEC) < 0)
		return -1;
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(h), sizeof fd);
	return fd;
}

static void sockets(void)
{
	int s[2], n;
	char b[100] = { 0 };
	R("socket EAFNOSUPPORT", socket(77, SOCK_STREAM, 0));
	R("socketpair EINVAL type", socketpair(AF_UNIX, 0x10000, 0, s));
	R("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	R("send", send(s[0], "hello", 5, 0));
	R("write socket", write(s[0], "there", 5));
	ioctl(s[1], FIONREAD, &n), VAL("ioctl FIONREAD socket", n);
	R("recv MSG_PEEK", recv(s[1], b, 3, MSG_PEEK));
	R("recv across writes", recv(s[1], b, 100, 0));
	R("recv EAGAIN MSG_DONTWAIT", recv(s[1], b, 100, MSG_DONTWAIT));
	int f = open("sent", O_CREAT | O_RDWR, 0600);
	write(f, "data", 4);
	R("sendmsg SCM_RIGHTS", send_fd(s[0], f));
	close(f);
	f = recv_fd(s[1]);
	R("descriptor received", pread(f, b, 10, 0));
	VAL("descriptor MSG_CMSG_CLOEXEC", fcntl(f, F_GETFD));
	R("shutdown", shutdown(s[0], SHUT_WR));
	R("read after shutdown", read(s[1], b, 1));
	signal(SIGPIPE, SIG_IGN);
	R("write EPIPE after shutdown", write(s[0], "x", 1));
	struct pollfd p = { s[1], POLLIN | POLLRDHUP, 0 };
	poll(&p, 1, 0), VAL("poll POLLRDHUP", p.revents);
	close(s[0]);
	poll(&p, 1, 0), VAL("poll POLLHUP socket", p.revents);
	R("write EPIPE closed", write(s[1], "x", 1));
	close(s[1]);

	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s);
	R("send datagram", send(s[0], "one", 3, 0));
	R("send empty datagram", send(s[0], "", 0, 0));
	send(s[0], "longer", 6, 0);
	R("recv datagram", recv(s[1], b, 100, 0));
	R("recv empty datagram", recv(s[1], b, 100, 0));
	R("recv MSG_TRUNC", recv(s[1], b, 2, MSG_TRUNC));
	R("recv EAGAIN datagram", recv(s[1], b, 2, 0));
	R("send EMSGSIZE", send(s[0], b, 1 << 20, 0) < 0 && errno == EMSGSIZE ? 1 : 0);
	close(s[0]), close(s[1]);

	struct sockaddr_un a = { AF_UNIX, "sock" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	R("connect ENOENT", connect(c, (void *)&a, sizeof a));
	R("listen EINVAL unbound", listen(l, 1));
	R("bind", bind(l, (void *)&a, sizeof a));
	R("bind EINVAL twice", bind(l, (void *)&a, sizeof a));
	R("bind EADDRINUSE", bind(c, (void *)&a, sizeof a));
	R("connect ECONNREFUSED", connect(c, (void *)&a, sizeof a));
	R("listen", listen(l, 1));
	R("accept EINVAL", accept(c, NULL, NULL));
	R("recv EINVAL unconnected", recv(c, b, 1, 0));
	R("send ENOTCONN", send(c, b, 1, 0));
	R("connect", connect(c, (void *)&a, sizeof a));
	R("connect EISCONN", connect(c, (void *)&a, sizeof a));
	R("write before accept", write(c, "early", 5));
	socklen_t len = sizeof a;
	int d = accept4(l, (void *)&a, &len, SOCK_CLOEXEC);
	YES("accept", d >= 0), VAL("accept peer name length", len);
	R("read after accept", read(d, b, 100));
	len = sizeof a, getsockname(d, (void *)&a, &len);
	out("getsockname %s %d\n", a.sun_path, (int)len);
	len = sizeof a, getpeername(c, (void *)&a, &len);
	out("getpeername %s %d\n", a.sun_path, (int)len);
	struct ucred u = { 0 };
	len = sizeof u, getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &len);
	YES("getsockopt SO_PEERCRED", u.pid == getpid() && u.uid == getuid());
	len = sizeof n, getsockopt(c, SOL_SOCKET, SO_TYPE, &n, &len), VAL("getsockopt SO_TYPE", n);
	R("getsockopt ENOPROTOOPT", getsockopt(c, SOL_SOCKET, 9999, &n, &len));
	R("read ENOTSOCK", recv(f, b, 1, 0));
	write(d, "unread", 6), close(c);
	R("read ECONNRESET", read(d, b, 1));
	R("open ENXIO socket", open("sock", O_RDWR));
	close(l);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(a.sun_path, "sock");
	R("connect ECONNREFUSED listener closed", connect(c, (void *)&a, sizeof a));
	memset(&a, 0, sizeof a), a.sun_family = AF_UNIX, strcpy(a.sun_path + 1, "abstract name");
	l = socket(AF_UNIX, SOCK_DGRAM, 0);
	R("bind abstract", bind(l, (void *)&a, 16));
	c = socket(AF_UNIX, SOCK_DGRAM, 0);
	R("bind EADDRINUSE abstract", bind(c, (void *)&a, 16));
	R("sendto", sendto(c, "dg", 2, 0, (void *)&a, 16));
	R("connect datagram", connect(c, (void *)&a, 16));
	R("send to the connected", send(c, "again", 5, 0));
	len = sizeof a;
	R("recvfrom", recvfrom(l, b, 100, 0, (void *)&a, &len));
	VAL("recvfrom unnamed", len);
	R("recv second", recv(l, b, 100, 0));
	close(l);
	R("send ECONNREFUSED", send(c, "x", 1, 0));
}

/* Sockets that carry themselves, and a chain of sockets each in the queue of the next. What is left over is
 * seen by fs_churn and the leak checks; here nothing may hang or overflow. */
static void sockets_in_sockets(void)
{
	int s[2], last[2];
	for (int n = 0; n < 20; n++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, s);
		send_fd(s[0], s[1]), send_fd(s[1], s[0]);
		close(s[0]), close(s[1]);
	}
	socketpair(AF_UNIX, SOCK_STREAM, 0, last);
	for (int n = 0; n < 500; n++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, s);
		if (send_fd(s[0], last[1]) != 1)
			out("sendmsg of a socket: %s at %d\n", errno_name(errno), n);
		close(last[0]), close(last[1]);
		last[0] = s[0], last[1] = s[1];
	}
	close(last[0]);
	R("close a chain of sockets", close(last[1]));
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	R("socketpair afterwards", write(s[0], "x", 1));
}

int main(void)
{
	locks();
	seals();
	holes();
	transfers();
	sockets();
	sockets_in_sockets();
	return 0;
}

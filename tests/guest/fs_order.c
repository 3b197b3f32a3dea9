/* SPDX-License-Identifier: MIT */
/* Calls that are wrong in two ways at once: the error is the one that Linux finds first. */
#include "check.h"
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define BAD ((void *)8)

static int file, dir, p[2];

static void names(void)
{
	R("mknod type before name", SC(SYS_mknod, BAD, 0170000, 0));
	R("mknod EEXIST before the right to make a device", (seteuid(1000), mknod("file", S_IFCHR | 0600, makedev(1, 3))));
	R("mknod a whiteout needs no right", mknod("/tmp/whiteout", S_IFCHR | 0600, 0));
	R("mknod a device does", mknod("/tmp/device", S_IFCHR | 0600, makedev(1, 3)));
	seteuid(0), unlink("/tmp/whiteout");
	R("linkat flags before names", SC(SYS_linkat, AT_FDCWD, BAD, AT_FDCWD, BAD, 1));
	R("linkat the old one before the new name", SC(SYS_linkat, AT_FDCWD, "none", AT_FDCWD, BAD, 0));
	R("linkat AT_EMPTY_PATH without the right", (seteuid(1000), linkat(AT_FDCWD, "file", AT_FDCWD, "x", AT_EMPTY_PATH)));
	seteuid(0);
	R("renameat2 flags before names", SC(SYS_renameat2, AT_FDCWD, BAD, AT_FDCWD, BAD, 0x100));
	R("renameat2 the old directory before the new name", SC(SYS_renameat2, AT_FDCWD, "none/x", AT_FDCWD, BAD, 0));
	R("symlink the text before the place", SC(SYS_symlink, BAD, "none/x"));
	R("symlink an empty text before a bad place", SC(SYS_symlink, "", BAD));
	R("open O_TMPFILE without O_DIRECTORY before name", SC(SYS_open, BAD, 020000000 | O_RDWR, 0));
	R("open O_PATH forgets O_TMPFILE", SC(SYS_open, BAD, 020000000 | O_PATH, 0));
	R("setxattr the file before flags", SC(SYS_setxattr, "none", "user.x", "v", 1, 99));
	R("setxattr flags before name", SC(SYS_setxattr, "file", BAD, "v", 1, 99));
	R("fsetxattr EBADF before flags", SC(SYS_fsetxattr, 999, "user.x", "v", 1, 99));
	char *argv[] = { BAD, NULL };
	R("execve strings before the file", execve("none", argv, argv + 1));
	R("execveat strings before flags", SC(SYS_execveat, AT_FDCWD, "none", argv, argv + 1, 0xff));
	R("execveat flags before the file", SC(SYS_execveat, AT_FDCWD, "none", argv + 1, argv + 1, 0xff));
}

static void transfers(void)
{
	struct iovec v[2] = { { BAD, 10 }, { BAD, -1 } };
	off_t at = -5;
	R("preadv position before descriptor", SC(SYS_preadv, 999, v, 1, -5L, 0));
	R("preadv ESPIPE before vector", SC(SYS_preadv, p[0], BAD, 1, 0, 0));
	R("readv a length before an address", SC(SYS_readv, file, v, 2));
	R("readv an address of the kernel", SC(SYS_readv, file, &(struct iovec){ (void *)0xffff800000000000, 1 }, 1));
	R("preadv2 vector before flags", SC(SYS_preadv2, file, BAD, 1, 0, 0, 0x1000));
	R("preadv2 flags of nothing", SC(SYS_preadv2, file, v, 0, 0, 0, 0x1000));
	R("preadv2 EOPNOTSUPP flags", SC(SYS_preadv2, file, v, 1, 0, 0, 0x1000));
	R("pwritev2 EBADF before flags", SC(SYS_pwritev2, 999, v, 1, 0, 0, 0x1000));
	R("sendfile offset before descriptors", SC(SYS_sendfile, 999, 998, BAD, 1));
	R("sendfile in before out", SC(SYS_sendfile, 999, p[1], NULL, 1));
	lseek(file, 3, SEEK_SET), at = 1;
	R("sendfile EBADF out, with offset", sendfile(999, file, &at, 1));
	VAL("sendfile that failed leaves the position", lseek(file, 0, SEEK_CUR));
	R("sendfile EINVAL no such length", (at = 0, sendfile(p[1], file, &at, -1)));
	R("copy_file_range descriptors before offsets", SC(SYS_copy_file_range, file, BAD, 999, BAD, 1, 99));
	R("copy_file_range offsets before flags", SC(SYS_copy_file_range, file, BAD, file, NULL, 1, 99));
	R("copy_file_range EISDIR before EBADF", copy_file_range(dir, NULL, open("file", O_RDONLY), NULL, 1, 0));
	R("splice ESPIPE before offset", SC(SYS_splice, p[0], BAD, file, BAD, 1, 0));
	R("splice EBADF before offset", SC(SYS_splice, p[0], NULL, 999, BAD, 1, 0));
	R("splice offset before direction", SC(SYS_splice, p[1], NULL, file, BAD, 1, 0));
}

static void sockets(void)
{
	int s[2] = { -7, -7 };
	struct sockaddr_un a = { AF_UNIX, "x" };
	R("socketpair address before family", SC(SYS_socketpair, 77, SOCK_STREAM, 0, BAD));
	R("socketpair flags before address", SC(SYS_socketpair, 77, 0x10000, 0, BAD));
	R("socketpair EAFNOSUPPORT", socketpair(77, SOCK_STREAM, 0, s));
	R("socket EINVAL type", socket(AF_UNIX, 12, 0));
	R("socket ESOCKTNOSUPPORT", socket(AF_UNIX, SOCK_RDM, 0));
	R("socket EPROTONOSUPPORT", socket(AF_UNIX, SOCK_STREAM, 9));
	R("connect EBADF before address", SC(SYS_connect, 999, BAD, 10));
	R("connect address before ENOTSOCK", SC(SYS_connect, file, BAD, 10));
	R("connect length before ENOTSOCK", SC(SYS_connect, file, BAD, 1000));
	R("connect ENOTSOCK", SC(SYS_connect, file, &a, sizeof a));
	R("bind ENOTSOCK before address", SC(SYS_bind, file, BAD, 10));
	R("accept4 EBADF before flags", SC(SYS_accept4, 999, 0, 0, 1));
	R("accept4 flags before ENOTSOCK", SC(SYS_accept4, file, 0, 0, 1));
	R("sendto buffer of the kernel before EBADF", SC(SYS_sendto, 999, 0xffff800000000000, 1, 0, 0, 0));
	R("recvfrom buffer of the kernel before EBADF", SC(SYS_recvfrom, 999, 0xffff800000000000, 1, 0, 0, 0));
	R("setsockopt length before EBADF", SC(SYS_setsockopt, 999, SOL_SOCKET, SO_PASSCRED, BAD, -1));
	R("sendmsg flags before EBADF", SC(SYS_sendmsg, 999, BAD, 0x80000000));
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	R("sendto a connected SEQPACKET looks at no name", sendto(s[0], "abc", 3, 0, (void *)&a, sizeof a));
	struct msghdr h = { .msg_controllen = 16 };
	R("sendmsg EFAULT no control", sendmsg(s[0], &h, 0));
	h = (struct msghdr){ .msg_name = &a, .msg_namelen = -1 };
	R("sendmsg EINVAL length of the name", sendmsg(s[0], &h, 0));
	R("recvmsg EINVAL length of the name", recvmsg(s[1], &h, 0));
	h = (struct msghdr){ .msg_iovlen = 1025 };
	R("sendmsg EMSGSIZE", sendmsg(s[0], &h, 0));
	R("recvmsg EMSGSIZE", recvmsg(s[1], &h, 0));
	char b[10];
	R("recv what SEQPACKET sent", recv(s[1], b, sizeof b, MSG_DONTWAIT));
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	R("sendto EISCONN", sendto(s[0], "abc", 3, 0, BAD + 992, 3) < 0 && errno == EFAULT ? 1 : 0);
	R("sendto EISCONN whatever the name", sendto(s[0], "abc", 3, 0, (void *)"xyz", 3));
}

static void many(void)
{
	int s[2];
	char b[4][10];
	struct iovec v[4];
	struct mmsghdr m[4];
	struct timespec none = { 0, 0 }, long_time = { 100, 0 }, wrong = { 0, 2000000000 };
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	memset(m, 0, sizeof m);
	for (int i = 0; i < 4; i++)
		v[i] = (struct iovec){ b[i], 10 }, m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	R("sendmmsg", sendmmsg(s[0], m, 4, 0));
	R("recvmmsg a time that has passed", recvmmsg(s[1], m, 4, 0, &none));
	R("recvmmsg MSG_WAITFORONE", recvmmsg(s[1], m, 4, MSG_WAITFORONE, &long_time));
	YES("recvmmsg tells the time that is left", long_time.tv_sec > 90 && long_time.tv_sec <= 100);
	R("recvmmsg EINVAL time", recvmmsg(s[1], m, 4, 0, &wrong));
	R("recvmmsg EFAULT time before EBADF", SC(SYS_recvmmsg, 999, m, 4, 0, BAD));
	R("recvmmsg EAGAIN", recvmmsg(s[1], m, 4, MSG_DONTWAIT, NULL));
}

static void others(void)
{
	struct { int signo, rest[31]; } info;
	memset(&info, 1, sizeof info);
	R("waitid EINVAL", SC(SYS_waitid, P_ALL, 0, &info, 0, 0));
	VAL("waitid EINVAL clears the answer", info.signo);
	YES("waitid leaves what is behind it", info.rest[30] == 0x01010101);
	memset(&info, 1, sizeof info);
	R("waitid ECHILD", SC(SYS_waitid, P_ALL, 0, &info, WEXITED, 0));
	VAL("waitid ECHILD clears the answer", info.signo);
	R("waitid EFAULT before EINVAL", SC(SYS_waitid, P_ALL, 0, BAD, 0, 0));
	R("clock_adjtime EFAULT before EOPNOTSUPP", SC(SYS_clock_adjtime, CLOCK_MONOTONIC, BAD));
	struct timex t = { 0 };
	R("clock_adjtime EOPNOTSUPP", clock_adjtime(CLOCK_MONOTONIC, &t));
	R("clock_adjtime EINVAL", clock_adjtime(99, &t));
	R("clock_settime EINVAL before EFAULT", SC(SYS_clock_settime, CLOCK_MONOTONIC, BAD));
	R("clock_settime EINVAL CPU time", SC(SYS_clock_settime, CLOCK_PROCESS_CPUTIME_ID, BAD));
	R("clock_settime EFAULT of a process's", SC(SYS_clock_settime, ~getpid() << 3 | 2, BAD));
	R("clock_settime EPERM of a process's", SC(SYS_clock_settime, ~getpid() << 3 | 2, &(struct timespec){ 1, 0 }));
	R("clock_settime EINVAL of a device's", SC(SYS_clock_settime, ~7 << 3 | 3, &(struct timespec){ 1, 0 }));
	R("clock_nanosleep EOPNOTSUPP of a device's", SC(SYS_clock_nanosleep, ~7 << 3 | 3, 0, BAD, 0));
	R("clock_nanosleep EFAULT before whose", SC(SYS_clock_nanosleep, ~999999 << 3 | 2, 0, BAD, 0));
	R("clock_nanosleep EINVAL whose", SC(SYS_clock_nanosleep, ~999999 << 3 | 2, 0, &(struct timespec){ 0, 1 }, 0));
	R("epoll_wait number before address", SC(SYS_epoll_wait, 999, BAD, 0, 0));
	R("epoll_wait address of the kernel before EBADF", SC(SYS_epoll_wait, 999, 0xffff800000000000, 1, 0));
	R("pkey_mprotect ENOMEM before the key", SC(SYS_pkey_mprotect, 0x10000, -PAGE, 0, 5));
	R("pkey_mprotect nothing with any key", SC(SYS_pkey_mprotect, 0x10000, 0, 0, 5));
	R("pkey_mprotect EINVAL key", SC(SYS_pkey_mprotect, 0x10000, PAGE, 0, 5));
}

int main(void)
{
	file = open("file", O_RDWR | O_CREAT, 0666);
	dir = open(".", O_RDONLY);
	pipe(p);
	write(file, "some content", 12);
	names();
	transfers();
	sockets();
	many();
	others();
	return 0;
}

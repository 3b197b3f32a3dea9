/* SPDX-License-Identifier: MIT */
/*
 * Processes that do everything with files at random and are killed at any moment: afterwards no object of
 * the file side may be left. The objects are counted in /proc/slabinfo after dropping what is only
 * cached; Linux keeps more for itself, so there the count is not judged.
 */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <ftw.h>

static unsigned seed;
static char big[200000];
static int fds[64], nr_fds;

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % n;
}

static int some_fd(void) { return nr_fds ? fds[rnd(nr_fds)] : -1; }

static void keep(int fd)
{
	if (fd < 0)
		return;
	if (nr_fds < 64)
		fds[nr_fds++] = fd;
	else
		close(fd);
}

static void send_descriptor(int s, int fd)
{
	char c = 'f', control[CMSG_SPACE(sizeof fd)] = { 0 };
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	sendmsg(s, &m, MSG_DONTWAIT);
}

static void do_names(const char *a, const char *b)
{
	struct stat st;
	char buf[2000];
	int fd;
	switch (rnd(14)) {
	case 0: keep(open(a, O_RDWR | O_CREAT, 0600)); break;
	case 1: keep(fd = open(a, O_RDWR | O_CREAT | O_TRUNC, 0600)), write(fd, big, rnd(sizeof big)); break;
	case 2: unlink(a); break;
	case 3: rename(a, b); break;
	case 4: link(a, b); break;
	case 5: symlink(b + 3, a); break;
	case 6: mkdir(a, 0700); break;
	case 7: rmdir(a); break;
	case 8: SC(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2); break;
	case 9: mkfifo(a, 0600), keep(open(a, O_RDWR | O_NONBLOCK)); break;
	case 10: stat(a, &st), readlink(b, buf, sizeof buf); break;
	case 11: fd = open("d1", O_RDONLY), SC(SYS_getdents64, fd, buf, sizeof buf), close(fd); break;
	case 12: truncate(a, rnd(100000)); break;
	case 13: keep(fd = open(".", O_TMPFILE | O_RDWR, 0600)), write(fd, big, rnd(50000)); break;
	}
}

static void do_memory(void)
{
	int fd = SC(SYS_memfd_create, "churn", 2);
	size_t len = PAGE * (1 + rnd(40));
	ftruncate(fd, len);
	char *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, rnd(2) ? fd : -1, 0);
	if (m == MAP_FAILED)
		m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m != MAP_FAILED) {
		m[rnd(len)] = 1;
		if (rnd(3))
			munmap(m, len);
	}
	fallocate(fd, rnd(2) ? 3 : 0, rnd(50000), 1 + rnd(50000));
	keep(fd);
}

static void do_waiting(void)
{
	struct epoll_event ev = { EPOLLIN, { 0 } };
	struct itimerspec t = { { 0, 500000 }, { 0, 1000000 } };
	struct pollfd p[8];
	int fd;
	switch (rnd(4)) {
	case 0:
		fd = epoll_create1(0);
		for (int i = 0; i < 5; i++)
			ev.events = EPOLLIN | (rnd(2) ? EPOLLET : 0), epoll_ctl(fd, EPOLL_CTL_ADD, some_fd(), &ev);
		epoll_wait(fd, &ev, 1, rnd(3)), keep(fd);
		break;
	case 1: keep(fd = timerfd_create(CLOCK_MONOTONIC, 0)), timerfd_settime(fd, 0, &t, NULL); break;
	case 2: keep(eventfd(rnd(2), EFD_NONBLOCK)); break;
	case 3:
		for (int i = 0; i < 8; i++)
			p[i] = (struct pollfd){ some_fd(), POLLIN | POLLOUT, 0 };
		poll(p, 8, rnd(3));
		break;
	}
}

static void do_streams(void)
{
	struct sockaddr_un a = { AF_UNIX };
	struct flock l = { .l_type = rnd(3), .l_start = rnd(100), .l_len = rnd(50) };
	int p[2];
	switch (rnd(6)) {
	case 0: pipe2(p, O_NONBLOCK), write(p[1], big, rnd(70000)), read(p[0], big, rnd(70000)), keep(p[0]), keep(p[1]); break;
	case 1:
		socketpair(AF_UNIX, rnd(2) ? SOCK_STREAM : SOCK_DGRAM, 0, p);
		send(p[0], big, rnd(20000), MSG_DONTWAIT), keep(p[1]);
		send_descriptor(p[0], rnd(3) ? some_fd() : p[rnd(2)]);
		if (rnd(2))
			recv(p[1], big, 30000, MSG_DONTWAIT);
		keep(p[0]);
		break;
	case 2: sendfile(some_fd(), some_fd(), NULL, 10000); break;
	case 3: fcntl(some_fd(), rnd(2) ? F_SETLK : F_OFD_SETLK, &l); break;
	case 4: dup2(some_fd(), 80 + rnd(100)); break;
	case 5:
		a.sun_path[1] = 'q', a.sun_path[2] = '0' + rnd(8);
		keep(p[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
		if (rnd(2))
			bind(p[0], (void *)&a, 5), listen(p[0], 3);
		else
			connect(p[0], (void *)&a, 5);
		break;
	}
}

static void work(void)
{
	alarm(5);
	for (;;) {
		char a[32], b[32];
		snprintf(a, sizeof a, "d%u/f%u", rnd(4), rnd(20));
		snprintf(b, sizeof b, "d%u/f%u", rnd(4), rnd(20));
		switch (rnd(4)) {
		case 0: do_names(a, b); break;
		case 1: do_memory(); break;
		case 2: do_waiting(); break;
		case 3: do_streams(); break;
		}
		while (nr_fds && (nr_fds > 40 || rnd(3) == 0))
			close(fds[--nr_fds]);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) { return remove(path) && 0; }
static void wipe(void) { nftw("churn", remove_one, 20, FTW_DEPTH | FTW_PHYS); }

static void round_of(int r)
{
	pid_t workers[3];
	mkdir("churn", 0700), chdir("churn");
	mkdir("d0", 0700), mkdir("d1", 0700), mkdir("d2", 0700), mkdir("d3", 0700);
	for (int i = 0; i < 3; i++) {
		workers[i] = fork();
		if (!workers[i]) {
			seed = r * 31 + i * 7 + 1;
			signal(SIGPIPE, SIG_IGN);
			work();
		}
	}
	usleep(3000 + r * 7919 % 30000);
	for (int i = 0; i < 3; i++)
		kill(workers[i], SIGKILL);
	for (int i = 0; i < 3; i++)
		waitpid(workers[i], NULL, 0);
	chdir("..");
	wipe();
}

static const char *const caches[] = { "filp", "inode_cache", "dentry", "pipe", "files_cache", "fs_cache", "eventpoll_epi", "eventpoll_pwq" };
#define NR_CACHES (sizeof caches / sizeof *caches)

static void count_objects(long *count)
{
	char line[400], name[64];
	long active;
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	write(fd, "3\n", 2);
	close(fd);
	FILE *f = fopen("/proc/slabinfo", "r");
	while (f && fgets(line, sizeof line, f))
		for (unsigned i = 0; i < NR_CACHES; i++)
			if (sscanf(line, "%63s %ld", name, &active) == 2 && !strcmp(name, caches[i]))
				count[i] = active;
	if (f)
		fclose(f);
}

int main(void)
{
	long before[NR_CACHES] = { 0 }, after[NR_CACHES] = { 0 };
	struct utsname u;
	uname(&u);
	for (int r = 0; r < 40; r++) {
		if (r == 5)
			count_objects(before);
		round_of(r);
	}
	bool is_quire = strstr(u.release, "quire");
	for (int i = 0; i < 100; i++) { /* what the last of the killed had is given back by and by */
		usleep(20000);
		count_objects(after);
		if (!is_quire || !memcmp(after, before, sizeof before))
			break;
	}
	for (unsigned i = 0; i < NR_CACHES; i++)
		if (is_quire && after[i] != before[i])
			out("%s: %ld objects became %ld\n", caches[i], before[i], after[i]);
	out("churn: done\n");
	return 0;
}

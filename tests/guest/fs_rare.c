/* SPDX-License-Identifier: MIT */
/* File calls in places that allow little: full file systems, directories where nothing is made, pipes and terminals. */
#include "check.h"
#include <linux/fs.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>

static char buf[1 << 20];

/* A tmpfs of 16 pages and 10 inodes. */
static void full(void)
{
	char name[30];
	mkdir("small", 0755);
	R("mount", mount("small", "small", "tmpfs", 0, "size=64k,nr_inodes=10"));
	int fd = open("small/file", O_CREAT | O_RDWR, 0600), made = 0, source = temp_file("source", 20);
	R("write short on a full file system", write(fd, buf, sizeof buf));
	R("write ENOSPC", write(fd, buf, 1));
	R("pwrite64 ENOSPC", pwrite(fd, buf, 1, 1 << 20));
	R("writev ENOSPC", writev(fd, &(struct iovec){ buf, 1 }, 1));
	R("fallocate ENOSPC", fallocate(fd, 0, 1 << 20, PAGE));
	R("sendfile ENOSPC", sendfile(fd, source, &(off_t){ 0 }, 100));
	R("copy_file_range ENOSPC or EXDEV", copy_file_range(source, &(loff_t){ 0 }, fd, NULL, 100, 0));
	R("truncate grows all the same", ftruncate(fd, 1 << 21));
	ftruncate(fd, 0);
	for (;; made++) {
		snprintf(name, sizeof name, "small/%d", made);
		if (mknod(name, S_IFREG | 0600, 0))
			break;
	}
	VAL("mknod until the inodes are used up", made);
	R("mknod ENOSPC", mknod("small/x", S_IFIFO | 0600, 0));
	R("open ENOSPC", open("small/x", O_CREAT | O_RDWR, 0600));
	R("open ENOSPC O_TMPFILE", open("small", O_TMPFILE | O_RDWR, 0600));
	R("mkdir ENOSPC", mkdir("small/x", 0700));
	R("symlink ENOSPC", symlink("x", "small/x"));
	R("link ENOSPC", link("small/0", "small/x"));
	R("rename on a full file system", rename("small/0", "small/x"));
	R("unlink on a full file system", unlink("small/x"));
	R("mkdir after an unlink", mkdir("small/x", 0700));
	close(fd);
	R("umount", umount("small"));
}

/* Both directories of one file system, so that copy_file_range is no copy across. */
static void full_copy(void)
{
	R("mount", mount("small", "small", "tmpfs", 0, "size=64k"));
	int a = open("small/a", O_CREAT | O_RDWR, 0600), b = open("small/b", O_CREAT | O_RDWR, 0600);
	write(a, buf, 10 * PAGE);
	R("copy_file_range short on a full file system", copy_file_range(a, &(loff_t){ 0 }, b, &(loff_t){ 0 }, 10 * PAGE, 0));
	R("copy_file_range ENOSPC", copy_file_range(a, &(loff_t){ 0 }, b, &(loff_t){ 6 * PAGE }, PAGE, 0));
	close(a), close(b);
	R("umount", umount("small"));
}

/* The directory of pseudo terminals is the kernel's own. */
static void forbidden(void)
{
	R("mkdir EPERM", mkdir("/dev/pts/x", 0700));
	R("symlink EPERM", symlink("x", "/dev/pts/x"));
	R("mknod EPERM", mknod("/dev/pts/x", S_IFIFO | 0600, 0));
	R("link EPERM", link("/dev/pts/ptmx", "/dev/pts/x"));
	R("open EACCES new file", open("/dev/pts/x", O_CREAT | O_RDWR, 0600));
	R("open EOPNOTSUPP O_TMPFILE", open("/dev/pts", O_TMPFILE | O_RDWR, 0600));
	mknod("misc", S_IFCHR | 0600, makedev(10, 251));
	mknod("nothing", S_IFCHR | 0600, makedev(250, 77));
	mknod("noblock", S_IFBLK | 0600, makedev(250, 77));
	R("open ENODEV", open("misc", O_RDWR));
	R("open ENXIO character device", open("nothing", O_RDWR));
	R("open ENXIO block device", open("noblock", O_RDWR));
	int fd = open("/dev/null", O_RDWR);
	R("fallocate ENODEV", fallocate(fd, 0, 0, 10));
	R("fallocate ESPIPE", ({ int p[2]; pipe(p); fallocate(p[1], 0, 0, 10); }));
	R("fsync EINVAL", fsync(fd));
	R("sendfile EINVAL of a device", sendfile(fd, open("/dev/zero", O_RDONLY), NULL, 10));
	R("splice EINVAL neither is a pipe", splice(fd, NULL, fd, NULL, 10, 0));
}

static void caught(int sig) { (void)sig; }

static void pipes(void)
{
	int p[2], q[2];
	pipe(p), pipe(q);
	struct sigaction sa = { .sa_handler = caught };
	sigaction(SIGALRM, &sa, NULL);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	while (write(p[1], buf, PAGE) > 0)
		;
	R("vmsplice EAGAIN", vmsplice(p[1], &(struct iovec){ buf, 10 }, 1, SPLICE_F_NONBLOCK));
	R("tee EAGAIN full", tee(p[0], p[1], 10, 0) < 0 && errno == EINVAL ? 1 : 0);
	R("tee EAGAIN", tee(q[0], p[1], 10, SPLICE_F_NONBLOCK));
	R("splice EAGAIN full", (write(q[1], "x", 1), splice(q[0], NULL, p[1], NULL, 1, SPLICE_F_NONBLOCK)));
	fcntl(p[1], F_SETFL, 0);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 20000 }, { 0, 20000 } }, NULL);
	R("write EINTR", write(p[1], buf, 1));
	R("vmsplice EINTR", vmsplice(p[1], &(struct iovec){ buf, 10 }, 1, 0));
	R("splice EINTR", splice(q[0], NULL, p[1], NULL, 1, 0));
	read(q[0], buf, 1);
	R("read EINTR", read(q[0], buf, 1));
	R("tee EINTR", tee(q[0], p[1], 10, 0));
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	R("write EPIPE", write(p[1], "x", 1));
	R("splice EPIPE", (write(q[1], "x", 1), splice(q[0], NULL, p[1], NULL, 1, 0)));
	R("vmsplice EPIPE", vmsplice(p[1], &(struct iovec){ "x", 1 }, 1, 0));
}

/* Limits change while files are there, but never below what they use. */
static void resized(void)
{
	struct statfs st;
	R("mount", mount("small", "small", "tmpfs", 0, "size=64k,nr_inodes=3"));
	int fd = open("small/file", O_CREAT | O_RDWR, 0600);
	R("write", write(fd, buf, 8 * PAGE));
	R("mount MS_REMOUNT EINVAL less than is in use", mount("small", "small", "tmpfs", MS_REMOUNT, "size=16k"));
	R("mount MS_REMOUNT EINVAL fewer files than there are", mount("small", "small", "tmpfs", MS_REMOUNT, "nr_inodes=1"));
	R("mount MS_REMOUNT EINVAL an unknown option", mount("small", "small", "tmpfs", MS_REMOUNT, "nonsense=1"));
	R("mount MS_REMOUNT a larger one", mount("small", "small", "tmpfs", MS_REMOUNT, "size=128k"));
	R("write what did not fit before", pwrite(fd, buf, 24 * PAGE, 8 * PAGE));
	R("write ENOSPC", pwrite(fd, buf, PAGE, 32 * PAGE));
	R("statfs", statfs("small", &st));
	out("  blocks %ld, files %ld\n", (long)st.f_blocks, (long)st.f_files);
	close(fd);
	R("umount", umount("small"));
}

static void failing(void)
{
	int a, b;
	R("read EIO memory of a process", pread(open("/proc/self/mem", O_RDONLY), buf, 10, 8));
	R("write EIO memory of a process", pwrite(open("/proc/self/mem", O_RDWR), buf, 10, 8));
	if (openpty(&a, &b, NULL, NULL, NULL))
		out("setup: openpty %s\n", errno_name(errno));
	close(b);
	R("read EIO terminal", read(a, buf, 1));
	openpty(&a, &b, NULL, NULL, NULL);
	close(a);
	R("write EIO terminal", write(b, "x", 1));
	R("read at the end of a terminal", read(b, buf, 1));
}

int main(void)
{
	full();
	full_copy();
	resized();
	forbidden();
	pipes();
	failing();
	return 0;
}

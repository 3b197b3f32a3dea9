/* SPDX-License-Identifier: MIT */
/* Names on tmpfs: what rename, link, unlink and lookup do with every kind of file and path. */
#include "check.h"
#include <dirent.h>
#include <sys/statfs.h>

#ifndef RENAME_EXCHANGE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static const char *const kinds[] = { "none", "file", "other", "empty", "full", "link", "fifo", "samefile" };

/* A fresh directory w with one of each kind, with the given prefix. */
static void make(const char *prefix)
{
	char p[64], q[80];
	snprintf(p, sizeof p, "%s_file", prefix), close(open(p, O_CREAT | O_WRONLY, 0600));
	snprintf(q, sizeof q, "%s_samefile", prefix), link(p, q);
	snprintf(p, sizeof p, "%s_other", prefix), close(open(p, O_CREAT | O_WRONLY, 0600));
	snprintf(p, sizeof p, "%s_empty", prefix), mkdir(p, 0700);
	snprintf(p, sizeof p, "%s_full", prefix), mkdir(p, 0700);
	snprintf(p, sizeof p, "%s_full/x", prefix), mkdir(p, 0700);
	snprintf(p, sizeof p, "%s_link", prefix), symlink("nowhere", p);
	snprintf(p, sizeof p, "%s_fifo", prefix), mkfifo(p, 0600);
}

static void wipe(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char p[300];
	while (d && (e = readdir(d)) != NULL) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(p, sizeof p, "%s/%s", dir, e->d_name);
		if (unlink(p) && errno == EISDIR)
			wipe(p), rmdir(p);
	}
	if (d)
		closedir(d);
}

static const char *what(const char *p)
{
	struct stat st;
	if (lstat(p, &st))
		return errno_name(errno);
	return S_ISDIR(st.st_mode) ? st.st_nlink > 2 ? "full" : "dir" : S_ISLNK(st.st_mode) ? "link" : S_ISFIFO(st.st_mode) ? "fifo" :
	       st.st_nlink > 1 ? "file2" : "file";
}

static void rename_matrix(unsigned flags, const char *slash)
{
	for (unsigned a = 0; a < sizeof kinds / sizeof *kinds; a++) {
		for (unsigned b = 0; b < sizeof kinds / sizeof *kinds; b++) {
			char from[64], to[64];
			wipe(".");
			make("a");
			make("b");
			snprintf(from, sizeof from, "a_%s%s", kinds[a], slash);
			snprintf(to, sizeof to, "b_%s%s", kinds[b], slash);
			int r = SC(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
			const char *res = r ? errno_name(errno) : "0";
			snprintf(from, sizeof from, "a_%s", kinds[a]);
			snprintf(to, sizeof to, "b_%s", kinds[b]);
			out("renameat2 flags %u %s%s %s%s: %s", flags, kinds[a], slash, kinds[b], slash, res);
			out(" then %s", what(from));
			out(" %s\n", what(to));
		}
	}
	wipe(".");
}

static void rename_special(void)
{
	struct stat st;
	mkdir("d", 0700), mkdir("d/e", 0700), mkdir("d/e/f", 0700), mkdir("g", 0700);
	close(open("x", O_CREAT, 0600)), link("x", "y");
	R("rename EINVAL into itself", rename("d", "d/e/h"));
	R("rename EINVAL onto its child", rename("d", "d/e"));
	R("rename ENOTEMPTY onto its parent", rename("d/e", "d"));
	R("rename same name", rename("d", "d"));
	R("rename two links of one file", rename("x", "y"));
	R("rename both links stay", access("x", F_OK) + access("y", F_OK));
	R("rename EBUSY dot", rename("d/.", "z"));
	R("rename EBUSY dotdot", rename("d/e/..", "z"));
	R("rename EBUSY root", rename("/", "z"));
	R("rename directory elsewhere", rename("d/e", "g/e"));
	stat("d", &st), VAL("rename old parent links", st.st_nlink);
	stat("g", &st), VAL("rename new parent links", st.st_nlink);
	chdir("g/e/f");
	char cwd[300];
	getcwd(cwd, sizeof cwd);
	out("getcwd below a moved directory ends in %s\n", strlen(cwd) > 6 ? cwd + strlen(cwd) - 6 : cwd);
	rename("../../../g", "../../../moved");
	getcwd(cwd, sizeof cwd);
	out("getcwd after another move ends in %s\n", strlen(cwd) > 10 ? cwd + strlen(cwd) - 10 : cwd);
	chdir("../../..");
	R("renameat2 exchange directories of different depth", SC(SYS_renameat2, AT_FDCWD, "d", AT_FDCWD, "moved/e/f", 2));
	stat("moved/e", &st), VAL("renameat2 links after exchange", st.st_nlink);
	R("renameat2 EINVAL exchange with own ancestor", SC(SYS_renameat2, AT_FDCWD, "moved/e", AT_FDCWD, "moved", 2));
	R("renameat2 EINVAL flags", SC(SYS_renameat2, AT_FDCWD, "x", AT_FDCWD, "q", 8 | 16));
	R("renameat2 EINVAL both flags", SC(SYS_renameat2, AT_FDCWD, "x", AT_FDCWD, "q", 3));
	wipe(".");
}

static void paths(void)
{
	char p[5000], q[300];
	mkdir("d", 0700), close(open("f", O_CREAT, 0600)), symlink("d", "ld"), symlink("f", "lf"), symlink("loop", "loop");
	static const char *const forms[] = { "d", "d/", "d//", "d/.", "d/..", "f", "f/", "f/.", "f/..", "ld", "ld/", "ld/.", "lf", "lf/",
		                                 "loop", "loop/", "none", "none/", "none/.", "", "/", ".", "..", "d/../f", "ld/../f", "f/x", "./f" };
	for (unsigned n = 0; n < sizeof forms / sizeof *forms; n++) {
		const char *s = forms[n];
		struct stat st;
		out("\"%s\": ", s);
		out("stat %s ", stat(s, &st) ? errno_name(errno) : S_ISDIR(st.st_mode) ? "dir" : "file");
		out("lstat %s ", lstat(s, &st) ? errno_name(errno) : S_ISDIR(st.st_mode) ? "dir" : S_ISLNK(st.st_mode) ? "link" : "file");
		int fd = open(s, O_RDONLY);
		out("open %s ", fd < 0 ? errno_name(errno) : "ok"), close(fd);
		fd = open(s, O_RDONLY | O_NOFOLLOW);
		out("O_NOFOLLOW %s ", fd < 0 ? errno_name(errno) : "ok"), close(fd);
		fd = open(s, O_PATH | O_NOFOLLOW);
		out("O_PATH|O_NOFOLLOW %s ", fd < 0 ? errno_name(errno) : "ok"), close(fd);
		fd = open(s, O_RDWR | O_CREAT | O_EXCL, 0600);
		out("O_EXCL %s ", fd < 0 ? errno_name(errno) : "ok");
		if (fd >= 0)
			close(fd), unlink(s);
		out("mkdir %s ", mkdir(s, 0700) ? errno_name(errno) : "ok");
		if (!strncmp(s, "none", 4))
			rmdir("none");
		out("mknod %s ", mknod(s, S_IFREG | 0600, 0) ? errno_name(errno) : "ok");
		if (!strncmp(s, "none", 4))
			unlink("none");
		out("symlink %s ", symlink("t", s) ? errno_name(errno) : "ok");
		if (!strncmp(s, "none", 4))
			unlink("none");
		out("link %s ", link("f", s) ? errno_name(errno) : "ok");
		if (!strncmp(s, "none", 4))
			unlink("none");
		out("readlink %s\n", readlink(s, q, sizeof q) < 0 ? errno_name(errno) : "ok");
	}
	static const char *const victims[] = { "d/.", "d/..", "d/", "f/", "ld/", "lf/", "/", ".", "..", "none", "none/", "ld", "f", "d" };
	for (unsigned n = 0; n < sizeof victims / sizeof *victims; n++) {
		const char *s = victims[n];
		out("\"%s\": unlink %s", s, unlink(s) ? errno_name(errno) : "ok");
		out(" rmdir %s\n", rmdir(s) ? errno_name(errno) : "ok");
		mkdir("d", 0700), close(open("f", O_CREAT, 0600)), symlink("d", "ld"), symlink("f", "lf");
	}
	memset(p, '/', sizeof p), p[4094] = 'f', p[4095] = 0;
	chdir("/");
	R("open ENOENT path of 4095 bytes", open(p, O_RDONLY));
	p[4095] = 'f', p[4096] = 0;
	R("open ENAMETOOLONG path of 4096 bytes", open(p, O_RDONLY));
}

static void chains(void)
{
	char a[16], b[16];
	close(open("c0", O_CREAT, 0600));
	for (int n = 1; n <= 42; n++) {
		snprintf(a, sizeof a, "c%d", n - 1);
		snprintf(b, sizeof b, "c%d", n);
		symlink(a, b);
	}
	OK("open 40 links", open("c40", O_RDONLY));
	R("open ELOOP 41 links", open("c41", O_RDONLY));
	wipe(".");
}

static void directories(void)
{
	char p[300];
	struct stat st;
	mkdir("gone", 0700);
	int fd = open("gone", O_RDONLY | O_DIRECTORY);
	rmdir("gone");
	R("openat ENOENT in a removed directory", openat(fd, "x", O_CREAT | O_RDWR, 0600));
	R("mkdirat ENOENT in a removed directory", mkdirat(fd, "x", 0700));
	R("getdents64 ENOENT removed directory", SC(SYS_getdents64, fd, p, sizeof p));
	R("fchdir removed directory", fchdir(fd));
	R("getcwd ENOENT", SC(SYS_getcwd, p, sizeof p));
	R("stat dotdot from a removed directory", stat("..", &st));
	chdir("/");
	fstat(fd, &st), VAL("fstat removed directory links", st.st_nlink);
}

/* Order, counts and going on while names come and go. */
static void listing(const char *base)
{
	char p[300];
	int seen = 0, twice = 0;
	static char mark[1000];
	chdir(base);
	mkdir("many", 0700), chdir("many");
	for (int n = 0; n < 1000; n++)
		snprintf(p, sizeof p, "n%d", n), close(open(p, O_CREAT, 0600));
	DIR *d = opendir(".");
	struct dirent *e;
	int count = 0, order_ok = 1, last = 1000;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		int n = atoi(e->d_name + 1);
		seen++, twice += mark[n]++;
		order_ok &= n < last, last = n;
		if (++count % 3 == 0)
			unlink(e->d_name);
		if (count == 500)
			close(open("late", O_CREAT, 0600));
	}
	VAL("readdir entries", seen), VAL("readdir twice", twice), VAL("readdir newest first", order_ok);
	rewinddir(d);
	for (seen = 0; readdir(d);)
		seen++;
	VAL("readdir after removing", seen);
	char small[24];
	lseek(dirfd(d), 0, SEEK_SET);
	R("getdents64 EINVAL small buffer", SC(SYS_getdents64, dirfd(d), small, 8));
	R("getdents64 one entry", SC(SYS_getdents64, dirfd(d), small, 24));
	R("getdents64 ENOTDIR", SC(SYS_getdents64, open("late", O_RDONLY), p, sizeof p));
	R("lseek SEEK_END directory EINVAL", lseek(dirfd(d), 0, 77));
	closedir(d);
	chdir("..");
	wipe("many"), rmdir("many");
}

static void sizes(const char *base)
{
	struct stat st;
	chdir(base);
	mkdir("s", 0700);
	stat("s", &st), VAL("stat empty directory size", st.st_size);
	close(open("s/a", O_CREAT, 0600)), close(open("s/b", O_CREAT, 0600));
	stat("s", &st), VAL("stat directory size", st.st_size);
	unlink("s/a");
	stat("s", &st), VAL("stat directory size after unlink", st.st_size);
	int fd = open("s/h", O_CREAT | O_RDWR, 0600);
	pwrite(fd, "x", 1, 1 << 20);
	fstat(fd, &st), VAL("stat blocks of a sparse file", st.st_blocks);
	ftruncate(fd, 0), fstat(fd, &st), VAL("stat blocks truncated", st.st_blocks);
	VAL("stat blksize", st.st_blksize);
	wipe("s"), rmdir("s");
}

int main(void)
{
	char base[300];
	getcwd(base, sizeof base);
	rename_matrix(0, "");
	rename_matrix(0, "/");
	rename_matrix(RENAME_NOREPLACE, "");
	rename_matrix(RENAME_EXCHANGE, "");
	rename_matrix(RENAME_EXCHANGE, "/");
	rename_special();
	chains();
	listing(base);
	sizes(base);
	directories();
	chdir(base);
	paths();
	return 0;
}

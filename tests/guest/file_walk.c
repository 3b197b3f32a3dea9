/* SPDX-License-Identifier: MIT */
/*
 * Where names lead: random strings through a tree of directories, links in links (relative, absolute, long, with
 * slashes and dots, looping, dangling) and a mount, looked up cold and warm, as root and as somebody else,
 * by stat, lstat, open of a new file and openat. Each place says which it is by its number in a list of
 * inodes. Runs on ext2 with a tmpfs in it.
 */
#include "check.h"
#include <sys/mount.h>

#define ROUNDS 4000

static char here[200];
static struct place {
	dev_t dev;
	ino_t ino;
	char name[100];
} places[200];
static int nr_places;
static unsigned seed = 7;

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % n;
}

static void remember(const char *name)
{
	struct stat st;
	if (lstat(name, &st) == 0 && nr_places < 200) {
		struct place *p = &places[nr_places++];
		p->dev = st.st_dev, p->ino = st.st_ino;
		snprintf(p->name, sizeof(p->name), "%s", name);
	}
}

static void make_dir(const char *name, int mode) { mkdir(name, 0755), chmod(name, mode), remember(name); }
static void make_file(const char *name) { close(open(name, O_CREAT | O_WRONLY, 0644)), remember(name); }
static void make_link(const char *text, const char *name) { symlink(text, name), remember(name); }

static char seven[] = "seven77", eight[] = "eight888", nine[] = "nine99999", sixteen[] = "sixteen888888888";
static char longest[256];

static void make_tree(void)
{
	char text[600];
	memset(longest, 'l', 255);
	getcwd(here, sizeof(here));
	remember("."), remember(".."), remember("/");
	make_dir("d", 0755), make_dir("d/e", 0711), make_dir("d/e/f", 0755), make_dir("p", 0700), make_dir("p/q", 0755);
	make_dir("m", 0755);
	mount("tmpfs", "m", "tmpfs", 0, "");
	remember("m");
	make_dir("m/n", 0755), make_file("m/n/x");
	make_dir(seven, 0755), make_dir(eight, 0755), make_dir(nine, 0755), make_dir(sixteen, 0755), make_dir(longest, 0755);
	make_file("x"), make_file("d/x"), make_file("d/e/f/x"), make_file("p/x"), make_file("p/q/x");
	sprintf(text, "%s/x", eight), make_file(text);
	sprintf(text, "%s/x", longest), make_file(text);
	make_link("d", "l1"), make_link("l1/e", "l2"), make_link("l2/f/", "l3"), make_link("./l3/../f//x", "l4");
	make_link("l1/e/../e/../../l2", "l5"), make_link("l5/f/../../..", "l6"), make_link("p/q", "lp"), make_link("..", "up");
	make_link("loop", "loop"), make_link("b2", "b1"), make_link("b1/x", "b2"), make_link("none/x", "dang"), make_link("nothing", "new");
	make_link("x", "lx"), make_link("x/", "lxs"), make_link("d/", "ds"), make_link("m/n", "lm"), make_link("../d/e", "m/out");
	make_link("../../x", "d/e/lx"), make_link("l7", "l8"), make_link("l8", "l9"), make_link("l9/e/../../l9", "l10"), make_link("d", "l7");
	sprintf(text, "%s/d/e", here), make_link(text, "abs");
	sprintf(text, "%s/l1/../abs/../m", here), make_link(text, "absm");
	for (int i = 0; i < 90; i++)
		memcpy(text + i * 2, "./", 2);
	strcpy(text + 180, "d/e"), make_link(text, "slow");
	char name[16], to[16] = "d";
	for (int i = 0; i < 42; i++, strcpy(to, name))
		sprintf(name, "c%d", i), make_link(to, name); /* c39: forty links */
}

static const char *const words[] = { "d", "e", "f", "x", "l1", "l2", "l3", "l4", "l5", "l6", "lp", "up", "loop", "b1", "b2", "dang", "new",
	"lx", "lxs", "ds", "lm", "m", "n", "out", "l7", "l8", "l9", "l10", "abs", "absm", "slow", "c3", "c39", "c40", "c41", "p", "q",
	".", "..", "...", "d", "e", "f", "x", "..", ".", "none", seven, eight, nine, sixteen, longest, "eight889", "nine99998" };
#define NR_WORDS (sizeof(words) / sizeof(words[0]))

static void make_path(char *out, bool is_relative)
{
	unsigned n = 1 + rnd(6);
	*out = 0;
	if (rnd(5) == 0 && !is_relative)
		sprintf(out, "%s/", here);
	while (n--) {
		strcat(out, words[rnd(NR_WORDS)]);
		for (unsigned slashes = n ? 1 + (rnd(6) == 0) : rnd(5) == 0 ? 1 + rnd(2) : 0; slashes; slashes--)
			strcat(out, "/");
	}
}

static const char *place_of(long r, const struct stat *st)
{
	if (r)
		return errno_name(errno);
	for (int i = 0; i < nr_places; i++)
		if (places[i].ino == st->st_ino && places[i].dev == st->st_dev)
			return places[i].name;
	return "a place unknown";
}

static void drop_names(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	write(fd, "2", 1);
	close(fd);
}

/* One line for each path: what every call says of it. */
static void ask(const char *path, int dirfd)
{
	struct stat st;
	char line[3000];
	long r = fstatat(dirfd, path, &st, 0);
	int n = snprintf(line, sizeof(line), "%.60s: %s", path, place_of(r, &st));
	r = fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW);
	n += snprintf(line + n, sizeof(line) - n, ", %s", place_of(r, &st));
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY);
	n += snprintf(line + n, sizeof(line) - n, ", %s", fd < 0 ? errno_name(errno) : "directory");
	close(fd);
	fd = geteuid() ? -2 : openat(dirfd, path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	n += snprintf(line + n, sizeof(line) - n, ", %s", fd == -2 ? "-" : fd < 0 ? errno_name(errno) : "made");
	if (fd >= 0)
		close(fd), r = unlinkat(dirfd, path, 0), snprintf(line + n, sizeof(line) - n, " and %s", r ? errno_name(errno) : "removed");
	out("%s\n", line);
}

static void ask_many(int dirfd, bool is_relative, int rounds)
{
	char path[3000];
	for (int i = 0; i < rounds; i++) {
		make_path(path, is_relative);
		if (rnd(8) == 0 && geteuid() == 0)
			drop_names();
		ask(path, dirfd);
	}
}

/* Words at the end of a page, with nothing mapped behind it. */
static void at_page_end(void)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), text[40];
	struct stat st;
	munmap(p + PAGE, PAGE);
	for (int len = 1; len < 20; len++) {
		memset(text, '/', sizeof(text));
		memcpy(text, "d/e/f/../f/../f/../x", 20);
		text[len] = 0;
		char *s = p + PAGE - len - 1;
		strcpy(s, text);
		out("at a page's end %s: %s\n", s, place_of(stat(s, &st), &st));
	}
}

static int as_another(void)
{
	setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
	ask_many(AT_FDCWD, false, ROUNDS / 2);
	if (chdir("d/e") == 0)
		ask_many(AT_FDCWD, true, ROUNDS / 4);
	return 0;
}

int main(void)
{
	int st;
	chmod(".", 0755);
	make_tree();
	ask_many(AT_FDCWD, false, ROUNDS);
	int dir = open("d/e", O_RDONLY | O_DIRECTORY);
	ask_many(dir, true, ROUNDS / 4);
	close(dir);
	at_page_end();
	pid_t pid = fork();
	if (pid == 0)
		_exit(as_another());
	waitpid(pid, &st, 0);
	R("umount at the end", umount("m"));
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Names looked up on one CPU while they change on another: directories and links on the way are renamed,
 * removed and made again, mounts come and go. A look-up finds the file that is meant or says that
 * something is absent; it never finds another file.
 */
#include "check.h"
#include <pthread.h>
#include <sys/mount.h>

#define ROUNDS 1500

static volatile int running;
static volatile long looks, wrong;
static ino_t meant;

/* a/b/file is there, or a is called b2, or the link leads nowhere for a moment. */
static void *change(void *arg)
{
	for (int i = 0; i < ROUNDS || looks < 1000; i++) {
		switch (i % 5) {
		case 0:
			rename("w/a", "w/a2"), rename("w/a2", "w/a");
			break;
		case 1:
			unlink("w/link"), symlink(i % 2 ? "a/b" : "./up/w/a/b/", "w/link");
			break;
		case 2:
			rename("w/a/b", "w/a/some-longer-name-that-has-memory-of-its-own-in-the-cache"),
			rename("w/a/some-longer-name-that-has-memory-of-its-own-in-the-cache", "w/a/b");
			break;
		case 3:
			link("w/a/b/file", "w/a/b/other"), unlink("w/a/b/other");
			break;
		default:
			if (mount("tmpfs", "w/mnt", "tmpfs", 0, "") == 0)
				close(open("w/mnt/file", O_CREAT | O_WRONLY, 0600)), umount2("w/mnt", MNT_DETACH);
		}
	}
	running = 0;
	return arg;
}

static void look(const char *name)
{
	struct stat st;
	int r = stat(name, &st);
	if (r ? errno != ENOENT : st.st_ino != meant)
		wrong++;
	looks++;
}

static void *look_at_all(void *arg)
{
	while (running) {
		struct stat st;
		look("w/a/b/file"), look("w/link/file"), look("w/up/w/link/../b/file"), look("w/a/b/other");
		int fd = open("w/link", O_RDONLY | O_DIRECTORY);
		if (fd >= 0 && fstatat(fd, "../b/../b/file", &st, 0) == 0 && st.st_ino != meant)
			wrong++;
		close(fd);
		if (stat("w/mnt/file", &st) == 0 && st.st_size)
			wrong++;
		stat("w/mnt/../a/b/file", &st);
	}
	return arg;
}

int main(void)
{
	struct stat st;
	pthread_t t[3];
	chdir("/tmp");
	mkdir("w", 0755), mkdir("w/a", 0755), mkdir("w/a/b", 0755), mkdir("w/mnt", 0755);
	symlink("a/b", "w/link"), symlink("..", "w/up");
	close(open("w/a/b/file", O_CREAT | O_WRONLY, 0644));
	stat("w/a/b/file", &st);
	meant = st.st_ino;
	running = 1;
	pthread_create(&t[0], NULL, change, NULL);
	pthread_create(&t[1], NULL, look_at_all, NULL);
	pthread_create(&t[2], NULL, look_at_all, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	VAL("look-ups that found another file", wrong);
	YES("the file is there", stat("w/link/file", &st) == 0 && st.st_ino == meant);
	YES("all looked", looks >= 1000);
	return 0;
}

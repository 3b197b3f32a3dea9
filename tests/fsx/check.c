/* SPDX-License-Identifier: MIT */
/* Random numbers, the trail of a slot, views, and what a file must show. */
#include "fsx.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct model *model;
int worker;
uint64_t fsx_state;

uint64_t fsx_random(void)
{
	/* splitmix64 */
	uint64_t z = fsx_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

long fsx_between(long lo, long hi)
{
	return lo + (long)(fsx_random() % (uint64_t)(hi - lo));
}

void fsx_note(struct slot *s, const char *fmt, ...)
{
	va_list ap;
	char *line = s->trail[s->nr_trail++ % TRAIL];
	int n = snprintf(line, sizeof s->trail[0], "process %d: ", worker);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof s->trail[0] - n, fmt, ap);
	va_end(ap);
}

void fsx_fail(struct slot *s, const char *fmt, ...)
{
	static char text[8192];
	int error = errno;
	if (__atomic_exchange_n(&model->failed, 1, __ATOMIC_SEQ_CST))
		_exit(1);
	va_list ap;
	int n = snprintf(text, sizeof text, "fsx: process %d, operation %lu: ", worker, model->nr_ops[worker]);
	va_start(ap, fmt);
	n += vsnprintf(text + n, sizeof text - n, fmt, ap);
	va_end(ap);
	n += snprintf(text + n, sizeof text - n, " (errno %d, %s)\n", error, strerror(error));
	if (s)
		n += snprintf(text + n, sizeof text - n, "file %s %s, %ld bytes; what was done last:\n", s->name[0], s->name[1], s->size);
	for (unsigned i = s && s->nr_trail > TRAIL ? s->nr_trail - TRAIL : 0; s && i < s->nr_trail; i++)
		n += snprintf(text + n, sizeof text - n, "  %s\n", s->trail[i % TRAIL]);
	write(1, text, n);
	_exit(1);
}

void fsx_compare(struct slot *s, const char *how, const unsigned char *got, long at, long len)
{
	if (!memcmp(got, s->data + at, len))
		return;
	long i = 0, bad = 0;
	while (got[i] == s->data[at + i])
		i++;
	for (long j = i; j < len; j++)
		bad += got[j] != s->data[at + j];
	fsx_fail(s, "%s of %ld+%ld: byte %ld is %02x %02x %02x %02x, not %02x %02x %02x %02x; %ld bytes differ", how, at, len, at + i, got[i],
		 i + 1 < len ? got[i + 1] : 0, i + 2 < len ? got[i + 2] : 0, i + 3 < len ? got[i + 3] : 0, s->data[at + i],
		 s->data[(at + i + 1) % MAX_FILE], s->data[(at + i + 2) % MAX_FILE], s->data[(at + i + 3) % MAX_FILE], bad);
}

void fsx_view_open(struct slot *s, struct view *v)
{
	const char *name = s->name[s->name[1][0] ? fsx_between(0, 2) : 0];
	struct stat st;
	v->fd = open(name, O_RDWR);
	v->append = open(name, O_WRONLY | O_APPEND);
	v->direct = open(name, O_RDWR | O_DIRECT);
	if (v->fd < 0 || v->append < 0 || fstat(v->fd, &st))
		fsx_fail(s, "open %s", name);
	if (st.st_size != s->size)
		fsx_fail(s, "%s has %ld bytes", name, (long)st.st_size);
	if (st.st_nlink != (s->name[1][0] ? 2 : 1))
		fsx_fail(s, "%s has %ld links", name, (long)st.st_nlink);
	v->shared = v->priv = NULL;
	memset(v->own, 0, sizeof v->own);
	v->generation = s->generation;
	v->is_open = true;
}

void fsx_view_close(struct view *v)
{
	if (!v->is_open)
		return;
	close(v->fd);
	close(v->append);
	if (v->direct >= 0)
		close(v->direct);
	if (v->shared)
		munmap(v->shared, MAX_FILE);
	if (v->priv)
		munmap(v->priv, MAX_FILE);
	v->is_open = false;
}

void fsx_verify_all(const char *when)
{
	static unsigned char buf[MAX_FILE];
	for (int i = 0; i < NR_SLOTS; i++) {
		struct slot *s = &model->slot[i];
		for (int j = 0; s->exists && j < 2; j++) {
			if (!s->name[j][0])
				continue;
			int fd = open(s->name[j], O_RDONLY);
			if (fd < 0)
				fsx_fail(s, "%s: %s is gone", when, s->name[j]);
			long got = 0, n;
			while ((n = read(fd, buf + got, sizeof buf - got)) > 0)
				got += n;
			if (n < 0 || got != s->size)
				fsx_fail(s, "%s: read of %s gave %ld bytes", when, s->name[j], n < 0 ? n : got);
			fsx_compare(s, when, buf, 0, got);
			close(fd);
		}
	}
}

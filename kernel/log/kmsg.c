/* SPDX-License-Identifier: MIT */
/*
 * /dev/kmsg: each read gives one record, "PRIORITY,SEQ,MICROSECONDS,FLAGS;TEXT\n", bytes that are not
 * printable as \xNN. A reader that was overtaken by the ring gets EPIPE once and goes on at the oldest.
 * Each write is one message, "<PRIORITY>" in front optional. Each open file has its own position.
 */
#include <asm/poll.h>
#include <fs/file.h>
#include <fs/poll.h>
#include <fs/vfs.h>
#include <kernel/klog.h>
#include <lib/format.h>
#include <lib/parse.h>
#include <lib/string.h>
#include <linux/fs.h>
#include <mm/slab.h>

#define LINE_MAX (KLOG_TEXT_MAX - 48)

struct kmsg_reader {
	u64 seq;
	struct klog_record record;      /* the text being formatted; one reader at a time (pos_lock) */
	char line[4 * KLOG_TEXT_MAX + 64];
};

extern u64 klog_clear_seq;

static size_t format_record(struct kmsg_reader *k)
{
	const struct klog_record *r = &k->record;
	size_t n = (size_t)snprintf(k->line, sizeof(k->line), "%u,%llu,%llu,-;", r->facility << 3 | r->level, (unsigned long long)r->seq,
	                            (unsigned long long)(r->ns / 1000));
	for (size_t i = 0; i < r->len; i++) {
		u8 c = (u8)r->text[i];
		if (c < ' ' || c >= 127 || c == '\\')
			n += (size_t)snprintf(k->line + n, sizeof(k->line) - n, "\\x%02x", c);
		else
			k->line[n++] = (char)c;
	}
	k->line[n++] = '\n';
	return n;
}

static long kmsg_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct kmsg_reader *k = f->priv;
	if (!k)
		return -EBADF;
	if (k->seq >= klog_next_seq()) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int err = klog_wait(k->seq);
		if (err)
			return err;
	}
	if (!klog_get(k->seq, &k->record))
		return -EAGAIN;
	if (k->record.seq != k->seq) {
		k->seq = k->record.seq;
		return -EPIPE;
	}
	size_t n = format_record(k);
	if (n > iov->left)
		return -EINVAL;
	if (iov_copy_to(iov, k->line, n) != n)
		return -EFAULT;
	k->seq++;
	return (long)n;
}

static long kmsg_write(struct file *f, struct iov *iov, u64 *pos)
{
	u8 level = (u8)klog_default_level, facility = 1;
	size_t len = iov->left;
	if (len > LINE_MAX)
		return -EINVAL;
	char *text = kmalloc(len + 1, ALLOC_KERNEL);
	if (!text)
		return -ENOMEM;
	if (iov_copy_from(iov, text, len) != len) {
		kfree(text);
		return -EFAULT;
	}
	text[len] = 0;
	const char *from = text, *end;
	u64 priority;
	if (text[0] == '<' && parse_u64(text + 1, 10, &priority, &end) && *end == '>') {
		level = priority & 7;
		if ((priority & 0xff) >> 3)
			facility = (u8)((priority & 0xff) >> 3);
		from = end + 1;
	}
	klog_append(level, facility, from, len - (size_t)(from - text));
	kfree(text);
	return (long)len;
}

static s64 kmsg_seek(struct file *f, s64 offset, int whence)
{
	struct kmsg_reader *k = f->priv;
	if (!k)
		return -EBADF;
	if (offset)
		return -ESPIPE;
	switch (whence) {
	case SEEK_SET:
		k->seq = klog_first_seq();
		return 0;
	case SEEK_DATA:
		k->seq = READ_ONCE(klog_clear_seq);
		return 0;
	case SEEK_END:
		k->seq = klog_next_seq();
		return 0;
	}
	return -EINVAL;
}

static u32 kmsg_poll(struct file *f, struct poll_table *pt)
{
	struct kmsg_reader *k = f->priv;
	if (!k)
		return POLLERR | POLLNVAL;
	poll_add(pt, &klog_waitq);
	if (k->seq >= klog_next_seq()) {
		if (pt && pt->add)
			klog_watch();
		return 0;
	}
	return POLLIN | POLLRDNORM | (k->seq < klog_first_seq() ? POLLERR | POLLPRI : 0);
}

static void kmsg_release(struct file *f) { kfree(f->priv); }

static const struct file_ops kmsg_ops = {
	.read = kmsg_read,
	.write = kmsg_write,
	.seek = kmsg_seek,
	.poll = kmsg_poll,
	.release = kmsg_release,
	.name = "kmsg",
};

int kmsg_open(struct inode *i, struct file *f)
{
	f->ops = &kmsg_ops;
	f->priv = NULL;
	if ((f->flags & O_ACCMODE) == O_WRONLY)
		return 0;
	struct kmsg_reader *k = kmalloc(sizeof(*k), ALLOC_KERNEL);
	if (!k)
		return -ENOMEM;
	k->seq = klog_first_seq();
	f->priv = k;
	return 0;
}

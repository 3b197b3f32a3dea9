/* SPDX-License-Identifier: MIT */
/*
 * syslog(2): the log as text, in two ways: READ takes messages once and waits for more (one position
 * for all callers, as /proc/kmsg), READ_ALL shows the newest ones since the last CLEAR.
 */
#include <hal/uaccess.h>
#include <kernel/klog.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <linux/capability.h>
#include <mm/slab.h>

enum syslog_action {
	ACTION_CLOSE, ACTION_OPEN, ACTION_READ, ACTION_READ_ALL, ACTION_READ_CLEAR, ACTION_CLEAR,
	ACTION_CONSOLE_OFF, ACTION_CONSOLE_ON, ACTION_CONSOLE_LEVEL, ACTION_SIZE_UNREAD, ACTION_SIZE_BUFFER,
};

u64 klog_clear_seq;          /* READ_ALL starts here */
static u64 read_seq;         /* READ: the record being read ... */
static size_t read_offset;   /* ... and how much of its text is gone */
static u32 saved_level = ~0u; /* before CONSOLE_OFF */
static struct mutex read_lock = MUTEX_INIT(read_lock, RANK_INODE);

struct scratch {
	struct klog_record record;
	char text[2 * KLOG_TEXT_MAX + 64];
};
/* Lines of a message may be many; a record whose text does not fit is left out. */

static size_t get_text(u64 *seq, struct scratch *s)
{
	if (!klog_get(*seq, &s->record))
		return 0;
	*seq = s->record.seq;
	return klog_format(&s->record, true, s->text, sizeof(s->text));
}

/* Copies messages not yet taken; bytes. read_lock is held. */
static long take_text(struct scratch *s, uaddr_t buf, size_t len)
{
	long done = 0;
	while (len) {
		u64 seq = read_seq;
		size_t n = get_text(&seq, s);
		if (seq != read_seq) {
			read_seq = seq;
			read_offset = 0;
		}
		if (!n) {
			if (read_seq >= klog_next_seq())
				break;
			read_seq++;
			continue;
		}
		size_t part = min(n - read_offset, len);
		if (copy_to_user(buf + (u64)done, s->text + read_offset, part))
			return done ? done : -EFAULT;
		done += (long)part;
		len -= part;
		read_offset += part;
		if (read_offset == n) {
			read_seq++;
			read_offset = 0;
		}
	}
	return done;
}

static long read_once(struct scratch *s, uaddr_t buf, size_t len)
{
	for (;;) {
		int err = klog_wait(READ_ONCE(read_seq));
		if (err)
			return err;
		mutex_lock(&read_lock);
		long n = take_text(s, buf, len);
		mutex_unlock(&read_lock);
		if (n)
			return n;
	}
}

/* The newest messages that fit into len bytes, oldest first. */
static long read_all(struct scratch *s, uaddr_t buf, size_t len, bool clear)
{
	u64 first = max(READ_ONCE(klog_clear_seq), klog_first_seq()), end = klog_next_seq();
	size_t total = 0;
	long done = 0;
	for (u64 seq = first; seq < end; seq++)
		total += get_text(&seq, s);
	u64 seq = first;
	for (; seq < end && total > len; seq++)
		total -= get_text(&seq, s);
	for (; seq < end; seq++) {
		size_t n = get_text(&seq, s);
		if ((size_t)done + n > len)
			break;
		if (copy_to_user(buf + (u64)done, s->text, n))
			return -EFAULT;
		done += (long)n;
	}
	if (clear)
		WRITE_ONCE(klog_clear_seq, end);
	return done;
}

static long read_action(int action, uaddr_t buf, s64 len)
{
	if (!buf || len < 0)
		return -EINVAL;
	if (!len)
		return 0;
	struct scratch *s = kmalloc(sizeof(*s), ALLOC_KERNEL);
	if (!s)
		return -ENOMEM;
	long n = action == ACTION_READ ? read_once(s, buf, (size_t)len) : read_all(s, buf, (size_t)len, action == ACTION_READ_CLEAR);
	kfree(s);
	return n;
}

static long size_unread(void)
{
	struct scratch *s = kmalloc(sizeof(*s), ALLOC_KERNEL);
	if (!s)
		return -ENOMEM;
	long total = 0;
	mutex_lock(&read_lock);
	u64 start = read_seq;
	for (u64 seq = start; seq < klog_next_seq(); seq++)
		total += (long)get_text(&seq, s);
	total -= (long)min((size_t)total, read_offset);
	mutex_unlock(&read_lock);
	kfree(s);
	return total;
}

static long set_level(s64 level)
{
	if (level < 1 || level > 8)
		return -EINVAL;
	klog_console_level = max((u32)level, klog_console_min);
	saved_level = ~0u;
	return 0;
}

long klog_syslog(int action, u64 buf, s64 len)
{
	if (action != ACTION_READ_ALL && action != ACTION_SIZE_BUFFER && !capable(CAP_SYSLOG) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (action) {
	case ACTION_CLOSE:
	case ACTION_OPEN:
		return 0;
	case ACTION_READ:
	case ACTION_READ_ALL:
	case ACTION_READ_CLEAR:
		return read_action(action, buf, len);
	case ACTION_CLEAR:
		WRITE_ONCE(klog_clear_seq, klog_next_seq());
		return 0;
	case ACTION_CONSOLE_OFF:
		if (saved_level == ~0u)
			saved_level = klog_console_level;
		klog_console_level = klog_console_min;
		return 0;
	case ACTION_CONSOLE_ON:
		if (saved_level != ~0u)
			klog_console_level = saved_level;
		saved_level = ~0u;
		return 0;
	case ACTION_CONSOLE_LEVEL:
		return set_level(len);
	case ACTION_SIZE_UNREAD:
		return size_unread();
	case ACTION_SIZE_BUFFER:
		return KLOG_RING_SIZE;
	}
	return -EINVAL;
}

SYSCALL3(syslog, action, buf, len) { return klog_syslog((int)action, buf, (int)len); }

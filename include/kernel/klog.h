/* SPDX-License-Identifier: MIT */
/* The kernel log's readers: /dev/kmsg, /proc/kmsg, syslog(2). Writers call hal_log(). */
#ifndef KERNEL_KLOG_H
#define KERNEL_KLOG_H

#include <hal/types.h>
#include <kernel/wait.h>

#define KLOG_TEXT_MAX 1024 /* longest message, without its NUL */
#define KLOG_RING_SIZE (1u << 16)

struct klog_record {
	u64 seq;     /* 0, 1, 2 ... since boot */
	u64 ns;      /* hal_clock_ns() */
	u8 level;    /* enum log_level */
	u8 facility; /* syslog's: 0 kernel, 1 user */
	u16 len;
	char text[KLOG_TEXT_MAX];
};

/* Appends a message; a final newline is dropped. Any context, any lock. */
void klog_append(u8 level, u8 facility, const char *text, size_t len);

u64 klog_first_seq(void); /* oldest record still there */
u64 klog_next_seq(void);  /* the one that comes next */

/* Copies record `seq`, or the oldest one behind it when it has been overwritten (out->seq tells).
 * False: not yet written. */
bool klog_get(u64 seq, struct klog_record *out);

/* Sleepers for new records. Messages may come under any lock, so nobody is woken by the writer: while
 * somebody waits, a timer looks for new records. Call klog_watch() after joining the queue. */
extern struct host_waitq klog_waitq;
void klog_watch(void);
/* Sleeps until record `seq` exists: 0 or -ERESTARTSYS. */
int klog_wait(u64 seq);

/* Messages of a level below this one go to the console. */
extern u32 klog_console_level, klog_default_level, klog_console_min;

/* "<PRI>[    1.234567] text\n" per line of the message, as syslog(2) gives it; bytes written (a record
 * that does not fit gives 0). with_priority: the leading "<PRI>". */
size_t klog_format(const struct klog_record *r, bool with_priority, char *buf, size_t size);

/* The open function of /dev/kmsg. */
struct inode;
struct file;
int kmsg_open(struct inode *i, struct file *f);

/* syslog(2); buf is a user address. */
long klog_syslog(int action, u64 buf, s64 len);

#endif

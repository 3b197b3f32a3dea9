/* SPDX-License-Identifier: MIT */
/*
 * The names that lead to a terminal: ttyS0 on the serial line, /dev/console (what the last console=
 * word of the command line says, else the first line there is), /dev/tty (the caller's own).
 *
 * The serial line gets every message of the kernel from the first instruction on. When another line is
 * the console, a thread writes them there too, since its driver cannot be called from everywhere; so a
 * panic is on the serial line only.
 */
#include "internal.h"
#include <drivers/uart.h>
#include <hal/boot.h>
#include <kernel/klog.h>
#include <kernel/time.h>

static struct tty *serial;

/* The serial line takes everything at once: it is polled. */
static size_t serial_write(struct tty *t, const u8 *buf, size_t len)
{
	uart_write((const char *)buf, len);
	return len;
}
static size_t serial_room(struct tty *t) { return 4096; }

static const struct tty_driver serial_driver = {
	.name = "ttyS", .major = 4, .minor = 64, .write = serial_write, .write_room = serial_room,
};

static void serial_receive(const u8 *bytes, size_t n) { tty_receive(serial, bytes, n); }

/* The next "console=" word behind p: its line's name. Where to go on, or NULL. */
static const char *next_console(const char *p, char name[16])
{
	size_t n = 0;
	p = strstr(p, "console=");
	if (!p)
		return NULL;
	p += 8;
	while (*p && *p != ' ' && *p != ',' && n + 1 < 16)
		name[n++] = *p++;
	name[n] = 0;
	return p;
}

/* The last "console=" that names a line we have. */
static struct tty *console_tty(void)
{
	struct tty *t = NULL;
	char name[16];
	for (const char *p = hal_boot_info()->cmdline; (p = next_console(p, name)) != NULL;) {
		struct tty *found = tty_find_line(name);
		if (found)
			t = found;
	}
	return t ? t : serial;
}

bool tty_console(char *name, size_t size, u32 *major, u32 *minor)
{
	struct tty *t = console_tty();
	if (!t)
		return false;
	strlcpy(name, t->name, size);
	*major = t->dev.major;
	*minor = t->dev.minor;
	return true;
}

#define AWAIT_NS (2 * NSEC_PER_SEC)

/* Writes the log from its beginning to the console. */
static void log_thread(void *arg)
{
	static struct klog_record r; /* one such thread */
	static char text[2 * KLOG_TEXT_MAX];
	struct tty *t = arg;
	for (u64 seq = 0;; seq = r.seq + 1) {
		while (!klog_get(seq, &r))
			(void)klog_wait(seq);
		size_t n = r.level < READ_ONCE(klog_console_level) ? klog_format(&r, false, text, sizeof(text)) : 0;
		tty_write_kernel(t, text, n);
	}
}

void tty_await_console(void)
{
	char name[16] = "", last[16] = "";
	for (const char *p = hal_boot_info()->cmdline; (p = next_console(p, name)) != NULL;)
		strlcpy(last, name, sizeof(last));
	bool may_come = !strncmp(last, "hvc", 3);
	if (may_come && wait_event_timeout(&tty_line_wait, tty_find_line(last) != NULL, hal_clock_ns() + AWAIT_NS))
		hal_log(LOG_WARNING, "console: there is no %s", last);
	struct tty *t = console_tty();
	if (t && t != serial && !kthread_create(log_thread, t, "kconsoled"))
		hal_log(LOG_WARNING, "console: no memory for its thread");
}

static int console_open(struct inode *i, struct file *f)
{
	struct tty *t = console_tty();
	return t ? tty_open_file(t, f, true, false) : -ENODEV;
}

static int own_open(struct inode *i, struct file *f)
{
	struct tty *t = tty_of_current();
	if (!t)
		return -ENXIO;
	int err = tty_open_file(t, f, false, false);
	tty_put(t);
	return err;
}

static struct chrdev own_dev = { .major = 5, .minor = 0, .nr_minors = 1, .name = "tty", .fops = &tty_file_ops, .open = own_open, .mode = 0666 };
static struct chrdev console_dev = { .major = 5, .minor = 1, .nr_minors = 1, .name = "console", .fops = &tty_file_ops, .open = console_open };

void console_init(void)
{
	chrdev_register(&own_dev);
	chrdev_register(&console_dev);
	serial = tty_register(&serial_driver, 0, NULL);
	if (serial)
		uart_set_rx(serial_receive);
}

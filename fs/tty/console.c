/* SPDX-License-Identifier: MIT */
/*
 * The names that lead to a terminal: ttyS0 on the serial line, /dev/console (what the last console=
 * word of the command line says, else the first line there is), /dev/tty (the caller's own).
 */
#include "internal.h"
#include <drivers/uart.h>
#include <hal/boot.h>

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

/* The word behind the last "console=" that names a line we have. */
static struct tty *console_tty(void)
{
	struct tty *t = NULL;
	for (const char *p = hal_boot_info()->cmdline; (p = strstr(p, "console=")) != NULL;) {
		char name[16];
		size_t n = 0;
		p += 8;
		while (*p && *p != ' ' && *p != ',' && n + 1 < sizeof(name))
			name[n++] = *p++;
		name[n] = 0;
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

/* SPDX-License-Identifier: MIT */
/*
 * Terminals, as drivers see them. A driver makes one with tty_register(); its node appears in devtmpfs.
 * Everything between the line and the programs (editing, echo, signals, job control) is in fs/tty/.
 */
#ifndef FS_TTY_H
#define FS_TTY_H

#include <hal/types.h>
#include <lib/list.h>

struct tty;
struct process;

struct tty_driver {
	const char *name; /* of the node without its number: "ttyS", "hvc" */
	u32 major, minor; /* of index 0: 4,64 for ttyS; 229,0 for hvc */
	/* Takes up to len bytes without sleeping; how many. Called under a lock of RANK_TTY, interrupts on. */
	size_t (*write)(struct tty *t, const u8 *buf, size_t len);
	size_t (*write_room)(struct tty *t); /* bytes that write would take now; the same context */
	size_t (*pending)(struct tty *t);    /* taken but not yet sent (tcdrain); NULL: never any */
	void (*room)(struct tty *t);         /* NULL or: input that tty_receive refused may come again */
};

/* name becomes driver->name + index; priv is the driver's. NULL: no memory or no free number. */
struct tty *tty_register(const struct tty_driver *d, u32 index, void *priv);
void *tty_priv(struct tty *t);

/* The same from any context: the terminal thread registers and then calls done with the terminal, or with
 * NULL. The caller keeps *r until then. */
struct tty_registration {
	const struct tty_driver *driver;
	u32 index;
	void *priv;
	void (*done)(void *priv, struct tty *t);
	struct list_head link;
};
void tty_register_later(struct tty_registration *r);

/* Bytes that came over the line, any context. How many were taken: fewer when nobody reads; then
 * driver->room is called once there is space. */
size_t tty_receive(struct tty *t, const void *buf, size_t len);

/* write_room has grown: writers go on. Any context. */
void tty_wake_writers(struct tty *t);

/* The window on the other side has this size: SIGWINCH to the foreground when it changed. Any context. */
void tty_set_winsize(struct tty *t, u16 rows, u16 cols);

/* The line is gone: readers get end of file, the session SIGHUP. Task context. */
void tty_hangup(struct tty *t);

/* The session leader p is ending: its terminal loses the session. */
void tty_session_exit(struct process *p);

/* Device number and foreground group of p's controlling terminal for /proc; 0 and -1 without one.
 * Takes tasklist_lock. */
void tty_of_process(struct process *p, u32 *rdev, s32 *foreground);

/* The terminal that /dev/console means; false: none. */
bool tty_console(char *name, size_t size, u32 *major, u32 *minor);
/* Before /dev/console is opened first: waits for the line that console= names, at most two seconds, since
 * hosts announce some lines late. The kernel's messages go there too from now on. Sleeps. */
void tty_await_console(void);

void tty_init(void);    /* ttyS0, console, /dev/tty, ptmx, devpts; needs vfs and kernel threads */

#endif

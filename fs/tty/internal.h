/* SPDX-License-Identifier: MIT */
/*
 * What the files of fs/tty share.
 *
 * Letters: (l) tty->lock  (t) tasklist_lock  (f) tty->flip_lock
 */
#ifndef FS_TTY_INTERNAL_H
#define FS_TTY_INTERNAL_H

#include "../internal.h"
#include <asm/poll.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <fs/tty.h>
#include <hal/time.h>
#include <kernel/signal.h>
#include <lib/format.h>

#define TTY_IN_SIZE   4096u /* power of two */
#define TTY_ECHO_SIZE 1024u /* power of two */
#define TTY_FLIP_SIZE 8192u /* power of two */

struct pty;

struct tty {
	s32 refs; /* atomic: open files, registration, a pty's master */
	const struct tty_driver *driver;
	struct pty *pty; /* NULL: a line */
	void *priv;
	u32 index;
	char name[16];
	struct chrdev dev;

	struct spinlock lock; /* RANK_TTY; interrupts stay on */
	struct termios2 termios;   /* (l) */
	struct winsize winsize;    /* (l) */
	u32 generation;            /* (l) counts hang-ups: files opened before are dead */
	u32 nr_open;               /* (l) */
	bool is_stopped;           /* (l) output, by XOFF or TCOOFF */
	bool is_exclusive;         /* (l) TIOCEXCL */
	bool is_writing;           /* (l) one write(2) at a time */

	u32 session, foreground; /* (t) sid and pgid; 0: none */

	/* input: positions count without wrapping; tail <= canon <= head (l) */
	u8 in[TTY_IN_SIZE];
	u8 line_ends[TTY_IN_SIZE / 8]; /* bit: this byte ends a line; a NUL with it is the EOF character */
	u32 head, canon, tail;
	bool lnext, erasing;
	u32 column, canon_column; /* of the cursor; where the line being edited began */
	struct host_waitq read_wait, write_wait;

	/* echo that the driver had no room for (l) */
	u8 echo[TTY_ECHO_SIZE];
	u32 echo_head, echo_tail;

	/* what an interrupt left for the terminal thread */
	struct spinlock flip_lock; /* RANK_DEVICE, irq */
	u8 *flip;                  /* NULL: a pty */
	u32 flip_head, flip_tail;  /* (f) */
	bool flip_refused;         /* (f) the driver waits for room */
	u32 events;                /* atomic TTY_EVENT_* */
	struct winsize new_winsize; /* (f) */
};

#define TTY_EVENT_INPUT   1u
#define TTY_EVENT_OUTPUT  2u
#define TTY_EVENT_WINSIZE 4u

/* An open file of a terminal. */
struct tty_file {
	struct tty *tty; /* with a reference */
	u32 generation;
	bool is_console; /* opened as /dev/console: outlives hang-ups */
};

static inline bool tty_file_is_dead(const struct tty_file *tf)
{
	return !tf->is_console && tf->generation != READ_ONCE(tf->tty->generation);
}

static inline void tty_get(struct tty *t) { __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED); }
void tty_put(struct tty *t);
struct tty *tty_new(const struct tty_driver *d, u32 index, void *priv);
void tty_post(struct tty *t, u32 events); /* hands events to the terminal thread; any context */
void tty_reset_termios(struct tty *t);
/* The open(2) of a terminal: makes it the controlling one where that is due. 0 or -errno. */
int tty_open_file(struct tty *t, struct file *f, bool is_console, bool may_control);
extern const struct file_ops tty_file_ops;
struct tty *tty_find_line(const char *name); /* "ttyS0"; NULL: no such line */
extern struct host_waitq tty_line_wait;      /* a line was added */

#define HAS_I(t, f) ((t)->termios.c_iflag & (f))
#define HAS_O(t, f) ((t)->termios.c_oflag & (f))
#define HAS_L(t, f) ((t)->termios.c_lflag & (f))
static inline bool tty_is_cc(const struct tty *t, unsigned which, u8 c)
{
	return c == t->termios.c_cc[which] && c != 0;
}

static inline bool is_control(u8 c) { return c < 32 || c == 127; }
static inline bool is_utf8_continuation(const struct tty *t, u8 c) { return HAS_I(t, IUTF8) && (c & 0xc0) == 0x80; }

/* ldisc.c: bytes from the line go through editing into the buffer. How many were taken. */
size_t ldisc_receive(struct tty *t, const u8 *buf, size_t len);
void ldisc_flush_input_locked(struct tty *t);
void ldisc_termios_changed_locked(struct tty *t, const struct termios2 *old);

/* input.c */
bool input_is_ready_locked(struct tty *t, bool for_poll);
size_t input_available_locked(struct tty *t); /* FIONREAD */
long tty_read(struct file *f, struct iov *iov, u64 *pos);

/* output.c */
void echo_char_locked(struct tty *t, u8 c);  /* ^X for control characters */
void echo_raw_locked(struct tty *t, u8 c);   /* as it is, through output processing */
void echo_flush_locked(struct tty *t);       /* as far as the driver has room */
long tty_write(struct file *f, struct iov *iov, u64 *pos);
void tty_write_kernel(struct tty *t, const char *text, size_t len); /* the kernel's own words; sleeps */
void tty_stop_output_locked(struct tty *t);
void tty_start_output_locked(struct tty *t);
int tty_drain(struct tty *t);                /* waits until all has left: 0 or -ERESTARTSYS */

/* ioctl.c */
long tty_ioctl(struct file *f, u32 cmd, u64 arg);
/* What a pty's master shares with its slave; is_master: no job control for the caller. -ENOIOCTLCMD. */
long tty_common_ioctl(struct tty *t, bool is_master, u32 cmd, u64 arg);
int tty_resize(struct tty *t, const struct winsize *w);
#define ENOIOCTLCMD 515

/* jobctl.c */
struct tty *tty_of_current(void); /* with a reference, or NULL */
int tty_check_read(struct tty *t);   /* 0; -EIO; -ERESTARTSYS after SIGTTIN */
int tty_check_change(struct tty *t); /* 0; -EIO; -ERESTARTSYS after SIGTTOU */
void tty_signal_foreground(struct tty *t, int sig);
void tty_take_on_open(struct tty *t, const struct file *f);
long tty_set_controlling(struct tty *t, const struct file *f, bool steal);
long tty_give_up(struct tty *t);
long tty_get_foreground(struct tty *t, bool is_master, uaddr_t arg);
long tty_set_foreground(struct tty *t, bool is_master, uaddr_t arg);
long tty_get_session(struct tty *t, bool is_master, uaddr_t arg);

/* pty.c */
void pty_init(void);
int pty_open_slave(struct inode *i, struct file *f);
void pty_slave_count(struct tty *t, bool opened);   /* the first open, the last close of the slave */
bool pty_is_master_gone(struct tty *t);
void pty_note(struct tty *t, u8 bits);              /* TIOCPKT_* for a master in packet mode */
void pty_slave_read(struct tty *t);                 /* room in the slave's buffer: the master may write */
void pty_free(struct pty *p);                       /* the slave's last reference went */
void pty_forget_output(struct tty *t);              /* TCOFLUSH on the slave */

/* devpts.c */
void devpts_init(void);
struct inode *devpts_add(u32 index); /* the slave's inode, kept by the pty; NULL: no memory */
void devpts_remove(u32 index);
struct inode *pty_inode(u32 index);  /* with a reference, or NULL (pty.c) */
s32 pty_next_index(s32 from);        /* lowest one in use >= from, or -1 (pty.c) */
int ptmx_open(struct inode *i, struct file *f);
/* TIOCGPTPEER: an open file of the slave. ERR_PTR. */
struct file *devpts_open_slave(u32 index, u32 flags);

/* console.c */
void console_init(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Output: processing of what programs write (OPOST) and of echo, flow control, drain.
 *
 * Both kinds of bytes go through one function that knows the cursor's column, so that erasing a tab
 * or a control character takes back exactly what was shown. Written bytes go straight to the driver and
 * are taken from the writer only when the driver has room for their expansion. Echo cannot wait: what
 * finds no room stays in a small ring and goes out before the next written byte; when the ring is full,
 * further echo is lost, as the line's other side does not listen anyway.
 */
#include "internal.h"
#include <asm/ioctls.h>

#define EXPANSION_MAX 8 /* bytes that one byte may become: a tab */

/* What byte c becomes under OPOST; moves the column. Length (0: nothing is shown). */
static size_t process(struct tty *t, u8 c, u8 out[EXPANSION_MAX])
{
	size_t n = 1;
	out[0] = c;
	if (!HAS_O(t, OPOST))
		return n;
	switch (c) {
	case '\n':
		if (HAS_O(t, ONLRET))
			t->column = 0;
		if (HAS_O(t, ONLCR)) {
			out[0] = '\r';
			out[1] = '\n';
			n = 2;
			t->column = 0;
		}
		break;
	case '\r':
		if (HAS_O(t, ONOCR) && !t->column)
			return 0;
		if (HAS_O(t, OCRNL)) {
			out[0] = '\n';
			if (HAS_O(t, ONLRET))
				t->column = 0;
		} else {
			t->column = 0;
		}
		break;
	case '\t': {
		size_t spaces = 8 - (t->column & 7);
		t->column += (u32)spaces;
		if ((t->termios.c_oflag & TABDLY) == XTABS) {
			memset(out, ' ', spaces);
			n = spaces;
		}
		break;
	}
	case '\b':
		if (t->column)
			t->column--;
		break;
	default:
		if (is_control(c))
			break;
		if (HAS_O(t, OLCUC) && c >= 'a' && c <= 'z')
			out[0] = (u8)(c - 32);
		if (!is_utf8_continuation(t, c))
			t->column++;
	}
	return n;
}

/* ---- echo ---- */

void echo_flush_locked(struct tty *t)
{
	while (!t->is_stopped && t->echo_tail != t->echo_head) {
		u32 from = t->echo_tail % TTY_ECHO_SIZE;
		size_t n = min(t->echo_head - t->echo_tail, TTY_ECHO_SIZE - from);
		size_t room = t->driver->write_room(t);
		n = t->driver->write(t, t->echo + from, min(n, room));
		if (!n)
			break;
		t->echo_tail += (u32)n;
	}
}

void echo_raw_locked(struct tty *t, u8 c)
{
	u8 out[EXPANSION_MAX];
	size_t n = process(t, c, out);
	if (t->echo_head - t->echo_tail + n > TTY_ECHO_SIZE)
		return;
	for (size_t i = 0; i < n; i++)
		t->echo[t->echo_head++ % TTY_ECHO_SIZE] = out[i];
}

void echo_char_locked(struct tty *t, u8 c)
{
	if (HAS_L(t, ECHOCTL) && is_control(c) && c != '\t') {
		echo_raw_locked(t, '^');
		echo_raw_locked(t, c ^ 0100);
	} else {
		echo_raw_locked(t, c);
	}
}

/* ---- flow ---- */

void tty_stop_output_locked(struct tty *t)
{
	if (t->is_stopped)
		return;
	t->is_stopped = true;
	pty_note(t, TIOCPKT_STOP);
}

void tty_start_output_locked(struct tty *t)
{
	if (!t->is_stopped)
		return;
	t->is_stopped = false;
	pty_note(t, TIOCPKT_START);
	echo_flush_locked(t);
	wake_all(&t->write_wait);
}

static bool is_drained(struct tty *t)
{
	return t->echo_head == t->echo_tail && (!t->driver->pending || !t->driver->pending(t));
}

int tty_drain(struct tty *t)
{
	u32 generation = t->generation;
	int err = 0;
	/* Drivers wake writers when room grows; the last bytes leave without that. */
	while (!err && !is_drained(t) && t->generation == generation) {
		err = wait_event_timeout(&t->write_wait, is_drained(t) || t->generation != generation, hal_clock_ns() + 20000000);
		if (err == -ETIMEDOUT)
			err = 0;
		spin_lock(&t->lock);
		echo_flush_locked(t);
		spin_unlock(&t->lock);
	}
	return err;
}

/* ---- write(2) ---- */

/* Hands bytes to the driver as long as it has room for what they become; how many were taken. */
static size_t put_processed_locked(struct tty *t, const u8 *buf, size_t len)
{
	size_t done = 0;
	while (done < len) {
		u8 chunk[256];
		size_t n = 0, room = t->driver->write_room(t);
		room = min(room, sizeof(chunk));
		while (done < len && n + EXPANSION_MAX <= room)
			n += process(t, buf[done++], chunk + n);
		if (room < EXPANSION_MAX)
			break;
		if (n)
			t->driver->write(t, chunk, n); /* fits: room was asked for */
	}
	return done;
}

static size_t put_locked(struct tty *t, const u8 *buf, size_t len)
{
	if (t->is_stopped)
		return 0;
	echo_flush_locked(t);
	if (t->echo_head != t->echo_tail)
		return 0;
	return HAS_O(t, OPOST) ? put_processed_locked(t, buf, len) : t->driver->write(t, buf, len);
}

static bool can_put(struct tty *t) { return !t->is_stopped && t->driver->write_room(t) >= EXPANSION_MAX; }

/* Writes a kernel buffer; bytes or -errno. */
static long write_chunk(struct tty_file *tf, u32 flags, const u8 *buf, size_t len)
{
	struct tty *t = tf->tty;
	size_t done = 0;
	for (;;) {
		spin_lock(&t->lock);
		done += put_locked(t, buf + done, len - done);
		spin_unlock(&t->lock);
		if (done == len)
			return (long)done;
		if (tty_file_is_dead(tf) || pty_is_master_gone(t))
			return -EIO;
		if (flags & O_NONBLOCK)
			return done ? (long)done : -EAGAIN;
		int err = wait_event_interruptible(&t->write_wait, can_put(t) || tty_file_is_dead(tf) || pty_is_master_gone(t));
		if (err)
			return done ? (long)done : err;
	}
}

static bool begin_write(struct tty *t)
{
	spin_lock(&t->lock);
	bool mine = !t->is_writing;
	t->is_writing = true;
	spin_unlock(&t->lock);
	return mine;
}

static void end_write(struct tty *t)
{
	spin_lock(&t->lock);
	t->is_writing = false;
	spin_unlock(&t->lock);
	wake_all(&t->write_wait);
}

long tty_write(struct file *f, struct iov *iov, u64 *pos)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	long done = 0, n = 0;
	if (tty_file_is_dead(tf) || pty_is_master_gone(t))
		return -EIO;
	if (HAS_L(t, TOSTOP)) {
		int err = tty_check_change(t);
		if (err)
			return err;
	}
	if (f->flags & O_NONBLOCK) {
		if (!begin_write(t))
			return -EAGAIN;
	} else {
		int err = wait_event_interruptible(&t->write_wait, begin_write(t));
		if (err)
			return err;
	}
	while (iov->left) {
		u8 chunk[512];
		size_t want = min(sizeof(chunk), (size_t)iov->left), got = iov_copy_from(iov, chunk, want);
		if (!got) {
			n = -EFAULT;
			break;
		}
		n = write_chunk(tf, f->flags, chunk, got);
		if (n > 0)
			done += n;
		if (n < (long)got)
			break;
		cond_resched();
	}
	end_write(t);
	return done ? done : n;
}

void tty_write_kernel(struct tty *t, const char *text, size_t len)
{
	struct tty_file tf = { .tty = t, .is_console = true };
	wait_event(&t->write_wait, begin_write(t));
	write_chunk(&tf, 0, (const u8 *)text, len);
	end_write(t);
}

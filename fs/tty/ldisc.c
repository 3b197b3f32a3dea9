/* SPDX-License-Identifier: MIT */
/*
 * The line discipline's receiving side: what becomes of each byte that comes over the line. Special
 * characters act (signals, flow control, editing), the rest is echoed and put into the input buffer.
 *
 * The buffer holds [tail, head). In canonical mode [tail, canon) is complete lines, readable, and
 * [canon, head) the line being edited; in raw mode canon is not used. Bit i of line_ends marks the byte
 * that ends a line; the end-of-file character is stored as a marked NUL, which reading drops.
 *
 * When the buffer is full, raw input waits in front of it (the caller keeps the rest); in canonical
 * mode, while no line is complete, the last byte is replaced, so that a newline always gets in.
 *
 * Signals rank above tty->lock, so a byte that raises one leaves the locked loop with its number.
 */
#include "internal.h"
#include <asm/ioctls.h>

static void set_line_end(struct tty *t, u32 at, bool on)
{
	u8 bit = (u8)(1u << (at & 7)), *byte = &t->line_ends[(at % TTY_IN_SIZE) / 8];
	*byte = on ? *byte | bit : *byte & (u8)~bit;
}

static void put(struct tty *t, u8 c)
{
	if (t->head - t->tail >= TTY_IN_SIZE)
		return;
	t->in[t->head % TTY_IN_SIZE] = c;
	set_line_end(t, t->head, false);
	t->head++;
}

static void put_line_end(struct tty *t, u8 c)
{
	if (t->head - t->tail >= TTY_IN_SIZE)
		t->head--;
	put(t, c);
	set_line_end(t, t->head - 1, true);
	t->canon = t->head;
	wake_all(&t->read_wait);
}

void ldisc_flush_input_locked(struct tty *t)
{
	t->head = t->canon = t->tail = 0;
	t->lnext = t->erasing = false;
	pty_note(t, TIOCPKT_FLUSHREAD);
}

void ldisc_termios_changed_locked(struct tty *t, const struct termios2 *old)
{
	if ((old->c_lflag ^ t->termios.c_lflag) & ICANON) {
		memset(t->line_ends, 0, sizeof(t->line_ends));
		t->erasing = t->lnext = false;
		t->canon = t->tail;
		if (HAS_L(t, ICANON) && t->head != t->tail) { /* what was typed raw counts as a line */
			set_line_end(t, t->head - 1, true);
			t->canon = t->head;
		}
	}
	if (!HAS_I(t, IXON) && (old->c_iflag & IXON))
		tty_start_output_locked(t);
	wake_all(&t->read_wait);
	wake_all(&t->write_wait);
}

/* ---- editing ---- */

static void finish_erasing(struct tty *t)
{
	if (t->erasing) {
		echo_raw_locked(t, '/');
		t->erasing = false;
	}
}

/* The column behind the bytes [canon, end) of the line being edited. */
static u32 column_at(struct tty *t, u32 end)
{
	u32 column = t->canon_column;
	for (u32 i = t->canon; i != end; i++) {
		u8 c = t->in[i % TTY_IN_SIZE];
		if (c == '\t')
			column = (column | 7) + 1;
		else if (is_control(c))
			column += HAS_L(t, ECHOCTL) ? 2 : 0;
		else if (!is_utf8_continuation(t, c))
			column++;
	}
	return column;
}

static void rub_out(struct tty *t)
{
	echo_raw_locked(t, '\b');
	echo_raw_locked(t, ' ');
	echo_raw_locked(t, '\b');
}

/* Shows that [head, head + bytes) went, whose first byte is c. */
static void echo_erased(struct tty *t, u8 c, u32 bytes, bool is_single)
{
	if (HAS_L(t, ECHOPRT)) {
		if (!t->erasing) {
			echo_raw_locked(t, '\\');
			t->erasing = true;
		}
		echo_char_locked(t, c);
		for (u32 i = 1; i < bytes; i++)
			echo_raw_locked(t, t->in[(t->head + i) % TTY_IN_SIZE]);
	} else if (is_single && !HAS_L(t, ECHOE)) {
		echo_char_locked(t, t->termios.c_cc[VERASE]);
	} else if (c == '\t') {
		for (u32 n = column_at(t, t->head + 1) - column_at(t, t->head); n > 0; n--)
			echo_raw_locked(t, '\b');
	} else {
		if (is_control(c) && HAS_L(t, ECHOCTL))
			rub_out(t);
		if (!is_control(c) || HAS_L(t, ECHOCTL))
			rub_out(t);
	}
}

static bool is_word(u8 c) { return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c >= 0x80; }

/* Takes characters back: one, a word, or the line. */
static void erase(struct tty *t, unsigned which)
{
	bool in_word = false;
	if (t->head == t->canon)
		return;
	if (which == VKILL && !(HAS_L(t, ECHO) && HAS_L(t, ECHOK) && HAS_L(t, ECHOKE) && HAS_L(t, ECHOE))) {
		t->head = t->canon;
		if (HAS_L(t, ECHO)) {
			finish_erasing(t);
			echo_char_locked(t, t->termios.c_cc[VKILL]);
			if (HAS_L(t, ECHOK))
				echo_raw_locked(t, '\n');
		}
		return;
	}
	while (t->head != t->canon) {
		u32 at = t->head;
		u8 c;
		do {
			c = t->in[--at % TTY_IN_SIZE];
		} while (is_utf8_continuation(t, c) && at != t->canon);
		if (is_utf8_continuation(t, c))
			break;
		if (which == VWERASE) {
			if (is_word(c))
				in_word = true;
			else if (in_word)
				break;
		}
		u32 bytes = t->head - at;
		t->head = at;
		if (HAS_L(t, ECHO))
			echo_erased(t, c, bytes, which == VERASE);
		if (which == VERASE)
			break;
	}
	if (t->head == t->canon && HAS_L(t, ECHO))
		finish_erasing(t);
}

static void reprint(struct tty *t, u8 c)
{
	finish_erasing(t);
	echo_char_locked(t, c);
	echo_raw_locked(t, '\n');
	t->canon_column = t->column;
	for (u32 i = t->canon; i != t->head; i++)
		echo_char_locked(t, t->in[i % TTY_IN_SIZE]);
}

/* ---- one byte ---- */

static void echo_input(struct tty *t, u8 c)
{
	if (!HAS_L(t, ECHO))
		return;
	finish_erasing(t);
	if (c == '\n') {
		echo_raw_locked(t, '\n');
		return;
	}
	if (t->canon == t->head)
		t->canon_column = t->column;
	echo_char_locked(t, c);
}

static void put_ordinary(struct tty *t, u8 c)
{
	echo_input(t, c);
	if (c == 0xff && HAS_I(t, PARMRK))
		put(t, c);
	put(t, c);
}

/* Editing and line ends; true: c is dealt with. */
static bool receive_canonical(struct tty *t, u8 c)
{
	bool extended = HAS_L(t, IEXTEN) != 0;
	if (tty_is_cc(t, VERASE, c) || tty_is_cc(t, VKILL, c) || (extended && tty_is_cc(t, VWERASE, c))) {
		erase(t, tty_is_cc(t, VERASE, c) ? VERASE : tty_is_cc(t, VKILL, c) ? VKILL : VWERASE);
	} else if (extended && tty_is_cc(t, VLNEXT, c)) {
		t->lnext = true;
		if (HAS_L(t, ECHO)) {
			finish_erasing(t);
			if (HAS_L(t, ECHOCTL)) {
				echo_raw_locked(t, '^');
				echo_raw_locked(t, '\b');
			}
		}
	} else if (extended && HAS_L(t, ECHO) && tty_is_cc(t, VREPRINT, c)) {
		reprint(t, c);
	} else if (c == '\n') {
		if (HAS_L(t, ECHO) || HAS_L(t, ECHONL))
			echo_raw_locked(t, '\n');
		put_line_end(t, c);
	} else if (tty_is_cc(t, VEOF, c)) {
		put_line_end(t, 0);
	} else if (tty_is_cc(t, VEOL, c) || (extended && tty_is_cc(t, VEOL2, c))) {
		echo_input(t, c);
		put_line_end(t, c);
	} else {
		return false;
	}
	return true;
}

/* The signal that c stands for, or 0. */
static int signal_of(struct tty *t, u8 c)
{
	if (!HAS_L(t, ISIG))
		return 0;
	return tty_is_cc(t, VINTR, c) ? SIGINT : tty_is_cc(t, VQUIT, c) ? SIGQUIT : tty_is_cc(t, VSUSP, c) ? SIGTSTP : 0;
}

static void signal_char(struct tty *t, u8 c)
{
	if (!HAS_L(t, NOFLSH)) {
		ldisc_flush_input_locked(t);
		t->echo_head = t->echo_tail = 0;
		wake_all(&t->write_wait);
	}
	if (HAS_I(t, IXON))
		tty_start_output_locked(t);
	if (HAS_L(t, ECHO))
		echo_char_locked(t, c);
}

/* Deals with c; the number of a signal to send, or 0. */
static int receive_char(struct tty *t, u8 c)
{
	if (HAS_I(t, ISTRIP))
		c &= 0x7f;
	if (HAS_I(t, IUCLC) && HAS_L(t, IEXTEN) && c >= 'A' && c <= 'Z')
		c = (u8)(c + 32);
	if (t->lnext) {
		t->lnext = false;
		put_ordinary(t, c);
		return 0;
	}
	if (HAS_I(t, IXON)) {
		bool start = tty_is_cc(t, VSTART, c), stop = tty_is_cc(t, VSTOP, c);
		if (start || (HAS_I(t, IXANY) && !stop && !signal_of(t, c)))
			tty_start_output_locked(t);
		else if (stop)
			tty_stop_output_locked(t);
		if (start || stop)
			return 0;
	}
	int sig = signal_of(t, c);
	if (sig) {
		signal_char(t, c);
		return sig;
	}
	if (c == '\r') {
		if (HAS_I(t, IGNCR))
			return 0;
		if (HAS_I(t, ICRNL))
			c = '\n';
	} else if (c == '\n' && HAS_I(t, INLCR)) {
		c = '\r';
	}
	if (!HAS_L(t, ICANON) || !receive_canonical(t, c))
		put_ordinary(t, c);
	return 0;
}

/* Is there room for one byte (which PARMRK may double)? */
static bool make_room(struct tty *t)
{
	if (t->head - t->tail < TTY_IN_SIZE - 1)
		return true;
	if (!HAS_L(t, ICANON) || t->canon != t->tail)
		return false;
	if (t->head - t->tail >= TTY_IN_SIZE)
		t->head--;
	return true;
}

size_t ldisc_receive(struct tty *t, const u8 *buf, size_t len)
{
	size_t done = 0;
	int sig;
	do {
		sig = 0;
		spin_lock(&t->lock);
		while (done < len && !sig && (make_room(t) || signal_of(t, buf[done])))
			sig = receive_char(t, buf[done++]);
		echo_flush_locked(t);
		if (input_is_ready_locked(t, true))
			wake_all(&t->read_wait);
		spin_unlock(&t->lock);
		if (sig)
			tty_signal_foreground(t, sig);
	} while (sig);
	return done;
}

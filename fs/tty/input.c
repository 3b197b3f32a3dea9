/* SPDX-License-Identifier: MIT */
/*
 * read(2) of a terminal: one line in canonical mode; else as VMIN and VTIME say:
 *
 *   VMIN  VTIME
 *   > 0   0      until VMIN bytes (or the caller's count) are there
 *   > 0   > 0    the same, but ends VTIME after the last byte, counted from the first on
 *   0     > 0    until one byte, at most VTIME
 *   0     0      what is there
 */
#include "internal.h"

#define TENTH_NS 100000000ull

static bool is_line_end(const struct tty *t, u32 at)
{
	return t->line_ends[(at % TTY_IN_SIZE) / 8] & (1u << (at & 7));
}

bool input_is_ready_locked(struct tty *t, bool for_poll)
{
	u32 least = for_poll && !t->termios.c_cc[VTIME] && t->termios.c_cc[VMIN] ? t->termios.c_cc[VMIN] : 1;
	if (HAS_L(t, ICANON))
		return t->canon != t->tail;
	return t->head - t->tail >= least;
}

static bool input_is_ready(struct tty *t)
{
	spin_lock(&t->lock);
	bool ready = input_is_ready_locked(t, false);
	spin_unlock(&t->lock);
	return ready;
}

size_t input_available_locked(struct tty *t)
{
	if (!HAS_L(t, ICANON))
		return t->head - t->tail;
	size_t n = 0;
	for (u32 i = t->tail; i != t->canon; i++)
		if (!(is_line_end(t, i) && t->in[i % TTY_IN_SIZE] == 0))
			n++;
	return n;
}

static bool is_eof_mark(struct tty *t, u32 at)
{
	return at != t->canon && is_line_end(t, at) && t->in[at % TTY_IN_SIZE] == 0;
}

/* Takes bytes of the first line, at most len; *ended: the line is used up. */
static size_t take_line_locked(struct tty *t, u8 *buf, size_t len, bool *ended)
{
	size_t n = 0;
	*ended = false;
	while (n < len && t->tail != t->canon && !*ended) {
		u8 c = t->in[t->tail % TTY_IN_SIZE];
		*ended = is_line_end(t, t->tail);
		if (!*ended || c)
			buf[n++] = c;
		t->tail++;
	}
	return n;
}

static size_t take_raw_locked(struct tty *t, u8 *buf, size_t len)
{
	size_t n = 0;
	while (n < len && t->tail != t->head)
		buf[n++] = t->in[t->tail++ % TTY_IN_SIZE];
	t->canon = t->tail;
	return n;
}

/* Room was made: whoever fills the buffer goes on. */
static void tell_room(struct tty *t)
{
	if (t->pty)
		pty_slave_read(t);
	else if (READ_ONCE(t->flip_head) != READ_ONCE(t->flip_tail))
		tty_post(t, TTY_EVENT_INPUT);
}

/* Moves what is there to the caller: bytes or -EFAULT; *done when a line came to its end. */
static long move_input(struct tty *t, struct iov *iov, bool *done)
{
	u8 chunk[256];
	long total = 0;
	*done = false;
	while (iov->left && !*done) {
		size_t want = min(sizeof(chunk), (size_t)iov->left);
		spin_lock(&t->lock);
		bool canonical = HAS_L(t, ICANON) != 0;
		size_t n = canonical ? take_line_locked(t, chunk, want, done) : take_raw_locked(t, chunk, want);
		if (canonical && !*done && n == iov->left && is_eof_mark(t, t->tail))
			t->tail++; /* the line was taken whole: its end-of-file mark goes with it */
		spin_unlock(&t->lock);
		if (!n)
			break;
		total += (long)n;
		if (iov_copy_to(iov, chunk, n) != n)
			return -EFAULT;
	}
	tell_room(t);
	return total;
}

/* Until there is input, the deadline (0: none) or an end. 1: input; 0: no more; or -errno. */
static int wait_input(struct tty_file *tf, struct file *f, bool may_wait, u64 deadline)
{
	struct tty *t = tf->tty;
	if (input_is_ready(t))
		return 1;
	if (pty_is_master_gone(t) && t->pty)
		return tty_file_is_dead(tf) ? 0 : -EIO;
	if (tty_file_is_dead(tf) || !may_wait)
		return 0;
	if (f->flags & O_NONBLOCK)
		return -EAGAIN;
	int err = wait_event_timeout(&t->read_wait, input_is_ready(t) || tty_file_is_dead(tf) || pty_is_master_gone(t), deadline);
	if (err == -ETIMEDOUT)
		return 0;
	return err ? err : 2; /* look again */
}

long tty_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	if (tty_file_is_dead(tf))
		return 0;
	int err = tty_check_read(t);
	if (err)
		return err;
	u64 start = hal_clock_ns(), deadline = 0, step = 0;
	size_t least = 1;
	bool may_wait = true;
	if (!HAS_L(t, ICANON)) {
		least = t->termios.c_cc[VMIN];
		step = t->termios.c_cc[VTIME] * TENTH_NS;
		if (!least) {
			least = 1;
			may_wait = step != 0;
			deadline = step ? start + step : 0;
			step = 0;
		}
	}
	long total = 0;
	while (iov->left) {
		int ready = wait_input(tf, f, may_wait, deadline);
		if (ready == 2)
			continue;
		if (ready <= 0)
			return total ? total : ready;
		bool done;
		long n = move_input(t, iov, &done);
		if (n < 0)
			return total ? total : n;
		total += n;
		if (done || HAS_L(t, ICANON) || (size_t)total >= least)
			break;
		if (step)
			deadline = hal_clock_ns() + step;
	}
	return total;
}

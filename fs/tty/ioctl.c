/* SPDX-License-Identifier: MIT */
/*
 * Terminal ioctls. Those that change something stop a background group by SIGTTOU first. A pty's master
 * shares most of them: they act on its slave.
 */
#include "internal.h"
#include <asm/ioctls.h>
#include <linux/tty.h>

/* ---- termios in its three layouts ---- */

#define TERMIOS_BYTES offsetof(struct termios2, c_ispeed) /* struct termios */

static const u32 speeds[] = { 0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400 };
static const u32 fast_speeds[] = { 0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000,
	2000000, 2500000, 3000000, 3500000, 4000000 };

/* The speed fields follow the bits of c_cflag, unless those say "other". */
static void set_speed(struct termios2 *t)
{
	u32 code = t->c_cflag & CBAUD;
	if (code == BOTHER)
		return;
	u32 speed = code & CBAUDEX ? fast_speeds[code & 15] : speeds[code & 15];
	t->c_ispeed = t->c_ospeed = speed;
}

static long get_termios(struct tty *t, uaddr_t arg, size_t len)
{
	spin_lock(&t->lock);
	struct termios2 v = t->termios;
	spin_unlock(&t->lock);
	return copy_to_user(arg, &v, len) ? -EFAULT : 0;
}

static long get_termio(struct tty *t, uaddr_t arg)
{
	spin_lock(&t->lock);
	struct termios2 v = t->termios;
	spin_unlock(&t->lock);
	struct termio o = { .c_iflag = (u16)v.c_iflag, .c_oflag = (u16)v.c_oflag, .c_cflag = (u16)v.c_cflag, .c_lflag = (u16)v.c_lflag, .c_line = v.c_line };
	memcpy(o.c_cc, v.c_cc, NCC);
	return copy_to_user(arg, &o, sizeof(o)) ? -EFAULT : 0;
}

static int read_termio(struct termios2 *v, uaddr_t arg)
{
	struct termio o;
	if (copy_from_user(&o, arg, sizeof(o)))
		return -EFAULT;
	v->c_iflag = (v->c_iflag & 0xffff0000u) | o.c_iflag;
	v->c_oflag = (v->c_oflag & 0xffff0000u) | o.c_oflag;
	v->c_cflag = (v->c_cflag & 0xffff0000u) | o.c_cflag;
	v->c_lflag = (v->c_lflag & 0xffff0000u) | o.c_lflag;
	v->c_line = o.c_line;
	memcpy(v->c_cc, o.c_cc, NCC);
	return 0;
}

/* when: 0 now, 1 after output, 2 also dropping input. len 0: the old struct termio. */
static long set_termios(struct tty *t, uaddr_t arg, size_t len, unsigned when)
{
	int err = tty_check_change(t);
	if (err)
		return err;
	spin_lock(&t->lock);
	struct termios2 v = t->termios, old;
	spin_unlock(&t->lock);
	if (len ? copy_from_user(&v, arg, len) != 0 : read_termio(&v, arg) != 0)
		return -EFAULT;
	if (len <= TERMIOS_BYTES || (v.c_cflag & CBAUD) != BOTHER)
		set_speed(&v);
	if (when) {
		err = tty_drain(t);
		if (err)
			return err;
	}
	spin_lock(&t->lock);
	if (when == 2)
		ldisc_flush_input_locked(t);
	old = t->termios;
	v.c_line = old.c_line;
	t->termios = v;
	ldisc_termios_changed_locked(t, &old);
	spin_unlock(&t->lock);
	if ((old.c_iflag ^ v.c_iflag) & IXON)
		pty_note(t, v.c_iflag & IXON ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP);
	return 0;
}

static long termios_ioctl(struct tty *t, u32 cmd, uaddr_t arg)
{
	switch (cmd) {
	case TCGETS: return get_termios(t, arg, TERMIOS_BYTES);
	case TCGETS2: return get_termios(t, arg, sizeof(struct termios2));
	case TCGETA: return get_termio(t, arg);
	case TCSETS: return set_termios(t, arg, TERMIOS_BYTES, 0);
	case TCSETSW: return set_termios(t, arg, TERMIOS_BYTES, 1);
	case TCSETSF: return set_termios(t, arg, TERMIOS_BYTES, 2);
	case TCSETS2: return set_termios(t, arg, sizeof(struct termios2), 0);
	case TCSETSW2: return set_termios(t, arg, sizeof(struct termios2), 1);
	case TCSETSF2: return set_termios(t, arg, sizeof(struct termios2), 2);
	case TCSETA: return set_termios(t, arg, 0, 0);
	case TCSETAW: return set_termios(t, arg, 0, 1);
	case TCSETAF: return set_termios(t, arg, 0, 2);
	}
	return -ENOIOCTLCMD;
}

/* ---- queues and flow ---- */

static void flush_output(struct tty *t)
{
	spin_lock(&t->lock);
	t->echo_head = t->echo_tail = 0;
	pty_forget_output(t);
	spin_unlock(&t->lock);
	wake_all(&t->write_wait);
}

static long flush_queues(struct tty *t, u64 which)
{
	int err = tty_check_change(t);
	if (err)
		return err;
	if (which > TCIOFLUSH)
		return -EINVAL;
	if (which != TCOFLUSH) {
		if (t->flip) {
			unsigned long flags = spin_lock_irq(&t->flip_lock);
			t->flip_tail = t->flip_head;
			spin_unlock_irq(&t->flip_lock, flags);
		}
		spin_lock(&t->lock);
		ldisc_flush_input_locked(t);
		spin_unlock(&t->lock);
		if (t->pty)
			pty_slave_read(t);
	}
	if (which != TCIFLUSH)
		flush_output(t);
	return 0;
}

static long control_flow(struct tty *t, u64 what)
{
	int err = tty_check_change(t);
	if (err)
		return err;
	if (what > TCION)
		return -EINVAL;
	spin_lock(&t->lock);
	if (what == TCOOFF)
		tty_stop_output_locked(t);
	else if (what == TCOON)
		tty_start_output_locked(t);
	else if (t->termios.c_cc[what == TCIOFF ? VSTOP : VSTART])
		t->driver->write(t, &t->termios.c_cc[what == TCIOFF ? VSTOP : VSTART], 1);
	spin_unlock(&t->lock);
	return 0;
}

/* A break has no meaning on these lines; what is left is to wait for the output. */
static long send_break(struct tty *t)
{
	int err = tty_check_change(t);
	return err ? err : tty_drain(t);
}

static long simulate_input(struct tty *t, uaddr_t arg)
{
	u8 c;
	if (current->process->tty != t && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(c, arg))
		return -EFAULT;
	ldisc_receive(t, &c, 1);
	return 0;
}

static long count_input(struct tty *t, uaddr_t arg)
{
	spin_lock(&t->lock);
	s32 n = (s32)input_available_locked(t);
	spin_unlock(&t->lock);
	return put_user(n, arg);
}

/* ---- window ---- */

int tty_resize(struct tty *t, const struct winsize *w)
{
	spin_lock(&t->lock);
	bool changed = memcmp(w, &t->winsize, sizeof(*w)) != 0;
	t->winsize = *w;
	spin_unlock(&t->lock);
	if (changed)
		tty_signal_foreground(t, SIGWINCH);
	return 0;
}

static long window_ioctl(struct tty *t, u32 cmd, uaddr_t arg)
{
	struct winsize w;
	if (cmd == TIOCSWINSZ)
		return copy_from_user(&w, arg, sizeof(w)) ? -EFAULT : tty_resize(t, &w);
	spin_lock(&t->lock);
	w = t->winsize;
	spin_unlock(&t->lock);
	return copy_to_user(arg, &w, sizeof(w)) ? -EFAULT : 0;
}

/* ---- all ---- */

static long set_exclusive(struct tty *t, bool on)
{
	spin_lock(&t->lock);
	t->is_exclusive = on;
	spin_unlock(&t->lock);
	return 0;
}

static long soft_carrier(struct tty *t, u32 cmd, uaddr_t arg)
{
	s32 on;
	spin_lock(&t->lock);
	on = (t->termios.c_cflag & CLOCAL) != 0;
	spin_unlock(&t->lock);
	if (cmd == TIOCGSOFTCAR)
		return put_user(on, arg);
	if (get_user(on, arg))
		return -EFAULT;
	spin_lock(&t->lock);
	t->termios.c_cflag = (t->termios.c_cflag & ~(u32)CLOCAL) | (on ? CLOCAL : 0);
	spin_unlock(&t->lock);
	return 0;
}

static long set_discipline(uaddr_t arg)
{
	s32 n;
	if (get_user(n, arg))
		return -EFAULT;
	return n == N_TTY ? 0 : -EINVAL;
}

long tty_common_ioctl(struct tty *t, bool is_master, u32 cmd, u64 arg)
{
	s32 zero = 0;
	switch (cmd) {
	case TIOCGWINSZ:
	case TIOCSWINSZ: return window_ioctl(t, cmd, arg);
	case TIOCGPGRP: return tty_get_foreground(t, is_master, arg);
	case TIOCSPGRP: return tty_set_foreground(t, is_master, arg);
	case TIOCGSID: return tty_get_session(t, is_master, arg);
	case TIOCEXCL: return set_exclusive(t, true);
	case TIOCNXCL: return set_exclusive(t, false);
	case TIOCGEXCL: zero = t->is_exclusive; return put_user(zero, arg);
	case TIOCGETD: return put_user(zero, arg);
	case TIOCSETD: return set_discipline(arg);
	case TIOCGSOFTCAR:
	case TIOCSSOFTCAR: return soft_carrier(t, cmd, arg);
	case TCSBRK:
	case TCSBRKP: return send_break(t);
	}
	return termios_ioctl(t, cmd, arg);
}

static long get_device(struct tty *t, uaddr_t arg)
{
	u32 dev = (u32)dev_make(t->dev.major, t->dev.minor);
	return put_user(dev, arg);
}

static long hang_up_all(struct tty *t)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	tty_hangup(t);
	return 0;
}

long tty_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	s32 zero = 0;
	if (tty_file_is_dead(tf))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	switch (cmd) {
	case TIOCSCTTY: return tty_set_controlling(t, f, arg == 1);
	case TIOCNOTTY: return tty_give_up(t);
	case TCFLSH: return flush_queues(t, arg);
	case TCXONC: return control_flow(t, arg);
	case TIOCSTI: return simulate_input(t, arg);
	case FIONREAD: return count_input(t, arg);
	case TIOCOUTQ: zero = t->driver->pending ? (s32)t->driver->pending(t) : 0; return put_user(zero, arg);
	case TIOCGDEV: return get_device(t, arg);
	case TIOCVHANGUP: return hang_up_all(t);
	case TIOCSBRK:
	case TIOCCBRK: return 0;
	}
	long err = tty_common_ioctl(t, false, cmd, arg);
	return err == -ENOIOCTLCMD ? -ENOTTY : err;
}

/* SPDX-License-Identifier: MIT */
/*
 * Terminals: life cycle, opening and closing, polling, and the terminal thread.
 *
 * Bytes arrive in interrupt handlers, but signals and editing need locks that those must not take. So
 * tty_receive() only fills the flip ring and marks an event; one kernel thread runs the line discipline
 * for all lines and makes those that drivers find in interrupts. (A pty's master is a task already and feeds its slave directly.)
 *
 * A hang-up counts tty->generation up: files that were opened before read end of file and write EIO,
 * new opens get a fresh terminal. Lines exist for ever; a pty ends with its last reference.
 */
#include "internal.h"
#include <asm/ioctls.h>

#define MAX_LINES 16

static struct tty *lines[MAX_LINES]; /* filled in order, never emptied */
static unsigned nr_lines;
static struct host_waitq event_wait;
static u32 thread_state; /* 1: the thread runs and events may be handed to it */
static const struct file_ops *line_ops = &tty_file_ops;

void tty_reset_termios(struct tty *t)
{
	static const u8 cc[NCCS] = {
		[VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1, [VSTART] = 17, [VSTOP] = 19,
		[VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22,
	};
	t->termios = (struct termios2){
		.c_iflag = ICRNL | IXON,
		.c_oflag = OPOST | ONLCR,
		.c_cflag = CS8 | CREAD | (t->pty ? B38400 : B115200 | HUPCL | CLOCAL),
		.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.c_ispeed = t->pty ? 38400 : 115200,
		.c_ospeed = t->pty ? 38400 : 115200,
	};
	memcpy(t->termios.c_cc, cc, sizeof(cc));
}

struct tty *tty_new(const struct tty_driver *d, u32 index, void *priv)
{
	struct tty *t = kzalloc(sizeof(*t), ALLOC_KERNEL);
	if (!t)
		return NULL;
	t->refs = 1;
	t->driver = d;
	t->index = index;
	t->priv = priv;
	snprintf(t->name, sizeof(t->name), "%s%u", d->name, index);
	spin_lock_init(&t->lock, RANK_TTY);
	spin_lock_init(&t->flip_lock, RANK_DEVICE);
	host_waitq_init(&t->read_wait);
	host_waitq_init(&t->write_wait);
	tty_reset_termios(t);
	return t;
}

void tty_put(struct tty *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (t->pty)
		pty_free(t->pty);
	kfree(t->flip);
	kfree(t);
}

void *tty_priv(struct tty *t) { return t->priv; }

/* ---- lines ---- */

static int line_open(struct inode *i, struct file *f)
{
	for (unsigned n = 0; n < nr_lines; n++)
		if (lines[n]->dev.major == dev_major(i->rdev) && lines[n]->dev.minor == dev_minor(i->rdev))
			return tty_open_file(lines[n], f, false, true);
	return -ENXIO;
}

struct tty *tty_register(const struct tty_driver *d, u32 index, void *priv)
{
	struct tty *t = nr_lines < MAX_LINES ? tty_new(d, index, priv) : NULL;
	if (!t)
		return NULL;
	t->flip = kmalloc(TTY_FLIP_SIZE, ALLOC_KERNEL);
	t->dev = (struct chrdev){ .major = d->major, .minor = d->minor + index, .nr_minors = 1, .name = t->name, .fops = line_ops, .open = line_open };
	lines[nr_lines] = t;
	if (!t->flip || chrdev_register(&t->dev)) {
		tty_put(t);
		return NULL;
	}
	__atomic_store_n(&nr_lines, nr_lines + 1, __ATOMIC_RELEASE);
	return t;
}

struct tty *tty_find_line(const char *name)
{
	unsigned nr = __atomic_load_n(&nr_lines, __ATOMIC_ACQUIRE);
	for (unsigned n = 0; n < nr; n++)
		if (!strcmp(lines[n]->name, name))
			return lines[n];
	return NULL;
}

static struct spinlock later_lock = SPINLOCK_INIT(RANK_DEVICE); /* irq */
static struct list_head later = LIST_HEAD_INIT(later);          /* (later_lock) */
struct host_waitq tty_line_wait = { .lock = { .rank = RANK_WAITQ }, .waiters = LIST_HEAD_INIT(tty_line_wait.waiters) };

void tty_register_later(struct tty_registration *r)
{
	unsigned long flags = spin_lock_irq(&later_lock);
	list_add_tail(&r->link, &later);
	spin_unlock_irq(&later_lock, flags);
	wake_all(&event_wait);
}

static struct tty_registration *take_later(void)
{
	struct tty_registration *r = NULL;
	unsigned long flags = spin_lock_irq(&later_lock);
	if (!list_is_empty(&later)) {
		r = list_first_entry(&later, struct tty_registration, link);
		list_del(&r->link);
	}
	spin_unlock_irq(&later_lock, flags);
	return r;
}

static void register_waiting(void)
{
	struct tty_registration *r;
	while ((r = take_later()) != NULL) {
		r->done(r->priv, tty_register(r->driver, r->index, r->priv));
		wake_all(&tty_line_wait);
	}
}

/* ---- open files ---- */

int tty_open_file(struct tty *t, struct file *f, bool is_console, bool may_control)
{
	struct tty_file *tf = kmalloc(sizeof(*tf), ALLOC_KERNEL);
	if (!tf)
		return -ENOMEM;
	spin_lock(&t->lock);
	bool busy = t->is_exclusive && !fs_capable(CAP_SYS_ADMIN);
	bool first = !busy && t->nr_open++ == 0;
	tf->generation = t->generation;
	spin_unlock(&t->lock);
	if (busy) {
		kfree(tf);
		return -EBUSY;
	}
	tty_get(t);
	tf->tty = t;
	tf->is_console = is_console;
	f->priv = tf;
	f->ops = &tty_file_ops;
	if (first && t->pty)
		pty_slave_count(t, true);
	if (may_control && !(f->flags & O_NOCTTY))
		tty_take_on_open(t, f);
	return 0;
}

static void tty_release(struct file *f)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	spin_lock(&t->lock);
	bool last = --t->nr_open == 0;
	if (last) {
		t->is_exclusive = false;
		if (t->is_stopped)
			tty_start_output_locked(t);
	}
	spin_unlock(&t->lock);
	if (last && t->pty)
		pty_slave_count(t, false);
	kfree(tf);
	tty_put(t);
}

static u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	u32 bits = 0;
	poll_add(pt, &t->read_wait);
	poll_add(pt, &t->write_wait);
	if (tty_file_is_dead(tf))
		return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
	spin_lock(&t->lock);
	if (input_is_ready_locked(t, true))
		bits |= POLLIN | POLLRDNORM;
	if (!t->is_stopped && t->driver->write_room(t) > 0)
		bits |= POLLOUT | POLLWRNORM;
	spin_unlock(&t->lock);
	if (pty_is_master_gone(t))
		bits |= POLLHUP;
	return bits;
}

const struct file_ops tty_file_ops = {
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.release = tty_release,
	.name = "tty",
};

/* ---- the terminal thread ---- */

void tty_post(struct tty *t, u32 events)
{
	__atomic_fetch_or(&t->events, events, __ATOMIC_RELEASE);
	if (READ_ONCE(thread_state))
		wake_all(&event_wait);
}

static bool has_events(void)
{
	if (!list_is_empty(&later))
		return true;
	for (unsigned n = 0; n < READ_ONCE(nr_lines); n++)
		if (READ_ONCE(lines[n]->events))
			return true;
	return false;
}

/* Gives the line discipline what has come in; the rest stays when its buffer is full. */
static void feed(struct tty *t)
{
	for (;;) {
		u8 chunk[256];
		size_t n = 0;
		unsigned long flags = spin_lock_irq(&t->flip_lock);
		u32 from = t->flip_tail;
		while (n < sizeof(chunk) && from + n != t->flip_head) {
			chunk[n] = t->flip[(from + n) % TTY_FLIP_SIZE];
			n++;
		}
		spin_unlock_irq(&t->flip_lock, flags);
		size_t taken = n ? ldisc_receive(t, chunk, n) : 0;
		flags = spin_lock_irq(&t->flip_lock);
		t->flip_tail += (u32)taken;
		bool tell = taken && t->flip_refused;
		if (tell)
			t->flip_refused = false;
		spin_unlock_irq(&t->flip_lock, flags);
		if (tell && t->driver->room)
			t->driver->room(t);
		if (taken < sizeof(chunk))
			return;
	}
}

static void handle(struct tty *t, u32 events)
{
	if (events & TTY_EVENT_OUTPUT) {
		spin_lock(&t->lock);
		echo_flush_locked(t);
		spin_unlock(&t->lock);
		wake_all(&t->write_wait);
	}
	if (events & TTY_EVENT_INPUT)
		feed(t);
	if (events & TTY_EVENT_WINSIZE) {
		unsigned long flags = spin_lock_irq(&t->flip_lock);
		struct winsize w = t->new_winsize;
		spin_unlock_irq(&t->flip_lock, flags);
		tty_resize(t, &w);
	}
}

static void terminal_thread(void *arg)
{
	WRITE_ONCE(thread_state, 1);
	for (;;) {
		(void)wait_event_interruptible(&event_wait, has_events());
		register_waiting();
		for (unsigned n = 0; n < READ_ONCE(nr_lines); n++) {
			u32 events = __atomic_exchange_n(&lines[n]->events, 0, __ATOMIC_ACQUIRE);
			if (events)
				handle(lines[n], events);
		}
	}
}

/* ---- what drivers call ---- */

size_t tty_receive(struct tty *t, const void *buf, size_t len)
{
	const u8 *p = buf;
	size_t done = 0;
	unsigned long flags = spin_lock_irq(&t->flip_lock);
	while (done < len && t->flip_head - t->flip_tail < TTY_FLIP_SIZE)
		t->flip[t->flip_head++ % TTY_FLIP_SIZE] = p[done++];
	if (done < len)
		t->flip_refused = true;
	spin_unlock_irq(&t->flip_lock, flags);
	tty_post(t, TTY_EVENT_INPUT);
	return done;
}

void tty_wake_writers(struct tty *t) { tty_post(t, TTY_EVENT_OUTPUT); }

void tty_set_winsize(struct tty *t, u16 rows, u16 cols)
{
	unsigned long flags = spin_lock_irq(&t->flip_lock);
	t->new_winsize = (struct winsize){ .ws_row = rows, .ws_col = cols };
	spin_unlock_irq(&t->flip_lock, flags);
	tty_post(t, TTY_EVENT_WINSIZE);
}

void tty_init(void)
{
	host_waitq_init(&event_wait);
	console_init();
	pty_init();
	devpts_init();
	if (!kthread_create(terminal_thread, NULL, "kttyd"))
		hal_log(LOG_ERR, "tty: no memory for the terminal thread");
}

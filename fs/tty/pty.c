/* SPDX-License-Identifier: MIT */
/*
 * Pseudo terminals. The slave is a terminal like any other, whose driver is the ring `out`: what the
 * slave writes, the master reads. What the master writes goes through the slave's line discipline at
 * once, in the writer's context.
 *
 * Life: /dev/ptmx makes master and slave (locked until TIOCSPTLCK) and the name in devpts. Closing the
 * master removes the name and hangs the slave up; the pair is freed with the slave's last reference.
 * Closing the last slave shows the master EIO and POLLHUP until one is opened again.
 *
 * Locking: `ring_lock` (RANK_DEVICE) for the ring, inside tty->lock; the table under table_lock.
 */
#include "internal.h"
#include <asm/ioctls.h>

#define MAX_PTYS  256u
#define RING_SIZE 8192u /* power of two */

struct pty {
	struct tty *slave;       /* the pair shares its references */
	u32 index;
	struct spinlock ring_lock; /* RANK_DEVICE, irq */
	u8 *ring;                /* (ring_lock) RING_SIZE bytes from slave to master */
	u32 head, tail;          /* (ring_lock) */
	bool is_locked;          /* slave cannot be opened */
	bool is_master_closed;
	bool was_slave_closed;   /* the last slave has gone */
	bool is_packet;          /* TIOCPKT */
	u8 packet_bits;          /* atomic TIOCPKT_* not yet reported */
	struct inode *inode;     /* the slave's name in devpts; with a reference */
	struct host_waitq master_wait; /* master's readers and pollers; writers wait for slave input room too */
};

static struct pty *table[MAX_PTYS]; /* (table_lock) index in use until the pair is freed */
static struct spinlock table_lock = SPINLOCK_INIT(RANK_DEVICE);

/* ---- the slave's driver ---- */

static size_t ring_room(struct tty *t)
{
	struct pty *p = t->pty;
	return READ_ONCE(p->is_master_closed) ? 0 : RING_SIZE - (READ_ONCE(p->head) - READ_ONCE(p->tail));
}

static size_t ring_put(struct tty *t, const u8 *buf, size_t len)
{
	struct pty *p = t->pty;
	size_t n = 0;
	unsigned long flags = spin_lock_irq(&p->ring_lock);
	while (n < len && p->head - p->tail < RING_SIZE)
		p->ring[p->head++ % RING_SIZE] = buf[n++];
	spin_unlock_irq(&p->ring_lock, flags);
	if (n)
		wake_all(&p->master_wait);
	return n;
}

static const struct tty_driver slave_driver = { .name = "pts/", .major = 136, .minor = 0, .write = ring_put, .write_room = ring_room };

bool pty_is_master_gone(struct tty *t) { return t->pty && READ_ONCE(t->pty->is_master_closed); }

void pty_note(struct tty *t, u8 bits)
{
	struct pty *p = t->pty;
	if (!p || !p->is_packet)
		return;
	u8 opposite = bits == TIOCPKT_STOP ? TIOCPKT_START : bits == TIOCPKT_START ? TIOCPKT_STOP : bits == TIOCPKT_DOSTOP ? TIOCPKT_NOSTOP : bits == TIOCPKT_NOSTOP ? TIOCPKT_DOSTOP : 0;
	__atomic_fetch_and(&p->packet_bits, (u8)~opposite, __ATOMIC_RELAXED);
	__atomic_fetch_or(&p->packet_bits, bits, __ATOMIC_RELAXED);
	wake_all(&p->master_wait);
}

void pty_forget_output(struct tty *t)
{
	struct pty *p = t->pty;
	if (!p)
		return;
	unsigned long flags = spin_lock_irq(&p->ring_lock);
	p->tail = p->head;
	spin_unlock_irq(&p->ring_lock, flags);
	pty_note(t, TIOCPKT_FLUSHWRITE);
}

void pty_slave_read(struct tty *t) { wake_all(&t->pty->master_wait); }

void pty_slave_count(struct tty *t, bool opened)
{
	WRITE_ONCE(t->pty->was_slave_closed, !opened);
	wake_all(&t->pty->master_wait);
}

/* ---- pairs ---- */

static struct pty *pty_new(void)
{
	struct pty *p = kzalloc(sizeof(*p), ALLOC_KERNEL);
	if (!p)
		return NULL;
	p->ring = kmalloc(RING_SIZE, ALLOC_KERNEL);
	spin_lock_init(&p->ring_lock, RANK_DEVICE);
	host_waitq_init(&p->master_wait);
	p->is_locked = true;
	p->index = ~0u;
	unsigned long flags = spin_lock_irq(&table_lock);
	for (u32 i = 0; i < MAX_PTYS && p->index == ~0u && p->ring; i++)
		if (!table[i]) {
			table[i] = p;
			p->index = i;
		}
	spin_unlock_irq(&table_lock, flags);
	if (p->index == ~0u) {
		kfree(p->ring);
		kfree(p);
		return NULL;
	}
	p->slave = tty_new(&slave_driver, p->index, p);
	if (!p->slave) {
		pty_free(p);
		return NULL;
	}
	p->slave->pty = p;
	p->slave->dev.major = 136;
	p->slave->dev.minor = p->index;
	tty_reset_termios(p->slave);
	return p;
}

void pty_free(struct pty *p)
{
	unsigned long flags = spin_lock_irq(&table_lock);
	table[p->index] = NULL;
	spin_unlock_irq(&table_lock, flags);
	kfree(p->ring);
	kfree(p);
}

/* The inode of a name in devpts: the pty's while its master is open. */
struct inode *pty_inode(u32 index)
{
	struct inode *i = NULL;
	unsigned long flags = spin_lock_irq(&table_lock);
	if (index < MAX_PTYS && table[index] && table[index]->inode) {
		i = table[index]->inode;
		inode_get(i);
	}
	spin_unlock_irq(&table_lock, flags);
	return i;
}

s32 pty_next_index(s32 from)
{
	s32 found = -1;
	unsigned long flags = spin_lock_irq(&table_lock);
	for (u32 i = (u32)from; i < MAX_PTYS && found < 0; i++)
		if (table[i] && table[i]->inode)
			found = (s32)i;
	spin_unlock_irq(&table_lock, flags);
	return found;
}

int pty_open_slave(struct inode *i, struct file *f)
{
	u32 index = dev_minor(i->rdev);
	struct tty *t = NULL;
	unsigned long flags = spin_lock_irq(&table_lock);
	struct pty *p = index < MAX_PTYS ? table[index] : NULL;
	if (p && p->slave && !p->is_master_closed && !p->is_locked) {
		t = p->slave;
		tty_get(t);
	}
	spin_unlock_irq(&table_lock, flags);
	if (!t)
		return -EIO;
	int err = tty_open_file(t, f, false, true);
	tty_put(t);
	return err;
}

/* ---- the master ---- */

static size_t ring_take(struct pty *p, u8 *buf, size_t len)
{
	size_t n = 0;
	unsigned long flags = spin_lock_irq(&p->ring_lock);
	while (n < len && p->tail != p->head)
		buf[n++] = p->ring[p->tail++ % RING_SIZE];
	spin_unlock_irq(&p->ring_lock, flags);
	return n;
}

static bool master_has_data(struct pty *p)
{
	return READ_ONCE(p->head) != READ_ONCE(p->tail) || (p->is_packet && READ_ONCE(p->packet_bits));
}

static long master_wait_data(struct pty *p, struct file *f)
{
	for (;;) {
		if (master_has_data(p))
			return 0;
		if (READ_ONCE(p->was_slave_closed))
			return -EIO;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int err = wait_event_interruptible(&p->master_wait, master_has_data(p) || READ_ONCE(p->was_slave_closed));
		if (err)
			return err;
	}
}

/* The slave's writers have room again. */
static void master_made_room(struct pty *p)
{
	struct tty *t = p->slave;
	spin_lock(&t->lock);
	echo_flush_locked(t);
	spin_unlock(&t->lock);
	wake_all(&t->write_wait);
}

static long master_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct pty *p = f->priv;
	long done = 0, err = iov->left ? master_wait_data(p, f) : 0;
	if (err || !iov->left)
		return err;
	if (p->is_packet) {
		u8 bits = __atomic_exchange_n(&p->packet_bits, 0, __ATOMIC_RELAXED);
		if (iov_copy_to(iov, &bits, 1) != 1)
			return -EFAULT;
		done = 1;
		if (bits)
			return done;
	}
	while (iov->left) {
		u8 chunk[512];
		size_t n = ring_take(p, chunk, min(sizeof(chunk), (size_t)iov->left));
		if (!n)
			break;
		if (iov_copy_to(iov, chunk, n) != n) {
			done = done ? done : -EFAULT;
			break;
		}
		done += (long)n;
	}
	master_made_room(p);
	return done;
}

static bool slave_has_room(struct tty *t)
{
	return t->head - t->tail < TTY_IN_SIZE - 1 || (HAS_L(t, ICANON) && t->canon == t->tail) || t->pty->was_slave_closed;
}

static long master_put(struct pty *p, struct file *f, const u8 *buf, size_t len)
{
	struct tty *t = p->slave;
	size_t done = 0;
	while (done < len) {
		size_t n = ldisc_receive(t, buf + done, len - done);
		done += n;
		if (n)
			continue;
		if (READ_ONCE(p->was_slave_closed)) { /* nobody will ever read it */
			done = len;
			break;
		}
		if (f->flags & O_NONBLOCK)
			return done ? (long)done : -EAGAIN;
		int err = wait_event_interruptible(&p->master_wait, slave_has_room(t));
		if (err)
			return done ? (long)done : err;
	}
	return (long)done;
}

static long master_write(struct file *f, struct iov *iov, u64 *pos)
{
	struct pty *p = f->priv;
	long done = 0;
	while (iov->left) {
		u8 chunk[512];
		size_t got = iov_copy_from(iov, chunk, min(sizeof(chunk), (size_t)iov->left));
		if (!got)
			return done ? done : -EFAULT;
		long n = master_put(p, f, chunk, got);
		if (n < 0)
			return done ? done : n;
		done += n;
		if (n < (long)got)
			break;
	}
	return done;
}

static u32 master_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->priv;
	u32 bits = 0;
	poll_add(pt, &p->master_wait);
	if (master_has_data(p))
		bits |= POLLIN | POLLRDNORM;
	if (p->is_packet && READ_ONCE(p->packet_bits))
		bits |= POLLPRI;
	if (READ_ONCE(p->was_slave_closed))
		bits |= POLLHUP;
	if (slave_has_room(p->slave))
		bits |= POLLOUT | POLLWRNORM;
	return bits;
}

static long master_open_peer(struct pty *p, u32 flags)
{
	struct file *f = devpts_open_slave(p->index, flags);
	return IS_ERR(f) ? PTR_ERR(f) : fd_install(f, 0, flags & O_CLOEXEC);
}

static long send_signal(struct pty *p, u64 sig)
{
	if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
		return -EINVAL;
	tty_signal_foreground(p->slave, (int)sig);
	return 0;
}

static long master_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct pty *p = f->priv;
	s32 v;
	switch (cmd) {
	case TIOCGPTN: return put_user(p->index, arg);
	case TIOCGPTLCK: v = p->is_locked; return put_user(v, arg);
	case TIOCGPKT: v = p->is_packet; return put_user(v, arg);
	case TIOCSPTLCK:
	case TIOCPKT:
		if (get_user(v, arg))
			return -EFAULT;
		if (cmd == TIOCSPTLCK)
			p->is_locked = v != 0;
		else if (p->is_packet != (v != 0)) {
			p->packet_bits = 0;
			p->is_packet = v != 0;
		}
		return 0;
	case TIOCGPTPEER: return master_open_peer(p, (u32)arg);
	case TIOCSIG: return send_signal(p, arg);
	case FIONREAD:
		v = (s32)(p->head - p->tail);
		return put_user(v, arg);
	case TIOCOUTQ: v = 0; return put_user(v, arg);
	case TCFLSH:
		if (arg > TCIOFLUSH)
			return -EINVAL;
		if (arg != TCOFLUSH)
			pty_forget_output(p->slave);
		master_made_room(p);
		return 0;
	case TIOCSCTTY:
	case TIOCNOTTY: return -ENOTTY;
	}
	long err = tty_common_ioctl(p->slave, true, cmd, arg);
	return err == -ENOIOCTLCMD ? -ENOTTY : err;
}

static void master_release(struct file *f)
{
	struct pty *p = f->priv;
	unsigned long flags = spin_lock_irq(&table_lock);
	WRITE_ONCE(p->is_master_closed, true);
	struct inode *i = p->inode;
	p->inode = NULL;
	spin_unlock_irq(&table_lock, flags);
	if (i) {
		i->nlink = 0;
		inode_put(i);
	}
	tty_hangup(p->slave);
	tty_put(p->slave);
}

static const struct file_ops master_ops = {
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = master_ioctl,
	.release = master_release,
	.name = "ptmx",
};

int ptmx_open(struct inode *i, struct file *f)
{
	struct pty *p = pty_new();
	if (!p)
		return -ENOSPC;
	struct inode *name = devpts_add(p->index);
	if (!name) {
		tty_put(p->slave);
		return -ENOMEM;
	}
	unsigned long flags = spin_lock_irq(&table_lock);
	p->inode = name;
	spin_unlock_irq(&table_lock, flags);
	f->priv = p;
	f->ops = &master_ops;
	return 0;
}

static struct chrdev ptmx_dev = { .major = 5, .minor = 2, .nr_minors = 1, .name = "ptmx", .fops = &master_ops, .open = ptmx_open, .mode = 0666 };
static struct chrdev slave_dev = { .major = 136, .minor = 0, .nr_minors = MAX_PTYS, .name = "pts", .fops = &tty_file_ops, .open = pty_open_slave };

void pty_init(void)
{
	chrdev_register(&ptmx_dev);
	chrdev_register(&slave_dev);
}

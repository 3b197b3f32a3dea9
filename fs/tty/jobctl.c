/* SPDX-License-Identifier: MIT */
/*
 * Job control: which session a terminal belongs to, which group is in the foreground, and who gets a
 * signal for touching it.
 *
 * tty->session and process->tty name each other: p->tty == t implies p->sid == t->session. Both change
 * under tasklist_lock; p->tty carries no reference, so a terminal clears it in every process of its
 * session before it goes (tty_hangup at the latest when a pty's master closes).
 */
#include "internal.h"

/* Reads the lock-free copy: only a hint until tasklist_lock is taken. */
static bool is_background(struct tty *t)
{
	struct process *p = current->process;
	return READ_ONCE(p->tty) == t && READ_ONCE(t->foreground) && READ_ONCE(t->foreground) != p->pgid;
}

struct tty *tty_of_current(void)
{
	spin_lock(&tasklist_lock);
	struct tty *t = current->process->tty;
	if (t)
		tty_get(t);
	spin_unlock(&tasklist_lock);
	return t;
}

void tty_of_process(struct process *p, u32 *rdev, s32 *foreground)
{
	*rdev = 0;
	*foreground = -1;
	spin_lock(&tasklist_lock);
	struct tty *t = p->tty;
	if (t) {
		*rdev = (u32)dev_make(t->dev.major, t->dev.minor);
		*foreground = t->foreground ? (s32)t->foreground : -1;
	}
	spin_unlock(&tasklist_lock);
}

static int stop_group(int sig)
{
	struct process *p = current->process;
	spin_lock(&tasklist_lock);
	u32 pgid = p->pgid;
	bool orphaned = pgrp_is_orphaned_locked(pgid, NULL);
	spin_unlock(&tasklist_lock);
	if (orphaned)
		return -EIO;
	signal_send_pgrp(pgid, sig, NULL);
	return -ERESTARTSYS;
}

int tty_check_read(struct tty *t)
{
	if (likely(!is_background(t)))
		return 0;
	if (signal_is_blocked_or_ignored(SIGTTIN))
		return -EIO;
	return stop_group(SIGTTIN);
}

int tty_check_change(struct tty *t)
{
	if (likely(!is_background(t)) || signal_is_blocked_or_ignored(SIGTTOU))
		return 0;
	return stop_group(SIGTTOU);
}

void tty_signal_foreground(struct tty *t, int sig)
{
	u32 pgid = READ_ONCE(t->foreground);
	if (pgid)
		signal_send_pgrp(pgid, sig, NULL);
}

/* ---- getting and losing ---- */

static void take_locked(struct tty *t)
{
	struct process *p = current->process;
	t->session = p->sid;
	t->foreground = p->pgid;
	p->tty = t;
}

void tty_take_on_open(struct tty *t, const struct file *f)
{
	struct process *p = current->process;
	if (!p->is_session_leader || p->tty || (f->flags & O_ACCMODE) == O_WRONLY)
		return;
	spin_lock(&tasklist_lock);
	if (!p->tty && !t->session)
		take_locked(t);
	spin_unlock(&tasklist_lock);
}

/* No process of the session has the terminal any more. */
static void clear_session_locked(struct tty *t)
{
	struct list_head *members = t->session ? session_members_locked(t->session) : NULL;
	struct process *p;
	if (members)
		list_for_each_entry(p, members, session_link)
			if (p->tty == t)
				p->tty = NULL;
	t->session = t->foreground = 0;
}

long tty_set_controlling(struct tty *t, const struct file *f, bool steal)
{
	struct process *p = current->process;
	long err = -EPERM;
	spin_lock(&tasklist_lock);
	if (p->is_session_leader && p->sid == t->session && p->tty == t) {
		err = 0;
	} else if (p->is_session_leader && !p->tty) {
		bool taken = t->session != 0;
		if (taken && steal && capable(CAP_SYS_ADMIN)) {
			clear_session_locked(t);
			taken = false;
		}
		if (!taken && (FMODE_CAN_READ(f) || capable(CAP_SYS_ADMIN))) {
			take_locked(t);
			err = 0;
		}
	}
	spin_unlock(&tasklist_lock);
	return err;
}

/* TIOCNOTTY: a leader takes the terminal from its whole session. */
long tty_give_up(struct tty *t)
{
	struct process *p = current->process;
	u32 pgid = 0;
	spin_lock(&tasklist_lock);
	if (p->tty != t) {
		spin_unlock(&tasklist_lock);
		return -ENOTTY;
	}
	if (p->is_session_leader) {
		pgid = t->foreground;
		clear_session_locked(t);
	}
	p->tty = NULL;
	spin_unlock(&tasklist_lock);
	if (pgid) {
		signal_send_pgrp(pgid, SIGHUP, NULL);
		signal_send_pgrp(pgid, SIGCONT, NULL);
	}
	return 0;
}

static void hang_up(struct tty *t, bool session_ends)
{
	struct process *leader = NULL;
	spin_lock(&tasklist_lock);
	u32 pgid = t->foreground;
	if (t->session)
		leader = process_find_locked(t->session);
	if (leader)
		process_get(leader);
	clear_session_locked(t);
	spin_unlock(&tasklist_lock);
	spin_lock(&t->lock);
	t->generation++;
	ldisc_flush_input_locked(t);
	t->echo_head = t->echo_tail = 0;
	t->is_stopped = false;
	tty_reset_termios(t);
	spin_unlock(&t->lock);
	wake_all(&t->read_wait);
	wake_all(&t->write_wait);
	if (leader) {
		if (!session_ends) {
			signal_send_process(leader, SIGHUP, NULL);
			signal_send_process(leader, SIGCONT, NULL);
		}
		process_put(leader);
	}
	if (pgid && session_ends) {
		signal_send_pgrp(pgid, SIGHUP, NULL);
		signal_send_pgrp(pgid, SIGCONT, NULL);
	}
}

void tty_hangup(struct tty *t) { hang_up(t, false); }

/* A line is hung up; a pty goes on for whoever still has it open, only its foreground learns. */
void tty_session_exit(struct process *p)
{
	u32 pgid = 0;
	spin_lock(&tasklist_lock);
	struct tty *t = p->tty;
	if (t)
		tty_get(t);
	if (t && t->pty) {
		pgid = t->foreground;
		clear_session_locked(t);
	}
	spin_unlock(&tasklist_lock);
	if (!t)
		return;
	if (!t->pty)
		hang_up(t, true);
	else if (pgid)
		signal_send_pgrp(pgid, SIGHUP, NULL);
	tty_put(t);
}

/* ---- the ioctls ---- */

static bool is_controlling(struct tty *t, bool is_master) { return is_master || current->process->tty == t; }

long tty_get_foreground(struct tty *t, bool is_master, uaddr_t arg)
{
	if (!is_controlling(t, is_master))
		return -ENOTTY;
	s32 pgid = (s32)READ_ONCE(t->foreground);
	return put_user(pgid, arg);
}

long tty_set_foreground(struct tty *t, bool is_master, uaddr_t arg)
{
	struct process *me = current->process;
	s32 pgid;
	int err = tty_check_change(t);
	if (err == -EIO)
		return -ENOTTY;
	if (err)
		return err;
	if (!is_controlling(t, false) || t->session != me->sid)
		return -ENOTTY;
	if (get_user(pgid, arg))
		return -EFAULT;
	if (pgid < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	struct list_head *members = pgrp_members_locked((u32)pgid);
	if (!members)
		err = -ESRCH;
	else if (list_first_entry(members, struct process, pgrp_link)->sid != me->sid)
		err = -EPERM;
	else
		t->foreground = (u32)pgid;
	spin_unlock(&tasklist_lock);
	return err;
}

long tty_get_session(struct tty *t, bool is_master, uaddr_t arg)
{
	u32 sid = READ_ONCE(t->session);
	if (!is_controlling(t, is_master) || !sid)
		return -ENOTTY;
	return put_user(sid, arg);
}

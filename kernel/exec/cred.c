/* SPDX-License-Identifier: MIT */
/*
 * Who the new program runs as: set-user-ID and set-group-ID files, and the capabilities that follow
 * from the ids (capabilities(7), "Transformation of capabilities during execve()", without file
 * capabilities).
 */
#include "exec.h"
#include <fs/vfs.h>
#include <kernel/cred.h>
#include <kernel/ptrace.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <linux/stat.h>

static void set_ids(struct cred *c, const struct inode *i, bool may_gain)
{
	if (may_gain && (i->mode & S_ISUID))
		c->euid = i->uid;
	if (may_gain && (i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		c->egid = i->gid;
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
}

static void set_caps(struct cred *c, const struct cred *old)
{
	bool gained = c->euid != old->euid || c->egid != old->egid;
	if (gained)
		c->cap_ambient = 0;
	if (c->uid == 0 || c->euid == 0) {
		c->cap_permitted = c->cap_inheritable | c->cap_bounding;
		c->cap_effective = c->euid == 0 ? c->cap_permitted : c->cap_ambient;
	} else {
		c->cap_permitted = c->cap_effective = c->cap_ambient;
	}
}

/* Copies, or the old ones where nothing changes. NULL: no memory. */
static const struct cred *make_cred(const struct cred *old, const struct inode *i, bool may_gain)
{
	struct cred *c = cred_copy(old);
	if (!c)
		return NULL;
	set_ids(c, i, may_gain);
	set_caps(c, old);
	c->securebits &= ~(1u << SECURE_KEEP_CAPS);
	if (memcmp(&c->uid, &old->uid, sizeof(*c) - offsetof(struct cred, uid)))
		return c;
	cred_abort(c);
	return cred_get(old);
}

int exec_prepare_cred(struct exec *e)
{
	const struct cred *old = current->cred;
	const struct inode *i = e->file->inode;
	bool gains = (i->mode & S_ISUID && i->uid != old->euid) ||
	             ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && old->egid != i->gid && !cred_has_group(old, i->gid));
	e->cred = make_cred(old, i, !(gains && current->no_new_privs));
	if (gains && !current->no_new_privs)
		e->unraised = make_cred(old, i, false);
	return e->cred && (e->unraised || !gains || current->no_new_privs) ? 0 : -ENOMEM;
}

/* A tracer without the right to it must not get hold of a program that has more rights than itself. */
static bool is_watched(const struct task *t)
{
	return task_is_traced(t) && !t->trace->has_privilege && !(t->cred->cap_effective >> CAP_SETUID & 1);
}

void exec_choose_cred_locked(struct exec *e)
{
	if (e->unraised && is_watched(current)) {
		const struct cred *raised = e->cred;
		e->cred = e->unraised;
		e->unraised = raised;
	}
	e->is_secure = e->cred->euid != e->cred->uid || e->cred->egid != e->cred->gid;
}

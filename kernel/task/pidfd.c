/* SPDX-License-Identifier: MIT */
/*
 * pidfd: a descriptor for a process. It stays valid when the process is gone (calls then say ESRCH) and
 * becomes readable to poll when the process has ended.
 */
#include "task.h"
#include <fs/file.h>
#include <fs/poll.h>
#include <kernel/pidfd.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <asm/poll.h>

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct process *p = f->priv;
	poll_add(pt, &p->exit_wait);
	return READ_ONCE(p->is_zombie) ? POLLIN | POLLRDNORM : 0;
}

static void pidfd_release(struct file *f) { process_put(f->priv); }

static const struct file_ops pidfd_ops = { .poll = pidfd_poll, .release = pidfd_release, .name = "pidfd" };

int pidfd_install_new(struct process *p, u32 flags)
{
	struct file *f = file_new_anon(&pidfd_ops, "[pidfd]", p, O_RDWR | flags);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	process_get(p); /* the file's, whatever becomes of it */
	return fd_install(f, 0, true);
}

struct process *pidfd_process(struct file *f)
{
	if (f->ops != &pidfd_ops)
		return NULL;
	process_get(f->priv);
	return f->priv;
}

SYSCALL2(pidfd_open, pid, flags)
{
	if ((flags & ~(u64)O_NONBLOCK) || (s32)pid <= 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	struct process *p = process_find_locked((u32)pid);
	bool is_thread = !p && task_find_locked((u32)pid);
	if (p)
		process_get(p);
	spin_unlock(&tasklist_lock);
	if (!p)
		return is_thread ? -EINVAL : -ESRCH;
	int fd = pidfd_install_new(p, (u32)flags);
	process_put(p);
	return fd;
}

SYSCALL3(pidfd_getfd, pidfd, target_fd, flags)
{
	if (flags)
		return -EINVAL;
	struct file *f = fd_get((int)pidfd);
	struct process *p = f ? pidfd_process(f) : NULL;
	if (f)
		file_put(f);
	if (!p)
		return -EBADF;
	spin_lock(&tasklist_lock);
	struct files *files = p->is_zombie ? NULL : p->leader->files;
	if (files)
		files_get(files);
	bool may = p->leader->cred->uid == current->cred->euid || current->cred->euid == 0;
	spin_unlock(&tasklist_lock);
	process_put(p);
	if (!files)
		return -ESRCH;
	struct file *target = may ? files_lookup(files, (int)target_fd) : NULL;
	files_put(files);
	if (!target)
		return may ? -EBADF : -EPERM;
	int fd = fd_install(target, 0, true);
	if (fd < 0)
		file_put(target);
	return fd;
}

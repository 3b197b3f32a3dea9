/* SPDX-License-Identifier: MIT */
/*
 * execve and execveat: from a name and two vectors to the first instruction of a new program.
 *
 * Order: collect argv and envp, open the file (and deny writing to it), resolve scripts to their
 * interpreter, check the ELF headers; then the point of no return (commit.c), map, build the stack.
 * Until that point every error goes back to the caller and nothing has changed; after it an error ends
 * the process with SIGSEGV.
 */
#include "exec.h"
#include <asm/resource.h>
#include <fs/vfs.h>
#include <hal/uaccess.h>
#include <kernel/exec.h>
#include <kernel/ptrace.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/user.h>
#include <lib/format.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <mm/space.h>

#define MAX_SCRIPT_DEPTH 5

static int read_head(struct exec *e)
{
	memset(e->head, 0, sizeof(e->head));
	long n = file_read_at(e->file, e->head, sizeof(e->head), 0);
	return n < 0 ? (int)n : 0;
}

/* Follows scripts to the file that is to be loaded, loads it, builds the stack. */
static int run_handlers(struct exec *e, struct hal_regs *regs)
{
	struct elf_info info = { 0 };
	uaddr_t sp;
	for (unsigned depth = 0;; depth++) {
		if (depth > MAX_SCRIPT_DEPTH)
			return -ELOOP;
		int err = read_head(e);
		if (err)
			return err;
		if (e->head[0] != '#' || e->head[1] != '!')
			break;
		err = exec_script(e);
		if (err)
			return err;
	}
	int err = exec_elf(e, &info);
	if (!err)
		err = exec_stack_build(e, &info, &sp);
	if (!err)
		hal_regs_init_user(regs, info.entry, sp);
	return err;
}

static void release(struct exec *e)
{
	arg_store_free(&e->args);
	kfree(e->prefix);
	if (e->cred)
		cred_put(e->cred);
	if (e->unraised)
		cred_put(e->unraised);
	if (e->space)
		space_put(e->space);
	if (e->file && !IS_ERR(e->file)) {
		if (!e->is_committed)
			vfs_allow_write(e->file);
		file_put(e->file);
	}
}

/* Everything after opening and collecting; e->args holds argv and envp. */
static int run(struct exec *e, struct hal_regs *regs)
{
	int err = arg_store_add_kernel(&e->args, e->filename);
	if (err)
		return err;
	e->space = space_create();
	if (!e->space)
		return -ENOMEM;
	err = run_handlers(e, regs);
	if (err && e->is_committed)
		signal_force_fatal(SIGSEGV);
	return err;
}

static int collect_user(struct exec *e, uaddr_t argv, uaddr_t envp)
{
	int err = arg_store_add_vector(&e->args, argv, &e->argc);
	if (!err && !e->argc) { /* a program may count on argv[0] */
		err = arg_store_add_kernel(&e->args, "");
		e->argc = 1;
	}
	if (!err)
		err = arg_store_add_vector(&e->args, envp, &e->envc);
	return err;
}

/* The name by which a program that was given as a descriptor knows itself. */
static void name_of_descriptor(char *out, int dirfd, const char *name)
{
	if (*name)
		snprintf(out, 4096, "/dev/fd/%d/%s", dirfd, name);
	else
		snprintf(out, 4096, "/dev/fd/%d", dirfd);
}

/* The setuid() before said nothing of it (see ids.c); once there are fewer processes it is forgotten. */
static bool user_has_too_many(void)
{
	struct task *t = current;
	if ((t->flags & TASK_TOO_MANY) && READ_ONCE(t->cred->user->nr_tasks) > t->process->rlimits[RLIMIT_NPROC].cur)
		return true;
	t->flags &= ~TASK_TOO_MANY;
	return false;
}

/* flags: AT_*. What is wrong with them is told after what is wrong with the strings. */
static long execve_common(int dirfd, uaddr_t uname, uaddr_t argv, uaddr_t envp, u32 flags)
{
	u32 lookup = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct exec *e = kzalloc(sizeof(*e), ALLOC_KERNEL);
	char *name = kmalloc(4096, ALLOC_KERNEL), *shown = kmalloc(4096, ALLOC_KERNEL);
	int err = -ENOMEM;
	if (!e || !name || !shown)
		goto out;
	long n = strncpy_from_user(name, uname, 4096);
	err = n < 0 ? (int)n : !n && !(lookup & LOOKUP_EMPTY) ? -ENOENT : 0;
	if (err)
		goto out;
	if (user_has_too_many()) {
		err = -EAGAIN;
		goto out;
	}
	e->filename = name;
	if (dirfd != AT_FDCWD && name[0] != '/') {
		name_of_descriptor(shown, dirfd, name);
		e->filename = shown;
		e->fd_closes = files_is_close_on_exec(current->files, dirfd);
	}
	arg_store_init(&e->args);
	err = collect_user(e, argv, envp);
	if (!err && (flags & ~(u32)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)))
		err = -EINVAL;
	if (!err) {
		e->file = vfs_open_exec(dirfd, name, lookup);
		err = IS_ERR(e->file) ? (int)PTR_ERR(e->file) : 0;
	}
	u32 old_tid = current->tid;
	if (!err)
		err = run(e, syscall_regs());
	bool is_done = !err;
	release(e);
	if (is_done)
		ptrace_exec(old_tid);
out:
	kfree(e);
	kfree(name);
	kfree(shown);
	return err;
}

int exec_kernel(const char *path, const char *const *argv, const char *const *envp)
{
	struct hal_regs regs;
	struct exec *e = kzalloc(sizeof(*e), ALLOC_KERNEL);
	if (!e)
		return -ENOMEM;
	e->filename = path;
	arg_store_init(&e->args);
	e->file = vfs_open_exec(AT_FDCWD, path, LOOKUP_FOLLOW);
	int err = IS_ERR(e->file) ? (int)PTR_ERR(e->file) : 0;
	for (; !err && argv[e->argc]; e->argc++)
		err = arg_store_add_kernel(&e->args, argv[e->argc]);
	for (; !err && envp[e->envc]; e->envc++)
		err = arg_store_add_kernel(&e->args, envp[e->envc]);
	if (!err)
		err = run(e, &regs);
	release(e);
	kfree(e);
	if (err)
		return err;
	current->in_syscall = false;
	hal_enter_user(&regs);
}

SYSCALL3(execve, name, argv, envp) { return execve_common(AT_FDCWD, name, argv, envp, 0); }
SYSCALL5(execveat, dirfd, name, argv, envp, flags) { return execve_common((int)dirfd, name, argv, envp, (u32)flags); }

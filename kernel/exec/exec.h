/* SPDX-License-Identifier: MIT */
/* execve between its files: script, ELF, stack. Private to kernel/exec/. */
#ifndef KERNEL_EXEC_EXEC_H
#define KERNEL_EXEC_EXEC_H

#include <fs/file.h>
#include <hal/types.h>
#include <kernel/errno.h>
#include <kernel/task.h>
#include <linux/elf.h>

#define EXEC_HEAD_SIZE 256
#define MAX_STRING     131072ul /* bytes of one argument, the NUL included */

/* argv and envp strings, one after another, in pages. */
struct arg_store {
	char **pages;
	u64 nr_pages, capacity;
	u64 len;   /* bytes, NULs included */
	u64 limit; /* bytes that strings and their pointers may take */
};

struct exec {
	struct file *file;      /* what is loaded: the program, or a script's interpreter */
	const char *filename;   /* as given: AT_EXECFN, comm */
	bool fd_closes;         /* the name leads through a close-on-exec descriptor: no scripts */
	char head[EXEC_HEAD_SIZE];

	struct arg_store args;  /* argv, then envp */
	u64 argc, envc;         /* strings in args */
	char *prefix;           /* a script's replacement for argv[0]; NULL: none */
	u64 prefix_len, prefix_count;

	const struct cred *cred; /* what the program will run with; a reference */
	const struct cred *unraised; /* the same without what its set-ID bits give; NULL: they give nothing */
	bool is_secure;          /* AT_SECURE */
	bool is_committed;       /* past the point of no return */
	struct space *space;     /* the new one, until it is the task's */
	bool randomize;
	bool exec_stack;
};

/* What the loader found out, for auxv. */
struct elf_info {
	uaddr_t entry, phdr, interp_base, program_entry;
	u64 phnum;
};

/* args.c */
int arg_store_init(struct arg_store *a);
void arg_store_free(struct arg_store *a);
/* Appends the strings of a user vector; *count gets their number. 0, -EFAULT, -E2BIG, -ENOMEM. */
int arg_store_add_vector(struct arg_store *a, uaddr_t vector, u64 *count);
int arg_store_add_kernel(struct arg_store *a, const char *s);
/* Length of the string at offset, without NUL. */
u64 arg_store_strlen(const struct arg_store *a, u64 offset);
/* Copies [from, to) to user memory. 0 or -EFAULT. */
int arg_store_copy_out(const struct arg_store *a, u64 from, u64 to, uaddr_t dst);

/* script.c: e->file begins with #!; replaces file and argv[0]. */
int exec_script(struct exec *e);

/* elf.c: 0 when the program is loaded and regs are to be set; -ENOEXEC: not ours. */
int exec_elf(struct exec *e, struct elf_info *info);

/* commit.c: the point of no return; e->space becomes the task's. */
int exec_commit(struct exec *e);

/* cred.c */
int exec_prepare_cred(struct exec *e);
/* tasklist_lock held, under which tracers come and go: e->cred are those that it gets, at once. */
void exec_choose_cred_locked(struct exec *e);

/* stack.c: builds the initial stack; *sp gets its pointer. */
int exec_stack_build(struct exec *e, const struct elf_info *info, uaddr_t *sp);
void exec_layout_init(struct exec *e, struct space *s); /* mmap_base */
u64 exec_random_pages(unsigned bits);                   /* bytes, page aligned */
uaddr_t exec_random_range(uaddr_t start, u64 range);    /* a page in [start, start + range) */

extern u32 randomize_va_space; /* /proc/sys/kernel/randomize_va_space */

#endif

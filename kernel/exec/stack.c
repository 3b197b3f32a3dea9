/* SPDX-License-Identifier: MIT */
/*
 * The new program's address layout and its initial stack.
 *
 *   HAL_USER_END
 *     random gap (22 bits of pages)
 *     8 zero bytes | file name | environment strings | argument strings
 *     random gap below 8 KiB | "x86_64" | 16 random bytes
 *     auxv | envp | argv | argc        <- sp, 16-byte aligned
 *     ... grows down, 128 KiB mapped at first ...
 *     gap for the stack limit plus what its randomness may take
 *   mmap_base (less 28 random bits of pages), mappings grow downwards
 *
 * Entropy is Linux's for 64-bit programs; ADDR_NO_RANDOMIZE or randomize_va_space = 0 turn it off.
 */
#include "exec.h"
#include <asm/resource.h>
#include <hal/context.h>
#include <hal/mmu.h>
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/vdso.h>
#include <lib/string.h>
#include <linux/auxvec.h>
#include <linux/mman.h>
#include <mm/mman.h>
#include <mm/region.h>
#include <mm/space.h>

#define STACK_RANDOM_PAGES 0x3fffffull
#define STACK_INITIAL      131072ul
#define STACK_GUARD        (256 * PAGE_SIZE)
#define MMAP_RANDOM_BITS   28

u32 randomize_va_space = 2;

u64 exec_random_pages(unsigned bits) { return (hal_random() & ((1ull << bits) - 1)) << PAGE_SHIFT; }

uaddr_t exec_random_range(uaddr_t start, u64 range)
{
	start = PAGE_ALIGN_UP(start);
	return start + (hal_random() % (range >> PAGE_SHIFT) << PAGE_SHIFT);
}

void exec_layout_init(struct exec *e, struct space *s)
{
	u64 gap = current->process->rlimits[RLIMIT_STACK].cur;
	u64 pad = (e->randomize ? STACK_RANDOM_PAGES << PAGE_SHIFT : 0) + STACK_GUARD;
	u64 most = HAL_USER_END / 6 * 5, least = 128ull << 20;
	if (gap + pad > gap)
		gap += pad;
	gap = gap < least ? least : gap > most ? most : gap;
	u64 random = e->randomize ? exec_random_pages(MMAP_RANDOM_BITS) : 0;
	s->mmap_base = PAGE_ALIGN_UP(HAL_USER_END - gap - random);
}

/* A few words on their way to user memory. */
struct writer {
	uaddr_t at;
	u64 buf[64];
	unsigned nr;
	int err;
};

static void flush(struct writer *w)
{
	if (copy_to_user(w->at, w->buf, w->nr * sizeof(u64)))
		w->err = -EFAULT;
	w->at += w->nr * sizeof(u64);
	w->nr = 0;
}

static void put_word(struct writer *w, u64 v)
{
	w->buf[w->nr++] = v;
	if (w->nr == ARRAY_SIZE(w->buf))
		flush(w);
}

static void put_aux(struct writer *w, u64 type, u64 value)
{
	put_word(w, type);
	put_word(w, value);
}

#define AUX_WORDS (2 * 22)

struct places { uaddr_t execfn, platform, random; };

static void put_auxv(struct writer *w, const struct exec *e, const struct elf_info *info, const struct places *at)
{
	const struct cred *c = current->cred;
	if (current->space->vdso)
		put_aux(w, AT_SYSINFO_EHDR, current->space->vdso);
	put_aux(w, AT_MINSIGSTKSZ, (hal_fpu_frame_size() + 64 + 440 + 128 + 15) & ~15ul);
	put_aux(w, AT_HWCAP, hal_elf_hwcap());
	put_aux(w, AT_PAGESZ, PAGE_SIZE);
	put_aux(w, AT_CLKTCK, 100);
	put_aux(w, AT_PHDR, info->phdr);
	put_aux(w, AT_PHENT, sizeof(Elf64_Phdr));
	put_aux(w, AT_PHNUM, info->phnum);
	put_aux(w, AT_BASE, info->interp_base);
	put_aux(w, AT_FLAGS, 0);
	put_aux(w, AT_ENTRY, info->program_entry);
	put_aux(w, AT_UID, c->uid);
	put_aux(w, AT_EUID, c->euid);
	put_aux(w, AT_GID, c->gid);
	put_aux(w, AT_EGID, c->egid);
	put_aux(w, AT_SECURE, e->is_secure);
	put_aux(w, AT_RANDOM, at->random);
	put_aux(w, AT_HWCAP2, hal_elf_hwcap2());
	put_aux(w, AT_EXECFN, at->execfn);
	put_aux(w, AT_PLATFORM, at->platform);
	put_aux(w, AT_NULL, 0);
}

/* Pointers to the `count` strings that lie from `offset` of the store on, the first at user address `at`. */
static uaddr_t put_pointers(struct writer *w, const struct arg_store *a, u64 *offset, u64 count, uaddr_t at)
{
	for (u64 i = 0; i < count; i++) {
		u64 len = arg_store_strlen(a, *offset) + 1;
		put_word(w, at);
		at += len;
		*offset += len;
	}
	return at;
}

static uaddr_t put_prefix(struct writer *w, const struct exec *e, uaddr_t at)
{
	for (u64 i = 0, off = 0; i < e->prefix_count; i++) {
		u64 len = strlen(e->prefix + off) + 1;
		put_word(w, at);
		at += len;
		off += len;
	}
	return at;
}

static int map_stack(struct exec *e, uaddr_t top, u64 used)
{
	u64 limit = PAGE_ALIGN_DOWN(current->process->rlimits[RLIMIT_STACK].cur);
	u64 size = PAGE_ALIGN_UP(used), room = size + STACK_INITIAL;
	uaddr_t at;
	if (room > limit)
		room = max(limit, size);
	struct mmap_request q = {
		.addr = top - room, .len = room, .prot = PROT_READ | PROT_WRITE | (e->exec_stack ? PROT_EXEC : 0),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, .extra_flags = REGION_STACK,
	};
	return space_mmap(current->space, &q, &at);
}

int exec_stack_build(struct exec *e, const struct elf_info *info, uaddr_t *sp_out)
{
	struct space *s = current->space;
	struct places at;
	u64 skip = e->prefix && e->argc ? arg_store_strlen(&e->args, 0) + 1 : 0;
	u64 argc = e->argc + e->prefix_count - (skip != 0);
	u64 args_len = e->prefix_len + e->args.len - skip;
	uaddr_t top = HAL_USER_END - (e->randomize ? (hal_random() & STACK_RANDOM_PAGES) << PAGE_SHIFT : 0);
	uaddr_t strings = top - sizeof(u64) - args_len;
	uaddr_t p = (strings - (e->randomize ? hal_random() % 8192 : 0)) & ~15ull;
	u64 random[2] = { hal_random(), hal_random() };
	at.platform = p -= sizeof(HAL_ELF_PLATFORM);
	at.random = p -= sizeof(random);
	at.execfn = top - sizeof(u64) - (strlen(e->filename) + 1);
	uaddr_t sp = (p - (1 + argc + 1 + e->envc + 1 + AUX_WORDS) * sizeof(u64)) & ~15ull;

	int err = map_stack(e, top, top - sp);
	if (err)
		return err;
	s->stack_start = sp;
	if (vdso_map && !s->vdso) {
		uaddr_t vdso;
		vdso_map(s, PAGE_ALIGN_UP(top), &vdso); /* without it a program makes system calls */
	}
	if (e->prefix_len && copy_to_user(strings, e->prefix, e->prefix_len))
		return -EFAULT;
	err = arg_store_copy_out(&e->args, skip, e->args.len, strings + e->prefix_len);
	if (err || copy_to_user(at.platform, HAL_ELF_PLATFORM, sizeof(HAL_ELF_PLATFORM)) ||
	    copy_to_user(at.random, random, sizeof(random)))
		return -EFAULT;

	struct writer w = { .at = sp };
	put_word(&w, argc);
	s->args_start = strings;
	uaddr_t next = put_prefix(&w, e, strings);
	u64 offset = skip;
	next = put_pointers(&w, &e->args, &offset, argc - e->prefix_count, next);
	put_word(&w, 0);
	s->args_end = s->env_start = next;
	s->env_end = put_pointers(&w, &e->args, &offset, e->envc, next);
	put_word(&w, 0);
	put_auxv(&w, e, info, &at);
	flush(&w);
	*sp_out = sp;
	return w.err;
}

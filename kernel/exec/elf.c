/* SPDX-License-Identifier: MIT */
/*
 * ELF: checking and mapping a program and its interpreter.
 *
 * All headers are read and checked before the point of no return; a fault of the file found there is an
 * error number for the caller of execve (ENOEXEC; ELIBBAD for an interpreter). What only mapping can
 * find (segments outside user space, no memory) comes after it and ends the process, as on Linux.
 *
 * Segments are mapped from the file page by page; where the memory size exceeds the file size, the
 * rest of the last file page is cleared and further pages are anonymous.
 *
 * Position-independent programs with an interpreter lie at two thirds of user space plus a random
 * offset, interpreters and programs without one where mmap puts them; the break follows the program,
 * or, for a program without interpreter, lies where a program with one would be.
 */
#include "exec.h"
#include <fs/vfs.h>
#include <hal/mmu.h>
#include <hal/uaccess.h>
#include <linux/mman.h>
#include <linux/personality.h>
#include <lib/string.h>
#include <mm/mman.h>
#include <mm/slab.h>
#include <mm/space.h>

#define ELF_DYN_BASE PAGE_ALIGN_DOWN(HAL_USER_END / 3 * 2)
#define MMAP_RANDOM_BITS 28

struct image {
	struct file *file;
	Elf64_Ehdr eh;
	Elf64_Phdr *ph;
	uaddr_t bias;
	bool is_mapped;      /* the first segment has been placed */
	uaddr_t bss, brk;    /* end of file content, end of memory */
	u32 bss_prot;
	uaddr_t start_code, end_code, start_data, end_data;
};

/* ---- reading ---- */

static int read_exact(struct file *f, void *buf, u64 len, u64 pos)
{
	long n = file_read_at(f, buf, len, pos);
	if (n < 0)
		return (int)n;
	return (u64)n == len ? 0 : -EIO;
}

static bool header_is_ours(const Elf64_Ehdr *eh)
{
	return !memcmp(eh->e_ident, ELFMAG, SELFMAG) && (eh->e_type == ET_EXEC || eh->e_type == ET_DYN) && eh->e_machine == EM_X86_64;
}

/* Reads the program headers. Any trouble: err. */
static int read_phdrs(struct image *im, int err)
{
	u64 size = (u64)im->eh.e_phnum * sizeof(Elf64_Phdr);
	if (im->eh.e_phentsize != sizeof(Elf64_Phdr) || !size || size > PAGE_SIZE)
		return err;
	im->ph = kmalloc(size, ALLOC_KERNEL);
	if (!im->ph)
		return -ENOMEM;
	return read_exact(im->file, im->ph, size, im->eh.e_phoff) ? err : 0;
}

static int open_interp(struct image *main, struct image *interp)
{
	for (unsigned i = 0; i < main->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &main->ph[i];
		if (ph->p_type != PT_INTERP)
			continue;
		if (ph->p_filesz > PAGE_SIZE || ph->p_filesz < 2)
			return -ENOEXEC;
		char *name = kmalloc(ph->p_filesz, ALLOC_KERNEL);
		if (!name)
			return -ENOMEM;
		int err = read_exact(main->file, name, ph->p_filesz, ph->p_offset);
		if (!err && name[ph->p_filesz - 1])
			err = -ENOEXEC;
		struct file *f = err ? NULL : vfs_open_exec(AT_FDCWD, name, LOOKUP_FOLLOW);
		kfree(name);
		if (err)
			return err;
		if (IS_ERR(f))
			return (int)PTR_ERR(f);
		interp->file = f;
		err = read_exact(f, &interp->eh, sizeof(interp->eh), 0);
		if (err)
			return err;
		if (memcmp(interp->eh.e_ident, ELFMAG, SELFMAG) || !header_is_ours(&interp->eh))
			return -ELIBBAD;
		return read_phdrs(interp, -ELIBBAD);
	}
	return 0;
}

static void image_free(struct image *im, bool with_file)
{
	kfree(im->ph);
	if (with_file && im->file) {
		vfs_allow_write(im->file);
		file_put(im->file);
	}
}

/* ---- mapping ---- */

static u32 segment_prot(const Elf64_Phdr *ph)
{
	return (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) | (ph->p_flags & PF_X ? PROT_EXEC : 0);
}

/* Bytes from the first page of the first segment to the end of the last; 0: there are none. */
static u64 total_span(const struct image *im)
{
	u64 low = ~0ull, high = 0;
	for (unsigned i = 0; i < im->eh.e_phnum; i++)
		if (im->ph[i].p_type == PT_LOAD) {
			low = min(low, PAGE_ALIGN_DOWN(im->ph[i].p_vaddr));
			high = max(high, im->ph[i].p_vaddr + im->ph[i].p_memsz);
		}
	return high > low ? high - low : 0;
}

static u64 largest_alignment(const struct image *im)
{
	u64 most = 0;
	for (unsigned i = 0; i < im->eh.e_phnum; i++) {
		u64 a = im->ph[i].p_align;
		if (im->ph[i].p_type == PT_LOAD && a && !(a & (a - 1)))
			most = max(most, a);
	}
	return PAGE_ALIGN_UP(most);
}

/* Maps one segment's file part at addr (not page aligned). span != 0: with room for the whole image.
 * *out: where `addr` came to lie. */
static int map_segment(struct image *im, const Elf64_Phdr *ph, uaddr_t addr, u32 flags, u64 span, uaddr_t *out)
{
	u64 skew = addr & ~PAGE_MASK;
	u64 size = PAGE_ALIGN_UP(ph->p_filesz + skew);
	struct mmap_request q = {
		.addr = addr - skew, .len = max(size, PAGE_ALIGN_UP(span)), .prot = segment_prot(ph),
		.flags = MAP_PRIVATE | flags, .offset = ph->p_offset - skew,
	};
	*out = addr;
	if (!size)
		return 0;
	if (q.offset & ~PAGE_MASK)
		return -EINVAL;
	int err = file_prepare_mmap(im->file, &q);
	if (!err)
		err = space_mmap(current->space, &q, out);
	if (err)
		return err;
	if (q.len > size)
		space_munmap(current->space, *out + size, q.len - size);
	*out += skew;
	return 0;
}

static int map_anonymous(uaddr_t start, uaddr_t end, u32 prot)
{
	uaddr_t at;
	start = PAGE_ALIGN_UP(start);
	end = PAGE_ALIGN_UP(end);
	if (end <= start)
		return 0;
	struct mmap_request q = {
		.addr = start, .len = end - start, .prot = PROT_READ | PROT_WRITE | (prot & PROT_EXEC),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	};
	return space_mmap(current->space, &q, &at);
}

static int clear_to_page_end(uaddr_t addr)
{
	u64 skew = addr & ~PAGE_MASK;
	return skew && clear_user(addr, PAGE_SIZE - skew) ? -EFAULT : 0;
}

/* The part beyond the file's content, when another segment follows or at the end. */
static int finish_bss(struct image *im)
{
	if (im->brk <= im->bss)
		return 0;
	int err = map_anonymous(im->bss, im->brk, im->bss_prot);
	if (err)
		return err;
	err = clear_to_page_end(im->bss); /* odd rights may forbid it: then the file's bytes stay, as on Linux */
	return im->bss_prot & PROT_WRITE ? err : 0;
}

static void note_bounds(struct image *im, const Elf64_Phdr *ph, uaddr_t at)
{
	uaddr_t file_end = at + ph->p_filesz, mem_end = at + ph->p_memsz;
	if ((ph->p_flags & PF_X) && at < im->start_code)
		im->start_code = at;
	if (at > im->start_data || !im->start_data)
		im->start_data = at;
	if ((ph->p_flags & PF_X) && file_end > im->end_code)
		im->end_code = file_end;
	im->end_data = max(im->end_data, file_end);
	im->bss = max(im->bss, file_end);
	if (mem_end > im->brk) {
		im->brk = mem_end;
		im->bss_prot = segment_prot(ph);
	}
}

/* Maps all segments. base: where the image's address 0 is to lie (dynamic ones; 0 = anywhere). */
static int map_image(struct image *im, uaddr_t base)
{
	im->start_code = ~0ull;
	im->bias = im->eh.e_type == ET_DYN ? base : 0;
	for (unsigned i = 0; i < im->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &im->ph[i];
		uaddr_t at;
		u64 span = 0;
		u32 flags = MAP_FIXED;
		if (ph->p_type != PT_LOAD)
			continue;
		if (im->is_mapped) {
			int err = finish_bss(im);
			if (err)
				return err;
		} else if (im->eh.e_type == ET_EXEC) {
			flags = MAP_FIXED_NOREPLACE;
		} else {
			flags = base ? MAP_FIXED_NOREPLACE : 0;
			span = total_span(im);
			if (!span)
				return -EINVAL;
			im->bias = PAGE_ALIGN_DOWN(base ? base - ph->p_vaddr : 0);
			if (!base)
				im->bias = (u64)0 - PAGE_ALIGN_DOWN(ph->p_vaddr);
		}
		if (ph->p_filesz > ph->p_memsz || ph->p_memsz > HAL_USER_END)
			return -EINVAL;
		int err = map_segment(im, ph, im->bias + ph->p_vaddr, flags, span, &at);
		if (err)
			return err;
		if (!im->is_mapped) {
			im->is_mapped = true;
			im->bias = im->eh.e_type == ET_DYN ? at - ph->p_vaddr : 0;
		}
		if (at >= HAL_USER_END || HAL_USER_END - ph->p_memsz < at)
			return -EINVAL;
		note_bounds(im, ph, at);
	}
	return finish_bss(im);
}

/* ---- the whole ---- */

static bool wants_exec_stack(const struct image *im)
{
	for (unsigned i = 0; i < im->eh.e_phnum; i++)
		if (im->ph[i].p_type == PT_GNU_STACK)
			return im->ph[i].p_flags & PF_X;
	return false;
}

/* Where the program headers are in memory. */
static uaddr_t phdr_address(const struct image *im)
{
	for (unsigned i = 0; i < im->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &im->ph[i];
		if (ph->p_type == PT_LOAD && im->eh.e_phoff >= ph->p_offset && im->eh.e_phoff < ph->p_offset + ph->p_filesz)
			return im->bias + im->eh.e_phoff - ph->p_offset + ph->p_vaddr;
	}
	return 0;
}

static void set_break(struct exec *e, const struct image *im, bool has_interp)
{
	struct space *s = current->space;
	s->code_start = im->start_code == ~0ull ? 0 : im->start_code;
	s->code_end = im->end_code;
	s->data_start = im->start_data;
	s->data_end = im->end_data;
	s->brk_start = s->brk = PAGE_ALIGN_UP(im->brk);
	if (!e->randomize || randomize_va_space < 2)
		return;
	if (im->eh.e_type == ET_DYN && !has_interp)
		s->brk_start = s->brk = ELF_DYN_BASE;
	s->brk_start = s->brk = exec_random_range(s->brk, 0x02000000);
}

static int load(struct exec *e, struct image *im, struct image *interp, struct elf_info *info)
{
	uaddr_t base = 0;
	if (im->eh.e_type == ET_DYN && interp->file) {
		base = ELF_DYN_BASE + (e->randomize ? exec_random_pages(MMAP_RANDOM_BITS) : 0);
		u64 align = largest_alignment(im);
		if (align)
			base &= ~(align - 1);
	}
	int err = map_image(im, base);
	if (err)
		return err;
	set_break(e, im, interp->file != NULL);
	if (interp->file)
		err = total_span(interp) ? map_image(interp, 0) : -EINVAL;
	if (err)
		return err;
	info->program_entry = im->eh.e_entry + im->bias;
	info->entry = interp->file ? interp->eh.e_entry + interp->bias : info->program_entry;
	info->interp_base = interp->file ? interp->bias : 0;
	info->phdr = phdr_address(im);
	info->phnum = im->eh.e_phnum;
	return info->entry >= HAL_USER_END ? -EINVAL : 0;
}

int exec_elf(struct exec *e, struct elf_info *info)
{
	struct image im = { .file = e->file }, interp = { 0 };
	memcpy(&im.eh, e->head, sizeof(im.eh));
	if (!header_is_ours(&im.eh))
		return -ENOEXEC;
	int err = read_phdrs(&im, -ENOEXEC);
	if (!err)
		err = open_interp(&im, &interp);
	e->exec_stack = !err && wants_exec_stack(&im);
	if (!err)
		err = exec_commit(e);
	if (!err)
		err = load(e, &im, &interp, info);
	image_free(&im, false);
	image_free(&interp, true);
	return err;
}

/* SPDX-License-Identifier: MIT */
/* Programs that are none: ELF files that are truncated, foreign, overlapping, huge. */
#include "check.h"
#include <elf.h>

#define BASE 0x400000UL

struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4];
	unsigned char code[64];
};

/* exit(42) */
static const unsigned char code[] = { 0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05 };

static struct image good(void)
{
	struct image m = { 0 };
	memcpy(m.eh.e_ident, ELFMAG, 4);
	m.eh.e_ident[EI_CLASS] = ELFCLASS64, m.eh.e_ident[EI_DATA] = ELFDATA2LSB, m.eh.e_ident[EI_VERSION] = 1;
	m.eh.e_type = ET_EXEC, m.eh.e_machine = EM_X86_64, m.eh.e_version = 1;
	m.eh.e_entry = BASE + offsetof(struct image, code);
	m.eh.e_phoff = offsetof(struct image, ph), m.eh.e_ehsize = sizeof m.eh;
	m.eh.e_phentsize = sizeof *m.ph, m.eh.e_phnum = 1;
	m.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = BASE, .p_filesz = sizeof m, .p_memsz = sizeof m, .p_align = PAGE };
	memcpy(m.code, code, sizeof code);
	return m;
}

static void run_file(const char *name, const void *data, size_t len)
{
	int fd = open("prog", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	write(fd, data, len);
	close(fd);
	CHILD(name)
	{
		alarm(30);
		char *argv[] = { "prog", NULL }, *envp[] = { NULL };
		execve("./prog", argv, envp);
		out("%s: %s\n", name, errno_name(errno));
		_exit(126);
	}
	unlink("prog");
}

#define CASE(name, ...)                   \
	do {                                  \
		struct image m = good();          \
		__VA_ARGS__;                      \
		run_file(name, &m, sizeof m);     \
	} while (0)

static void headers(void)
{
	struct image g = good();
	static const int cuts[] = { 1, 3, 4, 16, 63, 64, 100, 120, 200 };
	CASE("elf good", );
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		char name[40];
		snprintf(name, sizeof name, "elf truncated at %d", cuts[i]);
		run_file(name, &g, cuts[i]);
	}
	CASE("elf magic", m.eh.e_ident[1] = 'X');
	CASE("elf class 32", m.eh.e_ident[EI_CLASS] = ELFCLASS32);
	CASE("elf big endian", m.eh.e_ident[EI_DATA] = ELFDATA2MSB);
	CASE("elf machine arm64", m.eh.e_machine = EM_AARCH64);
	CASE("elf machine none", m.eh.e_machine = 0);
	CASE("elf version", m.eh.e_version = 9);
	CASE("elf type relocatable", m.eh.e_type = ET_REL);
	CASE("elf type core", m.eh.e_type = ET_CORE);
	CASE("elf type none", m.eh.e_type = 0);
	CASE("elf no program headers", m.eh.e_phnum = 0);
	CASE("elf 65535 program headers", m.eh.e_phnum = 65535);
	CASE("elf 1100 program headers beyond the end", m.eh.e_phnum = 1100);
	CASE("elf header size", m.eh.e_phentsize = 32);
	CASE("elf headers beyond the end", m.eh.e_phoff = 1 << 20);
	CASE("elf headers at a negative offset", m.eh.e_phoff = -1UL);
	CASE("elf headers not aligned", m.eh.e_phoff = 65);
}

static void segments(void)
{
	CASE("elf no segment to load", m.ph[0].p_type = PT_NOTE);
	CASE("elf file size above memory size", m.ph[0].p_filesz = 8192);
	CASE("elf memory size 0", m.ph[0].p_memsz = m.ph[0].p_filesz = 0);
	CASE("elf file part beyond the end of the file", m.ph[0].p_filesz = m.ph[0].p_memsz = M(1));
	CASE("elf offset beyond the end of the file", m.ph[0].p_offset = M(1));
	CASE("elf huge memory size", m.ph[0].p_memsz = 1UL << 46);
	CASE("elf memory size wraps", m.ph[0].p_memsz = -1UL);
	CASE("elf memory size half", m.ph[0].p_memsz = 1UL << 63);
	CASE("elf at address 0", m.ph[0].p_vaddr = 0);
	CASE("elf in the kernel half", m.ph[0].p_vaddr = 0xffff800000000000);
	CASE("elf at the end of user space", m.ph[0].p_vaddr = (1UL << 47) - PAGE);
	CASE("elf not canonical", m.ph[0].p_vaddr = 1UL << 60);
	CASE("elf offset and address differ in the page", m.ph[0].p_vaddr = BASE + 8);
	CASE("elf alignment odd", m.ph[0].p_align = 3);
	CASE("elf alignment 2 MiB", m.ph[0].p_align = M(2));
	CASE("elf not executable", m.ph[0].p_flags = PF_R);
	CASE("elf write only", m.ph[0].p_flags = PF_W);
	CASE("elf no rights", m.ph[0].p_flags = 0);
	CASE("elf entry nowhere", m.eh.e_entry = 0x12345);
	CASE("elf entry in the kernel half", m.eh.e_entry = 0xffff800000000000);
	CASE("elf bss", m.ph[0].p_memsz = M(1); m.ph[0].p_flags = PF_R | PF_W | PF_X);
	CASE("elf bss without write right", m.ph[0].p_memsz = M(1));
	CASE("elf two segments overlap", m.eh.e_phnum = 2; m.ph[1] = m.ph[0]);
	CASE("elf second below the first", m.eh.e_phnum = 2; m.ph[1] = m.ph[0]; m.ph[1].p_vaddr = BASE - M(1));
	CASE("elf second over the first's end", m.eh.e_phnum = 2; m.ph[1] = m.ph[0]; m.ph[0].p_memsz = M(1); m.ph[0].p_flags = 7; m.ph[1].p_vaddr = BASE + K(64); m.ph[1].p_flags = 6);
	CASE("elf executable stack", m.eh.e_phnum = 2; m.ph[1].p_type = PT_GNU_STACK; m.ph[1].p_flags = 7);
	CASE("elf pie", m.eh.e_type = ET_DYN; m.ph[0].p_vaddr = 0; m.eh.e_entry -= BASE);
	CASE("elf pie huge", m.eh.e_type = ET_DYN; m.ph[0].p_vaddr = 0; m.eh.e_entry -= BASE; m.ph[0].p_memsz = 1UL << 47);
}

#define INTERP(name, text, len)                                                                     \
	CASE(name, m.eh.e_phnum = 2; m.ph[1] = m.ph[0];                                                 \
	     m.ph[0] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = offsetof(struct image, code) + 20, .p_filesz = len }; \
	     memcpy(m.code + 20, text, sizeof text))

static void interpreters(void)
{
	INTERP("elf interpreter missing", "/no/ld.so", 10);
	INTERP("elf interpreter not terminated", "/no/ld.so", 5);
	INTERP("elf interpreter empty", "", 1);
	INTERP("elf interpreter length 0", "", 0);
	INTERP("elf interpreter too long", "/no", 5000);
	INTERP("elf interpreter is a directory", "/", 2);
	int fd = open("/tmp/notelf", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	write(fd, "#!/bin/sh\n", 10);
	close(fd);
	INTERP("elf interpreter is no ELF file", "/tmp/notelf", 12);
	unlink("/tmp/notelf");
}

int main(void)
{
	headers();
	segments();
	interpreters();
	out("the machine lives\n");
	return 0;
}

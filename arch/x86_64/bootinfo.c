/* SPDX-License-Identifier: MIT */
/*
 * What the loader says: memory map, command line, initial RAM disk, RSDP. Copied out at once, since the
 * loader's own memory is not kept. Sources: Xen's hvm_start_info (version 1), Multiboot2 1.6.
 */
#include "internal.h"
#include <hal/log.h>
#include <lib/string.h>
#include <lib/parse.h>

#define PVH_MAGIC 0x336ec578u
#define MB2_MAGIC 0x36d76289u
#define MAX_PIECES 64

/* Types of pieces (ACPI 6.4, 15.1, and 12 of old). */
#define MEMORY_RAM        1
#define MEMORY_PERSISTENT 12

struct pvh_info {
	u32 magic, version, flags, nr_modules;
	u64 modules, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
};
struct pvh_module {
	u64 paddr, size, cmdline, reserved;
};
struct pvh_memory {
	u64 addr, size;
	u32 type, reserved;
};

extern char image_end[];

static struct memory_piece pieces[MAX_PIECES];
static unsigned nr_pieces;
static struct hal_persistent_range persistent[8];
static unsigned nr_persistent;
static char cmdline[2048];
static struct hal_boot_info info = { .cmdline = cmdline };
static paddr_t rsdp;
static struct {
	paddr_t start, end;
} initrd;

/* The boot tables reach the first 4 GiB; what lies above is read after paging_init. */
static void *low(paddr_t p) { return phys_ptr(p); }

static void add_piece(u64 start, u64 size, u32 type)
{
	if (nr_pieces < MAX_PIECES && size)
		pieces[nr_pieces++] = (struct memory_piece){ start, start + size, type };
}

static void read_pvh(const struct pvh_info *p)
{
	const struct pvh_memory *m = low(p->memmap);
	for (u32 i = 0; i < p->memmap_entries; i++)
		add_piece(m[i].addr, m[i].size, m[i].type);
	if (p->cmdline)
		strlcpy(cmdline, low(p->cmdline), sizeof(cmdline));
	rsdp = p->rsdp;
	if (p->nr_modules) {
		const struct pvh_module *mod = low(p->modules);
		initrd.start = mod->paddr;
		initrd.end = mod->paddr + mod->size;
	}
}

struct mb2_tag {
	u32 type, size;
};

static void read_mb2_memory(const struct mb2_tag *t)
{
	const u32 *head = (const u32 *)(t + 1); /* entry size, version */
	for (const char *e = (const char *)(head + 2); e < (const char *)t + t->size; e += head[0])
		add_piece(*(const u64 *)e, *(const u64 *)(e + 8), *(const u32 *)(e + 16));
}

static void read_mb2(const char *p)
{
	const char *end = p + *(const u32 *)p;
	static u8 rsdp_copy[36];
	for (p += 8; p < end;) {
		const struct mb2_tag *t = (const struct mb2_tag *)p;
		if (t->type == 0)
			break;
		if (t->type == 1)
			strlcpy(cmdline, (const char *)(t + 1), sizeof(cmdline));
		if (t->type == 3 && !initrd.end) {
			initrd.start = ((const u32 *)(t + 1))[0];
			initrd.end = ((const u32 *)(t + 1))[1];
		}
		if (t->type == 6)
			read_mb2_memory(t);
		if (t->type == 14 || t->type == 15) { /* a copy of the RSDP; the newer wins by coming later */
			memcpy(rsdp_copy, t + 1, min(sizeof(rsdp_copy), (size_t)t->size - 8));
			rsdp = (u64)rsdp_copy - IMAGE_BASE;
		}
		p += (t->size + 7) & ~7u;
	}
}

/* Sorted by address: there are few. */
static void sort_pieces(void)
{
	for (unsigned i = 1; i < nr_pieces; i++)
		for (unsigned k = i; k > 0 && pieces[k].start < pieces[k - 1].start; k--) {
			struct memory_piece t = pieces[k];
			pieces[k] = pieces[k - 1];
			pieces[k - 1] = t;
		}
}

/* ---- memmap=SIZE!START ---- */

static u64 read_size(const char *s, const char **end)
{
	u64 v;
	if (!parse_u64(s, 0, &v, end)) {
		*end = s;
		return 0;
	}
	unsigned shift = **end == 'K' || **end == 'k' ? 10 : **end == 'M' || **end == 'm' ? 20 : **end == 'G' || **end == 'g' ? 30 : 0;
	*end += shift != 0;
	return v << shift;
}

static bool is_taken(paddr_t start, paddr_t end)
{
	paddr_t image = PAGE_ALIGN_UP((u64)image_end - IMAGE_BASE);
	return start < image || (start < initrd.end && initrd.start < end);
}

/* RAM in [start, end) becomes persistent: pieces are cut in two, the memory stays where it is. */
static void make_persistent(paddr_t start, paddr_t end)
{
	for (unsigned i = 0, n = nr_pieces; i < n; i++) {
		struct memory_piece p = pieces[i];
		if (p.type != MEMORY_RAM || p.end <= start || end <= p.start)
			continue;
		paddr_t from = max(p.start, start), to = min(p.end, end);
		pieces[i] = (struct memory_piece){ from, to, MEMORY_PERSISTENT };
		add_piece(p.start, from - p.start, MEMORY_RAM);
		add_piece(to, p.end - to, MEMORY_RAM);
		if (nr_persistent < ARRAY_SIZE(persistent))
			persistent[nr_persistent++] = (struct hal_persistent_range){ from, to };
	}
}

static void read_memmap(const char *text, int len)
{
	const char *end;
	u64 size = PAGE_ALIGN_DOWN(read_size(text, &end));
	if (!size || *end != '!') {
		hal_log(LOG_WARNING, "memmap=%.*s: only SIZE!START is known", len, text);
		return;
	}
	u64 start = PAGE_ALIGN_UP(read_size(end + 1, &end));
	if ((*end && *end != ' ') || start + size < start || is_taken(start, start + size) || nr_pieces + 2 > MAX_PIECES)
		hal_log(LOG_WARNING, "memmap=%.*s: this range cannot be taken", len, text);
	else
		make_persistent(start, start + size);
}

static void read_memmaps(void)
{
	for (const char *p = cmdline; *p;) {
		while (*p == ' ')
			p++;
		const char *word = p;
		while (*p && *p != ' ')
			p++;
		if (!strncmp(word, "memmap=", 7))
			read_memmap(word + 7, (int)(p - word) - 7);
	}
}

unsigned hal_persistent_ranges(const struct hal_persistent_range **out)
{
	*out = persistent;
	return nr_persistent;
}

const char *hal_memory_map(unsigned index, paddr_t *start, paddr_t *end)
{
	static const char *const names[] = { [MEMORY_RAM] = "System RAM", [2] = "Reserved", [3] = "ACPI Tables", [4] = "ACPI Non-volatile Storage",
	                                     [5] = "Unusable memory", [7] = "Persistent Memory", [MEMORY_PERSISTENT] = "Persistent Memory (legacy)" };
	if (index >= nr_pieces)
		return NULL;
	*start = pieces[index].start;
	*end = pieces[index].end;
	u32 type = pieces[index].type;
	return type < ARRAY_SIZE(names) && names[type] ? names[type] : "Reserved";
}

void bootinfo_init(u32 magic, paddr_t where)
{
	if (magic == MB2_MAGIC)
		read_mb2(low(where));
	else
		read_pvh(low(where));
	info.initrd = initrd.end ? phys_ptr(initrd.start) : NULL;
	info.initrd_len = initrd.end - initrd.start;
	sort_pieces();
	read_memmaps();
	sort_pieces();
}

unsigned memory_map(const struct memory_piece **out)
{
	*out = pieces;
	return nr_pieces;
}

const struct hal_boot_info *hal_boot_info(void) { return &info; }
paddr_t boot_rsdp(void) { return rsdp; }

/* The text behind "word=" or at "word"; NULL: not given. */
static const char *cmdline_find(const char *word)
{
	size_t len = strlen(word);
	for (const char *p = cmdline; *p;) {
		while (*p == ' ')
			p++;
		if (!strncmp(p, word, len) && (p[len] == '\0' || p[len] == ' ' || p[len] == '='))
			return p[len] == '=' ? p + len + 1 : p + len;
		while (*p && *p != ' ')
			p++;
	}
	return NULL;
}

bool cmdline_has(const char *word) { return cmdline_find(word) != NULL; }

bool cmdline_text(const char *word, char *out, size_t size)
{
	const char *p = cmdline_find(word);
	if (!p)
		return false;
	size_t n = 0;
	for (; p[n] && p[n] != ' ' && n + 1 < size; n++)
		out[n] = p[n];
	out[n] = '\0';
	return true;
}

u64 cmdline_number(const char *word, u64 otherwise)
{
	const char *p = cmdline_find(word), *end;
	u64 v;
	if (!p || !parse_u64(p, 0, &v, &end))
		return otherwise;
	switch (*end) {
	case 'K': case 'k': return v << 10;
	case 'M': case 'm': return v << 20;
	case 'G': case 'g': return v << 30;
	}
	return v;
}

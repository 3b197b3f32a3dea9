/* SPDX-License-Identifier: MIT */
/*
 * A CPU in the words of /proc/cpuinfo. All CPUs of the machine are taken to be alike: CPUID is asked on
 * the one that reads. Sources: Intel SDM vol. 2A, CPUID; flag names: Linux's, as proc(5) readers expect.
 */
#include "internal.h"
#include <hal/topology.h>
#include <lib/format.h>
#include <lib/string.h>
#include <machine/clock.h>

struct flag_word {
	u32 leaf;
	u8 reg; /* 0 EAX, 1 EBX, 2 ECX, 3 EDX */
	const char *names[32];
};

static const struct flag_word words[] = {
	{ 1, 3, { "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", NULL, "sep", "mtrr", "pge", "mca", "cmov", "pat",
	          "pse36", "pn", "clflush", NULL, "dts", "acpi", "mmx", "fxsr", "sse", "sse2", "ss", "ht", "tm", "ia64", "pbe" } },
	{ 0x80000001, 3, { [11] = "syscall", [20] = "nx", [22] = "mmxext", [25] = "fxsr_opt", [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm",
	                   [30] = "3dnowext", [31] = "3dnow" } },
	{ 1, 2, { "pni", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2", "ssse3", "cid", "sdbg", "fma", "cx16", "xtpr",
	          "pdcm", NULL, "pcid", "dca", "sse4_1", "sse4_2", "x2apic", "movbe", "popcnt", "tsc_deadline_timer", "aes", "xsave", NULL,
	          "avx", "f16c", "rdrand", "hypervisor" } },
	{ 0x80000001, 2, { "lahf_lm", "cmp_legacy", "svm", "extapic", "cr8_legacy", "abm", "sse4a", "misalignsse", "3dnowprefetch", "osvw" } },
	{ 7, 1, { "fsgsbase", "tsc_adjust", "sgx", "bmi1", "hle", "avx2", NULL, "smep", "bmi2", "erms", "invpcid", "rtm", "cqm", NULL, "mpx",
	          "rdt_a", "avx512f", "avx512dq", "rdseed", "adx", "smap", "avx512ifma", NULL, "clflushopt", "clwb", "intel_pt", "avx512pf",
	          "avx512er", "avx512cd", "sha_ni", "avx512bw", "avx512vl" } },
	{ 7, 2, { "avx512vbmi", "umip", "pku", "ospke", "waitpkg", [8] = "gfni", [9] = "vaes", [10] = "vpclmulqdq", [16] = "la57", [22] = "rdpid" } },
	{ 7, 3, { [4] = "fsrm" } },
};

/* The CPU has these, the kernel does not let programs use them. */
static bool is_hidden(const char *name)
{
	static const char *const hidden[] = { "la57", "pcid", "x2apic", "pku", "ospke", "fsgsbase", "vmx", "svm" };
	for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++)
		if (!strcmp(name, hidden[i]))
			return true;
	return !strncmp(name, "avx512", 6);
}

static u32 leaf_max(u32 base)
{
	u32 r[4];
	cpuid(base, 0, r);
	return r[0];
}

struct text {
	char *at;
	size_t left;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	size_t n = (size_t)vsnprintf(t->at, t->left, fmt, ap);
	va_end(ap);
	n = min(n, t->left - 1);
	t->at += n;
	t->left -= n;
}

static void add_flags(struct text *t)
{
	add(t, "flags\t\t:");
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		u32 r[4];
		if (words[i].leaf > leaf_max(words[i].leaf & 0x80000000u))
			continue;
		cpuid(words[i].leaf, 0, r);
		for (unsigned bit = 0; bit < 32; bit++) {
			const char *name = words[i].names[bit];
			if (name && (r[words[i].reg] & (1u << bit)) && !is_hidden(name))
				add(t, " %s", name);
		}
	}
	add(t, "\n");
}

static void add_name(struct text *t)
{
	u32 brand[13] = { 0 };
	if (leaf_max(0x80000000u) >= 0x80000004u)
		for (unsigned i = 0; i < 3; i++)
			cpuid(0x80000002u + i, 0, brand + 4 * i);
	const char *name = (const char *)brand;
	while (*name == ' ')
		name++;
	add(t, "model name\t: %s\n", *name ? name : "unknown");
}

static void add_place(struct text *t, unsigned cpu)
{
	struct hal_cpu_place p = hal_cpu_place(cpu);
	u32 nr_siblings = 0, nr_cores = 0;
	for (unsigned other = 0; other < hal_nr_cpus(); other++) {
		struct hal_cpu_place o = hal_cpu_place(other);
		bool is_first = o.package == p.package; /* of its core */
		nr_siblings += o.package == p.package;
		for (unsigned before = 0; before < other; before++)
			is_first &= hal_cpu_place(before).package != p.package || hal_cpu_place(before).core != o.core;
		nr_cores += is_first;
	}
	add(t, "physical id\t: %u\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n", p.package, nr_siblings, p.core, nr_cores);
}

size_t hal_cpu_describe(unsigned cpu, char *buf, size_t size)
{
	struct text t = { buf, size };
	u32 zero[4], one[4], addr[4] = { 0x3028 };
	cpuid(0, 0, zero);
	cpuid(1, 0, one);
	if (leaf_max(0x80000000u) >= 0x80000008u)
		cpuid(0x80000008u, 0, addr);
	u32 vendor[4] = { zero[1], zero[3], zero[2], 0 };
	u32 family = one[0] >> 8 & 15, model = one[0] >> 4 & 15;
	if (family == 15)
		family += one[0] >> 20 & 0xff;
	if (family >= 6)
		model |= one[0] >> 12 & 0xf0;
	u64 khz = hal_clock_params()->khz;
	u32 line = one[1] >> 5 & 0x7f8; /* CLFLUSH line, bytes */
	add(&t, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", cpu, (const char *)vendor, family, model);
	add_name(&t);
	add(&t, "stepping\t: %u\n", one[0] & 15);
	add(&t, "cpu MHz\t\t: %llu.%03llu\n", (unsigned long long)(khz / 1000), (unsigned long long)(khz % 1000));
	add_place(&t, cpu);
	add(&t, "apicid\t\t: %u\ninitial apicid\t: %u\n", cpu_blocks[cpu].apic_id, cpu_blocks[cpu].apic_id);
	add(&t, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n", zero[0]);
	add_flags(&t);
	add(&t, "bugs\t\t:\nbogomips\t: %llu.%02llu\n", (unsigned long long)(khz / 500), (unsigned long long)(khz / 5 % 100));
	add(&t, "clflush size\t: %u\ncache_alignment\t: %u\n", line, line);
	add(&t, "address sizes\t: %u bits physical, %u bits virtual\npower management:\n", addr[0] & 0xff, addr[0] >> 8 & 0xff);
	return (size_t)(t.at - buf);
}

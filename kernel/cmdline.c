/* SPDX-License-Identifier: MIT */
/*
 * The kernel's command line: words separated by blanks, with double quotes around blanks. Words that no
 * part of the kernel knows are init's: NAME=VALUE becomes its environment, others its arguments, and so
 * does everything after "--". (Linux's rule.)
 */
#include "main.h"
#include <hal/boot.h>
#include <kernel/init.h>
#include <lib/string.h>

#define MAX_WORDS 64
#define BUFFER    2048

static char buffer[BUFFER];
static char *words[MAX_WORDS];
static unsigned nr_words, first_for_init = MAX_WORDS;

/* What the kernel takes for itself, here or in a part that reads it on its own. A dot marks a
 * parameter of some module. */
static const char *const known[] = {
	"console", "init", "rdinit", "root", "rootfstype", "rootflags", "ro", "rw", "quiet", "debug", "loglevel", "panic", "mem",
	"maxcpus", "nr_cpus", "nosmp", "norandmaps", "seed", "initrd", "ignore_loglevel", "earlyprintk", "mitigations", "checks",
	"noapic", "nolapic", "acpi", "reboot", "tsc", "clocksource", "BOOT_IMAGE", "printk", "swap", "policy", "trace",
};

static bool is_known(const char *word, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (strlen(known[i]) == len && !memcmp(known[i], word, len))
			return true;
	return false;
}

static bool has_dot(const char *word, size_t len)
{
	const char *dot = strchr(word, '.');
	return dot && dot < word + len;
}

void cmdline_init(void)
{
	strlcpy(buffer, hal_boot_info()->cmdline, sizeof(buffer));
	char *p = buffer;
	while (nr_words < MAX_WORDS) {
		while (*p == ' ' || *p == '\t' || *p == '\n')
			p++;
		if (!*p)
			break;
		char *out = p;
		bool quoted = false;
		words[nr_words] = p;
		for (; *p && (quoted || (*p != ' ' && *p != '\t' && *p != '\n')); p++) {
			if (*p == '"')
				quoted = !quoted;
			else
				*out++ = *p;
		}
		if (*p)
			p++;
		*out = 0;
		if (first_for_init == MAX_WORDS && !strcmp(words[nr_words], "--"))
			first_for_init = nr_words + 1;
		nr_words++;
	}
}

static size_t name_len(const char *word)
{
	const char *eq = strchr(word, '=');
	return eq ? (size_t)(eq - word) : strlen(word);
}

const char *cmdline_get(const char *name)
{
	const char *found = NULL;
	size_t len = strlen(name);
	for (unsigned i = 0; i < nr_words && i < first_for_init; i++)
		if (name_len(words[i]) == len && !memcmp(words[i], name, len))
			found = words[i][len] ? words[i] + len + 1 : "";
	return found;
}

void cmdline_for_init(const char **argv, unsigned max_args, const char **envp, unsigned max_env)
{
	unsigned args = 1, env = 0;
	while (envp[env])
		env++;
	for (unsigned i = 0; i < nr_words; i++) {
		bool after = i >= first_for_init;
		size_t len = name_len(words[i]);
		if (!after && (is_known(words[i], len) || has_dot(words[i], len) || !strcmp(words[i], "--")))
			continue;
		if (!after && words[i][len]) {
			if (env + 1 < max_env)
				envp[env++] = words[i];
		} else if (args + 1 < max_args) {
			argv[args++] = words[i];
		}
	}
	argv[args] = NULL;
	envp[env] = NULL;
}

/* SPDX-License-Identifier: MIT */
/* Mount options of ext2: Linux, Documentation/filesystems/ext2.rst. */
#include "ext2.h"
#include <lib/parse.h>

static bool is(const char **s, const char *name)
{
	size_t n = strlen(name);
	if (strncmp(*s, name, n))
		return false;
	*s += n;
	return name[n - 1] == '=' || !**s || **s == ',';
}

static bool number(const char *s, u64 max, u64 *out)
{
	const char *end;
	return parse_u64(s, 0, out, &end) && (!*end || *end == ',') && *out <= max;
}

static bool parse_errors(const char *s, struct ext2_options *o)
{
	if (is(&s, "continue"))
		o->errors = EXT2_ERRORS_CONTINUE;
	else if (is(&s, "remount-ro"))
		o->errors = EXT2_ERRORS_RO;
	else if (is(&s, "panic"))
		o->errors = EXT2_ERRORS_PANIC;
	else
		return false;
	return true;
}

static bool parse_one(const char *s, struct ext2_options *o)
{
	/* Accepted without effect: what they switch on is the case, or what they switch off is not there. */
	static const char *const ignored[] = { "bsddf", "nouid32", "check=none", "nocheck", "debug", "nobh", "orlov", "oldalloc", "reservation",
		                                   "noreservation", "user_xattr", "noacl", "noquota" };
	u64 n;
	for (unsigned k = 0; k < ARRAY_SIZE(ignored); k++) {
		const char *at = s;
		if (is(&at, ignored[k]))
			return true;
	}
	if (is(&s, "errors="))
		return parse_errors(s, o);
	if (is(&s, "minixdf"))
		return o->minixdf = true;
	if (is(&s, "grpid") || is(&s, "bsdgroups"))
		return o->grpid = true;
	if (is(&s, "nogrpid") || is(&s, "sysvgroups")) {
		o->grpid = false;
		return true;
	}
	if (is(&s, "nouser_xattr"))
		return o->no_user_xattr = true;
	if (is(&s, "resuid=") && number(s, ~0u, &n)) {
		o->resuid = (u32)n;
		return o->has_resuid = true;
	}
	if (is(&s, "resgid=") && number(s, ~0u, &n)) {
		o->resgid = (u32)n;
		return o->has_resgid = true;
	}
	return is(&s, "sb=") && number(s, ~0u, &o->sb_block);
}

bool ext2_parse_options(const char *text, struct ext2_options *o)
{
	while (text && *text) {
		if (*text != ',' && !parse_one(text, o)) {
			const char *end = strchr(text, ',');
			hal_log(LOG_ERR, "EXT2-fs: unrecognized mount option \"%.*s\"", (int)(end ? (size_t)(end - text) : strlen(text)), text);
			return false;
		}
		while (*text && *text != ',')
			text++;
		if (*text)
			text++;
	}
	return true;
}

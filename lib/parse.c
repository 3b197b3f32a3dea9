/* SPDX-License-Identifier: MIT */
/* Numbers from text. */
#include <lib/parse.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

bool parse_u64(const char *s, unsigned base, u64 *out, const char **end)
{
	u64 v = 0;
	bool any = false;
	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit(s[2]) < 16) {
		s += 2;
		base = 16;
	} else if (base == 0) {
		base = s[0] == '0' ? 8 : 10;
	}
	for (; digit(*s) < (int)base; s++, any = true)
		if (__builtin_mul_overflow(v, (u64)base, &v) || __builtin_add_overflow(v, (u64)digit(*s), &v))
			return false;
	if (end)
		*end = s;
	*out = v;
	return any;
}

bool parse_size(const char *s, u64 *out, const char **end)
{
	static const char units[] = "kmgtpe";
	unsigned shift = 0;
	u64 v;
	if (!parse_u64(s, 0, &v, &s))
		return false;
	for (unsigned i = 0; units[i]; i++)
		if ((*s | 0x20) == units[i])
			shift = 10 * (i + 1);
	*end = shift ? s + 1 : s;
	*out = v << shift;
	return *out >> shift == v;
}

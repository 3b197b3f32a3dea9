/* SPDX-License-Identifier: MIT */
/* lib/format.c against the C library's printf, number parsing, bitmaps, hashes. */
#include "tests.h"
#include <lib/bitmap.h>
#include <lib/hash.h>
#include <lib/parse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel's own under other names; the host's stay what they are. */
int own_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int own_snprintf(char *buf, size_t size, const char *fmt, ...);
#define vsnprintf own_vsnprintf
#define snprintf own_snprintf
#include "../../lib/format.c"
#undef vsnprintf
#undef snprintf

#define SAME(...)                                                                                   \
	do {                                                                                            \
		char want[200], got[200];                                                                   \
		int n = snprintf(want, sizeof(want), __VA_ARGS__), m = own_snprintf(got, sizeof(got), __VA_ARGS__); \
		assert_string_equal(got, want);                                                             \
		assert_int_equal(m, n);                                                                     \
	} while (0)

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-truncation"

static void format_equals_the_c_library(void **state)
{
	(void)state;
	static const long numbers[] = { 0, 1, -1, 42, -42, 255, 65536, 2147483647, -2147483648l, 9223372036854775807l,
		                            -9223372036854775807l - 1 };
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		long v = numbers[i];
		SAME("%d|%u|%x|%X|%o", (int)v, (unsigned)v, (unsigned)v, (unsigned)v, (unsigned)v);
		SAME("%ld|%lu|%lx|%lld|%llu", v, v, v, (long long)v, (unsigned long long)v);
		SAME("%5d|%-5d|%05d|%+d|% d", (int)v, (int)v, (int)v, (int)v, (int)v);
		SAME("%12ld|%-12ld|%012ld|%.8ld|%12.8ld", v, v, v, v, v);
		SAME("%#x|%#lx|%#o|%#10x|%#010x", (unsigned)v, v, (unsigned)v, (unsigned)v, (unsigned)v);
		SAME("%hhd|%hd|%hhu|%hu|%hhx", (int)v, (int)v, (int)v, (int)v, (int)v);
		SAME("%zu|%zd|%jd", (size_t)v, (ssize_t)v, (intmax_t)v);
		SAME("%*d|%-*d|%0*d|%.*d", 7, (int)v, 7, (int)v, 7, (int)v, 7, (int)v);
		SAME("%*d|%.*d", -7, (int)v, -1, (int)v);
	}
	SAME("%s|%10s|%-10s|%.3s|%10.3s|%-10.3s|%.*s", "hello", "hello", "hello", "hello", "hello", "hello", 2, "hello");
	SAME("%c|%3c|%-3c|%%|100%%", 'x', 'y', 'z');
	SAME("%.0d|%.0x|%.0d", 0, 0, 1);
	SAME("%p", (void *)0x1234abcd);
	SAME("no conversions at all");
	SAME("%s", "");
}

static void format_stops_at_the_size_and_tells_the_length(void **state)
{
	(void)state;
	char buf[8] = "#######";
	assert_int_equal(own_snprintf(buf, 0, "hello"), 5);
	assert_int_equal(buf[0], '#');
	assert_int_equal(own_snprintf(buf, 1, "hello"), 5);
	assert_string_equal(buf, "");
	assert_int_equal(own_snprintf(buf, 4, "%d-%s", 12, "hello"), 8);
	assert_string_equal(buf, "12-");
	assert_int_equal(own_snprintf(buf, sizeof(buf), "%s", (char *)NULL), 6);
	assert_string_equal(buf, "(null)");
}

static void parse_takes_what_fits(void **state)
{
	(void)state;
	u64 v = 7;
	const char *end;
	assert_true(parse_u64("123abc", 10, &v, &end));
	assert_int_equal(v, 123);
	assert_string_equal(end, "abc");
	assert_true(parse_u64("0x1F", 0, &v, &end) && v == 31 && !*end);
	assert_true(parse_u64("1F", 16, &v, &end) && v == 31 && !*end);
	assert_true(parse_u64("0x1F", 16, &v, &end) && v == 31 && !*end);
	assert_true(parse_u64("017", 0, &v, &end) && v == 15 && !*end);
	assert_true(parse_u64("0", 0, &v, &end) && v == 0 && !*end);
	assert_true(parse_u64("0x", 0, &v, &end) && v == 0 && *end == 'x');
	assert_true(parse_u64("18446744073709551615", 10, &v, &end) && v == ~0ull);
	assert_false(parse_u64("18446744073709551616", 10, &v, &end));
	assert_false(parse_u64("99999999999999999999999", 10, &v, &end));
	assert_false(parse_u64("", 10, &v, &end));
	assert_false(parse_u64("-1", 10, &v, &end));
	assert_false(parse_u64("zz", 16, &v, &end));
}

static void bitmap_fills_ranges(void **state)
{
	(void)state;
	enum { N = 200 };
	u64 map[BITMAP_WORDS(N)] = { 0 };
	bool in[N] = { false };
	unsigned seed = 1;
	for (unsigned round = 0; round < 20000; round++) {
		seed = seed * 1103515245u + 12345u;
		unsigned from = (seed >> 8) % N, nr = (seed >> 16) % (N - from + 1);
		bool set = seed >> 30 & 1;
		bitmap_fill(map, from, nr, set);
		for (unsigned i = from; i < from + nr; i++)
			in[i] = set;
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(bitmap_test(map, i), in[i]);
	}
}

static void bitmap_finds_set_and_clear_bits(void **state)
{
	(void)state;
	enum { N = 200 };
	u64 map[BITMAP_WORDS(N)] = { 0 };
	bool in[N] = { false };
	srand(3);
	assert_int_equal(bitmap_next_set(map, N, 0), N);
	assert_int_equal(bitmap_next_clear(map, N, 0), 0);
	for (unsigned step = 0; step < 2000; step++) {
		unsigned i = (unsigned)rand() % N, count = 0;
		in[i] = !in[i];
		in[i] ? bitmap_set(map, i) : bitmap_clear(map, i);
		unsigned set = i, clear = i;
		while (set < N && !in[set])
			set++;
		while (clear < N && in[clear])
			clear++;
		for (unsigned k = 0; k < N; k++)
			count += in[k];
		assert_int_equal(bitmap_next_set(map, N, i), set);
		assert_int_equal(bitmap_next_clear(map, N, i), clear);
		assert_int_equal(bitmap_count(map, N), count);
		assert_int_equal(bitmap_test(map, i), in[i]);
	}
	memset(map, 0xff, sizeof(map));
	assert_int_equal(bitmap_next_clear(map, N, 0), N);
}

static void hash_spreads_and_knows_its_vector(void **state)
{
	(void)state;
	unsigned used[64] = { 0 }, most = 0;
	for (u64 k = 0; k < 640; k++) {
		u64 h = hash_u64(k * PAGE_SIZE, 6);
		assert_true(h < 64);
		most = max(most, ++used[h]);
	}
	assert_true(most <= 20);
	assert_int_equal(hash_bytes("", 0), 0xcbf29ce484222325ull);
	assert_int_equal(hash_bytes("a", 1), 0xaf63dc4c8601ec8cull);
	assert_int_equal(hash_bytes("foobar", 6), 0x85944171f73967e8ull);
}

int run_format_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_equals_the_c_library),
		cmocka_unit_test(format_stops_at_the_size_and_tells_the_length),
		cmocka_unit_test(parse_takes_what_fits),
		cmocka_unit_test(bitmap_finds_set_and_clear_bits),
		cmocka_unit_test(bitmap_fills_ranges),
		cmocka_unit_test(hash_spreads_and_knows_its_vector),
	};
	return run_group("format", tests, ARRAY_SIZE(tests));
}

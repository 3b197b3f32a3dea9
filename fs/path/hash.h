/* SPDX-License-Identifier: MIT */
/*
 * Names by words: finding where a component of a path ends, hashing and comparing it, eight bytes at a time.
 * The same hash comes from a counted name (name_hash) and from one that ends in a slash or NUL
 * (component_scan). Bytes behind a name are loaded too, but never from the page behind it.
 * Source of the test for a zero byte: H. S. Warren, "Hacker's Delight", 6-1.
 */
#ifndef FS_PATH_HASH_H
#define FS_PATH_HASH_H

#include <hal/mem.h>
#include <hal/types.h>
#include <lib/string.h>

#define EACH_BYTE(b) ((u64)(b) * 0x0101010101010101ull)

/* The lowest bit set lies in the first byte of w that is zero; 0: none is. */
static inline u64 zero_bytes(u64 w) { return (w - EACH_BYTE(1)) & ~w & EACH_BYTE(0x80); }

static inline u64 load_word(const char *s)
{
	u64 w;
	__builtin_memcpy(&w, s, sizeof(w));
	return w;
}

static inline bool is_word_in_page(const char *s) { return ((u64)s & ~PAGE_MASK) <= PAGE_SIZE - 8; }

/* The first n (below 8) bytes from s on. */
static __attribute__((noinline, unused)) u64 load_bytes(const char *s, unsigned n)
{
	u64 w = 0;
	for (unsigned i = 0; i < n; i++)
		w |= (u64)(u8)s[i] << i * 8;
	return w;
}

/* Eight bytes from s on, or as many as there are up to the NUL. */
static inline u64 load_string_word(const char *s)
{
	return likely(is_word_in_page(s)) ? load_word(s) : load_bytes(s, (unsigned)strnlen(s, 8));
}

/* The upper bits of the product are the mixed ones: the next word goes onto them, and in the end they are it. */
static inline u64 name_hash_begin(const void *parent) { return (u64)parent * 0x9e3779b97f4a7c15ull; }
static inline u64 name_hash_add(u64 h, u64 word) { return ((h << 32 | h >> 32) ^ word) * 0x9e3779b97f4a7c15ull; }
static inline u32 name_hash_end(u64 h) { return (u32)(h >> 32); }

/* Of the name of len bytes in directory `parent`. */
static inline u32 name_hash(const void *parent, const char *name, size_t len)
{
	u64 h = name_hash_begin(parent);
	for (; len >= 8; len -= 8, name += 8)
		h = name_hash_add(h, load_word(name));
	return name_hash_end(name_hash_add(h, load_bytes(name, (unsigned)len)));
}

/* The component that s begins with: its length, and its hash in `parent`. */
static inline size_t component_scan(const void *parent, const char *s, u32 *hash)
{
	u64 h = name_hash_begin(parent);
	for (size_t len = 0;; len += 8) {
		u64 w = load_string_word(s + len), end = zero_bytes(w) | zero_bytes(w ^ EACH_BYTE('/'));
		if (end) {
			u64 mask = (end ^ (end - 1)) >> 8; /* of the bytes before it */
			*hash = name_hash_end(name_hash_add(h, w & mask));
			return len + (unsigned)__builtin_ctzll(end) / 8;
		}
		h = name_hash_add(h, w);
	}
}

/* Are these len bytes equal? a has room for len rounded up to 8. */
static inline bool names_equal(const char *a, const char *b, size_t len)
{
	for (; len >= 8; len -= 8, a += 8, b += 8)
		if (load_word(a) != load_word(b))
			return false;
	if (unlikely(!is_word_in_page(b)))
		return load_bytes(a, (unsigned)len) == load_bytes(b, (unsigned)len);
	return !len || (load_word(a) ^ load_word(b)) << (64 - len * 8) == 0;
}

#endif

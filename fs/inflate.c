/* SPDX-License-Identifier: MIT */
/*
 * Inflate. Sources: RFC 1951 (the format and the construction of canonical codes), RFC 1952 (gzip).
 *
 * Output goes through a window of 32 KiB, which is handed to the sink each time it is full. Codes of at
 * most FAST_BITS bits are decoded by one table look-up, longer ones bit by bit over the canonical
 * counts. Input beyond the end reads as zeros and is noticed by `overrun`.
 */
#include "inflate.h"
#include <asm/errno.h>
#include <lib/string.h>
#include <mm/slab.h>

#define WINDOW    32768u
#define MAX_BITS  15
#define FAST_BITS 9
#define MAX_LIT   288
#define MAX_DIST  32

struct huffman {
	u16 fast[1 << FAST_BITS]; /* length << 9 | symbol; 0: longer */
	u16 count[MAX_BITS + 1];  /* codes of each length */
	u16 symbol[MAX_LIT];      /* by length, then value */
};

struct inflate {
	const u8 *in;
	size_t len, at;
	u64 bits;
	unsigned nr_bits;
	bool overrun;
	u8 *window;
	u32 out;      /* bytes in the window not yet handed out */
	u64 total;    /* bytes of output, the window's included */
	u32 crc;
	inflate_sink sink;
	void *arg;
	struct huffman lit, dist;
	u8 lengths[MAX_LIT + MAX_DIST];
};

static void refill(struct inflate *z)
{
	while (z->nr_bits <= 56) {
		if (z->at < z->len)
			z->bits |= (u64)z->in[z->at] << z->nr_bits;
		else if (z->at > z->len + 8)
			z->overrun = true;
		z->at++;
		z->nr_bits += 8;
	}
}

static u32 take(struct inflate *z, unsigned n)
{
	if (z->nr_bits < n)
		refill(z);
	u32 v = (u32)(z->bits & ((1ull << n) - 1));
	z->bits >>= n;
	z->nr_bits -= n;
	return v;
}

/* Gives unread whole bytes back to the input. */
static void align_to_byte(struct inflate *z)
{
	take(z, z->nr_bits % 8);
	z->at -= z->nr_bits / 8;
	z->bits = 0;
	z->nr_bits = 0;
}

/* Builds the decoder for n code lengths. False: over-subscribed, or incomplete with several codes. */
static bool huffman_build(struct huffman *h, const u8 *lengths, unsigned n)
{
	u16 offset[MAX_BITS + 2];
	u32 next[MAX_BITS + 2], code = 0;
	int left = 1;
	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < n; i++)
		h->count[lengths[i]]++;
	unsigned used = n - h->count[0];
	h->count[0] = 0;
	offset[1] = 0;
	for (unsigned b = 1; b <= MAX_BITS; b++) {
		left = (left << 1) - h->count[b];
		if (left < 0)
			return false;
		code = (code + h->count[b - 1]) << 1;
		next[b] = code;
		offset[b + 1] = (u16)(offset[b] + h->count[b]);
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned len = lengths[i];
		if (!len)
			continue;
		h->symbol[offset[len]++] = (u16)i;
		u32 c = next[len]++, reversed = 0;
		if (len > FAST_BITS)
			continue;
		for (unsigned b = 0; b < len; b++)
			reversed |= (c >> b & 1) << (len - 1 - b);
		for (u32 at = reversed; at < 1u << FAST_BITS; at += 1u << len)
			h->fast[at] = (u16)(len << 9 | i);
	}
	return left == 0 || used <= 1;
}

static int decode(struct inflate *z, const struct huffman *h)
{
	if (z->nr_bits < MAX_BITS)
		refill(z);
	u16 e = h->fast[z->bits & ((1u << FAST_BITS) - 1)];
	if (e) {
		z->bits >>= e >> 9;
		z->nr_bits -= e >> 9;
		return e & 511;
	}
	int code = 0, first = 0, index = 0;
	for (unsigned len = 1; len <= MAX_BITS; len++) {
		code |= (int)take(z, 1);
		int count = h->count[len];
		if (code - count < first)
			return h->symbol[index + (code - first)];
		index += count;
		first = (first + count) << 1;
		code <<= 1;
	}
	return -1;
}

static void crc_update(struct inflate *z, const u8 *p, size_t n)
{
	static const u32 nibble[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		                            0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
	u32 c = z->crc;
	while (n--) {
		c ^= *p++;
		c = nibble[c & 15] ^ (c >> 4);
		c = nibble[c & 15] ^ (c >> 4);
	}
	z->crc = c;
}

static int flush(struct inflate *z)
{
	u32 n = z->out;
	z->out = 0;
	crc_update(z, z->window, n);
	return n ? z->sink(z->arg, z->window, n) : 0;
}

static inline int put(struct inflate *z, u8 byte)
{
	z->window[z->out++] = byte;
	z->total++;
	return z->out == WINDOW ? flush(z) : 0;
}

static int stored_block(struct inflate *z)
{
	align_to_byte(z);
	if (z->at + 4 > z->len)
		return -EINVAL;
	u32 n = z->in[z->at] | z->in[z->at + 1] << 8, inverted = z->in[z->at + 2] | z->in[z->at + 3] << 8;
	z->at += 4;
	if (n != (inverted ^ 0xffff) || z->at + n > z->len)
		return -EINVAL;
	for (int err; n; n--)
		if ((err = put(z, z->in[z->at++])) != 0)
			return err;
	return 0;
}

static int copy_match(struct inflate *z, u32 len, u32 distance)
{
	if (distance > z->total || distance > WINDOW)
		return -EINVAL;
	u32 from = (z->out - distance) & (WINDOW - 1);
	while (len--) {
		int err = put(z, z->window[from]);
		if (err)
			return err;
		from = (from + 1) & (WINDOW - 1);
	}
	return 0;
}

static int compressed_block(struct inflate *z)
{
	static const u16 len_base[29] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
	static const u8 len_extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
	for (;;) {
		int sym = decode(z, &z->lit), err;
		if (sym < 0 || z->overrun)
			return -EINVAL;
		if (sym < 256) {
			if ((err = put(z, (u8)sym)) != 0)
				return err;
			continue;
		}
		if (sym == 256)
			return 0;
		sym -= 257;
		if (sym >= 29)
			return -EINVAL;
		u32 len = len_base[sym] + take(z, len_extra[sym]);
		int d = decode(z, &z->dist);
		if (d < 0 || d >= 30)
			return -EINVAL;
		unsigned extra = d < 2 ? 0 : (unsigned)(d / 2 - 1);
		u32 distance = d < 2 ? (u32)d + 1 : ((2u + (d & 1)) << extra) + 1 + take(z, extra);
		if ((err = copy_match(z, len, distance)) != 0)
			return err;
	}
}

static bool fixed_codes(struct inflate *z)
{
	for (unsigned i = 0; i < MAX_LIT; i++)
		z->lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	huffman_build(&z->lit, z->lengths, MAX_LIT);
	memset(z->lengths, 5, 32);
	return huffman_build(&z->dist, z->lengths, 32);
}

/* Reads nr code lengths, themselves coded with z->lit. */
static bool read_lengths(struct inflate *z, unsigned nr)
{
	unsigned i = 0;
	while (i < nr) {
		int sym = decode(z, &z->lit);
		u8 value = 0;
		unsigned repeat;
		if (sym < 0 || z->overrun)
			return false;
		if (sym < 16) {
			z->lengths[i++] = (u8)sym;
			continue;
		}
		if (sym == 16) {
			if (!i)
				return false;
			value = z->lengths[i - 1];
			repeat = 3 + take(z, 2);
		} else {
			repeat = sym == 17 ? 3 + take(z, 3) : 11 + take(z, 7);
		}
		if (i + repeat > nr)
			return false;
		while (repeat--)
			z->lengths[i++] = value;
	}
	return true;
}

static bool dynamic_codes(struct inflate *z)
{
	static const u8 order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
	unsigned nr_lit = take(z, 5) + 257, nr_dist = take(z, 5) + 1, nr_code = take(z, 4) + 4;
	if (nr_lit > 286 || nr_dist > 30)
		return false;
	memset(z->lengths, 0, 19);
	for (unsigned i = 0; i < nr_code; i++)
		z->lengths[order[i]] = (u8)take(z, 3);
	if (!huffman_build(&z->lit, z->lengths, 19) || !read_lengths(z, nr_lit + nr_dist) || !z->lengths[256])
		return false;
	return huffman_build(&z->dist, z->lengths + nr_lit, nr_dist) && huffman_build(&z->lit, z->lengths, nr_lit);
}

static int inflate_blocks(struct inflate *z)
{
	bool last;
	do {
		last = take(z, 1);
		int err = 0;
		switch (take(z, 2)) {
		case 0:
			err = stored_block(z);
			break;
		case 1:
			fixed_codes(z);
			err = compressed_block(z);
			break;
		case 2:
			err = dynamic_codes(z) ? compressed_block(z) : -EINVAL;
			break;
		default:
			err = -EINVAL;
		}
		if (err)
			return err;
	} while (!last);
	return flush(z);
}

/* Length of the gzip header; 0: malformed. */
static size_t header_len(const u8 *p, size_t len)
{
	size_t at = 10;
	if (len < 18 || p[0] != 0x1f || p[1] != 0x8b || p[2] != 8 || (p[3] & 0xe0))
		return 0;
	if (p[3] & 4) {
		if (at + 2 > len)
			return 0;
		at += 2u + p[at] + (p[at + 1] << 8);
	}
	for (unsigned bit = 8; bit <= 16; bit *= 2) { /* name, comment */
		if (!(p[3] & bit))
			continue;
		while (at < len && p[at])
			at++;
		at++;
	}
	if (p[3] & 2)
		at += 2;
	return at + 8 < len ? at : 0;
}

static u32 le32(const u8 *p) { return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24; }

int gzip_inflate(const u8 *data, size_t len, size_t *used, inflate_sink sink, void *arg)
{
	size_t head = header_len(data, len);
	if (!head)
		return -EINVAL;
	struct inflate *z = kzalloc(sizeof(*z), ALLOC_KERNEL);
	u8 *window = kmalloc(WINDOW, ALLOC_KERNEL);
	int err = z && window ? 0 : -ENOMEM;
	if (!err) {
		*z = (struct inflate){ .in = data, .len = len, .at = head, .window = window, .crc = ~0u, .sink = sink, .arg = arg };
		err = inflate_blocks(z);
	}
	if (!err) {
		align_to_byte(z);
		if (z->at + 8 > len || le32(data + z->at) != ~z->crc || le32(data + z->at + 4) != (u32)z->total)
			err = -EINVAL;
		*used = z->at + 8;
	}
	kfree(window);
	kfree(z);
	return err;
}

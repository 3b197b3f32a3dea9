/* SPDX-License-Identifier: MIT */
/* printf without a C library; a host program's own wins there (weak). */
#include <lib/format.h>
#include <lib/string.h>

struct out {
	char *buf;
	size_t size, len;
};

struct spec {
	bool left, zero, plus, space, alt, upper;
	int width, precision; /* precision < 0: none */
	unsigned base;
};

/* How many of n more bytes there is room for; they count all the same. */
static size_t room_for(struct out *o, size_t n)
{
	size_t left = o->size > o->len + 1 ? o->size - o->len - 1 : 0;
	return min(n, left);
}

static void put(struct out *o, const char *s, size_t n)
{
	memcpy(o->buf + o->len, s, room_for(o, n));
	o->len += n;
}

static void pad(struct out *o, char c, int n)
{
	if (n <= 0)
		return;
	memset(o->buf + o->len, c, room_for(o, (size_t)n));
	o->len += (size_t)n;
}

static void put_text(struct out *o, const char *s, size_t len, const struct spec *p)
{
	if (!p->left)
		pad(o, ' ', p->width - (int)len);
	put(o, s, len);
	if (p->left)
		pad(o, ' ', p->width - (int)len);
}

static void put_number(struct out *o, u64 v, bool negative, const struct spec *p)
{
	const char *digits = p->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24], prefix[3];
	int n = 0, np = 0;
	bool nonzero = v != 0;
	do {
		text[sizeof(text) - (size_t)++n] = digits[v % p->base];
		v /= p->base;
	} while (v);
	if (p->precision == 0 && !nonzero)
		n = 0;
	if (negative)
		prefix[np++] = '-';
	else if (p->plus)
		prefix[np++] = '+';
	else if (p->space)
		prefix[np++] = ' ';
	if (p->alt && p->base == 16 && nonzero) {
		prefix[np++] = '0';
		prefix[np++] = p->upper ? 'X' : 'x';
	} else if (p->alt && p->base == 8) {
		prefix[np++] = '0';
	}
	int zeros = p->precision > n ? p->precision - n : 0;
	if (p->zero && !p->left && p->precision < 0 && p->width > n + np)
		zeros = p->width - n - np;
	int fill = p->width - n - np - zeros;
	if (!p->left)
		pad(o, ' ', fill);
	put(o, prefix, (size_t)np);
	pad(o, '0', zeros);
	put(o, text + sizeof(text) - n, (size_t)n);
	if (p->left)
		pad(o, ' ', fill);
}

static const char *read_flags(const char *f, struct spec *p)
{
	for (;; f++) {
		if (*f == '-')
			p->left = true;
		else if (*f == '0')
			p->zero = true;
		else if (*f == '+')
			p->plus = true;
		else if (*f == ' ')
			p->space = true;
		else if (*f == '#')
			p->alt = true;
		else
			return f;
	}
}

/* The variable arguments travel by pointer, since helpers take from them. */
struct args {
	va_list ap;
};

static const char *read_int(const char *f, int *v, struct args *a)
{
	if (*f == '*') {
		*v = va_arg(a->ap, int);
		return f + 1;
	}
	for (*v = 0; *f >= '0' && *f <= '9'; f++)
		*v = *v * 10 + (*f - '0');
	return f;
}

static u64 take_number(struct args *a, int longs, int shorts, bool is_signed, bool *negative)
{
	*negative = false;
	if (!is_signed) {
		u64 v = longs ? va_arg(a->ap, u64) : va_arg(a->ap, unsigned);
		return shorts == 1 ? (u16)v : shorts == 2 ? (u8)v : v;
	}
	s64 v = longs ? va_arg(a->ap, s64) : va_arg(a->ap, int);
	if (shorts)
		v = shorts == 1 ? (int16_t)v : (int8_t)v;
	*negative = v < 0;
	return v < 0 ? -(u64)v : (u64)v;
}

static void convert(struct out *o, char c, struct spec *p, int longs, int shorts, struct args *a)
{
	bool negative;
	switch (c) {
	case 'd':
	case 'i':
	case 'u': {
		u64 v = take_number(a, longs, shorts, c != 'u', &negative);
		put_number(o, v, negative, p);
		break;
	}
	case 'p':
		longs = 1;
		p->alt = true;
		/* fall through */
	case 'X':
	case 'x':
	case 'o': {
		u64 v = take_number(a, longs, shorts, false, &negative);
		p->base = c == 'o' ? 8 : 16;
		p->upper = c == 'X';
		put_number(o, v, false, p);
		break;
	}
	case 'c': {
		char ch = (char)va_arg(a->ap, int);
		put_text(o, &ch, 1, p);
		break;
	}
	case 's': {
		const char *s = va_arg(a->ap, const char *);
		s = s ? s : "(null)";
		put_text(o, s, p->precision >= 0 ? strnlen(s, (size_t)p->precision) : strlen(s), p);
		break;
	}
	default:
		put(o, &c, 1);
	}
}

int __attribute__((weak)) vsnprintf(char *buf, size_t size, const char *f, va_list ap)
{
	struct out o = { buf, size, 0 };
	struct args a;
	va_copy(a.ap, ap);
	while (*f) {
		if (*f != '%') {
			const char *end = f + 1;
			while (*end && *end != '%')
				end++;
			put(&o, f, (size_t)(end - f));
			f = end;
			continue;
		}
		struct spec p = { .precision = -1, .base = 10 };
		int longs = 0, shorts = 0;
		f = read_int(read_flags(f + 1, &p), &p.width, &a);
		if (p.width < 0) {
			p.left = true;
			p.width = -p.width;
		}
		if (*f == '.')
			f = read_int(f + 1, &p.precision, &a);
		for (; *f == 'l' || *f == 'z' || *f == 'h' || *f == 'j' || *f == 't'; f++)
			*f == 'h' ? shorts++ : longs++;
		if (!*f)
			break;
		convert(&o, *f++, &p, longs, shorts, &a);
	}
	va_end(a.ap);
	if (size)
		buf[min(o.len, size - 1)] = '\0';
	return (int)o.len;
}

int __attribute__((weak)) snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

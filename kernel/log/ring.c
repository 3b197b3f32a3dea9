/* SPDX-License-Identifier: MIT */
/*
 * The log ring: records of variable length in a fixed buffer, oldest overwritten first.
 *
 * A record is a header and its text, padded to 8 bytes; it never wraps: where the rest of the buffer
 * is too short, a header with length PAD_LEN sends the reader to the start. Positions count bytes since
 * boot, so position % size is the place and head - tail <= size always holds.
 *
 * The buffer is static, so messages are kept from the first instruction on. The lock is the last of all
 * ranks and taken with interrupts off: hal_log() may be called anywhere. For the same reason it wakes
 * nobody; see klog_watch().
 *
 * Each message also goes to the console when its level is below klog_console_level; "quiet", "debug",
 * "loglevel=N" and "ignore_loglevel" on the command line set that.
 */
#include <hal/boot.h>
#include <hal/log.h>
#include <hal/time.h>
#include <kernel/klog.h>
#include <kernel/time.h>
#include <lib/format.h>
#include <lib/parse.h>
#include <lib/string.h>
#include <stdarg.h>

struct header {
	u64 seq, ns;
	u16 len; /* of the text, or PAD_LEN */
	u8 level, facility;
	u32 unused;
};
#define PAD_LEN 0xffffu

static struct spinlock ring_lock = SPINLOCK_INIT(RANK_LOG);
static char ring[KLOG_RING_SIZE] __attribute__((aligned(8))); /* (ring_lock) */
static u64 head, tail;          /* (ring_lock) byte positions */
static u64 next_seq, first_seq; /* (ring_lock) */
static bool configured;

u32 klog_console_level = 7, klog_default_level = 4, klog_console_min = 1;

struct host_waitq klog_waitq = { .lock = { .rank = RANK_WAITQ }, .waiters = LIST_HEAD_INIT(klog_waitq.waiters) };

static size_t record_bytes(size_t len) { return (sizeof(struct header) + len + 7) & ~7ul; }
static struct header *header_at(u64 pos) { return (struct header *)(ring + pos % KLOG_RING_SIZE); }

/* Bytes from the header at pos to the next one. */
static size_t step_locked(u64 pos)
{
	size_t rest = KLOG_RING_SIZE - pos % KLOG_RING_SIZE;
	if (rest < sizeof(struct header) || header_at(pos)->len == PAD_LEN)
		return rest;
	return record_bytes(header_at(pos)->len);
}

static bool is_pad_locked(u64 pos)
{
	return KLOG_RING_SIZE - pos % KLOG_RING_SIZE < sizeof(struct header) || header_at(pos)->len == PAD_LEN;
}

/* Makes room for `bytes` behind head, dropping the oldest. */
static void reserve_locked(size_t bytes)
{
	while (KLOG_RING_SIZE - (head - tail) < bytes) {
		if (!is_pad_locked(tail))
			first_seq++;
		tail += step_locked(tail);
	}
}

static void put_locked(u8 level, u8 facility, u64 ns, const char *text, size_t len)
{
	size_t bytes = record_bytes(len), rest = KLOG_RING_SIZE - head % KLOG_RING_SIZE;
	if (rest < bytes) {
		reserve_locked(rest);
		if (rest >= sizeof(struct header))
			header_at(head)->len = PAD_LEN;
		head += rest;
	}
	reserve_locked(bytes);
	struct header *h = header_at(head);
	*h = (struct header){ .seq = next_seq++, .ns = ns, .len = (u16)len, .level = level, .facility = facility };
	memcpy(h + 1, text, len);
	head += bytes;
}

static const char *find_word(const char *cmdline, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = cmdline; (p = strstr(p, word)) != NULL; p++)
		if ((p == cmdline || p[-1] == ' ') && (p[len] == 0 || p[len] == ' ' || word[len - 1] == '='))
			return p + len;
	return NULL;
}

/* The command line is there some time after the first messages. */
static void configure(void)
{
	const char *cmdline = hal_boot_info()->cmdline, *p;
	u64 n;
	if (!*cmdline)
		return;
	configured = true;
	if (find_word(cmdline, "quiet"))
		klog_console_level = 4;
	if (find_word(cmdline, "debug"))
		klog_console_level = 10;
	if ((p = find_word(cmdline, "loglevel=")) && parse_u64(p, 10, &n, NULL))
		klog_console_level = (u32)min(n, (u64)15);
	if (find_word(cmdline, "ignore_loglevel"))
		klog_console_level = 15;
}

static void echo(u64 ns, const char *text, size_t len)
{
	char prefix[32];
	int n = snprintf(prefix, sizeof(prefix), "[%5llu.%06llu] ", (unsigned long long)(ns / NSEC_PER_SEC), (unsigned long long)(ns % NSEC_PER_SEC / 1000));
	hal_console_write(prefix, (size_t)n);
	hal_console_write(text, len);
	hal_console_write("\n", 1);
}

void klog_append(u8 level, u8 facility, const char *text, size_t len)
{
	u64 ns = hal_clock_ns();
	while (len && text[len - 1] == '\n')
		len--;
	len = min(len, (size_t)KLOG_TEXT_MAX);
	if (unlikely(!configured))
		configure();
	unsigned long flags = spin_lock_irq(&ring_lock);
	put_locked(level, facility, ns, text, len);
	spin_unlock_irq(&ring_lock, flags);
	if (level < READ_ONCE(klog_console_level))
		echo(ns, text, len);
}

void hal_log(enum log_level level, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	klog_append((u8)level, 0, text, min((size_t)n, sizeof(text) - 1));
}

u64 klog_first_seq(void) { return READ_ONCE(first_seq); }
u64 klog_next_seq(void) { return READ_ONCE(next_seq); }

/* Where the last reader stopped: most readers go on from there. */
static u64 hint_pos, hint_seq; /* (ring_lock) */

bool klog_get(u64 seq, struct klog_record *out)
{
	unsigned long flags = spin_lock_irq(&ring_lock);
	bool found = seq < next_seq;
	if (found) {
		u64 pos = tail;
		seq = max(seq, first_seq);
		if (hint_seq <= seq && hint_pos >= tail && hint_pos < head)
			pos = hint_pos;
		while (is_pad_locked(pos) || header_at(pos)->seq < seq)
			pos += step_locked(pos);
		const struct header *h = header_at(pos);
		hint_pos = pos;
		hint_seq = h->seq;
		out->seq = h->seq;
		out->ns = h->ns;
		out->level = h->level;
		out->facility = h->facility;
		out->len = h->len;
		memcpy(out->text, h + 1, h->len);
	}
	spin_unlock_irq(&ring_lock, flags);
	return found;
}

/* ---- waiting ---- */

#define WATCH_PERIOD_NS (50 * 1000000ull)

static struct ktimer watch_timer;
static u64 watched_seq;
static u32 watch_state; /* atomic: 0 = timer not made, 1 = being made, 2 = stands */

static void watch_fired(struct ktimer *t)
{
	u64 seq = klog_next_seq();
	if (seq != watched_seq) {
		watched_seq = seq;
		wake_all(&klog_waitq);
	}
	if (!list_is_empty(&klog_waitq.waiters))
		ktimer_start(t, hal_clock_ns() + WATCH_PERIOD_NS);
}

void klog_watch(void)
{
	u32 none = 0;
	if (__atomic_compare_exchange_n(&watch_state, &none, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		ktimer_init(&watch_timer, watch_fired);
		__atomic_store_n(&watch_state, 2, __ATOMIC_RELEASE);
	}
	if (__atomic_load_n(&watch_state, __ATOMIC_ACQUIRE) == 2)
		ktimer_start(&watch_timer, hal_clock_ns() + WATCH_PERIOD_NS);
}

/* Armed from within the condition: by then the caller stands in the queue. */
static bool has_record(u64 seq)
{
	if (seq < klog_next_seq())
		return true;
	klog_watch();
	return seq < klog_next_seq();
}

int klog_wait(u64 seq) { return wait_event_interruptible(&klog_waitq, has_record(seq)); }

/* ---- text ---- */

size_t klog_format(const struct klog_record *r, bool with_priority, char *buf, size_t size)
{
	size_t done = 0;
	for (size_t from = 0; from <= r->len;) {
		size_t end = from;
		while (end < r->len && r->text[end] != '\n')
			end++;
		char prefix[40];
		int n = 0;
		if (with_priority)
			n = snprintf(prefix, sizeof(prefix), "<%u>", r->facility << 3 | r->level);
		n += snprintf(prefix + n, sizeof(prefix) - (size_t)n, "[%5llu.%06llu] ", (unsigned long long)(r->ns / NSEC_PER_SEC),
		              (unsigned long long)(r->ns % NSEC_PER_SEC / 1000));
		if (done + (size_t)n + (end - from) + 1 > size)
			return 0;
		memcpy(buf + done, prefix, (size_t)n);
		memcpy(buf + done + n, r->text + from, end - from);
		done += (size_t)n + (end - from);
		buf[done++] = '\n';
		from = end + 1;
	}
	return done;
}

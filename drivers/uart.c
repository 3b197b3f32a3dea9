/* SPDX-License-Identifier: MIT */
/* The serial line COM1 (16550): the debug console, and a terminal's other end. Source: PC16550D. */
#include <drivers/uart.h>
#include <hal/boot.h>
#include <hal/irq.h>
#include <hal/lock.h>
#include <machine/io.h>

#define BASE 0x3f8

static struct spinlock tx_lock = SPINLOCK_INIT(RANK_LOG);
static void (*receive)(const u8 *bytes, size_t n);

void uart_init(void)
{
	hal_out8(BASE + 1, 0x00); /* no interrupts yet */
	hal_out8(BASE + 3, 0x80); /* divisor latch: 115200 baud */
	hal_out8(BASE + 0, 1);
	hal_out8(BASE + 1, 0);
	hal_out8(BASE + 3, 0x03); /* 8 bits, no parity, 1 stop */
	hal_out8(BASE + 2, 0x07); /* FIFO on, cleared */
	hal_out8(BASE + 4, 0x0b); /* DTR, RTS, OUT2 (interrupts) */
}

static void put(char c)
{
	while (!(hal_in8(BASE + 5) & 0x20))
		hal_cpu_pause();
	hal_out8(BASE, (u8)c);
}

void uart_write(const char *s, size_t len)
{
	unsigned long flags = hal_irq_save();
	/* A panic may come while another CPU holds the lock: give up on it after a while. */
	for (unsigned i = 0; i < 1000000 && !spin_trylock(&tx_lock); i++)
		hal_cpu_pause();
	for (size_t i = 0; i < len; i++)
		put(s[i]);
	spin_unlock(&tx_lock);
	hal_irq_restore(flags);
}

void hal_console_write(const char *s, size_t len)
{
	for (size_t i = 0, from = 0; i < len; i++)
		if (s[i] == '\n' || i + 1 == len) {
			size_t n = i + 1 - from - (s[i] == '\n');
			uart_write(s + from, n);
			if (s[i] == '\n')
				uart_write("\r\n", 2);
			from = i + 1;
		}
}

static void interrupt(void *arg)
{
	u8 bytes[32];
	size_t n = 0;
	(void)arg;
	while (hal_in8(BASE + 5) & 1) {
		bytes[n++] = hal_in8(BASE);
		if (n == sizeof(bytes)) {
			receive(bytes, n);
			n = 0;
		}
	}
	if (n)
		receive(bytes, n);
}

void uart_set_rx(void (*fn)(const u8 *bytes, size_t n))
{
	receive = fn;
	hal_irq_request(4, false, false, "ttyS0", interrupt, NULL);
	hal_out8(BASE + 1, 0x01); /* interrupt when bytes came */
}

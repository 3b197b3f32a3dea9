/* SPDX-License-Identifier: MIT */
/* The serial line. */
#ifndef DRIVERS_UART_H
#define DRIVERS_UART_H

#include <hal/types.h>

void uart_init(void); /* first of all: the log needs it */

/* Sends bytes as they are; waits for the line. Any context. */
void uart_write(const char *s, size_t len);

/* fn gets what arrives, in interrupt context. Once. */
void uart_set_rx(void (*fn)(const u8 *bytes, size_t n));

#endif

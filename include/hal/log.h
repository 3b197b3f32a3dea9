/* SPDX-License-Identifier: MIT */
/* The log and the end: messages, assertions, panic. */
#ifndef HAL_LOG_H
#define HAL_LOG_H

#include <hal/types.h>

enum log_level { LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

/* Appends one record to the kernel log (the host: standard error). Any context, any lock. */
void hal_log(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A broken invariant: prints message, registers and backtrace, stops all CPUs, ends the run. */
void hal_panic(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Always on: cheap checks of what must never be false. */
#define ASSERT(cond)                                                                                \
	do {                                                                                            \
		if (unlikely(!(cond)))                                                                      \
			hal_panic("%s:%d: %s: assertion failed: %s", __FILE__, __LINE__, __func__, #cond);      \
	} while (0)

/* Debug tier: type-checked always, evaluated when the machine was started with checks on. */
extern bool hal_debug_checks;
#define DEBUG_ASSERT(cond)                                                                          \
	do {                                                                                            \
		if (unlikely(hal_debug_checks))                                                             \
			ASSERT(cond);                                                                           \
	} while (0)

#endif

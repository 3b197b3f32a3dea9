/* SPDX-License-Identifier: MIT */
/* Causes of floating-point exceptions of user mode. */
#ifndef HAL_FPU_H
#define HAL_FPU_H

#include <hal/context.h>

/* The exceptions that are raised and not masked, one bit each as the x87 status word has them (invalid,
 * denormal, divide by zero, overflow, underflow, precision), of the x87 or SSE unit. */
unsigned hal_fpu_exceptions(struct hal_context *running, bool is_simd);

#endif

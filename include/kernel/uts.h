/* SPDX-License-Identifier: MIT */
/* The machine's names: uname(2), /proc/sys/kernel/{hostname,domainname}, /proc/version. */
#ifndef KERNEL_UTS_H
#define KERNEL_UTS_H

#include <hal/types.h>
#include <linux/utsname.h>

#define UTS_RELEASE "6.1.0-quire"
#define UTS_VERSION "#1 SMP Quire"

void uts_read(struct new_utsname *out);
/* len bytes without NUL, at most __NEW_UTS_LEN. */
void uts_set_nodename(const char *name, size_t len);
void uts_set_domainname(const char *name, size_t len);

#endif

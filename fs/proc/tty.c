/* SPDX-License-Identifier: MIT */
/* /proc/tty/drivers: which numbers of character devices are terminals; ps, top and htop name terminals by it. */
#include "proc.h"

static int show_drivers(struct seq *s, struct pseudo_node *n)
{
	static const struct {
		const char *driver, *name;
		unsigned major, first, last;
		const char *type;
	} drivers[] = {
		{ "/dev/tty", "tty", 5, 0, 0, "system:/dev/tty" }, { "/dev/console", "console", 5, 1, 1, "system:console" },
		{ "/dev/ptmx", "ptmx", 5, 2, 2, "system" },        { "serial", "ttyS", 4, 64, 64, "serial" },
		{ "hvc", "hvc", 229, 0, 7, "system" },             { "pty_slave", "pts", 136, 0, 1048575, "pty:slave" },
		{ "pty_master", "ptm", 128, 0, 1048575, "pty:master" },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(drivers); i++) {
		char range[24];
		if (drivers[i].first == drivers[i].last)
			snprintf(range, sizeof(range), "%7u", drivers[i].first);
		else
			snprintf(range, sizeof(range), "%u-%u", drivers[i].first, drivers[i].last);
		seq_printf(s, "%-20s /dev/%-8s %3u %s %s\n", drivers[i].driver, drivers[i].name, drivers[i].major, range, drivers[i].type);
	}
	return 0;
}

static const struct pseudo_entry entries[] = { FILE_ENTRY("drivers", show_drivers) };
const struct pseudo_entry proc_tty_dir = DIR_ENTRY("tty", entries);

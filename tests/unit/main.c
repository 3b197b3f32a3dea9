/* SPDX-License-Identifier: MIT */
/* Runs all groups; the last line counts. `unit NAME...` runs only the groups named. */
#include "tests.h"
#include <stdio.h>
#include <string.h>

static size_t nr_run;

int run_group(const char *name, const struct CMUnitTest *tests, size_t nr)
{
	nr_run += nr;
	return _cmocka_run_group_tests(name, tests, nr, NULL, NULL);
}

static const struct {
	const char *name;
	int (*run)(void);
} groups[] = {
	{ "format", run_format_tests },
	{ "lib", run_lib_tests },
	{ "frame", run_frame_tests },
	{ "space", run_space_tests },
	{ "mobility", run_mobility_tests },
	{ "migrate", run_migrate_tests },
	{ "compact", run_compact_tests },
	{ "fork", run_fork_tests },
	{ "chain", run_chain_tests },
	{ "sequence", run_sequence_tests },
	{ "failure", run_failure_tests },
	{ "threads", run_thread_tests },
	{ "turns", run_turns_tests },
	{ "conformance", run_conformance_tests },
	{ "block", run_block_tests },
	{ "gpt", run_gpt_tests },
	{ "mbr", run_mbr_tests },
	{ "cache", run_cache_tests },
	{ "writeback", run_writeback_tests },
	{ "policy", run_policy_tests },
	{ "swap", run_swap_tests },
	{ "flush", run_flush_tests },
	{ "stat", run_stat_tests },
	{ "call", run_call_tests },
	{ "oom", run_oom_tests },
	{ "psi", run_psi_tests },
	{ "turn", run_turn_tests },
	{ "group", run_memgroup_tests },
};

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc == 1;
}

int main(int argc, char **argv)
{
	int failed = 0;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (is_wanted(groups[i].name, argc, argv))
			failed += groups[i].run();
	printf("%d passed, %d failed\n", (int)nr_run - failed, failed);
	return failed != 0;
}

/* SPDX-License-Identifier: MIT */
/* Runs all groups; the last line counts. `unit threads` runs only what needs free-running CPUs. */
#include "tests.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int failed = 0;
	if (argc > 1 && strcmp(argv[1], "threads") == 0)
		return run_thread_tests() != 0;
	failed += run_lib_tests();
	failed += run_frame_tests();
	failed += run_space_tests();
	failed += run_fork_tests();
	failed += run_sequence_tests();
	failed += run_failure_tests();
	failed += run_thread_tests();
	return failed != 0;
}

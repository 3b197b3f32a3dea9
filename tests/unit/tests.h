/* SPDX-License-Identifier: MIT */
/* Unit tests of mm/ on the host machine, with cmocka. Each file registers its tests in main.c. */
#ifndef UNIT_TESTS_H
#define UNIT_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <host/disk.h>
#include <host/machine.h>
#include <linux/mman.h>
#include <mm/mapping.h>
#include <mm/mman.h>

/* A small machine with checks on. */
void machine_up(u64 ram_bytes, unsigned cpus);
void machine_up_with_nodes(u64 ram_bytes, unsigned cpus, unsigned nodes);
/* Its CPUs are threads that the test makes. */
void machine_up_free_running(u64 ram_bytes, unsigned cpus);
/* What is in use now stays for good (objects that mm/ never gives back): machine_down expects no more than that. */
void machine_keep_frames(void);
/* All frames but those of mm/'s own caches are free again; takes the machine down. */
void machine_down(void);

/* Every validator there is; fails the test with what is broken. */
void assert_valid(struct space *s);

/* A shmem-like file for mappings. */
struct test_file {
	struct mapping mapping;
	u64 size;
	int refs;
};
void file_init(struct test_file *f, u64 size);
void file_truncate(struct test_file *f, u64 size);

uaddr_t map(struct space *s, uaddr_t at, u64 len, u32 prot, u32 flags, struct test_file *f, u64 offset);
void put_byte(uaddr_t addr, u8 value);
u8 get_byte(uaddr_t addr);
/* The verdict of a write or read that is expected to fail. */
struct fault_verdict try_write(uaddr_t addr);
struct fault_verdict try_read(uaddr_t addr);

#define SWAP_WORKER_CPU 4u /* on machines with free-running CPUs */
/* A disk for swap, and an area that takes all of it; as swap_area_add. */
struct host_disk *swap_disk(u64 pages, u64 delay_ns);
int swap_on(struct host_disk *d, u64 pages, int priority, unsigned *area);
/* Every page, anonymous or shared, that s maps in the range goes out, shared or not. */
void push_out(struct host_disk *disk, struct space *s, uaddr_t at, unsigned nr);
/* The frame that addr maps, with a reference, or NULL: none, special, or being migrated. */
struct frame *mapped_frame(struct space *s, uaddr_t addr);
/* Migrates the page in f, whose reference is used up, to a new frame. 0, -EBUSY, -EINVAL, -ENOMEM. */
int move_page_of(struct frame *f);

/* A sequence of memory calls against a model (sequence.c). random(n) decides: a number below n. */
void sequence_run(unsigned (*random)(unsigned n), unsigned nr_ops);

/* Runs a group and counts it for the closing line; returns how many failed. */
int run_group(const char *name, const struct CMUnitTest *tests, size_t nr);

int run_format_tests(void);
int run_frame_tests(void);
int run_mobility_tests(void);
int run_migrate_tests(void);
int run_compact_tests(void);
int run_lib_tests(void);
int run_space_tests(void);
int run_fork_tests(void);
int run_chain_tests(void);
int run_sequence_tests(void);
int run_failure_tests(void);
int run_stat_tests(void);
int run_call_tests(void);
int run_thread_tests(void);
int run_turns_tests(void);
int run_conformance_tests(void);
int run_block_tests(void);
int run_gpt_tests(void);
int run_mbr_tests(void);
int run_cache_tests(void);
int run_writeback_tests(void);
int run_policy_tests(void);
int run_swap_tests(void);
int run_flush_tests(void);
int run_oom_tests(void);
int run_psi_tests(void);
int run_memgroup_tests(void);
int run_turn_tests(void);

#endif

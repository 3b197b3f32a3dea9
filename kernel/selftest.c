/* SPDX-License-Identifier: MIT */
/*
 * quire.selftest=conformance: runs the tests of the two contracts of mm/ (tests/conformance) in the
 * kernel once all CPUs are up, logs "selftest: ok NAME" or "selftest: FAIL NAME: what is broken" for each, then
 * "selftest: N passed, N failed", and switches the machine off.
 *
 * quire.selftest=cost: logs what mm/ costs per page and table (tests/conformance/cost.c), in
 * instructions under -icount shift=0.
 */
#include "../tests/conformance/conformance.h"
#include "main.h"
#include <hal/irq.h>
#include <hal/log.h>
#include <hal/uaccess.h>
#include <kernel/init.h>
#include <kernel/sched.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/slab.h>

static bool load_byte(uaddr_t addr, u8 *out) { return copy_from_user(out, addr, 1) == 0; }
static bool store_byte(uaddr_t addr, u8 value) { return copy_to_user(addr, &value, 1) == 0; }

/* A space that is about to lose its last reference must not stay loaded on any CPU. */
static void use(struct space *s)
{
	struct space *before = current->space;
	sched_use_space(s);
	if (before && before != s)
		sched_drop_space(before);
}

static void spawn(void (*fn)(void *), void *arg)
{
	if (!kthread_create(fn, arg, "conformance"))
		hal_panic("selftest: no memory");
}

struct visit {
	void (*fn)(void *);
	void *arg;
	cpumask_t where;
};

static void visit_main(void *arg)
{
	struct visit v = *(struct visit *)arg;
	kfree(arg);
	if (sched_set_affinity(current, v.where))
		hal_panic("selftest: the other CPU is gone");
	v.fn(v.arg);
}

static bool spawn_elsewhere(void (*fn)(void *), void *arg)
{
	cpumask_t here = (cpumask_t)1 << hal_cpu_id(), others = sched_online_cpus() & ~here;
	if (!others)
		return false;
	sched_set_affinity(current, here);
	struct visit *v = kmalloc(sizeof(*v), ALLOC_KERNEL);
	if (!v)
		hal_panic("selftest: no memory");
	*v = (struct visit){ fn, arg, others };
	spawn(visit_main, v);
	return true;
}

static void report(const char *name, const char *broken)
{
	if (broken)
		hal_log(LOG_ERR, "selftest: FAIL %s: %s", name, broken);
	else
		hal_log(LOG_INFO, "selftest: ok %s", name);
}

static void line(const char *name, u64 cost, u64 pieces)
{
	hal_log(LOG_INFO, "cost: %s: %llu.%llu", name, (unsigned long long)(cost / pieces), (unsigned long long)(cost * 10 / pieces % 10));
}

void selftest_run(void)
{
	static const struct conformance_machine machine = { use, load_byte, store_byte, spawn, spawn_elsewhere, report };
	const char *asked = cmdline_get("quire.selftest");
	unsigned nr_run;
	if (asked && !strcmp(asked, "cost")) {
		cost_run(line);
		hal_power_off();
	}
	if (!asked || strcmp(asked, "conformance"))
		return;
	unsigned failed = conformance_run(&machine, &nr_run);
	hal_log(LOG_INFO, "selftest: %u passed, %u failed", nr_run - failed, failed);
	hal_power_off();
}

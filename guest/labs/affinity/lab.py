# SPDX-License-Identifier: MIT
import lab

TITLE = "pinning to CPUs, and preemption of a busy loop"
TEACHES = "sched_setaffinity is honoured; what shares a CPU takes turns"


def run():
    seen = lab.run(lab.build(__file__, "affinity.c"), options=["--cpus", "2"])
    lab.check(seen.get("CPUs") == "2", "two CPUs")
    lab.check(seen.get("times seen on another CPU than the one pinned to") == "0", "ran on a CPU it was not pinned to")
    lab.check(seen.get("CPUs allowed now") == "1", "the set that was asked for is not the set in force")
    lab.check(seen.get("a busy loop on the same CPU was preempted") == "yes", "a busy loop is not preempted")
    lab.check(seen.get("an empty set is refused") == "yes", "an empty set is accepted")
    lab.say("\nThe same with taskset: taskset -c 0 PROGRAM, taskset -cp PID.")

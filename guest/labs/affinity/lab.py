# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 29, ["process/taskset", "basics/space"]
TITLE = "pinning to CPUs, and preemption of a busy loop"
TEACHES = "sched_setaffinity is honoured; what shares a CPU takes turns"

ALLOWED = {
    "started with -c 0, allowed on": "0", "moved with -cp 1, allowed on": "1", "list 0,1, allowed on": "0-1", "list 0-1, allowed on": "0-1",
    "mask 1, allowed on": "0",
}


def run():
    program = lab.build(__file__, "affinity.c")
    seen = lab.values(lab.script(__file__, "taskset.sh", files=[program], options=["--cpus", "2"]))
    for what, cpus in ALLOWED.items():
        lab.check(seen.get(what) == cpus, f"{what}: {seen.get(what)}, not {cpus}")
    lab.check(lab.IS_HOST or seen.get("CPUs") == "2", "two CPUs")
    lab.check(seen.get("times seen on another CPU than the one pinned to") == "0", "ran on a CPU it was not pinned to")
    lab.check(seen.get("CPUs allowed now") == "1", "the set that was asked for is not the set in force")
    lab.check(seen.get("a busy loop on the same CPU was preempted") == "yes", "a busy loop is not preempted")
    lab.check(seen.get("an empty set is refused") == "yes", "an empty set is accepted")
    same, other = float(seen["share of the CPU beside it"].split()[0]), float(seen["share of the other CPU"].split()[0])
    lab.say("")
    for what, share in (("same CPU", same), ("the other CPU", other)):
        lab.say(f"work done, {what:14} {share:5.1f} % {lab.bar(share, 100)}")
    lab.check(same <= 70, "more than its share beside a busy loop")
    if not lab.IS_HOST:  # which has other work, too
        lab.check(same >= 30, "less than its share beside a busy loop")
        lab.check(other > same + 20, "the other CPU is not better")
    lab.say("\nPinning gives a program its CPU's caches; it does not reserve the CPU. Who else may run there still takes turns with\n"
            "it, and the wait shows as the longest gap. To keep a CPU free, everything else must be pinned elsewhere.")

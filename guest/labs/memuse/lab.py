# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 3, ["guide/2"]
TITLE = "free before, with and after a list of ten million zeros"
TEACHES = "used grows by what a program takes, available shrinks by as much, and both come back: at exit, or before it"
NOT_ON_HOST = "free counts the whole machine, and other programs move its figures"

LIST_KB = 10_000_000 * 8 // 1024  # a pointer for each element; the zero itself is one object
NOISE_KB = 1500                   # free's own pages, slabs, per-CPU lists


def run():
    text = lab.script(__file__, "memuse.sh", files=["memuse.py"], ram="512M")
    rows = [[int(w) for w in line.split()[1:]] for line in text.splitlines() if line.startswith("Mem:")]
    lab.check(len(rows) == 5, "five outputs of free")
    used, available = [r[1] for r in rows], [r[5] for r in rows]
    lab.say("")
    for when, u in zip(("before", "with the list", "after del", "with it again", "after exit"), used):
        lab.say(f"{when:14} used {u:7} kB {lab.bar(u, rows[0][0])}")
    lab.near(used[1] - used[0], LIST_KB, NOISE_KB, "used grew by")
    lab.near(available[0] - available[1], LIST_KB, NOISE_KB, "available shrank by")
    lab.near(used[2], used[0], NOISE_KB, "used after del")
    lab.near(used[3] - used[2], LIST_KB, NOISE_KB, "used grew again by")
    lab.check(used[4] <= used[0] + NOISE_KB and available[4] >= available[0] - NOISE_KB, "not all came back at exit")
    lab.say(f"\nThe list is {LIST_KB} kB (78,125 KiB, not 80 MiB as its ten million elements suggest).\n"
            "Where the document differs: memory comes back before the process ends, too: so large a list has a mapping of\n"
            "its own, and del unmaps it. And used is no longer total - free - buff/cache: since procps 4.0.1 free shows\n"
            "total - available, so used, free and buff/cache do not add up to total.")

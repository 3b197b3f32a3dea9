# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 27, ["system/2", "guide/3"]
TITLE = "a leak in ps, and a restart on a schedule that keeps it at bay"
TEACHES = "RSS that grows with the work and never shrinks is a leak; the end of the process gives all of it back"

LOST_KB = 256  # for each request


def run():
    program = lab.build(__file__, "leak.c")
    seen = lab.values(lab.script(__file__, "leak.sh", files=[program]))
    full = 400 * LOST_KB
    alone = [int(seen[f"left alone, {n} requests"]) for n in range(50, 401, 50)]
    again = [int(seen[f"restarted, {n} requests"]) for n in range(50, 401, 50)]
    lab.say("")
    for name, rows in (("left alone", alone), ("restarted", again)):
        for n, kb in zip(range(50, 401, 50), rows):
            lab.say(f"{name:11} {n:4} requests {kb:7} kB {lab.bar(kb, full)}")
    for a, b in zip(alone, alone[1:]):
        lab.near(b - a, 50 * LOST_KB, 50 * LOST_KB // 8, "RSS grew in 50 requests by")
    lab.check(max(again) < alone[0] + 55 * LOST_KB + 2048, f"restarted: RSS reached {max(again)} kB")
    lab.near(again[-1], again[1], 1024, "RSS before the last restart, against that before the first")
    lab.check(lab.IS_HOST or int(seen["used at the end, more than before"]) < 4096, "not all came back")
    lab.say("\nWhere the documents differ: a growing RSS alone proves no leak (caches of a program and first touches make it\n"
            "grow too, up to a point), and under pressure the leaked pages go to swap, so that RSS stands still while VmSwap grows.")

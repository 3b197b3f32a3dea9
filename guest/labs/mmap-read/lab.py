# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 20, ["guide/5"]
TITLE = "a cached file read by read() and through a mapping: faults and cost"
TEACHES = "read() copies and does not fault; a mapping copies nothing and faults once for 16 pages"

PAGES = 4096
AROUND = 16
WAYS = ["read() of 4 KiB", "read() of 64 KiB", "mapping, shared", "mapping, private", "mapping, populated"]


def run():
    seen = lab.run(lab.build(__file__, "mmap-read.c"), options=lab.debian())
    lab.say("")
    for way in WAYS:
        us = int(seen[way + ": microseconds"])
        lab.say(f"{way:20} {us:8} us {seen[way + ': minor faults']:>6} faults {lab.bar(us, max(int(seen[w + ': microseconds']) for w in WAYS))}")
    lab.check(len({seen[way + ": sum"] for way in WAYS}) == 1, "not all ways read the same")
    lab.check(all(seen[way + ": major faults"] == "0" for way in WAYS), "a cached file caused major faults")
    for way in WAYS[:2]:
        lab.check(int(seen[way + ": minor faults"]) <= 4, f"{way} faults")
    for way in WAYS[2:4]:
        lab.near(int(seen[way + ": minor faults"]), PAGES // AROUND, 8, f"minor faults, {way}")
    lab.check(int(seen["mapping, populated: minor faults"]) <= PAGES // AROUND + 8, "a populated mapping faults more than one that is not")
    lab.say("\nWhich is cheaper depends on the machine and on what is done with the bytes: read() copies 4 KiB for each page, a mapping\n"
            "pays for faults, page-table entries and flushes. It saves memory in any case: no second copy in a buffer.")

# SPDX-License-Identifier: MIT
import re
import statistics

import lab

NUMBER, FROM = 25, ["guide/4"]
TITLE = "the cliff, refaults, pressure; with and without turns"
TEACHES = "each working set fits, together they do not: then nearly all time goes into waiting; letting fewer run helps, no choice of pages does"
NOT_ON_HOST = "it makes the machine thrash"

RAM = "64M" if lab.KERNEL == "quire" else "128M"  # Debian's kernel does not boot in less
SWAP = ["--swap", "256M", "--qemu=-set", "--qemu=drive.disk0.throttling.iops-total=2000"]  # a disk that takes its time, also beside other work on the host
OFF, ON = (["0"], ["1000"]) if lab.KERNEL == "quire" else ([], [])


def thrash(program, processes, percent, seconds, turns):
    text, _ = lab.output(program, str(processes), str(percent), str(seconds), *turns, options=["--ram", RAM, *SWAP])
    seen = {k: int(v) for k, v in lab.values(text).items()}
    rows = [[int(w) for w in m[1].split()] for m in re.finditer(r"^ *\d+ s +(.*)$", text, re.M)]
    seen["middle"] = int(statistics.median_low(rows[-1][1:])) // seconds  # by luck one keeps all its pages now and then, and then does more than all others
    lab.check(seen["wrong"] == 0, "a page came back wrong")
    lab.check(seen["killed for lack of memory"] == 0, "somebody was killed")
    return seen, rows


def turns_picture(rows):
    """Who worked in which second."""
    before = [0] * len(rows[0])
    for second, row in enumerate(rows, 1):
        done = [b - a for a, b in zip(before[1:], row[1:])]
        most = max(max(done), 1)
        lab.say((f"{second:4} s  " + "  ".join(f"{lab.bar(d, most, 12):12}" for d in done)).rstrip())
        before = row


def run():
    program = lab.build(__file__, "thrash.c", "-static", "-O1")
    lab.step("the cliff: 1 to 4 processes, each uses half of the available memory at random")
    seen = {n: thrash(program, n, 48, 8, OFF) for n in (1, 2, 3, 4)}
    fits = seen[1][0]["work a second"]
    lab.say("\naccesses a second, of all and of the middle one:\n\nprocesses  of memory         all     middle                   some  full  refaults  of the working set")
    for n, (s, _) in seen.items():
        lab.say(f"{n:9} {48 * n:8} % {s['work a second']:11} {s['middle']:10} {lab.bar(s['middle'] * n, fits, 16):16} {s['some percent']:4} % {s['full percent']:3} %"
                f" {s['workingset_refault_anon']:9} {s['workingset_restore_anon']:9}")
    four, rows = seen[4]
    lab.check(seen[1][0]["full percent"] == 0 and seen[1][0]["workingset_refault_anon"] < 100, "what fits makes pressure")
    lab.check(four["middle"] * 4 < fits // 4, "no cliff")
    lab.check(four["some percent"] >= 10 and 1 <= four["full percent"] <= four["some percent"], "the pressure of thrashing does not show")
    lab.check(0 < four["workingset_refault_anon"] <= four["pswpin"], "refaults are not counted")
    lab.say("\nA page that comes back after fewer evictions than there are pages would have stayed, had it alone been given room: its refault\n"
            "distance is small, it belongs to the working set. Waiting for such pages, and for memory to be freed, is the pressure that\n"
            "/proc/pressure/memory shows. 'some': one at least waits; 'full': meanwhile nobody works.")
    if lab.KERNEL != "quire":
        lab.say("\nThis kernel has no turns (Linux had a swap token until 3.4): the second half needs Quire.")
        return
    lab.step("the same with turns: one after the other keeps its pages")
    better, rows = thrash(program, 4, 48, 20, ON)
    lab.say("\nwho worked when:\n")
    turns_picture(rows)
    lab.say("")
    for when, s in ("without turns", four), ("with turns", better):
        lab.say(f"{when:13} {s['work a second']:9} accesses a second, the middle one {s['middle']:9}, full {s['full percent']} %")
    lab.check(better["middle"] * 10 >= four["middle"] * 12, "turns do not help")
    lab.check(better["least of one"] >= 20, "somebody starves")
    lab.say("\nThe disk is no faster, and no page was chosen better: fewer run at a time (load control, Denning 1968). The others wait for\n"
            "their turn, which lasts at least as long as it takes to bring a working set in.")

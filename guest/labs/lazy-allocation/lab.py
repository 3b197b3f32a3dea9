# SPDX-License-Identifier: MIT
import re

import lab

NUMBER, FROM = 2, ["system/4"]
TITLE = "malloc reserves addresses, memset brings memory"
TEACHES = "VmSize jumps at malloc; VmRSS, and VmPTE with it, only when the pages are touched"

MB = 1024


def observe(watched):
    text = watched.second_terminal(f"grep Vm /proc/{watched.pid()}/status")
    pmap = watched.second_terminal(f"pmap {watched.pid()} | grep anon")
    seen = {f: lab.status_kb(text, f) for f in ("VmSize", "VmRSS", "VmPTE")}
    return seen, [int(m) for m in re.findall(r"\s(\d+)K ", pmap)]


def one(flags):
    program = lab.build(__file__, "alloc.c", *flags)
    kind = "static" if flags else "dynamic"
    lab.step(f"{kind}: malloc")
    w = lab.Watched(program, [*lab.debian(), "--ram", "512M"])
    # The program's output is a pipe: its C library holds the text back until it is full or ends, so the
    # second terminal waits for the process itself.
    w.wait_until(lambda text: at_rest(text, "VmSize"), "100 MiB of VmSize")
    before, lines_before = observe(w)
    lab.step(f"{kind}: memset")
    w.enter()
    w.wait_until(lambda text: at_rest(text, "VmRSS"), "100 MiB of VmRSS")
    after, lines_after = observe(w)
    w.enter()
    lab.check(w.end() == 0, "the program did not end well")
    lab.check(before["VmRSS"] < 10 * MB, f"before memset VmRSS is already {before['VmRSS']} kB")
    grown = after["VmRSS"] - before["VmRSS"]
    lab.check(abs(grown - 100 * MB) <= MB, f"VmRSS grew by {grown} kB, not by 102400 within 1 %")
    tables = after["VmPTE"] - before["VmPTE"]
    lab.check(196 <= tables <= 212, f"VmPTE grew by {tables} kB; 100 MiB are 50 tables of 4 kB")
    lab.check(abs(after["VmSize"] - before["VmSize"]) < MB, "VmSize changed at memset")
    lab.check(lines_before == lines_after and 100 * MB < max(lines_before) < 101 * MB, f"pmap: {lines_before} before, {lines_after} after")
    lab.say(f"memset: VmRSS +{grown} kB, VmPTE +{tables} kB, VmSize unchanged")


def at_rest(status, field):
    """The program has this much, and waits."""
    return f"{field}:" in status and lab.status_kb(status, field) >= 100 * MB and "S (sleeping)" in status


def run():
    lab.say("The document's experiment, compiled with gcc -O0 (with -O2 the compiler removes the memset:\n"
            "its result is never read, and nothing would be seen).")
    for flags in ((), ("-static",)):
        one(flags)
    lab.say("\nWhere the document differs: there a 100 MiB malloc shows as 102400K in pmap; on x86-64 the C library's\n"
            "header makes it one page more, and neighbours of equal rights appear as one line.")

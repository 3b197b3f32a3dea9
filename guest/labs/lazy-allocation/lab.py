# SPDX-License-Identifier: MIT
import subprocess
import time

import lab

TITLE = "malloc reserves addresses, memset brings memory"
TEACHES = "VmSize jumps at malloc; VmRSS, and VmPTE with it, only when the pages are touched"

MB = 1024


def observe(watched):
    text = watched.second_terminal("grep Vm /proc/$(pidof alloc alloc-static)/status")
    return {f: lab.status_kb(text, f) for f in ("VmSize", "VmRSS", "VmPTE")}


def one(flags):
    program = lab.build(__file__, "alloc.c", *flags)
    w = lab.Watched(program, ["--ram", "512M"])
    # The program's output is a pipe: its C library holds the text back until it is full or ends, so the
    # second terminal waits for the process itself.
    before = wait_for_step(w, 100 * MB, "VmSize")
    w.enter()
    after = wait_for_step(w, 100 * MB, "VmRSS")
    w.enter()
    lab.check(w.end() == 0, "the program did not end well")
    lab.check(before["VmRSS"] < 10 * MB, f"before memset VmRSS is already {before['VmRSS']} kB")
    grown = after["VmRSS"] - before["VmRSS"]
    lab.check(abs(grown - 100 * MB) <= MB, f"VmRSS grew by {grown} kB, not by 102400 within 1 %")
    tables = after["VmPTE"] - before["VmPTE"]
    lab.check(196 <= tables <= 212, f"VmPTE grew by {tables} kB; 100 MiB are 50 tables of 4 kB")
    lab.check(abs(after["VmSize"] - before["VmSize"]) < MB, "VmSize changed at memset")
    lab.say(f"memset: VmRSS +{grown} kB, VmPTE +{tables} kB, VmSize unchanged")


def wait_for_step(w, at_least, field):
    for _ in range(200):
        done = subprocess.run([lab.QUIRE, "exec", "--", "sh", "-c", "cat /proc/$(pidof alloc alloc-static)/status"],
                              stdin=subprocess.DEVNULL, capture_output=True, cwd=lab.ROOT)
        text = done.stdout.decode()
        if f"{field}:" in text and lab.status_kb(text, field) >= at_least and "S (sleeping)" in text:
            return observe(w)
        time.sleep(0.1)
    raise AssertionError(f"{field} did not reach {at_least} kB")


def run():
    lab.say("The document's program, unmodified, compiled with gcc -O0 (with -O2 the compiler removes the memset:\n"
            "its result is never read, and nothing would be seen).")
    for flags in ((), ("-static",)):
        lab.say(f"\n== {'static' if flags else 'dynamic'} ==")
        one(flags)
    lab.say("\nWhere the document differs: there a 100 MiB malloc shows as 102400K in pmap; on x86-64 the C library's\n"
            "header makes it one page more, and neighbours of equal rights appear as one line.")

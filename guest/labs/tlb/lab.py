# SPDX-License-Identifier: MIT
import os
import subprocess

import lab
from quire_cli.common import make

NUMBER, FROM = 13, ["process/3", "system/3", "guide/4"]
TITLE = "hits and misses of a small TLB: sequential, strided, random; after a switch"
TEACHES = "the TLB lives by locality: what counts is how many pages are in use at a time, not how many bytes are read"

ENTRIES = 64
PATTERNS = ("sequential", "a page at a time", "random", "random, mostly near")


def build():
    """The lab's program with Quire's mm/ and the host machine, whose MMU is compiled for a TLB of a real size."""
    make("host-lib")
    folder, out = lab.build_folder(__file__)
    program = os.path.join(out, "tlb")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-g", "-fno-strict-aliasing", "-pthread", "-I", "include", "-I", "arch/host/include", "-I", "arch/host", "-Wno-sign-compare",
                    f"-DTLB_SETS={ENTRIES}", "-o", program, os.path.join(folder, "tlb.c"), "arch/host/mmu.c", "build/host-fast/libquire-mm.a"],
                   cwd=lab.ROOT, check=True)
    return program


def run():
    lab.step(f"a TLB of {ENTRIES} entries: it reaches {ENTRIES * 4} KiB")
    text, _ = lab.shown([build()], lab.ROOT, 0)
    seen = lab.values(text)

    def percent(pattern, pages):
        hits, misses = map(int, seen[f"{pattern}, {pages} pages"].split())
        return 100 * hits / (hits + misses)

    lab.say("\nhits in percent        32 pages   256 pages  1024 pages")
    for p in PATTERNS:
        rates = [percent(p, n) for n in (32, 256, 1024)]
        lab.say(f"{p:20}" + "".join(f"{r:12.1f}" for r in rates) + f"   {lab.bar(rates[1], 100, 25)}")
    for n in (32, 256, 1024):
        lab.check(percent("sequential", n) > 99, "a page read word by word misses more than once")
    lab.check(percent("a page at a time", 32) > 99 and percent("a page at a time", 256) < 1, "the reach of the TLB")
    for n in (256, 1024):
        lab.near(percent("random", n), 100 * ENTRIES / n, 3, f"hits at random in {n} pages")
        lab.check(percent("random, mostly near", n) > percent("random", n) + 10, "locality does not help")
    lab.check(int(seen["32 pages again, misses"]) == 0, "what fits does not stay")
    lab.check(int(seen["after a switch to another process and back, misses"]) == 32, "a switch leaves translations behind")
    lab.check(int(seen["after a change of one page's rights, misses"]) == 1, "more than one translation was dropped")
    lab.say(f"\nEach miss is a walk of up to four look-ups. With pages of 2 MiB the same {ENTRIES} entries would reach {ENTRIES * 2} MiB; Quire\n"
            "has no such pages yet. A real TLB has two levels and several ways in each set; the rule is the same.")

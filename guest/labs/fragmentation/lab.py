# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 28, ["process/2", "system/3", "guide/4"]
TITLE = "outside (free memory in small pieces, and compaction), inside (pages that are not full)"
TEACHES = "the sum of free memory says nothing about the largest block; pages can be moved, since programs know addresses only"
NOT_ON_HOST = "it fills and compacts all memory"

LEAST = 80 if lab.IS_QUIRE else 20  # Debian's kernel has taken most of 128 MiB for itself, which cannot be moved


def once(program, cpus):
    lab.step(f"{cpus} CPU" + "s" * (cpus > 1))
    seen = lab.run(program, options=["--ram", "128M", "--cpus", str(cpus)])
    scattered = int(seen["scattered: free in blocks of 2 MiB, percent"])
    compacted = int(seen["compacted: free in blocks of 2 MiB, percent"])
    lab.check(scattered < 5, f"{scattered} % are free in large blocks before compaction")
    lab.check(compacted >= LEAST, f"only {compacted} % are free in large blocks after compaction")
    lab.check(seen["scattered: a request for 2 MiB"] == "fails, memory is scattered", "the kernel has a block, or too little memory")
    lab.check(seen["compacted: a request for 2 MiB"] == "finds a block", "after compaction a request still fails")
    lab.check(int(seen["pages moved"]) > 1000, "hardly a page was moved")
    lab.check(seen["pages with wrong content"] == "0", "a page has lost its content")
    held, taken = int(seen["kB in 1000 files of 3300 bytes"]), int(seen["kB that they take"])
    lab.near(taken, 4000, 200, "kB that 1000 files take")
    lab.check(seen["objects of 16 bytes in a page"] == "256", "a page holds not 256 objects of 16 bytes")
    lab.say(f"\nfree in blocks of 2 MiB, scattered {scattered:3} % {lab.bar(scattered, 100)}")
    lab.say(f"free in blocks of 2 MiB, compacted {compacted:3} % {lab.bar(compacted, 100)}")
    lab.say(f"lost inside pages: {(taken - held) * 100 // taken} %")


def run():
    program = lab.build(__file__, "fragmentation.c", "-static")
    once(program, 1)
    once(program, 2)
    lab.say("\nOutside: while free memory is scattered a request for 2 MiB fails although many times as much is free (extfrag_index).\n"
            "Inside: what is allocated is larger than what is asked for. /proc/slabinfo shows objsize for the kernel's own objects.")

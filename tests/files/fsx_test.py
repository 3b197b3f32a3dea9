#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random file operations of several processes against a model (tests/fsx), on tmpfs and on ext2 with blocks of
1, 2 and 4 KiB, in little memory, with one CPU and two; after each run e2fsck finds nothing.

    fsx_test.py [--kernel linux] [--seeds 1] [--operations 3000] [--only ext2-1024]
"""
import argparse
import itertools
import os
import sys
import tempfile
import time

from guest_disk import Report, Run, make_image, program, unclean

PLACES = ("tmpfs", "ext2-1024", "ext2-2048", "ext2-4096")


def one(place, cpus, seed, o, folder):
    """Why it failed, or None."""
    words = [program("fsx"), str(seed), "4", str(o.operations)]
    if place == "tmpfs":
        return Run([*words, "/tmp"], kernel=o.kernel, cpus=cpus, ram=o.ram or "64M", timeout=o.timeout).trouble()
    image = make_image(os.path.join(folder, place), 48, int(place.partition("-")[2]))
    run = Run([*words, "/mnt", "/dev/vda"], [image], kernel=o.kernel, cpus=cpus, ram=o.ram or "48M", timeout=o.timeout)
    return run.trouble() or unclean(image)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kernel", default="quire")
    p.add_argument("--seeds", default="1", help="N, FROM-TO, or FROM- with --minutes")
    p.add_argument("--operations", type=int, default=3000, help="of each run")
    p.add_argument("--only", choices=PLACES)
    p.add_argument("--cpus", type=int, choices=(1, 2))
    p.add_argument("--ram")
    p.add_argument("--timeout", type=int, default=1800)
    p.add_argument("--minutes", type=float, help="starts no further run after so long")
    o = p.parse_args()
    first, dash, last = o.seeds.partition("-")
    if dash and not last and not o.minutes:
        p.error("--seeds FROM- needs --minutes")
    seeds = itertools.count(int(first)) if dash and not last else range(int(first), int(last or first) + 1)
    report, start = Report("fsx"), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="quire-fsx-") as folder:
        for seed, (number, place) in ((seed, at) for seed in seeds for at in enumerate(PLACES) if o.only in (None, at[1])):
            if o.minutes and time.monotonic() - start > 60 * o.minutes:
                break
            cpus = o.cpus or 1 + (seed + number) % 2
            report.result(f"{place}, {cpus} CPUs, seed {seed}, {o.operations} operations", one(place, cpus, seed, o, folder))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())

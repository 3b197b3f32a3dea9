#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots Quire with exhaust.c as process 1: memory is used up in many ways, the culprit is killed or refused, a shell
lives, and all memory is there again. On one CPU and on two.

    oom_test.py [NAME]            one way only, by its name with "-" for blanks
    oom_test.py --kernel linux    what Debian's kernel makes of it
"""
import argparse
import itertools
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../differential"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../disk"))
import boot
import nbd

RAM = "64M"
LINUX_RAM = "112M"  # leaves about as much


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?")
    parser.add_argument("--kernel", choices=["quire", "linux"], default="quire")
    parser.add_argument("--cpus", type=int, action="append")
    parser.add_argument("--append", default="quire.checks quire.disk_timeout=600", help="kernel arguments")
    parser.add_argument("--failures", type=int, default=0, metavar="SEEDS", help="so many times, with random failures of allocations on top")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("QUIRE_SEED", "1")), help="the first of them")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the console")
    o = parser.parse_args()
    program = os.path.join(boot.ROOT, "build/guest/exhaust")
    append = o.append + " quiet loglevel=%d" % (7 if o.verbose else 0) + (' "only=%s"' % o.name if o.name else "")
    kernel, ram = (boot.QUIRE, RAM) if o.kernel == "quire" else (boot.linux_kernel(), LINUX_RAM)
    passed = failed = 0
    seeds = [f" failures={o.seed + i}" for i in range(o.failures)] or [""]
    for cpus, seed in itertools.product(o.cpus or (1, 2), seeds):
        with tempfile.TemporaryDirectory() as tmp:
            archive, path = os.path.join(tmp, "initrd"), os.path.join(tmp, "socket")
            boot.initrd(archive, program, {})
            disk = nbd.Disk(path, 8192)
            disk.stalls = [(2048, 4096)]  # for ever: nothing there is answered
            extra = ("-smp", str(cpus), "-drive", f"file=nbd+unix:///?socket={path},format=raw,if=none,id=silent", "-device",
                     "virtio-blk-pci,drive=silent,disable-legacy=on")
            text, reason = boot.qemu(kernel, archive, append + seed, 1800, extra=extra, stop="@@ done", ram=ram, echo=sys.stderr if o.verbose else None)
            disk.close()
        for line in text.split("\n"):
            at = line.find("oom: ")
            line = line[at:].rstrip() if at >= 0 else ""
            if line.endswith((": ok", ": FAILED")):
                print("%s (%d CPUs%s)" % (line, cpus, seed.replace(" failures=", ", failures of seed ")))
                passed += line.endswith(": ok")
                failed += line.endswith(": FAILED")
        if "@@ done" not in text:
            failed += 1
            print("oom: the machine did not finish (%s):\n%s" % (reason, "\n".join(text.split("\n")[-25:])))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

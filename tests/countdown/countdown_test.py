#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots Quire with countdown.c as process 1: every allocation in the kernel fails once, and nothing breaks or leaks.

    countdown_test.py [NAME]    only the operations whose names NAME contains
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../differential"))
import boot


def main():
    program = os.path.join(boot.ROOT, "build/guest/countdown")
    append = "quiet quire.checks" + "".join(' -- "%s"' % name for name in sys.argv[1:2])
    with tempfile.TemporaryDirectory() as tmp:
        archive = os.path.join(tmp, "initrd")
        boot.initrd(archive, program, {})
        text, reason = boot.qemu(boot.QUIRE, archive, append, 900, ram="64M", stop="@@ done")
    passed = failed = 0
    for line in text.split("\n"):
        if line.startswith("countdown: "):
            print(line)
            passed += ": ok, " in line
            failed += line.endswith(": FAILED")
    if "@@ done" not in text:
        failed += 1
        print("countdown: the machine did not finish (%s):\n%s" % (reason, "\n".join(text.split("\n")[-25:])))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots Quire with leak.c as process 1: free frames and slab objects are the same after much work as before.

    leak_test.py [CHECK]    one check only, by its name with "-" for blanks
"""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../differential"))
import boot


def main():
    program = os.path.join(boot.ROOT, "build/guest/leak")
    append = "quiet" + "".join(' "check=%s"' % w.replace("-", " ") for w in sys.argv[1:2])
    passed = failed = 0
    for cpus in (1, 2):
        with tempfile.TemporaryDirectory() as tmp:
            archive = os.path.join(tmp, "initrd")
            boot.initrd(archive, program, {})
            text, reason = boot.qemu(boot.QUIRE, archive, append, 1500, extra=("-smp", str(cpus)), stop="@@ done")
        for line in text.split("\n"):
            if line.startswith("leak: "):
                print("%s (%d CPUs)" % (line, cpus))
                passed += line.endswith(": ok")
                failed += line.endswith(": FAILED")
        if "@@ done" not in text:
            failed += 1
            print("leak: the machine did not finish (%s):\n%s" % (reason, "\n".join(text.split("\n")[-25:])))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

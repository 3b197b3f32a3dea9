#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One manager, two machines: the same references, in a memory group with memory.max on one CPU, make guest and
host port evict the same pages in the same order, for every policy.

    identity_test.py
"""
import argparse
import difflib
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUEST, HOST = os.path.join(ROOT, "build/guest/identity"), os.path.join(ROOT, "build/identity-host")
SCRIPT = """
P=/sys/kernel/mm/reclaim/policy
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
for kind in anon file; do for policy in $(tr -d '[]' < $P); do
    echo $policy > $P
    for pattern in loop zipf scan+hot phases; do
        mkswap /dev/pmem0 > /dev/null && swapon /dev/pmem0
        echo "$policy $(/identity $pattern $kind /dev/pmem1)"
        swapoff /dev/pmem0
    done
done; done
"""
SWAP_BYTES, FILE_BYTES = 2048 * 4096, 1024 * 4096  # guest/labs/policies/references.h


def guest_lines():
    with tempfile.TemporaryDirectory() as tmp:
        swap, data, script = (os.path.join(tmp, n) for n in ("swap.img", "data.img", "script"))
        for name, size in (swap, SWAP_BYTES), (data, FILE_BYTES):
            with open(name, "wb") as f:
                f.truncate(size)
        with open(script, "w") as f:
            f.write(SCRIPT)
        r = subprocess.run([os.path.join(ROOT, "quire"), "run", "--ram", "64M", "--icount", "--disk", swap, "--disk", data, "--add", f"{script}:/script",
                            "--add", f"{GUEST}:/identity", "--", "sh", "/script"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           stdin=subprocess.DEVNULL, timeout=1800, cwd=ROOT)
    return r.stdout.splitlines()


def host_lines():
    r = subprocess.run([HOST], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800)
    return r.stdout.splitlines()


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    subprocess.run(["make", "-C", ROOT, "-s", "reclaim-tests"], check=True)
    guest, host = guest_lines(), host_lines()
    policies = sorted({line.split()[0] for line in host})
    passed = failed = 0
    for policy in policies:
        there, here = ([x for x in lines if x.split()[:1] == [policy]] for lines in (guest, host))
        ok = len(here) == 8 and there == here and all(int(x.split()[3]) > 0 for x in here)
        print(f"{policy}: guest and host evict the same pages in the same order: {'ok' if ok else 'FAILED'}")
        if not ok:
            print("\n".join(difflib.unified_diff(there, here, "guest", "host", lineterm="", n=0)))
        passed, failed = passed + ok, failed + (not ok)
    if len(policies) < 6:
        print("\n".join(host))
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())

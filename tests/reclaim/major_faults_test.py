#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Four workloads larger than memory on Quire and on Linux with the same MemAvailable: the default policy takes at most 1.05 times
Linux's major faults, median of the seeds.

    major_faults_test.py [--seeds 5] [--mib 32]
"""
import argparse
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build/guest/major_faults")


def run(kernel, o):
    """{workload: [major faults]} and what was available before each, in kB."""
    done = subprocess.run([os.path.join(ROOT, "quire"), "run", "--kernel", kernel, "--ram", f"{o.mib + 96}M", "--swap", "256M", "--timeout", "1200",
                           f"--add={PROGRAM}:/major_faults", "--", "/major_faults", str(o.mib), str(o.seeds)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT)
    faults, available = {}, []
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" = ")
        if name.endswith(" available"):
            available.append(int(value))
        else:
            faults.setdefault(name.rpartition(".")[0], []).append(int(value))
    if done.returncode or len(faults) != 4:
        sys.exit(f"the run on {kernel} failed:\n{done.stdout}{done.stderr}")
    return faults, available


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--mib", type=int, default=32, help="MemAvailable")
    o = p.parse_args()
    passed = failed = 0
    found = {kernel: run(kernel, o) for kernel in ("quire", "linux")}
    for kernel, (_, available) in found.items():
        ok = all(abs(kb - (o.mib << 10)) <= (o.mib << 10) // 100 for kb in available)
        passed, failed = passed + ok, failed + (not ok)
        print(f"{'ok  ' if ok else 'FAIL'} {kernel}: {min(available)} to {max(available)} kB available at the beginning")
    for workload, ours in found["quire"][0].items():
        theirs = found["linux"][0][workload]
        a, b = statistics.median(ours), statistics.median(theirs)
        ok = a <= 1.05 * b
        passed, failed = passed + ok, failed + (not ok)
        print(f"{'ok  ' if ok else 'FAIL'} {workload}: {a} major faults, Linux {b}: {a / max(b, 1):.2f} ({ours}; {theirs})")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())

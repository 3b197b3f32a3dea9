#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Thrashing: four processes, each with a working set of half of the memory that is available, on a swap disk that takes its
time. Pressure is seen as Linux sees it; with turns at least 1.2 times as much work gets done as without, and everybody gets on.

    thrashing_test.py [NAME...] [--rounds 5] [--seconds 20]

Work is counted in accesses to random pages; the disk makes a fixed number of transfers a second at most. Runs with and without
turns alternate, and medians are compared, so that a busy machine slows both.
"""
import argparse
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.path.join(ROOT, "build/guest/thrash")
TURNS = "/sys/kernel/mm/reclaim/turn_ms"
PROCESSES = 4
TRANSFERS = 4000  # of the disk, a second
IN_FLIGHT = 32 * PROCESSES  # pages of a read-ahead each: a refault is counted before its read is
BAD = ("BUG", "panic", "validat", "ASSERT", "lock rank")

passed = failed = 0


def report(what, ok, why=""):
    global passed, failed
    passed, failed = passed + ok, failed + (not ok)
    print(f"{'ok  ' if ok else 'FAIL'} {what}" + ("" if ok else f"\n{why}"), flush=True)


class Run:
    """One machine: its figures, and its text for a report."""

    def __init__(self, seconds, turn_ms=None, kernel="quire", ram="64M", percent=50, options=()):
        command = f"/thrash {PROCESSES} {percent} {seconds}"
        if turn_ms is not None:
            command = f"echo {turn_ms} > {TURNS} && {command}"
        done = subprocess.run([os.path.join(ROOT, "quire"), "run", "--accel", "tcg", "--kernel", kernel, "--ram", ram, "--swap", "256M", "--timeout",
                               str(900 + 4 * seconds), f"--add={PROGRAM}:/thrash", "--qemu=-set", f"--qemu=drive.disk0.throttling.iops-total={TRANSFERS}",
                               *options, "--", "sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT)
        self.text = done.stdout + done.stderr
        self.ok = done.returncode == 0 and not any(word in self.text for word in BAD)
        self.values = {}
        for line in done.stdout.splitlines():
            name, equals, value = line.partition(" = ")
            if equals:
                self.values[name.strip()] = int(value)

    def __getitem__(self, name):
        return self.values.get(name, -1)


def test_pressure(o):
    """The same load on both kernels: both see pressure, in a band that is wide enough for the differences of two kernels."""
    runs = {kernel: Run(o.seconds, 0 if kernel == "quire" else None, kernel, ram="128M") for kernel in ("linux", "quire")}
    for kernel, run in runs.items():
        some, full = run["some percent"], run["full percent"]
        report(f"{kernel}: some {some} %, full {full} % of the time lost", run.ok and 10 <= some <= 100 and 1 <= full <= some, run.text)
        report(f"{kernel}: refaults are counted", 0 < run["workingset_refault_anon"] <= run["pswpin"] + IN_FLIGHT and
               run["workingset_restore_anon"] <= run["workingset_activate_anon"] <= run["workingset_refault_anon"], run.text)
    alone = Run(5, 0, percent=15)
    report("what fits makes no pressure", alone.ok and alone["some percent"] == 0 == alone["full percent"], alone.text)


def test_turns(o):
    """Medians of work with and without turns."""
    work, bad = {0: [], 1000: []}, []
    least, full = [], {0: [], 1000: []}
    for i in range(o.rounds):
        for turn_ms in (0, 1000):
            run = Run(o.seconds, turn_ms)
            if not run.ok or run["wrong"] or run["killed for lack of memory"]:
                bad.append(run.text)
            work[turn_ms].append(run["work a second"])
            full[turn_ms].append(run["full percent"])
            if turn_ms:
                least.append(run["least of one"])
    without, with_turns = statistics.median(work[0]), statistics.median(work[1000])
    print(f"     accesses a second without turns: {work[0]}, median {without}\n     with turns: {work[1000]}, median {with_turns}\n"
          f"     the one that did least, with turns: {least}; full percent: {full[0]} and {full[1000]}")
    report(f"turns do {with_turns / max(without, 1):.1f} times the work (1.2 wanted)", with_turns >= 1.2 * without > 0)
    report("nobody is killed, nothing is wrong", not bad, "\n".join(bad))
    report("everybody gets on", min(least) >= o.seconds, str(least))


def test_policies(o):
    """Whatever the policy, on two CPUs with checks: more work with turns than without, no word wrong."""
    for policy in ("fifo", "lru-exact", "lfu", "nur", "mglru", "s3fifo"):
        options = ("--policy", policy, "--cpus", "2", "--append", "quire.checks")
        runs = [Run(o.seconds // 2, turn_ms, options=options) for turn_ms in (0, 1000)]
        ok = all(r.ok and r["wrong"] == 0 and r["killed for lack of memory"] == 0 for r in runs)
        report(f"{policy}: {runs[0]['work a second']} accesses a second without turns, {runs[1]['work a second']} with",
               ok and runs[1]["work a second"] > runs[0]["work a second"], runs[0].text + runs[1].text)


TESTS = {"pressure": test_pressure, "turns": test_turns, "policies": test_policies}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", choices=[[], *TESTS])
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=20)
    o = p.parse_args()
    for name in o.names or TESTS:
        TESTS[name](o)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())

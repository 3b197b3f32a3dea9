#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs seeded sequences of memory calls on several machines and compares their logs.

    compare.py                         300 seeds on Linux 6.1 (QEMU), Quire (QEMU) and the host port
    compare.py --seeds 1-10000         more of them
    compare.py --machines host --seeds 1-1000000 --fast    validators only
    compare.py --machines linux,host   without the guest

Machines: linux (Debian's kernel in QEMU; its hashes are kept in build/oracle), here (this machine's own
Linux), quire, host. A failing seed is made smaller, and the smallest sequence that still differs is
printed for both machines.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../differential"))
import boot

GUEST = os.path.join(boot.ROOT, "build/guest/sequence")
HOST = os.path.join(boot.ROOT, "build/sequence-host")
ORACLE = os.path.join(boot.ROOT, "build/oracle")


class Machine:
    """Runs specs ("SEED-LAST/OPS/SKIPS") and returns the text they print."""

    def __init__(self, name, fast=False, append="quiet"):
        self.name, self.fast, self.append = name, fast, append

    def run(self, specs, verbose=False):
        flags = ["-v"] if verbose else []
        if self.name == "here":
            return subprocess.run([GUEST, *flags, *specs], stdout=subprocess.PIPE, text=True).stdout
        if self.name == "host":
            return self.run_host(flags, specs)
        kernel = boot.QUIRE if self.name == "quire" else boot.linux_kernel()
        append = self.append if self.name == "quire" else "quiet loglevel=0 mitigations=off"
        with tempfile.TemporaryDirectory() as tmp:
            words = os.path.join(tmp, "specs")
            with open(words, "w") as f:
                f.write("\n".join(flags + specs))
            archive = os.path.join(tmp, "initrd")
            boot.initrd(archive, GUEST, {"specs": words})
            text, reason = boot.qemu(kernel, archive, append, 900, stop="@@ done")
        if "@@ done" not in text:
            print("  %s ended early (%s):\n%s" % (self.name, reason, "\n".join(text.split("\n")[-25:])), file=sys.stderr)
        return text

    def run_host(self, flags, specs):
        binary = HOST + ("-fast" if self.fast else "")
        done = subprocess.run([binary, *flags, *specs], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        if done.returncode:
            print("  host: status %d:\n%s" % (done.returncode, "\n".join(done.stdout.split("\n")[-15:])), file=sys.stderr)
        return done.stdout


def hashes(text):
    return {int(m[1]): m[2] for m in re.finditer(r"seed (\d+) (.*)", text)}


def split_logs(text):
    """Logs of verbose runs, one for each "seed" line that closes it."""
    logs, lines = [], []
    for line in text.split("\n"):
        at = line.find("seed ")
        if at == 0 and ("hash" in line or "timeout" in line or "failed" in line or "broken" in line or "leaks" in line):
            logs.append(lines)
            lines = []
        elif re.match(r"^( *\d+ p\d|final)", line):
            lines.append(line)
    return logs + ([lines] if lines else [])


def linux_hashes(first, last, ops):
    """The oracle's hashes, kept for this binary."""
    os.makedirs(ORACLE, exist_ok=True)
    path = os.path.join(ORACLE, "sequence-%s-%d-%d-%d.txt" % (boot.digest([GUEST], (boot.linux_kernel(),)), first, last, ops))
    if not os.path.exists(path):
        text = Machine("linux").run(["%d-%d/%d" % (first, last, ops)])
        if "@@ done" not in text:
            return hashes(text)
        with open(path, "w") as f:
            f.write(text)
    return hashes(open(path).read())


def ranges(numbers):
    """[1, 2, 3, 7] -> "1-3,7" """
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ",".join("%d-%d" % (a, b) if a != b else str(a) for a, b in out)


def differ(a, b, seed, ops, skip_lists):
    """For each list of skipped operations: do the machines' logs differ?"""
    specs = ["%d/%d/%s" % (seed, ops, ranges(s)) for s in skip_lists]
    one, two = (split_logs(m.run(specs, verbose=True)) for m in (a, b))
    one += [[]] * (len(specs) - len(one))
    two += [[]] * (len(specs) - len(two))
    return [x != y for x, y in zip(one, two)], one, two


def minimize(a, b, seed, ops, rounds=12):
    """Leaves out operations in ever smaller chunks while the logs still differ."""
    state, one, two = differ(a, b, seed, ops, [[]])
    if not state[0]:
        return [], one[0], two[0]
    first = next((i for i, (x, y) in enumerate(zip(one[0], two[0])) if x != y), len(one[0]) - 1)
    last = int(re.match(r" *(\d+)", one[0][first]).group(1)) if one[0] and one[0][first][0] != "f" else ops
    skipped = list(range(last + 1, ops))
    chunk = max(1, last // 4)
    for _ in range(rounds):
        left = [i for i in range(last + 1) if i not in skipped]
        chunks = [left[i:i + chunk] for i in range(0, len(left), chunk)]
        state, _, _ = differ(a, b, seed, ops, [skipped + c for c in chunks])
        good = [c for c, s in zip(chunks, state) if s]
        both = skipped + [i for c in good for i in c]
        if len(good) > 1 and differ(a, b, seed, ops, [both])[0][0]:
            skipped = both
        elif good:
            skipped = skipped + good[0]
        elif chunk == 1:
            break
        chunk = max(1, chunk // 2)
    state, one, two = differ(a, b, seed, ops, [skipped])
    return skipped, one[0], two[0]


def report(a, b, seed, ops, want):
    here = Machine("here")
    if a.name == "linux" and hashes(here.run(["%d/%d" % (seed, ops)])).get(seed) == want:
        a = here  # this machine's Linux agrees and is quicker to ask
    skipped, one, two = minimize(a, b, seed, ops)
    print("  seed %d, the smallest sequence on which %s and %s differ:" % (seed, a.name, b.name))
    for i in range(max(len(one), len(two))):
        x = one[i] if i < len(one) else "(nothing)"
        y = two[i] if i < len(two) else "(nothing)"
        print("    " + x if x == y else "  %s: %s\n  %s: %s" % (a.name, x, b.name, y))
    print("  again: build/guest/sequence -v %d/%d/%s" % (seed, ops, ranges(skipped)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1-300")
    parser.add_argument("--ops", type=int, default=120)
    parser.add_argument("--machines", default="linux,host,quire")
    parser.add_argument("--fast", action="store_true", help="the host port without sanitizers")
    parser.add_argument("--append", default="quiet", help="words for Quire's command line")
    parser.add_argument("--show", type=int, default=3, help="failing seeds to make smaller")
    args = parser.parse_args()
    first, last = ([int(n) for n in args.seeds.split("-")] * 2)[:2]
    names, failed, start = args.machines.split(","), 0, time.monotonic()
    machines = [Machine(n, args.fast, args.append) for n in names]
    results = [linux_hashes(first, last, args.ops) if m.name == "linux" else hashes(m.run(["%d-%d/%d" % (first, last, args.ops)]))
               for m in machines]
    if len(names) == 1:
        failed = sum("hash" not in results[0].get(s, "") for s in range(first, last + 1))
    for machine, got in zip(machines[1:], results[1:]):
        bad = [s for s in range(first, last + 1) if got.get(s) != results[0].get(s) or "hash" not in got.get(s, "")]
        print("sequence: %s and %s: %d seeds, %d differ %s" % (machines[0].name, machine.name, last - first + 1, len(bad), bad[:20]))
        for seed in bad[:args.show]:
            report(machines[0], machine, seed, args.ops, results[0].get(seed))
        failed += len(bad)
    print("sequence: %d seeds in %.0f s" % (last - first + 1, time.monotonic() - start))
    total = (last - first + 1) * max(1, len(names) - 1)
    print("%d passed, %d failed" % (total - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

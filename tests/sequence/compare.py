#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs seeded sequences of memory calls on several machines and compares their logs.

    compare.py                         300 seeds on Linux 6.1 (QEMU), Quire (QEMU) and the host port
    compare.py --seeds 1-10000         more of them
    compare.py --machines host --seeds 1-1000000 --fast    validators only
    QUIRE_SEED=N compare.py --count 10000    10,000 seeds from N on, nothing kept
    compare.py --machines linux,host   without the guest

Machines: linux (Debian's kernel in QEMU; its hashes are kept in build/oracle), here (this machine's own
Linux), quire, host. Many seeds are cut into chunks, and as many chunks run at a time as there are
cores. A failing seed is made smaller, and the smallest sequence that still differs is printed for both
machines.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../differential"))
import boot

GUEST = os.path.join(boot.ROOT, "build/guest/sequence")
HOST = os.path.join(boot.ROOT, "build/sequence-host")
ORACLE = os.path.join(boot.ROOT, "build/oracle")
CHUNK = {"host": 5000}      # seeds that one process runs; of a guest:
GUEST_CHUNK = 500           # booting Linux takes as long as 50 sequences on it
MAX_BROKEN = 20             # a chunk is given up after so many seeds that ended the machine
GUEST_SECONDS = 1800        # many times what a chunk takes


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
            text, reason = boot.qemu(kernel, archive, append, GUEST_SECONDS, stop="@@ done")
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


def run_chunk(machine, first, last, ops):
    """{seed: outcome}. A seed that ends the machine has none, and the rest of the chunk is run without it."""
    got, broken = {}, 0
    while first <= last and broken < MAX_BROKEN:
        some = hashes(machine.run(["%d-%d/%d" % (first, last, ops)]))
        got.update(some)
        if last in some:
            break
        stopped = stopped_at(some, first)
        print("  %s: ended at seed %d" % (machine.name, stopped), flush=True)
        first, broken = stopped + 1, broken + 1
    return got


def stopped_at(got, first):
    """The seed at which a machine ended that was to begin with `first` and said `got`."""
    if not got:
        return first
    last = max(got)
    return last + 1 if "hash" in got[last] else last


def kept_hashes(first, last, ops):
    """Where Linux's hashes for this binary are kept, or could be."""
    os.makedirs(ORACLE, exist_ok=True)
    return os.path.join(ORACLE, "sequence-%s-%d-%d-%d.txt" % (boot.digest([GUEST], (boot.linux_kernel(),)), first, last, ops))


def keep(path, got, first, last):
    if all("hash" in got.get(s, "") for s in range(first, last + 1)):
        with open(path, "w") as f:
            f.writelines("seed %d %s\n" % item for item in sorted(got.items()))


class Progress:
    """Says every tenth how far the run is, when it is a long one."""

    def __init__(self, total):
        self.total, self.done, self.said, self.start, self.lock = total, 0, 0, time.monotonic(), threading.Lock()

    def add(self, n):
        with self.lock:
            self.done += n
            tenth = self.done * 10 // self.total
            if tenth > self.said and self.total > 5000:
                self.said = tenth
                print("  %d of %d runs, %.0f s" % (self.done, self.total, time.monotonic() - self.start), flush=True)


def run_all(machines, first, last, ops, jobs, keeps):
    """One {seed: outcome} for each machine; chunks side by side."""
    results, chunks = [{} for _ in machines], []
    path = kept_hashes(first, last, ops) if keeps and any(m.name == "linux" for m in machines) else None
    for number, machine in enumerate(machines):
        if machine.name == "linux" and path and os.path.exists(path):
            results[number] = hashes(open(path).read())
            continue
        size = CHUNK.get(machine.name, GUEST_CHUNK)
        chunks += [(number, at, min(at + size - 1, last)) for at in range(first, last + 1, size)]
    progress = Progress(sum(c[2] - c[1] + 1 for c in chunks) or 1)

    def one(chunk):
        number, at, end = chunk
        results[number].update(run_chunk(machines[number], at, end, ops))
        progress.add(end - at + 1)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, chunks))
    for machine, got in zip(machines, results):
        if machine.name == "linux" and path and not os.path.exists(path):
            keep(path, got, first, last)
    return results


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
    parser.add_argument("--count", type=int, help="instead of --seeds: as many, from QUIRE_SEED on")
    parser.add_argument("--ops", type=int, default=120)
    parser.add_argument("--machines", default="linux,host,quire")
    parser.add_argument("--fast", action="store_true", help="the host port without sanitizers")
    parser.add_argument("--append", default="quiet", help="words for Quire's command line")
    parser.add_argument("--show", type=int, default=3, help="failing seeds to make smaller")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="chunks at a time")
    args = parser.parse_args()
    first, last = ([int(n) for n in args.seeds.split("-")] * 2)[:2]
    if args.count:
        first = int(os.environ.get("QUIRE_SEED", "1"))
        last = first + args.count - 1
    names, failed, start = args.machines.split(","), 0, time.monotonic()
    print("sequence: seeds %d-%d on %s" % (first, last, args.machines), flush=True)
    machines = [Machine(n, args.fast, args.append) for n in names]
    results = run_all(machines, first, last, args.ops, args.jobs, keeps=not args.count)
    if len(names) == 1:
        bad = [s for s in range(first, last + 1) if "hash" not in results[0].get(s, "")]
        failed = len(bad)
        if bad:
            print("sequence: broken on %s: %s; again: build/sequence-host%s -v SEED/%d" % (names[0], bad[:20], "-fast" * args.fast, args.ops))
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

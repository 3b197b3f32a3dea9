#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compaction under load: memory is compacted without a pause, on request, for blocks that are asked for and in the background,
while programs fork, swap, map files and check every byte; and the counters of /proc/vmstat agree with each other.

    compact_test.py [--seed 1] [--mib 32] [--rounds 1]
"""
import argparse
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("swap", "files", "disk")] + [os.path.join(ROOT, "tools")]
from guest_disk import Report, make_image, unclean
from swap_test import CHECK, TIMEOUT, Run

# First all memory is compacted without a pause; then only for blocks: take_block waits for one, take_block_atomic does not and
# leaves the next one to kcompactd. Files that nobody maps move too.
SCRIPT = """mount -t ext2 /dev/vda /mnt
mkdir /mnt/files
for i in $(seq 50); do dd if=/dev/urandom of=/mnt/files/$i bs=20k count=1 2> /dev/null; done
(cd /mnt/files; md5sum *) > /tmp/sums
touch /tmp/all /tmp/run
(while [ -e /tmp/all ]; do echo 1 > /proc/sys/vm/compact_memory; echo compacted; done) > /tmp/log.all &
(while [ -e /tmp/run ]; do
	for order in 9 6 4 2; do
		echo $order > /proc/quire/take_block_atomic && echo atomic
	done
	usleep 20000
	[ -e /tmp/all ] || continue
	for order in 2 4 6 9; do
		echo $order > /proc/quire/take_block && echo block
	done
	(cd /mnt/files; md5sum -c /tmp/sums > /tmp/seen) || grep -v OK /tmp/seen >> /tmp/wrong
done) > /tmp/log.blocks 2> /dev/null &
/check {mib} 2 {rounds} {seed} /mnt || status=1
rm /tmp/all
/check {mib} 2 {rounds} 1{seed} /mnt || status=1
rm /tmp/run
wait
sort /tmp/log.* | uniq -c
cat /tmp/wrong 2> /dev/null && status=1
cat /proc/quire/validate
grep -E '^(compact|pgmigrate|pswp)' /proc/vmstat
umount /mnt
exit $status
"""


def figures(lines):
    pairs = [line.split() for line in lines]
    out = {p[0]: int(p[1]) for p in pairs if len(p) == 2 and p[1].isdigit()}
    out.update({p[1]: int(p[0]) for p in pairs if len(p) == 2 and p[0].isdigit()})
    return out


def disagreement(f):
    """What the figures should say and do not, or None."""
    wanted = [
        ("pages moved", f.get("pgmigrate_success", 0) > 1000),
        ("memory was swapped", f.get("pswpout", 0) > 1000),
        ("compact_memory was written more than once", f.get("compacted", 0) > 1),
        ("blocks were allocated", f.get("block", 0) > 0),
        ("allocations had memory compacted", f.get("compact_stall", 0) > 0),
        ("each of them got a block or failed", f["compact_stall"] == f["compact_success"] + f["compact_fail"]),
        ("kcompactd ran", f.get("compact_daemon_wake", 0) > 0),
        ("kcompactd's part is no more than all", 0 < f["compact_daemon_migrate_scanned"] <= f["compact_migrate_scanned"]
         and f["compact_daemon_free_scanned"] <= f["compact_free_scanned"]),
        ("what was moved was looked at and taken up before", f["pgmigrate_success"] <= f["compact_migrate_scanned"]
         and 2 * f["pgmigrate_success"] <= f["compact_isolated"]),
    ]
    missing = [what for what, is_so in wanted if not is_so]
    return None if not missing else f"not so: {', '.join(missing)}; {f}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seed", type=int, default=int(os.environ.get("QUIRE_SEED", "1")))
    p.add_argument("--mib", type=int, default=32)
    p.add_argument("--rounds", type=int, default=1)
    o = p.parse_args()
    report = Report("compact")
    with tempfile.TemporaryDirectory(prefix="quire-compact-") as folder:
        image = make_image(os.path.join(folder, "image"), 64)
        run = Run(SCRIPT.format(mib=o.mib, rounds=o.rounds, seed=o.seed), "--ram", "32M", "--swap", "128M", "--cpus", "2", "--disk", image, "--keep",
                  "--add", f"{CHECK}:/check", timeout=max(TIMEOUT, 120 * o.rounds))
        report.result(f"every byte is right while memory is compacted, seed {o.seed}", run.trouble("ok") or unclean(image))
        f = figures(run.lines)
        report.result("the counters agree", disagreement(f) if "compact_stall" in f else "there are none")
    print("; ".join(f"{name} {n}" for name, n in f.items()))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())

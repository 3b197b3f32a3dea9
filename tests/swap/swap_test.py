#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Swap: busybox's and util-linux's tools do what they do on Linux, --swap does what it says, and not one byte is wrong
when programs need several times the memory there is.

    swap_test.py [NAME...] [--seed 1] [--rounds 2]
"""
import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests/files"), os.path.join(ROOT, "tests/disk"), os.path.join(ROOT, "tools")]
from disk_test import make_gpt
from guest_disk import BAD, Report, make_image, unclean
from quire_cli.swap import header

TIMEOUT = 1800  # tells a hang
CHECK = "build/guest/swap_check"


class Run:
    """One ./quire run: status, lines, err (with the kernel's log)."""

    def __init__(self, command, *options, kernel="quire", timeout=TIMEOUT):
        with tempfile.TemporaryDirectory(prefix="quire-swap-") as folder:
            log = os.path.join(folder, "log")
            words = [os.path.join(ROOT, "quire"), "run", "--accel", "tcg", "--kernel", kernel, "--timeout", str(timeout), "--log", log, *options]
            if kernel == "quire":
                words += ["--append", "quire.checks"]
            done = subprocess.run([*words, "--", *(["sh", "-c", command] if isinstance(command, str) else command)], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, cwd=ROOT)
            self.status, self.lines, self.err = done.returncode, done.stdout.splitlines(), done.stderr
            if os.path.exists(log):
                with open(log, errors="replace") as f:
                    self.err += f.read()

    def trouble(self, *wanted):
        """Why it failed; None: it ended well, and each of the wanted lines is in its output."""
        bad = [line for line in self.err.splitlines() if any(word in line for word in BAD)]
        missing = [line for line in wanted if line not in self.lines]
        if self.status == 0 and not bad and not missing:
            return None
        return "\n".join([f"status {self.status}, missing: {missing}", *bad[:3], *self.lines[-30:], *self.err.splitlines()[-10:]])


def compare(command, disks_of, *options):
    """The same command on both kernels, with disks made for each: what differs, or None."""
    texts = {}
    for kernel in ("linux", "quire"):
        with tempfile.TemporaryDirectory(prefix="quire-swap-") as folder:
            disks = [word for disk in disks_of(folder) for word in ("--disk", disk)]
            run = Run(command, *disks, *options, kernel=kernel)
        if run.status:
            return run.trouble()
        texts[kernel] = run.lines
    return "\n".join(difflib.unified_diff(texts["linux"], texts["quire"], "linux", "quire", lineterm="", n=1)) or None


# ---- tools ----

SHOW = "sed 's/[\\t ][\\t ]*/ /g' /proc/swaps; grep -E '^Swap(Total|Free)' /proc/meminfo"
BUSYBOX = f"""set -e
mkswap -L one /dev/vdb | grep -v UUID
swapon /dev/vdb
{SHOW}
swapon /dev/vdb 2>&1 || echo again: $?
mkswap /dev/vda2 > /dev/null
swapon /dev/vda2
mke2fs -q -b 4096 /dev/vda1 > /dev/null
mount -t ext2 /dev/vda1 /mnt
dd if=/dev/zero of=/mnt/swap bs=4096 count=500 2> /dev/null
mkswap /mnt/swap > /dev/null
swapon /mnt/swap
{SHOW}
free | awk '/Swap/ {{ print "free:", $2, $3, $4 }}'
umount /mnt 2>&1 || echo umount: $?
rm /mnt/swap 2>&1 || echo rm: $?
echo x 2>&1 > /mnt/swap || echo write: $?
dd if=/dev/zero of=/mnt/hole bs=4096 seek=500 count=1 2> /dev/null
mkswap /mnt/hole > /dev/null
swapon /mnt/hole 2>&1 || echo hole: $?
swapon /mnt 2>&1 || echo directory: $?
swapon /dev/nothing 2>&1 || echo nothing: $?
swapoff /dev/vdb
{SHOW}
touch /etc/fstab
swapoff -a
{SHOW}
rm /mnt/swap
umount /mnt
"""

UTIL_LINUX = """set -e
mkswap -L one -U 01234567-89ab-cdef-0123-456789abcdef /dev/vdb
blkid /dev/vdb
swaplabel /dev/vdb
swapon --show
swapon -v /dev/vdb
swapon --show=NAME,TYPE,SIZE,USED,PRIO,UUID,LABEL --bytes
swapon /dev/vdb || echo again: $?
swapoff -v /dev/vdb
mkswap --check -U 01234567-89ab-cdef-0123-456789abcdef /dev/vdb
swapon -p 5 -U 01234567-89ab-cdef-0123-456789abcdef
swapoff -L one 2>&1 || swapoff /dev/vdb
dd if=/dev/zero of=/root/swap bs=1M count=8 2> /dev/null
chmod 600 /root/swap
mkswap -L file -U 11234567-89ab-cdef-0123-456789abcdef /root/swap
swapon --discard /root/swap
swapon --show=NAME,TYPE,SIZE,USED,PRIO,UUID,LABEL --raw
free -k | awk '/Swap/ { print "free:", $2, $3, $4 }'
vmstat -s | grep -E 'total swap|used swap|free swap'
rm /root/swap 2>&1 || echo rm: $?
chattr +i /root/swap; lsattr /root/swap; chattr -i /root/swap
fallocate -l 1M /root/swap 2>&1 || echo fallocate: $?
printf '/dev/vdb none swap sw,pri=9 0 0\\n/root/swap none swap sw 0 0\\n' > /etc/fstab
swapon -a
swapon --show --noheadings | sort
swapoff -a
swapon --show
truncate -s 16M /root/hole
mkswap /root/hole > /dev/null 2>&1
swapon /root/hole 2>&1 || echo hole: $?
swapoff /root/hole 2>&1 || echo off: $?
sar -S 1 1 | awk '/Average/ { print NF }'; sar -W 1 1 | awk '/Average/ { print NF }'
"""


def sparse(folder, name, mib):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    return path


def gpt_and_plain(folder):
    gpt = os.path.join(folder, "gpt")
    make_gpt(gpt)
    return [gpt, sparse(folder, "plain", 8)]


def test_busybox(report, o):
    report.result("busybox's mkswap, swapon, swapoff on a disk, a partition and a file, as on Linux", compare(BUSYBOX, gpt_and_plain))


def test_util_linux(report, o):
    report.result("util-linux's, free, vmstat and sar, as on Linux", compare(UTIL_LINUX, lambda folder: [sparse(folder, "plain", 8)], "--image", "debian"))


# ---- the command ----

def test_command(report, o):
    for kernel in ("quire", "linux"):
        for icount in ((), ("--icount",)):
            run = Run("sed 's/[\\t ][\\t ]*/ /g' /proc/swaps", "--ram", "128M", "--swap", "48M", *icount, kernel=kernel)
            device = "/dev/pmem0" if icount else "/dev/vda"
            report.result(f"--swap SIZE {' '.join(icount)} on {kernel}", run.trouble(f"{device} partition 49148 0 -2"))
    with tempfile.TemporaryDirectory(prefix="quire-swap-") as folder:
        plain, area = sparse(folder, "plain", 8), sparse(folder, "area", 8)
        run = Run("true", "--swap", plain)
        report.result("--swap FILE refuses what mkswap has not marked", None if run.status == 125 and "mkswap" in run.err else run.trouble("x"))
        with open(area, "r+b") as f:
            f.write(header(8 << 20))
        run = Run("sed 's/[\\t ][\\t ]*/ /g' /proc/swaps; dd if=/dev/zero of=/dev/vda bs=1M count=1 2>&1", "--disk", plain, "--swap", area)
        report.result("--swap FILE stands behind the disks", run.trouble("/dev/vdb partition 8188 0 -2"))
        for keep in ((), ("--keep",)):
            run = Run("swapoff /dev/vda; printf kept | dd of=/dev/vda bs=512 seek=100 conv=notrunc,fsync 2> /dev/null", "--swap", area, *keep)
            with open(area, "rb") as f:
                f.seek(51200)
                kept = f.read(4) == b"kept"
            report.result(f"--swap FILE {' '.join(keep)}", run.trouble() or (None if kept == bool(keep) else f"kept: {kept}"))


def test_end(report, o):
    with tempfile.TemporaryDirectory(prefix="quire-swap-") as folder:
        image = make_image(os.path.join(folder, "image"), 16)
        run = Run("mount -t ext2 /dev/vda /mnt && dd if=/dev/zero of='/mnt/a file' bs=4096 count=500 2> /dev/null && mkswap '/mnt/a file' > /dev/null"
                  " && swapon '/mnt/a file' && cut -c 1-14 /proc/swaps", "--disk", image, "--keep")
        report.result("the end finds a swap file in use, and leaves its file system clean", run.trouble("/mnt/a\\040file") or unclean(image))


# ---- bytes ----

def check_words(mib, processes, o, seed, *where, rounds=None):
    return " ".join(["/check", str(mib), str(processes), str(rounds or o.rounds), str(seed), *where])


def test_check(report, o):
    for cpus in (1, 2):
        seed = o.seed + cpus
        rounds = max(1, o.rounds // 2)
        run = Run(check_words(256, 3, o, seed, rounds=rounds), "--ram", "64M", "--swap", "768M", "--cpus", str(cpus), "--add", f"{CHECK}:/check",
                  timeout=max(TIMEOUT, 150 * rounds))  # a round takes half a minute, and two on a machine that others use
        ok = run.status == 0 and re.search(r"ok \(seed \d+: .* [1-9]\d{3,} pages out, [1-9]\d{3,} in\)", "\n".join(run.lines))
        report.result(f"four times the memory, {cpus} CPUs, seed {seed}", run.trouble() or (None if ok else "it was not swapped: " + "\n".join(run.lines)))


COME_AND_GO = """mount -t ext2 /dev/vda /mnt
dd if=/dev/zero of=/mnt/swap bs=1M count=200 2> /dev/null
mkswap /mnt/swap > /dev/null
swapon /mnt/swap
(while [ ! -e /tmp/end ]; do
	for area in /mnt/swap /dev/vdb; do
		swapoff $area 2> /dev/null && echo gone && sleep 1 && swapon $area
		sleep 1
	done
done) > /tmp/log 2>&1 &
{check}
status=$?
touch /tmp/end
wait
sort /tmp/log | uniq -c
swapoff /mnt/swap 2> /dev/null
umount /mnt
exit $status
"""


def test_areas(report, o):
    with tempfile.TemporaryDirectory(prefix="quire-swap-") as folder:
        image = make_image(os.path.join(folder, "image"), 300)
        run = Run(COME_AND_GO.format(check=check_words(128, 2, o, o.seed, "/mnt")), "--ram", "96M", "--swap", "512M", "--disk", image, "--keep", "--cpus", "2",
                  "--add", f"{CHECK}:/check")
        report.result(f"areas come and go meanwhile, one of them a file beside files in use, seed {o.seed}", run.trouble() or unclean(image))


# In turn, as fast as they go: policies, the area, dropped caches, moved pages, a limit that shrinks and grows.
ALL_AT_ONCE = """P=/sys/kernel/mm/reclaim/policy G=/sys/fs/cgroup
mkswap /dev/vda > /dev/null
swapon /dev/vda
echo +memory > $G/cgroup.subtree_control
mkdir $G/box
(while [ ! -e /tmp/end ]; do
	for policy in $(tr -d '[]' < $P); do
		echo $policy > $P
		echo 3 > /proc/sys/vm/drop_caches
		echo 12M > $G/box/memory.max
		echo 1 > /proc/sys/vm/compact_memory
		echo max > $G/box/memory.max
		sleep 0.2
	done
	for area in /dev/vda /dev/vdb; do
		swapoff $area 2> /dev/null && echo gone && swapon $area
	done
	echo round
	sleep 1
done) > /tmp/log 2>&1 &
sh -c "echo 0 > $G/box/cgroup.procs; exec {check}"
status=$?
touch /tmp/end
wait
sort /tmp/log | uniq -c
rmdir $G/box
exit $status
"""


def test_policies(report, o):
    there = Run("tr -d '[]' < /sys/kernel/mm/reclaim/policy").lines[-1].split()
    for policy in o.policies or there:
        words = "mount -o remount,size=64M /tmp && exec " + check_words(o.policy_mib, 2, o, o.seed, "/tmp", rounds=max(1, o.rounds // 2))
        run = Run(words, "--ram", "24M", "--swap", "400M", "--cpus", str(o.policy_cpus), "--policy", policy, "--add", f"{CHECK}:/check")
        ok = run.status == 0 and re.search(r"[1-9]\d{3,} pages out", "\n".join(run.lines))
        report.result(f"{o.policy_mib} MiB in 24, policy {policy}, {o.policy_cpus} CPUs, seed {o.seed}", run.trouble() or (None if ok else "it was not swapped: " + "\n".join(run.lines)))


def test_all_at_once(report, o):
    with tempfile.TemporaryDirectory(prefix="quire-swap-") as folder:
        run = Run(ALL_AT_ONCE.format(check=check_words(o.policy_mib, 2, o, o.seed, "/tmp", rounds=max(1, o.rounds // 2))), "--ram", "40M", "--disk", sparse(folder, "disk", 400), "--swap", "400M",
                  "--cpus", "4", "--add", f"{CHECK}:/check")
    ok = re.search(r"[1-9]\d* round", "\n".join(run.lines))
    report.result(f"policies switch, the area comes and goes, caches are dropped, pages move, a limit changes, seed {o.seed}",
                  run.trouble() or (None if ok else "nothing happened meanwhile: " + "\n".join(run.lines)))


# On one CPU nothing runs while the frames are counted.
FIGURES = """V=/proc/quire/validate
mount -t ext2 /dev/vda /mnt
cat $V
dd if=/dev/zero of=/mnt/file bs=1M count=4 2> /dev/null
cat $V
{check} &
for i in 1 2 3 4; do sleep 0.5; cat $V; done
wait
cat $V
echo 3 > /proc/sys/vm/drop_caches
cat $V
umount /mnt
"""


def test_figures(report, o):
    with tempfile.TemporaryDirectory(prefix="quire-swap-") as folder:
        image = make_image(os.path.join(folder, "image"), 16)
        run = Run(FIGURES.format(check=check_words(40, 2, o, o.seed, "/mnt")), "--ram", "32M", "--swap", "100M", "--disk", image, "--add", f"{CHECK}:/check")
        ok = run.lines.count("ok") == 8
        report.result("the gauges say what the frames say, at rest and while pages are swapped", run.trouble() or (None if ok else "\n".join(run.lines)))


TESTS = {"figures": test_figures, "policies": test_policies, "all-at-once": test_all_at_once, "busybox": test_busybox, "util-linux": test_util_linux, "command": test_command, "end": test_end, "check": test_check, "areas": test_areas}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tests", nargs="*", choices=[[], *TESTS], help="default: all")
    p.add_argument("--seed", type=int, default=int(os.environ.get("QUIRE_SEED", "1")))
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--policies", nargs="*", help="which policies (default: all)")
    p.add_argument("--policy-cpus", type=int, default=2, help="for policies (all-at-once: 4)")
    p.add_argument("--policy-mib", type=int, default=48, help="of pages, for policies and all-at-once")
    o = p.parse_args()
    report = Report("swap")
    for name in o.tests or list(TESTS):
        TESTS[name](report, o)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A disk that fails at random under a file system: no panic, and nothing is lost that fsync called safe.

    errors_test.py [--rounds 3] [--seed 1] [--kernel linux]

The disk is an NBD server of ours (tests/disk/nbd.py). Once the workload of tests/files/crash.c has set itself up, each
write, or each read and flush too, fails with a chance that differs from round to round; in some rounds the disk stops
answering for a while, longer than the kernel waits. At the end e2fsck -fy repairs what the disk holds, and crash_model.py
says what must be there.

Before that, a disk that refuses each write for ever, beside one without a file system that does so too: the machine
works on, and fsync never says that all is well (tests/files/refused.c).
"""
import argparse
import contextlib
import errno
import os
import random
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../disk"))
import nbd
from crash_model import Model
from crash_test import DISK_MIB, FILE_SYSTEM_MIB, tree_reader
from guest_disk import SBIN, Report, Run, make_image, program

NR_PROCESSES = 2
REFUSING_MIB = 160
SILENCE_S = 6  # the kernel waits for 2 (quire.disk_timeout)


class FailingDisk(nbd.Disk):
    """Fails by chance as soon as all processes have said that they are ready; reads the marks."""

    def __init__(self, path, data, rng, chances, nr_stalls):
        super().__init__(path, len(data) // 512)
        self.data[:] = data
        self.rng, self.chances, self.nr_stalls = rng, chances, nr_stalls
        self.model, self.failures = Model(), 0

    @property
    def is_armed(self):
        return sum(p.nr_promises > 0 for p in self.model.processes.values()) == NR_PROCESSES

    def error_of(self, command, first, end):
        if not self.is_armed or first >= FILE_SYSTEM_MIB << 11 or self.rng.random() >= self.chances.get(command, 0):
            return 0
        self.failures += 1
        return errno.EIO

    def is_stalled(self, first, end):
        if not self.is_armed or not self.nr_stalls or self.rng.random() > 0.05:
            return False
        self.nr_stalls -= 1
        later = threading.Timer(SILENCE_S, self.speak)
        later.daemon = True
        later.start()
        return True

    def speak(self):
        """Answers what was held: QEMU does not end while it waits for an answer."""
        with contextlib.suppress(OSError, ValueError):  # QEMU may be gone
            self.release(False)

    def answer(self, f, command, handle, offset, length, payload):
        super().answer(f, command, handle, offset, length, payload)
        if command == nbd.WRITE and offset >= FILE_SYSTEM_MIB << 20:
            for at in range(0, length, 512):
                self.model.feed(bytes(payload[at:at + 512]))


ROUNDS = [("writes fail", {nbd.WRITE: 0.02}, 0), ("writes, reads and flushes fail", {nbd.WRITE: 0.01, nbd.READ: 0.02, nbd.FLUSH: 0.05}, 0),
          ("reads are not answered", {nbd.WRITE: 0.005}, 3), ("most writes fail", {nbd.WRITE: 0.4}, 0)]


def one_round(seed, what, chances, nr_stalls, block, o, folder):
    """(why it failed or None, failures)"""
    image, spare, path = (os.path.join(folder, n) for n in ("image", "spare", f"socket-{seed}"))
    make_image(image, FILE_SYSTEM_MIB, block, "-e", "remount-ro", disk_mib=DISK_MIB)
    with open(spare, "wb") as f:
        f.truncate(1 << 20)
    with open(image, "rb") as f:
        disk = FailingDisk(path, f.read(), random.Random(seed), chances, nr_stalls)
    qemu = ["-drive", f"file=nbd+unix:///?socket={path},format=raw,if=none,id=bad", "-device", "virtio-blk-pci,drive=bad,disable-legacy=on"]
    words = [program("crash"), str(seed), str(NR_PROCESSES), str(o.operations), "/dev/vdb", "/mnt", str(FILE_SYSTEM_MIB << 20), "errors"]
    run = Run(words, [spare], kernel=o.kernel, ram="256M" if o.kernel == "linux" else "64M", qemu=qemu, append="quire.disk_timeout=2" if nr_stalls else "")
    disk.close()
    if trouble := run.trouble():
        return trouble, disk.failures
    with open(image, "wb") as f:
        f.write(disk.data)
    done = subprocess.run(["e2fsck", "-fy", image], capture_output=True, text=True, env=SBIN)
    if done.returncode >= 4:
        return f"e2fsck: status {done.returncode}\n{done.stdout[-2000:]}", disk.failures
    broken = disk.model.broken(tree_reader(image, folder))
    return "\n".join([*broken[:20], "e2fsck had said:", done.stdout[-3000:]]) if broken else None, disk.failures


class RefusingDisk(nbd.Disk):
    """Takes no write: from the beginning, or once the mark behind the file system was written."""

    def __init__(self, path, data, mark=None):
        super().__init__(path, len(data) // 512)
        self.data[:] = data
        self.mark, self.is_armed = mark, mark is None

    def error_of(self, command, first, end):
        if command == nbd.WRITE and self.is_armed:
            return errno.EIO
        self.is_armed = self.is_armed or (command == nbd.WRITE and self.mark is not None and first <= self.mark < end)
        return 0


def refused(block, o, folder):
    """Why it failed, or None."""
    image, spare, kept = (os.path.join(folder, n) for n in ("image", "spare", "kept"))
    make_image(image, REFUSING_MIB, block, "-N", "80000", disk_mib=REFUSING_MIB + 1)
    with open(spare, "wb") as f:
        f.truncate(1 << 20)
    with open(image, "rb") as f:
        disk = RefusingDisk(os.path.join(folder, f"bad-{block}"), f.read(), REFUSING_MIB << 11)
    raw = RefusingDisk(os.path.join(folder, f"raw-{block}"), bytes(32 << 20))
    qemu = []
    for number, name in enumerate(("bad", "raw")):
        qemu += ["-drive", f"file=nbd+unix:///?socket={os.path.join(folder, f'{name}-{block}')},format=raw,if=none,id={name}",
                 "-device", f"virtio-blk-pci,drive={name},disable-legacy=on"]
    words = [program("refused"), "/dev/vdb", "/mnt", str(REFUSING_MIB << 20), "/dev/vdc"]
    run = Run(words, [spare], kernel=o.kernel, ram="256M" if o.kernel == "linux" else "64M", qemu=qemu, timeout=o.timeout)
    disk.close()
    raw.close()
    if o.verbose:
        print(run.out.decode(errors="replace") + run.log)
    if trouble := run.trouble():
        return trouble
    with open(image, "wb") as f:
        f.write(disk.data)
    done = subprocess.run(["e2fsck", "-fy", image], capture_output=True, text=True, env=SBIN)
    if done.returncode >= 4:
        return f"e2fsck: status {done.returncode}\n{done.stdout[-2000:]}"
    subprocess.run(["debugfs", "-R", f"dump old {kept}", image], capture_output=True, env=SBIN)
    with open(kept, "rb") as f:
        return None if f.read() == b"o" * 65536 else "what was safe before the disk refused is not what it was"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kernel", default="quire")
    p.add_argument("--rounds", type=int, default=len(ROUNDS))
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--operations", type=int, default=600)
    p.add_argument("--timeout", type=int, default=1800)
    p.add_argument("--verbose", action="store_true", help="print what the guest said in the first part")
    o = p.parse_args()
    report = Report("errors")
    with tempfile.TemporaryDirectory(prefix="quire-errors-") as folder:
        for block in (1024, 4096):
            report.result(f"blocks of {block}, every write is refused", refused(block, o, folder))
        for number in range(o.rounds):
            what, chances, nr_stalls = ROUNDS[number % len(ROUNDS)]
            seed, block = o.seed + number, (1024, 4096)[number % 2]
            trouble, failures = one_round(seed, what, chances, nr_stalls, block, o, folder)
            report.result(f"seed {seed}, blocks of {block}, {what}: {failures} failures", trouble)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())

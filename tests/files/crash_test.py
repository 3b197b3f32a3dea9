#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What fsync and sync promised is on the disk when the power fails, at random points of a recording of all writes.

    crash_test.py [--points 20] [--seed 1] [--block 1024] [--kernel linux]

QEMU records the writes and flushes of tests/files/crash.c, which puts marks among them. An image for a point holds all
writes before the last flush and a random subset, block by block, of the later ones. e2fsck -fy must repair it (status
below 4), and crash_model.py says what must be there.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

import write_log
from crash_model import Model
from guest_disk import SBIN, Report, Run, make_image, program, unclean

FILE_SYSTEM_MIB, DISK_MIB = 16, 17


def tree_reader(image, folder):
    """read(path) for Model.broken: the files of an image."""
    out = os.path.join(folder, "tree")
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    subprocess.run(["debugfs", "-R", f"rdump / {out}", image], capture_output=True, env=SBIN)

    def read(path):
        where = os.path.join(out, path)
        if os.path.isdir(where):
            return "directory"
        if not os.path.exists(where):
            return None
        with open(where, "rb") as f:
            return f.read()
    return read


class Crashes:
    """Images of a recording, for points in rising order."""

    def __init__(self, base, log, block, folder):
        self.entries, self.block, self.folder = write_log.entries(log), block, folder
        self.safe = os.path.join(folder, "safe")  # all writes before the last flush
        shutil.copyfile(base, self.safe)
        self.model, self.at, self.flushed = Model(), 0, 0

    def apply(self, f, entry):
        if entry.data is not None:
            f.seek(entry.at)
            f.write(entry.data)

    def advance(self, point):
        """Takes in the entries before `point`."""
        with open(self.safe, "r+b") as f:
            for index in range(self.at, point):
                entry = self.entries[index]
                if entry.data and entry.at >= FILE_SYSTEM_MIB << 20:
                    for at in range(0, len(entry.data), 512):
                        self.model.feed(entry.data[at:at + 512])
                if entry.is_flush:
                    for earlier in self.entries[self.flushed:index]:
                        self.apply(f, earlier)
                    self.flushed = index
        self.at = point

    def image(self, rng):
        """An image for the point that was advanced to."""
        path = os.path.join(self.folder, "crashed")
        shutil.copyfile(self.safe, path)
        share = rng.choice((0, 0.1, 0.5, 0.9, 1))
        with open(path, "r+b") as f:
            for entry in self.entries[self.flushed:self.at]:
                for at in range(0, len(entry.data or b""), self.block):
                    if entry.is_fua or rng.random() < share:
                        f.seek(entry.at + at)
                        f.write(entry.data[at:at + self.block])
        return path


def judge(crashes, point, rng):
    """Why the image of a point is not as it should be, or None."""
    crashes.advance(point)
    image = crashes.image(rng)
    done = subprocess.run(["e2fsck", "-fy", image], capture_output=True, text=True, env=SBIN)
    if done.returncode >= 4:
        return f"e2fsck: status {done.returncode}\n{done.stdout[-2000:]}"
    if still := unclean(image):
        return "not clean after e2fsck -fy: " + still
    broken = crashes.model.broken(tree_reader(image, crashes.folder))
    return "\n".join([*broken[:20], "e2fsck had said:", done.stdout[-3000:]]) if broken else None


def one_recording(seed, block, nr_points, o, folder, report):
    image, log, spare = (os.path.join(folder, n) for n in ("image", "log", "spare"))
    make_image(image, FILE_SYSTEM_MIB, block, disk_mib=DISK_MIB)
    base = os.path.join(folder, "base")
    shutil.copyfile(image, base)
    open(log, "wb").close()
    with open(spare, "wb") as f:
        f.truncate(1 << 20)
    words = [program("crash"), str(seed), "2", str(o.operations), "/dev/vdb", "/mnt", str(FILE_SYSTEM_MIB << 20)]
    run = Run(words, [spare], kernel=o.kernel, cpus=1, ram="256M" if o.kernel == "linux" else "96M", qemu=write_log.qemu_words(image, log))
    trouble, dirty = run.trouble(), unclean(image)
    name = f"seed {seed}, blocks of {block}"
    report.result(f"{name}: the workload, and the disk at its end", trouble or dirty)
    if trouble:
        return
    crashes, rng = Crashes(base, log, block, folder), random.Random(seed)
    total = len(crashes.entries)
    for point in sorted(rng.randrange(total + 1) for _ in range(nr_points)):
        trouble = judge(crashes, point, rng)
        required = crashes.model.required()
        report.result(f"{name}: after write {point} of {total}, {crashes.model.nr_promises} promises, {len(required)} names to be there", trouble)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kernel", default="quire")
    p.add_argument("--points", type=int, default=20, help="of each block size")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--block", type=int, action="append")
    p.add_argument("--operations", type=int, default=500)
    o = p.parse_args()
    report = Report("crash")
    for block in o.block or (1024, 4096):
        with tempfile.TemporaryDirectory(prefix="quire-crash-") as folder:
            one_recording(o.seed, block, o.points, o, folder, report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Damaged file systems and full ones: the machine lives, says what is wrong, and does not make it worse.

    damage_test.py [--images 20] [--seed 1] [--kernel linux] [--only full]

Images are damaged in their metadata: flipped bits, random words, zeroed or swapped blocks, a cut end. A guest uses
twenty of them in one boot (tests/files/damaged.c). Whoever got EUCLEAN has said so in the log and become read-only.
"""
import argparse
import os
import random
import re
import struct
import sys
import tempfile

from guest_disk import Report, Run, host, make_image, program, unclean

PER_BOOT = 20
LINE = re.compile(rb"^(/dev/vd\w+): (?:mount (\w+)|mounted, (\d+) calls, (\d+) failed, EUCLEAN (\d+), EIO (\d+), ends (\w+))$", re.M)


def sample_tree(where):
    """Files of each kind that ext2 stores in its own way."""
    for number in range(120):
        folder = os.path.join(where, "many")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"file-with-a-longer-name-{number}"), "wb") as f:
            f.write(b"%d\n" % number * number)
    deep = os.path.join(where, *"abcdefgh")
    os.makedirs(deep)
    with open(os.path.join(deep, "indirect"), "wb") as f:
        for at in range(0, 900_000, 1000):
            f.seek(at)
            f.write(b"%d" % at)
    with open(os.path.join(deep, "sparse"), "wb") as f:
        for at in (0, 20 << 10, 400 << 10, 90 << 20):  # single, double and triple indirect blocks
            f.seek(at)
            f.write(b"sparse")
    os.symlink("short", os.path.join(where, "fast-link"))
    os.symlink("long/" * 30, os.path.join(where, "slow-link"))
    os.link(os.path.join(deep, "indirect"), os.path.join(where, "hard"))
    os.mkfifo(os.path.join(where, "fifo"))


def metadata_blocks(path, block):
    """Numbers of blocks that hold metadata: what is in use and is no file's plain data is not known here, so the
    first blocks of each group (super block, descriptors, bitmaps, inodes) and the directories and indirect blocks
    that debugfs names."""
    with open(path, "rb") as f:
        f.seek(1024)
        head = f.read(1024)
        blocks, = struct.unpack_from("<I", head, 4)
        per_group, = struct.unpack_from("<I", head, 32)
        first, = struct.unpack_from("<I", head, 20)
        inodes_per_group, = struct.unpack_from("<I", head, 40)
    found = []
    for start in range(first, blocks, per_group):
        found += range(start, min(start + 40 + inodes_per_group * 256 // block // 8, blocks))
    for name in ("/", "/many", "/a", "/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h/indirect", "/a/b/c/d/e/f/g/h/sparse", "/slow-link"):
        said = host("debugfs", "-R", f"blocks {name}", path).decode()
        found += [int(n) for n in said.split() if n.isdigit()][:300]
    return found


def damage(path, block, rng):
    """Changes metadata of an image; says how."""
    blocks = metadata_blocks(path, block)
    kind = rng.choice(("bits", "bits", "words", "words", "zeros", "swap", "cut", "super"))
    with open(path, "r+b") as f:
        size = f.seek(0, os.SEEK_END)
        for _ in range(rng.choice((1, 3, 30))):
            at = rng.choice(blocks) * block
            if kind == "bits":
                at += rng.randrange(block)
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ 1 << rng.randrange(8)]))
            elif kind == "words":
                f.seek(at + rng.randrange(block // 4) * 4)
                f.write(struct.pack("<I", rng.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, rng.randrange(1 << 32), rng.randrange(size // block)))))
            elif kind == "zeros":
                f.seek(at)
                f.write(bytes(block))
            elif kind == "swap":
                other = rng.choice(blocks) * block
                f.seek(at)
                data = f.read(block)
                f.seek(other)
                f.write(data)
            elif kind == "super":
                f.seek(1024 + rng.randrange(0, 264))
                f.write(bytes([rng.choice((0, 1, 255, rng.randrange(256)))]))
        if kind == "cut":
            f.truncate(rng.randrange(2048, size) // 512 * 512)
    return kind


def damaged_images(folder, first, number, seed):
    """[(path, what was done)]; the same numbers give the same images."""
    tree = os.path.join(folder, "tree")
    if not os.path.exists(tree):
        os.mkdir(tree)
        sample_tree(tree)
    found = []
    for index in range(first, first + number):
        rng = random.Random(seed * 100003 + index)
        block = rng.choice((1024, 2048, 4096))
        path = make_image(os.path.join(folder, f"damaged-{index}"), 8, block, "-d", tree, "-e", "remount-ro")
        found.append((path, f"blocks of {block}, {damage(path, block, rng)}"))
    return found


def judge_damaged(run, images, report, first):
    lines = {m[1].decode(): m for m in LINE.finditer(run.out)}
    ended = run.trouble()
    for index, (path, what) in enumerate(images):
        device = "/dev/vd" + chr(ord("a") + index)
        m = lines.get(device)
        trouble = None
        if not m:
            trouble = "nothing is known of it\n" + (ended or "")
        elif m[5] and int(m[5]) and m[7] != b"ro":
            trouble = "EUCLEAN, but it stayed writable"
        elif (m[2] == b"EUCLEAN" or (m[5] and int(m[5]))) and device[5:] not in run.log:
            trouble = "EUCLEAN, but no line in the log names it"
        said = m[0].decode()[len(device) + 2:] if m else "?"
        report.result(f"image {first + index} ({what}): {said}", trouble)
    report.result(f"images {first}-{first + len(images) - 1}: the machine lives", ended)


def full(o, folder, report):
    for block in (1024, 4096):
        image = make_image(os.path.join(folder, "full"), 12, block)
        run = Run([program("full"), "/dev/vda", "/mnt"], [image], kernel=o.kernel)
        for line in run.out.decode().splitlines():
            report.result(f"blocks of {block}: {line}", None if line.endswith(": ok") else "see above")
        report.result(f"blocks of {block}: a disk that was full", run.trouble() or unclean(image))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kernel", default="quire")
    p.add_argument("--images", type=int, default=20)
    p.add_argument("--first", type=int, default=0, help="number of the first image")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", choices=("damaged", "full"))
    o = p.parse_args()
    report = Report("damage")
    with tempfile.TemporaryDirectory(prefix="quire-damage-") as folder:
        if o.only != "damaged":
            full(o, folder, report)
        for first in range(o.first, o.first + o.images, PER_BOOT) if o.only != "full" else ():
            images = damaged_images(folder, first, min(PER_BOOT, o.first + o.images - first), o.seed)
            devices = ["/dev/vd" + chr(ord("a") + i) for i in range(len(images))]
            run = Run([program("damaged"), "/mnt", *devices], [path for path, _ in images], kernel=o.kernel, timeout=1800, cpus=2)
            judge_damaged(run, images, report, first)
            for path, _ in images:
                os.unlink(path)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())

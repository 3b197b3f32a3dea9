# SPDX-License-Identifier: MIT
"""Disk images: what a file is (raw or qcow2; ext2, ext4, a partition table), where its root lies, and how QEMU gets it.

A run works on a throw-away overlay; with `keep` it writes to the file itself, alone. Without a virtio disk
(--icount) the bytes lie in a region of RAM that the kernel parameter memmap=SIZE!START makes /dev/pmem0.
Sources: qcow2 (QEMU docs/interop/qcow2.txt), UEFI specification 5.2 and 5.3 (MBR, GPT), ext2 (linux/Documentation/filesystems/ext4).
"""
import fcntl
import os
import struct
import zlib

from .common import Failure

SECTOR = 512
LINUX_ROOT = bytes.fromhex("e3bc684fcde8b14d96e7fbcaf984b709")  # GPT type: the root of a Linux for x86-64
MBR_EXTENDED = (0x05, 0x0F, 0x85)
MBR_LINKS = 100
EXT_MAGIC = 0xEF53
# What ext2 does not have: names as mke2fs -O takes them.
INCOMPAT = {0x0004: "needs_recovery", 0x0008: "journal_dev", 0x0040: "extent", 0x0080: "64bit", 0x0100: "mmp", 0x0200: "flex_bg",
            0x0400: "ea_inode", 0x2000: "metadata_csum_seed", 0x4000: "large_dir", 0x8000: "inline_data", 0x10000: "encrypt",
            0x20000: "casefold"}
EXT2_INCOMPAT = 0x0002 | 0x0010  # filetype, meta_bg
MAX_RAM_DISK = (2 << 30) - (1 << 20)  # QEMU's loader reads a file at once


class Raw:
    def __init__(self, path):
        self.file = open(path, "rb")
        self.size = self.file.seek(0, os.SEEK_END)

    def read(self, at, length):
        self.file.seek(at)
        return self.file.read(length)


class Qcow2:
    """Reads a qcow2 file, also through its backing files."""

    def __init__(self, path, depth=0):
        self.file = open(path, "rb")
        head = self.file.read(104).ljust(104, b"\0")
        (magic, version, backing_at, backing_len, cluster_bits, self.size, crypt, l1_entries, l1_at) = struct.unpack_from(">4sIQIIQIIQ", head)
        incompatible = struct.unpack_from(">Q", head, 72)[0] if version >= 3 else 0
        if magic != b"QFI\xfb" or version not in (2, 3) or not 9 <= cluster_bits <= 21 or crypt or incompatible & ~1 or depth > 8 \
                or l1_entries > 1 << 22:
            raise Failure(f"{path}: a qcow2 image of a kind that is not read here")
        self.cluster_bits = cluster_bits
        self.file.seek(l1_at)
        self.l1 = struct.unpack(f">{l1_entries}Q", self.file.read(8 * l1_entries))
        self.tables = {}
        self.backing = None
        if backing_at:
            self.file.seek(backing_at)
            name = self.file.read(backing_len).decode()
            self.backing = opened(os.path.join(os.path.dirname(path), name), depth + 1)

    def entry(self, cluster):
        per_table = 1 << (self.cluster_bits - 3)
        first, second = divmod(cluster, per_table)
        at = self.l1[first] & 0x00FFFFFFFFFFFE00 if first < len(self.l1) else 0
        if not at:
            return 0
        if at not in self.tables:
            self.file.seek(at)
            self.tables[at] = struct.unpack(f">{per_table}Q", self.file.read(8 * per_table))
        return self.tables[at][second]

    def cluster(self, number):
        """The contents of a cluster; None: zeros."""
        length = 1 << self.cluster_bits
        entry = self.entry(number)
        if entry & 1 << 62:  # compressed: offset, then how many further sectors
            split = 62 - (self.cluster_bits - 8)
            at = entry & ((1 << split) - 1)
            sectors = ((entry & ((1 << 62) - 1)) >> split) + 1
            self.file.seek(at)
            data = self.file.read(sectors * SECTOR - at % SECTOR)
            return zlib.decompressobj(-12).decompress(data, length).ljust(length, b"\0")
        if entry & 1:
            return None
        at = entry & 0x00FFFFFFFFFFFE00
        if at:
            self.file.seek(at)
            return self.file.read(length).ljust(length, b"\0")
        if self.backing:
            data = self.backing.read(number << self.cluster_bits, length)
            return data.ljust(length, b"\0") if data.strip(b"\0") else None
        return None

    def read(self, at, length):
        out = bytearray()
        end = min(at + length, self.size)
        while at < end:
            number, inside = at >> self.cluster_bits, at & ((1 << self.cluster_bits) - 1)
            n = min((1 << self.cluster_bits) - inside, end - at)
            data = self.cluster(number)
            out += data[inside:inside + n] if data else b"\0" * n
            at += n
        return bytes(out)

    def write_raw(self, path):
        """A sparse raw copy."""
        with open(path, "wb") as out:
            out.truncate(self.size)
            for number in range(-(-self.size >> self.cluster_bits)):
                data = self.cluster(number)
                if data and data.strip(b"\0"):
                    out.seek(number << self.cluster_bits)
                    out.write(data[:self.size - (number << self.cluster_bits)])


def file_format(path):
    with open(path, "rb") as f:
        return "qcow2" if f.read(4) == b"QFI\xfb" else "raw"


def opened(path, depth=0):
    return Qcow2(path, depth) if file_format(path) == "qcow2" else Raw(path)


def ext_kind(image, start=0):
    """("ext2" | "ext4" | None, features that are not ext2's)"""
    block = image.read(start + 1024, 1024)
    if len(block) < 1024 or struct.unpack_from("<H", block, 56)[0] != EXT_MAGIC:
        return None, []
    incompat = struct.unpack_from("<I", block, 96)[0] if struct.unpack_from("<I", block, 76)[0] else 0
    foreign = incompat & ~EXT2_INCOMPAT
    names = [INCOMPAT.get(1 << bit, f"bit {bit}") for bit in range(32) if foreign & 1 << bit]
    return ("ext4" if foreign else "ext2"), names


def gpt_partitions(image):
    """[(number, type, first byte)] of a GUID partition table; None: there is none."""
    head = image.read(SECTOR, SECTOR)
    if head[:8] != b"EFI PART":
        return None
    at, = struct.unpack_from("<Q", head, 72)
    count, size = struct.unpack_from("<II", head, 80)
    if not 128 <= size <= 4096 or count > 1024:
        raise Failure("a damaged partition table")
    table = image.read(at * SECTOR, count * size)
    found = []
    for number in range(len(table) // size):
        kind = table[number * size:number * size + 16]
        if kind.strip(b"\0"):
            found.append((number + 1, kind, struct.unpack_from("<Q", table, number * size + 32)[0] * SECTOR))
    return found


def mbr_records(image, sector):
    """[(type, first sector, sectors)] of the table at the end of a sector; None: there is none."""
    block = image.read(sector * SECTOR, SECTOR)
    if block[510:] != b"\x55\xaa":
        return None
    records = [struct.unpack_from("<B3xB3xII", block, 446 + 16 * n) for n in range(4)]
    return None if sector == 0 and any(status & 0x7F for status, *_ in records) else [r[1:] for r in records]


def mbr_partitions(image):
    """[(number, type, first byte)] of an MBR partition table, as mm/block/mbr.c counts them; None: there is none."""
    primary = mbr_records(image, 0)
    if not primary or not any(nr for _, _, nr in primary) or any(kind == 0xEE for kind, _, _ in primary):
        return None
    found = [(n + 1, kind, start * SECTOR) for n, (kind, start, nr) in enumerate(primary) if nr and kind not in MBR_EXTENDED]
    number = 5
    for first in [start for kind, start, nr in primary if nr and kind in MBR_EXTENDED]:
        at = first
        for _ in range(MBR_LINKS):
            records = mbr_records(image, at) or []
            logical = [r for r in records[:2] if r[2] and r[0] not in MBR_EXTENDED]
            found += [(number + n, kind, (at + start) * SECTOR) for n, (kind, start, _) in enumerate(logical)]
            number += len(logical)
            link = next((start for kind, start, nr in records if nr and kind in MBR_EXTENDED), None)
            if link is None:
                break
            at = first + link
    return found


def partitions(image):
    found = gpt_partitions(image)
    return mbr_partitions(image) if found is None else found


def root_partition(path):
    """Where the root file system is: 0, the whole disk, or the number of a partition. One clear line for what is no ext2."""
    image = opened(path)
    kind, foreign = ext_kind(image)
    if kind == "ext2":
        return 0
    parts = None if kind else partitions(image)
    for number, _, start in sorted(parts or [], key=lambda p: (p[1] != LINUX_ROOT, p[0])):
        kind, foreign = ext_kind(image, start)
        if kind == "ext2":
            return number
        if kind:
            break
    if kind:
        raise Failure(f"an ext4 file system ({', '.join(foreign)}); Quire has ext2: mke2fs -t ext2")
    if parts is not None:
        raise Failure("none of its partitions holds an ext2 file system")
    raise Failure("neither an ext2 disk image (raw or qcow2) nor a newc cpio archive")


class Disk:
    """One disk of a run. The lock lasts as long as the object: many may read a file, or one write to it."""

    def __init__(self, path, keep=False, readonly=False, option="--disk"):
        self.path, self.keep, self.readonly = path, keep and not readonly, readonly
        if not os.path.exists(path):
            raise Failure(f"{option} {path}: there is no such file")
        try:
            self.lock = open(path, "rb")
            self.format = file_format(path)
            if self.keep:
                open(path, "r+b").close()
        except OSError as e:
            raise Failure(f"{option} {path}: {e.strerror}")
        if os.path.getsize(path) < SECTOR:
            raise Failure(f"{option} {path}: too small to be a disk")
        try:
            fcntl.flock(self.lock, (fcntl.LOCK_EX if self.keep else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            raise Failure(f"{option} {path}: in use by another run, " +
                          ("and --keep wants it alone" if self.keep else "which keeps its changes (--keep)"))

    def virtio(self, number):
        """QEMU's words for a virtio disk."""
        words = f"if=none,id=disk{number},format={self.format},file={self.path.replace(',', ',,')}"
        if self.readonly:
            words += ",readonly=on"
        elif not self.keep:
            words += ",snapshot=on,cache=unsafe"
        return ["-drive", words, "-device", f"virtio-blk-pci,drive=disk{number},disable-legacy=on"]

    def place(self, folder):
        """It lies where it is."""

    def in_ram(self, folder, number):
        """(a raw file with the contents: the file itself, or a copy in folder; bytes of RAM for it)"""
        path = self.path
        if self.format != "raw":
            path = os.path.join(folder, f"disk{number}.raw")
            Qcow2(self.path).write_raw(path)
        size = os.path.getsize(path)
        if size > MAX_RAM_DISK:
            raise Failure(f"{self.path}: {size >> 20} MiB; under --icount a disk lies in RAM and may have {MAX_RAM_DISK >> 20} MiB")
        return path, size

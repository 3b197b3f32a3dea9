# SPDX-License-Identifier: MIT
"""What QEMU's driver blklogwrites records: every write and flush of a disk, in order.

The format is that of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst): a super block,
then entries, each a header in one sector with its data behind it.
"""
import struct
from collections import namedtuple

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4

Entry = namedtuple("Entry", "at data is_flush is_fua")  # at: first byte; data: None for a discard and a bare flush


def qemu_words(image, log, number=0):
    """QEMU's words for a virtio disk whose writes are recorded."""
    names = [f"{kind}{number}" for kind in ("image", "log", "both")]
    return ["-blockdev", f"driver=file,node-name={names[0]},filename={image}", "-blockdev", f"driver=file,node-name={names[1]},filename={log}",
            "-blockdev", f"driver=blklogwrites,node-name={names[2]},file={names[0]},log={names[1]}",
            "-device", f"virtio-blk-pci,drive={names[2]},disable-legacy=on,write-cache=on"]


def entries(path):
    found = []
    with open(path, "rb") as f:
        magic, version, count, sector = struct.unpack("<QQQI", f.read(28))
        if magic != MAGIC or version != 1:
            raise ValueError(f"{path}: no record of writes")
        f.seek(sector)
        for _ in range(count):
            first, number, flags, _ = struct.unpack("<QQQQ", f.read(sector)[:32])
            data = None if flags & DISCARD or not number else f.read(number * sector)
            found.append(Entry(first * sector, data, bool(flags & FLUSH), bool(flags & FUA)))
    return found

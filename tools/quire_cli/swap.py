# SPDX-License-Identifier: MIT
"""--swap: a disk that is in use as swap when the program starts. A size makes a throw-away disk, marked as mkswap
would; a file is used as it is. Source of the header: mkswap(8), linux/include/linux/swap.h.
"""
import os
import re
import struct

from .common import Failure, parse_size
from .disk import Disk, opened

PAGE = 4096
LEAST = 10 * PAGE  # as mkswap wants it
UUID = bytes.fromhex("5157415057415051a5574150a5574150")  # the same in every run, so that runs repeat
SIZE = re.compile(r"[0-9]+[KMG]?", re.IGNORECASE)


def header(size):
    """The first page of a swap area of `size` bytes."""
    page = bytearray(PAGE)
    struct.pack_into("<III16s16s", page, 1024, 1, size // PAGE - 1, 0, UUID, b"quire")
    page[-10:] = b"SWAPSPACE2"
    return bytes(page)


class NewSwap:
    """A disk that exists for one run."""
    keep = False

    def __init__(self, words):
        self.path = f"--swap {words}"
        self.size = parse_size(words) // PAGE * PAGE
        if self.size < LEAST:
            raise Failure(f"--swap {words}: at least {LEAST >> 10}K")

    def place(self, folder):
        self.file = os.path.join(folder, "swap")
        with open(self.file, "wb") as f:
            f.write(header(self.size))
            f.truncate(self.size)

    def virtio(self, number):
        return ["-drive", f"if=none,id=disk{number},format=raw,file={self.file.replace(',', ',,')},cache=unsafe",
                "-device", f"virtio-blk-pci,drive=disk{number},disable-legacy=on"]

    def in_ram(self, folder, number):
        """The header alone: RAM is zeros."""
        os.truncate(self.file, PAGE)
        return self.file, self.size


def swap_disk(words, keep):
    if SIZE.fullmatch(words):
        return NewSwap(words)
    disk = Disk(words, keep=keep, option="--swap")
    if opened(words).read(PAGE - 10, 10) != b"SWAPSPACE2":
        raise Failure(f"--swap {words}: not marked as a swap area; mkswap {words}")
    return disk

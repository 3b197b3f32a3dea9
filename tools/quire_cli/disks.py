# SPDX-License-Identifier: MIT
"""What a run boots from and which disks it has: --image, --package, --disk, --swap, --keep as words for QEMU and the kernel.

Disks are virtio disks (/dev/vda, ...). Under --icount, where a virtio disk's timing would not repeat, each lies in
RAM above the machine's own: /dev/pmem0, ... by the kernel parameter memmap=SIZE!START, on Linux and Quire alike.
"""
import os

from . import debian, image
from .common import Failure
from .disk import Disk, root_partition
from .swap import swap_disk

LOW_RAM = 2 << 30  # at most so much of the machine's own RAM lies below 4 GiB; disks in RAM come behind the rest
HIGH = 4 << 30
ALIGN = 2 << 20


class Disks:
    """From the options of a run. Holds the locks on the files until the run ends."""

    def __init__(self, o):
        self.icount, self.ram = o.icount, o.ram
        self.archive = None  # the whole image as an initial RAM disk
        self.root = None     # the root's partition on the first disk; 0: the whole disk; None: the root is the archive
        self.disks = []
        if o.package and o.image != "debian":
            raise Failure("--package adds to --image debian")
        if o.keep and o.icount:
            raise Failure("--keep writes to a virtio disk, --icount has none: its image lies in RAM")
        self.boot_from(o)
        for words in o.disk:
            path, comma, mode = words.rpartition(",")
            if comma and mode == "ro":
                self.disks.append(Disk(path, readonly=True))
            else:
                self.disks.append(Disk(words, keep=o.keep))
        self.outputs = list(getattr(o, "outputs", ()))  # sizes of regions of RAM that the host reads when the guest has ended
        self.nr_plain = len(self.disks)  # the swap's disk comes behind them: it changes no names
        if o.swap:
            self.disks.append(swap_disk(o.swap, o.keep))
        if o.keep and not any(d.keep or d.readonly for d in self.disks):
            raise Failure("--keep: nothing here can be kept; it goes with --image debian, --image FILE, --disk or --swap FILE")

    def boot_from(self, o):
        if o.image == "busybox":
            return
        path = o.image
        if path == "debian":
            path = debian.image(o.package, o.keep)
            if o.icount:
                path = debian.small(path)
        elif not os.path.isfile(path):
            raise Failure(f"--image {path}: there is no such file")
        try:
            if image.is_archive(path):
                self.archive = path
                return
            self.root = root_partition(path)
        except (Failure, OSError) as e:
            raise Failure(f"--image {path}: {e.strerror if isinstance(e, OSError) else e}")
        self.disks.append(Disk(path, keep=o.keep, option="--image"))

    def initrd(self):
        if self.root is not None:
            return image.disk_initrd()
        return self.archive or image.default_image()

    @property
    def keeps(self):
        return any(d.keep for d in self.disks)

    def linux_parts(self):
        """What Linux needs modules for."""
        return ([] if not self.disks else ["ram-disk" if self.icount else "disk"]) + (["ext2"] if self.nr_plain else [])

    def place(self, folder):
        """Prepares files; call it once, before the words are asked for."""
        self.regions = []  # [(raw file, size in RAM, first address)]
        for new in self.disks[self.nr_plain:]:
            new.place(folder)
        self.folder = folder
        if not self.icount or not (self.disks or self.outputs):
            return
        at = HIGH + self.ram - min(self.ram, LOW_RAM)
        at = -(-at // ALIGN) * ALIGN
        for number, disk in enumerate(self.disks):
            path, size = disk.in_ram(folder, number)
            size = -(-size // ALIGN) * ALIGN
            self.regions.append((path, size, at))
            at += size
        for size in self.outputs:
            self.regions.append((None, size, at))
            at += size

    def output_name(self, number):
        """As the guest calls it; known before place()."""
        return f"/dev/pmem{len(self.disks) + number}"

    def output(self, number):
        """What the guest has written there."""
        _, size, start = self.regions[len(self.disks) + number]
        with open(self.ram_file, "rb") as f:
            f.seek(min(self.ram, LOW_RAM) + start - HIGH)
            return f.read(size)

    @property
    def ram_file(self):
        return os.path.join(self.folder, "ram")

    def name(self, number):
        """As the guest calls it."""
        return f"/dev/pmem{number}" if self.regions else "/dev/vd" + chr(ord("a") + number)

    def machine(self):
        """(-machine words behind the type, -m in KiB)"""
        if not self.regions:
            return "", self.ram >> 10
        low = min(self.ram, LOW_RAM)
        path, size, start = self.regions[-1]
        backend = ",memory-backend=ram" if self.outputs else ""
        return f",max-ram-below-4g={low}{backend}", (low + start + size - HIGH) >> 10

    def qemu(self):
        if self.regions:
            words = [word for path, _, start in self.regions if path for word in
                     ("-device", f"loader,file={path.replace(',', ',,')},addr={start:#x},force-raw=on")]
            if self.outputs:
                words += ["-object", f"memory-backend-file,id=ram,size={self.machine()[1]}K,mem-path={self.ram_file},share=on"]
            return words
        return [word for number, disk in enumerate(self.disks) for word in disk.virtio(number)]

    def kernel_words(self):
        words = "".join(f" memmap={size >> 20}M!{start >> 20}M" for _, size, start in self.regions)
        if len(self.disks) > self.nr_plain:
            words += f" quire.swap={self.name(self.nr_plain)}"
        if self.root is not None:
            part = "" if not self.root else f"p{self.root}" if self.regions else str(self.root)
            words += f" root=/dev/{'pmem0' if self.regions else 'vda'}{part} rootfstype=ext2 rw"
        return words

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks: bytes that the guest writes are those the host finds, and the other way round; calls on block devices
say what Linux says; disks that return errors, or never answer, end in EIO and the machine lives."""
import argparse
import contextlib
import difflib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nbd

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = "build/guest/disk"
TIMEOUT = 1800  # tells a hang
results = []


def report(name, ok, why=""):
    results.append(ok)
    print(f"disk: {name}: {'ok' if ok else 'FAILED'}")
    if not ok:
        print("\n".join("    " + line for line in why.rstrip().split("\n")[-40:]))
    sys.stdout.flush()


class Run:
    """A guest that runs a shell command with the test program as /disk."""

    def __init__(self, command, disks=(), words="", kernel="quire", qemu=(), cpus=2, watch=None, image="busybox"):
        with tempfile.TemporaryDirectory() as where:
            log = os.path.join(where, "log")
            line = [os.path.join(ROOT, "quire"), "run", "--kernel", kernel, "--accel", "tcg", "--cpus", str(cpus), "--timeout", str(TIMEOUT),
                    "--log", log, "--append", ("quire.checks " if kernel == "quire" else "") + words,
                    "--image", image]
            line += ["--add", os.path.join(ROOT, PROGRAM) + ":/disk"] if image == "busybox" else []
            for d in disks:
                line += ["--disk", d]
            line += ["--keep"] if disks and image == "busybox" else []
            line += [f"--qemu={q}" for q in qemu]
            process = subprocess.Popen(line + ["--", "sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            self.lines = []
            for text in process.stdout:
                self.lines.append(text.rstrip("\n"))
                if watch:
                    watch(self.lines[-1])
            self.error = process.stderr.read()
            self.status = process.wait()
            with contextlib.suppress(OSError), open(log, errors="replace") as f:
                self.error += f.read()

    def all(self):
        return "\n".join(self.lines) + "\n" + self.error


# ---- images ----

def pattern(n, salt):
    """What sector n holds: see pattern() in disk.c."""
    v, out = (n * 0x9e3779b97f4a7c15 + salt) & (1 << 64) - 1, bytearray()
    for _ in range(64):
        out += struct.pack("<Q", v)
        v = (v * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
    return bytes(out)


def make_pattern(path, sectors, salt):
    with open(path, "wb") as f:
        for n in range(sectors):
            f.write(pattern(n, salt))


def first_difference(path, sectors, salt):
    with open(path, "rb") as f:
        for n in range(sectors):
            if f.read(512) != pattern(n, salt):
                return n
    return None


def gpt_header(own, other, array, sectors, entries):
    h = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 34, sectors - 34, b"Q" * 16, array, 128, 128,
                    zlib.crc32(entries))
    return h[:16] + struct.pack("<I", zlib.crc32(h)) + h[20:]


def make_gpt(path, sectors=65536):
    """Three partitions; "one" is the first one's name."""
    entries = b""
    for first, last, name in ((2048, 18431, "one"), (18432, 26623, ""), (32768, 36863, "")):
        entries += struct.pack("<16s16sQQQ72s", b"T" * 16, b"I" * 16, first, last, 0, name.encode("utf-16-le"))
    entries += b"\0" * (128 * 128 - len(entries))
    with open(path, "wb") as f:
        f.truncate(sectors * 512)
        f.seek(446)
        f.write(struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff" * 3, 1, sectors - 1))
        f.seek(510)
        f.write(b"\x55\xaa" + gpt_header(1, sectors - 1, 2, sectors, entries))
        f.seek(1024)
        f.write(entries)
        f.seek((sectors - 33) * 512)
        f.write(entries + gpt_header(sectors - 1, 1, sectors - 33, sectors, entries))


def spoil(path, *places):
    with open(path, "r+b") as f:
        for at in places:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 0x20]))


# ---- tests ----

def test_calls(where):
    texts = {}
    for kernel in ("linux", "quire"):
        disk = os.path.join(where, kernel)
        make_gpt(disk)
        run = Run("/disk calls /dev/vda /dev/vda1", [disk], kernel=kernel)
        texts[kernel] = run.lines
        if run.status:
            report("calls as on Linux", False, run.all())
            return
    differ = [f"linux: {a!r}\nquire: {b!r}" for a, b in zip(texts["linux"], texts["quire"]) if a != b]
    same = not differ and len(texts["linux"]) == len(texts["quire"])
    report(f"calls as on Linux ({len(texts['linux'])} lines)", same, "\n".join(differ))


def test_bytes(where):
    out, back = os.path.join(where, "out"), os.path.join(where, "in")
    sectors = 16384
    with open(out, "wb") as f:
        f.truncate(sectors * 512)
    make_pattern(back, sectors, 2)
    # No flusher by time: it might write a page twice that is filled sector by sector.
    run = Run("echo 0 > /proc/sys/vm/dirty_writeback_centisecs; /disk fill /dev/vda && /disk check /dev/vdb 2 && cat /proc/diskstats /sys/block/vda/stat", [out, back])
    report("the guest writes what the host finds", run.status == 0 and first_difference(out, sectors, 1) is None,
           f"first sector that differs: {first_difference(out, sectors, 1)}\n{run.all()}")
    report("the guest reads what the host wrote", "check: ok" in run.lines, run.all())
    stat = next((line.split() for line in run.lines if " vda " in line), [])
    figures = [int(v) for v in stat[3:]] or [0] * 17
    report("figures count what was moved", figures[6] == sectors and figures[8] == 0 and figures[4] > 0 and figures[15] >= 1 and figures[1] == 0,
           run.all())


def test_large_blocks(where):
    disk = os.path.join(where, "disk")
    sectors = 4096
    with open(disk, "wb") as f:
        f.truncate(sectors * 512)
    qemu = ["-drive", f"file={disk},format=raw,if=none,id=large", "-device",
            "virtio-blk-pci,drive=large,logical_block_size=4096,physical_block_size=4096"]
    run = Run("cat /sys/block/vda/queue/logical_block_size; /disk fill /dev/vda && /disk check /dev/vda 1", qemu=qemu)
    ok = run.status == 0 and run.lines[:1] == ["4096"] and "check: ok" in run.lines and first_difference(disk, sectors, 1) is None
    report("a disk of 4096-byte blocks", ok, f"first sector that differs: {first_difference(disk, sectors, 1)}\n{run.all()}")


def test_many(where):
    disk = os.path.join(where, "disk")
    with open(disk, "wb") as f:
        f.truncate(8 << 20)
    run = Run("/disk many /dev/vda; grep vda /proc/diskstats", [disk], cpus=4)
    report("six processes at once, through the cache and past it", run.status == 0 and "many: ok" in run.lines, run.all())
    report("nothing is in flight at the end", bool(run.lines) and run.lines[-1].split()[11] == "0", run.all())


def test_read_only(where):
    disk = os.path.join(where, "disk")
    make_gpt(disk)
    run = Run("cat /sys/block/vda/ro; echo x 2>/dev/null > /dev/vda || echo refused; blockdev --getro /dev/vda1; md5sum /dev/vda1 >/dev/null && echo read",
              [disk + ",ro"])
    report("a read-only disk", run.lines == ["1", "refused", "1", "read"], run.all())


def test_broken_tables(where):
    names = []
    for name, places in (("primary", (520,)), ("array", (1024 + 40,)), ("both", (520, 65535 * 512 + 8))):
        disk = os.path.join(where, name)
        make_gpt(disk)
        spoil(disk, *places)
        names.append(disk)
    run = Run("cat /proc/partitions; dmesg", names)
    found = re.findall(r" (vd\w+)$", "\n".join(run.lines), re.MULTILINE)
    log = "\n".join(run.lines)
    report("a broken table's backup serves; without one there are no partitions",
           found == ["vda", "vda1", "vda2", "vda3", "vdb", "vdb1", "vdb2", "vdb3", "vdc"], run.all())
    report("broken tables are named once", log.count("GPT:") == 3 and "vdc: GPT: no valid table" in log, log)


# Made by sfdisk: primary and logical partitions; one that is cut; none because of a file system's boot sector.
MBR_TABLES = ("start=2048, size=4096\nstart=8192, size=8192, type=82, bootable\nstart=20480, size=40960, type=f\n"
              "start=22528, size=2048\nstart=26624, size=1000\nstart=30000, size=30000, type=8e\n",
              "start=63, size=100\nstart=200, size=100\nstart=400, size=100\nstart=600, size=3000, type=5\nstart=700, size=1\n",
              "start=2048, size=60000\n", "start=2048, size=60000\n")


def test_mbr(where):
    names, texts = [], {}
    for number, table in enumerate(MBR_TABLES):
        disk = os.path.join(where, str(number))
        with open(disk, "wb") as f:
            f.truncate(65536 * 512)
        subprocess.run(["sfdisk", "-q", "--no-tell-kernel", disk], input=b"label: dos\n" + table.encode(), check=True, capture_output=True,
                       env=dict(os.environ, PATH="/usr/sbin:/sbin:" + os.environ["PATH"]))
        names.append(disk)
    os.truncate(names[2], 30000 * 512)
    with open(names[3], "r+b") as f:
        f.seek(446)
        f.write(b"\x41")
    for kernel in ("linux", "quire"):
        run = Run("cd /sys/block; for p in vd*/vd*; do echo $p $(cat $p/partition $p/start $p/size $p/dev); done; sed 1,2d /proc/partitions", names, kernel=kernel)
        texts[kernel] = [line for line in run.lines if "vd" in line]
    report(f"MBR tables as on Linux ({len(texts['linux'])} lines)", texts["linux"] == texts["quire"] and any("vda7" in t for t in texts["quire"]),
           "\n".join(difflib.unified_diff(texts["linux"], texts["quire"], "linux", "quire", lineterm="")) or run.all())


def test_io_figures(where):
    """A load of known size in /proc/PID/io and getrusage; waiting for a slow disk is iowait."""
    disk, other, texts = os.path.join(where, "disk"), os.path.join(where, "slow"), {}
    for path in (disk, other):
        with open(path, "wb") as f:
            f.truncate(8 << 20)
    slow = ["-drive", f"file={other},format=raw,if=none,id=slow,throttling.bps-total=1048576,throttling.bps-total-max=1048576", "-device",
            "virtio-blk-pci,drive=slow"]
    for kernel in ("linux", "quire"):
        run = Run("/disk io /dev/vda", [disk], kernel=kernel)
        late = Run("/disk iowait /dev/vdb", [disk], qemu=slow, kernel=kernel, cpus=1)
        texts[kernel] = [run.lines, late.lines, run.all() + late.all()]
    report("figures of a process's I/O as on Linux", texts["linux"][0] == texts["quire"][0] and "fsync: read_bytes 0 write_bytes 0 inblock 0 oublock 0" in
           texts["quire"][0], "\n".join(difflib.unified_diff(texts["linux"][0], texts["quire"][0], "linux", "quire", lineterm="")) or texts["quire"][2])
    want = ["asleep: iowait is little of the rest", "reading: iowait is most of the rest"]
    report("waiting for a disk is iowait", texts["quire"][1] == want == texts["linux"][1], texts["linux"][2] + texts["quire"][2])


def test_memory_disk(where):
    run = Run("/disk fill /dev/pmem0 && /disk check /dev/pmem0 1 && cat /sys/block/pmem0/size && grep Persistent /proc/iomem; ls -l /dev/pmem0",
              words="memmap=8M!64M")
    ok = run.status == 0 and "check: ok" in run.lines and "16384" in run.lines and "04000000-047fffff : Persistent Memory (legacy)" in run.lines
    report("a disk in memory", ok and "259" in run.lines[-1], run.all())


def monitor(path, command, **arguments):
    """One command to QEMU's machine protocol."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        f = s.makefile("rw")
        f.readline()
        for line in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            f.write(json.dumps(line) + "\n")
            f.flush()
            while not {"return", "error"} & json.loads(f.readline()).keys():
                pass


def test_resize(where):
    disk, control = os.path.join(where, "disk"), os.path.join(where, "control")
    with open(disk, "wb") as f:
        f.truncate(1 << 20)
    qemu = ["-drive", f"file={disk},format=raw,if=none,id=grows", "-device", "virtio-blk-pci,drive=grows", "-qmp", f"unix:{control},server=on,wait=off"]
    run = Run("echo before $(cat /sys/block/vda/size); while [ $(cat /sys/block/vda/size) = 2048 ]; do usleep 20000; done; "
              "echo after $(cat /sys/block/vda/size) $(blockdev --getsz /dev/vda) $(dd if=/dev/vda bs=512 skip=4095 2>/dev/null | wc -c)", qemu=qemu,
              watch=lambda line: monitor(control, "block_resize", device="grows", size=2 << 20) if line.startswith("before") else None)
    report("a disk that grows", run.lines == ["before 2048", "after 4096 4096 512"], run.all())


TOOLS = """lsblk -o NAME,MAJ:MIN,RM,SIZE,RO,TYPE,LOG-SEC,PHY-SEC,ROTA,RA,MOUNTPOINTS; blockdev --report; partx --show /dev/vdb; findmnt -n /
iostat -d -x | sed -n 3p; iostat -d -p ALL | awk '{print $1, NF}' | sed 1d; vmstat -d | awk '{print $1, NF}'; sar -d 1 1 | awk '/Average/ {print $2, NF}'"""


def test_tools(where):
    disk, texts = os.path.join(where, "disk"), {}
    make_gpt(disk)
    for kernel in ("linux", "quire"):
        run = Run(TOOLS, [disk], kernel=kernel, image="debian")
        texts[kernel] = run.lines
    same = texts["linux"] == texts["quire"] and any("vdb3" in line for line in run.lines)
    report("util-linux and sysstat print what they print on Linux", same,
           "\n".join(difflib.unified_diff(texts["linux"], texts["quire"], "linux", "quire", lineterm="")) or run.all())


FAULTS = """read: 4096
read of a bad sector: EIO
again: EIO
read beside it: 4096
direct read of it: EIO
write to a bad sector: 4096
fsync: EIO
fsync again: EIO
direct write to it: EIO
write with O_SYNC: EIO
heal the bad sector
fsync once it is well: 0
what is on the disk: w
write before a bad flush: 4096
fsync: EIO
fsync again: 0
stalled read: EIO
read elsewhere: 4096
the same read later: 4096
stalled readers: 100
write elsewhere: 4096
touch of a bad sector: signal 7
fsync at the end: 0""".split("\n")


def test_faults(where):
    path = os.path.join(where, "socket")
    disk = nbd.Disk(path, 32768)
    disk.fails = [(nbd.READ, 2048, 2056), (nbd.WRITE, 4096, 4104)]
    disk.stalls = [(6144, 6152), (8192, 8992)]
    disk.flush_trap = 10240
    qemu = ["-drive", f"file=nbd+unix:///?socket={path},format=raw,if=none,id=bad", "-device", "virtio-blk-pci,drive=bad"]

    def watch(line):
        if line.startswith("heal"):
            disk.fails.pop()
        if line.startswith("stalled read:"):
            disk.release(False, 8192)  # the readers to come may be there already
        if line.startswith("stalled readers"):
            disk.release(True)

    run = Run("/disk faults /dev/vda; grep vda /proc/diskstats; dmesg", qemu=qemu, words="quire.disk_timeout=5", watch=watch)
    disk.close()
    said, stat, log = run.lines[:len(FAULTS)], run.lines[len(FAULTS):len(FAULTS) + 1], "\n".join(run.lines[len(FAULTS) + 1:])
    report("errors and silence end in EIO, and the disk goes on", said == FAULTS,
           "\n".join(f"{a} (expected: {b})" for a, b in zip(said, FAULTS) if a != b) or run.all())
    report("nothing is in flight at the end", stat and stat[0].split()[11:12] == ["0"], run.all())
    report("late answers are noticed", "not answered in time" in log and "all requests given up have been answered" in log, run.all())


TESTS = {"calls": test_calls, "bytes": test_bytes, "mbr": test_mbr, "io": test_io_figures, "large": test_large_blocks, "many": test_many, "read-only": test_read_only,
         "tables": test_broken_tables, "memory": test_memory_disk, "resize": test_resize, "tools": test_tools, "faults": test_faults}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tests", nargs="*", choices=[[], *TESTS], help="default: all")
    names = parser.parse_args().tests or list(TESTS)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="quire-disk-") as where:
            TESTS[name](where)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

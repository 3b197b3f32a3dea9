# SPDX-License-Identifier: MIT
"""In the guest, as root: /proc/PID/explain says what pagemap, kpagecount and the processes themselves say."""
import ctypes
import mmap
import os
import re
import struct
import subprocess
import sys

PAGE = 4096
failures = 0


def expect(what, found, wanted):
    global failures
    if found != wanted:
        failures += 1
        print(f"FAIL {what}: {found!r}, not {wanted!r}")


def explain(pid, address, prefix=""):
    """{key: [text, ...]}"""
    found = {}
    with open(f"/proc/{pid}/explain/{prefix}{address:x}") as f:
        for line in f:
            key, _, text = line.rstrip("\n").partition(" ")
            found.setdefault(key, []).append(text.strip())
    return found


def word(path, index):
    with open(path, "rb") as f:
        f.seek(index * 8)
        return struct.unpack("<Q", f.read(8))[0]


def regions(pid):
    with open(f"/proc/{pid}/maps") as f:
        for line in f:
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            yield start, end, line.rstrip("\n")


def number(text):
    return int(re.search(r"0x([0-9a-f]+)", text)[1], 16)


def check_page(pid, address, line):
    """One page of a process that sleeps."""
    seen = explain(pid, address)
    pagemap = word(f"/proc/{pid}/pagemap", address // PAGE)
    expect(f"{address:x} region", " ".join(seen["region"][0].split()), " ".join(line.split()))
    walk = seen["walk"]
    indexes = [int(re.search(r"entry +(\d+)", w)[1]) for w in walk]
    expect(f"{address:x} indexes", indexes, [address >> s & 511 for s in (39, 30, 21, 12)][:len(walk)])
    expect(f"{address:x} split", [int(n) for n in re.search(r"= ([\d ]+),", seen["split"][0])[1].split()], [address >> s & 511 for s in (39, 30, 21, 12)])
    for above, below in zip(walk, walk[1:]):  # each entry leads to the next table
        expect(f"{address:x} table", re.search(r"-> frame (0x[0-9a-f]+)", above)[1], re.search(r"frame (0x[0-9a-f]+)", below)[1])
    expect(f"{address:x} root", number(seen["root"][0]) >> 12, number(walk[0]))
    if pagemap >> 63:
        pfn = pagemap & (1 << 55) - 1
        expect(f"{address:x} physical", number(seen["physical"][0]) >> 12, pfn)
        expect(f"{address:x} frame", number(seen["frame"][0]), pfn)
        if "mapped" in seen:
            times = int(seen["mapped"][0].split()[0])
            expect(f"{address:x} times", times, word("/proc/kpagecount", pfn))
            expect(f"{address:x} users", len(seen["mapped"]) - 1, min(times, 64))
            mine = [t for t in seen["mapped"][1:] if t.startswith(f"by {pid} ")]
            expect(f"{address:x} is mapped by itself", len(mine), 1)
            expect(f"{address:x} at", number(mine[0]), address)
    elif pagemap >> 62 & 1:
        swap = re.match(r"area (\d+) slot (\d+)", seen["swap"][0])
        expect(f"{address:x} swap", (int(swap[1]), int(swap[2])), (pagemap & 31, pagemap >> 5 & (1 << 50) - 1))
    return seen


def sleeper():
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(b"x\n")
    child.stdin.flush()
    child.stdout.readline()
    return child


def every_page():
    """Every page of a process."""
    child, nr = sleeper(), 0
    for start, end, line in regions(child.pid):
        for address in range(start, end, PAGE):
            check_page(child.pid, address, line)
            nr += 1
    expect("many pages", nr > 300, True)
    expect("listing", [int(n, 16) for n in os.listdir(f"/proc/{child.pid}/explain")], [r[0] for r in regions(child.pid)])
    child.stdin.close()
    child.wait()


def bare():
    """Memory that is mapped and never touched, read and never written, written, outside any region, given away by fork."""
    m = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    at = ctypes.addressof(ctypes.c_char.from_buffer(m))
    first = -at % (2 << 20) // PAGE  # a table of its own begins there
    at += first * PAGE
    me = os.getpid()
    expect("untouched", explain(me, at)["frame"], ["none: the first touch brings one"])
    m[(first + 5) * PAGE]
    expect("read", "zero page" in explain(me, at + 5 * PAGE)["frame"][0], True)
    m[(first + 6) * PAGE] = 1
    seen = explain(me, at + 6 * PAGE + 5, prefix="0x")
    expect("written", (seen["frame"][0].split()[1], number(seen["physical"][0]) & 0xfff), ("anonymous;", 5))
    expect("age", bool(re.search(r"anon, .*age: (more than )?\d+ of \d+ pages", seen["list"][0])), True)
    expect("outside", explain(me, 0x10000)["region"], ["none: a touch ends in SIGSEGV (SEGV_MAPERR)"])
    ours, theirs = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.read(ours[0], 1)
        m[(first + 6) * PAGE] = 2
        os.write(theirs[1], b"x")
        os.read(ours[0], 1)
        os._exit(0)
    both = explain(me, at + 6 * PAGE)
    expect("fork shares the frame", sorted(t.split()[1] for t in both["mapped"][1:]), sorted(map(str, (me, pid))))
    expect("fork shares the table", both["shared"][0].startswith("the PT with 1 more"), True)
    expect("of both", number(explain(pid, at + 6 * PAGE)["frame"][0]), number(both["frame"][0]))
    os.write(ours[1], b"x")
    os.read(theirs[0], 1)
    expect("a write gives it a frame of its own", number(explain(pid, at + 6 * PAGE)["frame"][0]) != number(both["frame"][0]), True)
    expect("mapped once", explain(me, at + 6 * PAGE)["mapped"][0], "1 time")
    os.write(ours[1], b"x")
    os.waitpid(pid, 0)
    return m


def swapped():
    """More than memory: pages in swap have their slots."""
    big = mmap.mmap(-1, 96 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for i in range(0, len(big), PAGE):
        big[i] = 1
    at = ctypes.addressof(ctypes.c_char.from_buffer(big))
    kinds = set()
    for address in range(at, at + len(big), 997 * PAGE):
        before = word("/proc/self/pagemap", address // PAGE)
        seen = explain(os.getpid(), address)
        if word("/proc/self/pagemap", address // PAGE) != before:
            continue  # it went or came meanwhile
        if before >> 62 & 1:
            kinds.add("swap")
            slot = re.match(r"area (\d+) slot (\d+), named by 1 entries", seen["swap"][0])
            expect("slot", (int(slot[1]), int(slot[2])), (before & 31, before >> 5 & (1 << 50) - 1))
        elif before >> 63:
            kinds.add("memory")
            expect("frame", number(seen["frame"][0]), before & (1 << 55) - 1)
    expect("both were seen", kinds, {"swap", "memory"})


def refused():
    for name, error in (("zz", FileNotFoundError), ("0x", FileNotFoundError), ("ffff800000000000", FileNotFoundError), ("1" * 40, FileNotFoundError), ("10 ", FileNotFoundError)):
        try:
            open(f"/proc/self/explain/{name}").close()
            expect(f"{name!r} is refused", None, error)
        except error:
            pass
    pid = os.fork()
    if not pid:
        os.setuid(65534)
        for path in (f"/proc/{os.getpid()}/explain/400000", "/proc/1/explain/400000", "/proc/quire/trace/records", "/proc/quire/trace/events"):
            try:
                open(path).close()
                os._exit(1)
            except PermissionError:
                pass
        os._exit(0)
    expect("frames are root's affair", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
    child = sleeper()
    f = open(f"/proc/{child.pid}/explain/400000")
    child.stdin.close()
    child.wait()
    try:
        f.read()
        expect("a process that is gone", None, ProcessLookupError)
    except ProcessLookupError:
        pass


every_page()
bare()
refused()
if len(sys.argv) > 1:
    swapped()
print("explain: ok" if not failures else f"explain: {failures} failures")
sys.exit(failures != 0)

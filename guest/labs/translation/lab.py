# SPDX-License-Identifier: MIT
import json
import os
import re
import tempfile

import lab

NUMBER, FROM = 11, ["system/3", "guide/4"]
TITLE = "one address walked by hand: four indexes, entry bits, the frame; CR3 at a context switch"
TEACHES = "the page number is cut into four indexes, each entry leads to the next table, and CR3 says where a process's tables begin"
HOST_NEEDS_ROOT = "only root is shown the frame numbers in /proc/PID/pagemap"

LEVELS = ("PML4", "PDPT", "PD", "PT")
PRESENT, WRITABLE, USER, ACCESSED, DIRTY, NO_EXECUTE = 1, 2, 4, 32, 64, 1 << 63
FRAME = 0x000F_FFFF_FFFF_F000
PAGE = 4096
STEP = re.compile(r"walk +(\w+) +frame (\w+) +entry +(\d+): (?:(0x[0-9a-f]+) -> frame (\w+)|empty)")


def sections(text):
    """The text below each heading."""
    found = re.split(r"^== (.*) ==$", text, flags=re.M)
    return dict(zip(found[1::2], found[2::2]))


def walk(text):
    """(root, [(level, table's frame, index, entry or 0)]) of what explain said."""
    root = int(re.search(r"^root +CR3 (\w+)$", text, re.M)[1], 16)
    return root, [(m[1], int(m[2], 16), int(m[3]), int(m[4] or "0", 16)) for m in STEP.finditer(text)]


def by_hand(text, cut, bits=PRESENT | WRITABLE | USER | ACCESSED):
    """Follows the entries as the MMU does, from CR3 down, and compares with what explain and pagemap say. bits: of each entry."""
    root, steps = walk(text)
    lab.check(len(steps) == 4, f"{len(steps)} levels, not 4")
    frame = root // PAGE
    for name, (level, table, index, entry) in zip(LEVELS, steps):
        lab.check(level == name and table == frame, f"{name}: the table is {table:#x}, where the level above leads to {frame:#x}")
        lab.check(index == int(cut[f"index in the {name}"]), f"{name}: index {index}")
        lab.check(entry & bits == bits, f"{name}: bits of {entry:#x}")
        frame = (entry & FRAME) // PAGE
    lab.check(entry & DIRTY and entry & NO_EXECUTE, f"PT: bits of {entry:#x}")
    physical = frame * PAGE + int(cut["offset"], 16)
    lab.check(int(re.search(r"^physical (\w+)", text, re.M)[1], 16) == physical, "another physical address")
    lab.check(int(lab.values(text)["frame by pagemap"], 16) == frame, "pagemap names another frame")
    return root, frame, physical


def switches(path):
    """{process: what CR3 was loaded with for it} of a record, and how often."""
    loaded, count = {}, {}
    with open(path, encoding="utf-8") as f:
        for e in map(json.loads, f):
            if e["event"] == "switch":
                loaded.setdefault(e["next"], set()).add(e["cr3"])
                count[e["next"]] = count.get(e["next"], 0) + 1
    return loaded, count


def on_quire(program):
    with tempfile.TemporaryDirectory() as folder:
        record = os.path.join(folder, "record")
        text, _ = lab.shown([lab.QUIRE, "trace", "--events", "switch", "--json", "-o", record, "--", lab.in_guest(program)], lab.ROOT, 0)
        loaded, count = switches(record)
    part = sections(text)
    cut = lab.values(part["an address is cut into its parts"])
    root, steps = walk(part["mapped, not touched yet"])
    lab.check(not steps[-1][3], "there is a whole walk before the first touch")
    first = by_hand(part["after the first write"], cut)
    there = by_hand(part["another process, the same address"], cut)
    here = by_hand(part["the first process again"], cut, PRESENT | USER | ACCESSED)  # fork took the right to write away
    lab.check(first[0] == here[0] == root, "CR3 of a process has changed")
    lab.check(there[0] != here[0] and there[1] != here[1], "two processes share a root or a frame that both wrote to")
    lab.say("\nBy hand, from the values above:\n")
    for who, text in (("first process", part["the first process again"]), ("second process", part["another process, the same address"])):
        cr3, steps = walk(text)
        lab.say(f"{who}: CR3 {cr3:#x}")
        for level, table, index, entry in steps:
            lab.say(f"    {table:#8x} * 4096 + {index:3} * 8 = {table * PAGE + index * 8:#10x}: {level:4} entry {entry:#018x} -> frame {(entry & FRAME) // PAGE:#x}")
    lab.say("\nThe record of switches says the same:\n")
    for who, result in (("parent", here), ("child", there)):
        pid = int(lab.values(part["the first process again" if who == "parent" else "another process, the same address"])[who])
        lab.check(loaded.get(pid) == {result[0]}, f"for process {pid} CR3 was loaded with {loaded.get(pid)}, not {result[0]:#x}")
        lab.check(count[pid] >= 5, f"only {count[pid]} switches to process {pid}")
        lab.say(f"switches to process {pid}: {count[pid]}, each with CR3 {result[0]:#x}")


def on_linux(program):
    seen = lab.run(program)
    lab.check(int(seen["frame by pagemap"], 16) > 0, "the page has no frame")
    lab.say("\nThis kernel shows the frame, not the tables that lead to it: the walk itself needs Quire.")


def run():
    program = lab.build(__file__, "translate.c", "-static")
    if lab.IS_QUIRE:
        on_quire(program)
    else:
        on_linux(program)
    lab.say("\nWhere the documents differ: one table and two accesses are four tables and five accesses here. The walk is done by the MMU,\n"
            "a part of the CPU; the kernel fills the tables and loads CR3. An address is not 'translated by the kernel'.")

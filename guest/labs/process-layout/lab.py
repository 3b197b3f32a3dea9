# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 1, ["process/1", "basics/regions", "guide/4"]
TITLE = "text, constants, data, heap, mmap area and stacks of a process"
TEACHES = "each part of a program lies in a region with rights of its own"

EXPECTED = {
    "function": "r-xp program",
    "constant": "r--p program",
    "initialized variable": "rw-p program",
    "small malloc": "rw-p [heap]",
    "large malloc": "rw-p anonymous",
    "stack of the first thread": "rw-p [stack]",
    "stack of the second thread": "rw-p anonymous",
}


def run():
    lab.say("A program asks /proc/self/maps where its own parts lie.")
    seen = lab.run(lab.build(__file__, "layout.c", "-pthread"))
    for what, expected in EXPECTED.items():
        lab.check(seen.get(what) == expected, f"{what}: {seen.get(what)}, not {expected}")
    lab.check(seen.get("zeroed variable") in ("rw-p program", "rw-p anonymous"), f"zeroed variable: {seen.get('zeroed variable')}")
    lab.say("\nWhere the documents differ: constants are not in the text segment but in one of their own that cannot be\n"
            "executed; a malloc of 128 KiB or more is not in the heap but in the mmap area; the second thread's stack is\n"
            "an anonymous mapping, only the first thread's grows.")

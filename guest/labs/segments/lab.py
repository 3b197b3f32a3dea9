# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 14, ["guide/4"]
TITLE = "selectors, privilege level, FS and GS bases"
TEACHES = "what x86-64 has left of segmentation, and what it is used for"

EXPECTED = {
    "descriptor of CS": "code, 64 bits, ring 3", "descriptor of SS": "data, 32 bits, ring 3", "a descriptor of the kernel": "not shown",
    "CS": "0x33", "SS": "0x2b", "DS": "0", "privilege level in CS": "3", "FS:0 holds the FS base": "yes",
    "another thread has another FS base": "yes", "GS:8 after ARCH_SET_GS": "0x1234", "GS:8 after a context switch": "0x1234",
}


def run():
    seen = lab.run(lab.build(__file__, "segments.c", "-pthread"))
    for what, expected in EXPECTED.items():
        lab.check(seen.get(what) == expected, f"{what}: {seen.get(what)}, not {expected}")
    lab.check(int(seen["regions"]) >= 10, "so few regions?")
    lab.say("\nSegments of unequal size with rights of their own, as the document draws them, are the regions of\n"
            "/proc/PID/maps today; the hardware's segments are flat, but for the two bases that threads use.")

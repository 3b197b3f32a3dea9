#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""100,000 small objects in Python: how often does the address space grow? Told a number, it makes so many and does not look."""
import os
import sys

OBJECTS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
statm = os.open("/proc/self/statm", os.O_RDONLY)


def size():
    """Pages of address space."""
    return int(os.pread(statm, 64, 0).split()[0])


objects = [None] * OBJECTS
steps = 0
first = last = size()
for i in range(OBJECTS):
    objects[i] = (i,)
    now = last if len(sys.argv) > 1 else size()
    steps += now != last
    last = now
print("Python: objects =", OBJECTS)
print("Python: times the address space grew =", steps)
print("Python: grown by kB =", (last - first) * 4)

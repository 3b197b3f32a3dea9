#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Maps 100 MiB, then touches it page by page, a rest after each 10 MiB. Each Enter leads to the next step.

    demand-paging.py SECONDS [populate]
"""
import contextlib
import mmap
import sys
import time

SIZE, STEP, PAGE = 100 << 20, 10 << 20, 4096


def say(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


def wait(text):
    say(text + "; Enter goes on")
    sys.stdin.readline()


flags = mmap.MAP_PRIVATE | (mmap.MAP_POPULATE if "populate" in sys.argv else 0)
wait("before mmap")
area = mmap.mmap(-1, SIZE, flags=flags)
if "populate" not in sys.argv:
    with contextlib.suppress(OSError):  # one fault for each page, whatever the default for huge pages is
        area.madvise(mmap.MADV_NOHUGEPAGE)
wait("100 MiB are mapped")
for at in range(0, SIZE, PAGE):
    area[at] = 0
    if (at + PAGE) % STEP == 0:
        say(f"touched {(at + PAGE) >> 20} MiB")
        time.sleep(float(sys.argv[1]))
wait("all is touched")

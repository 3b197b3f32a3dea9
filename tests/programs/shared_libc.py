# SPDX-License-Identifier: MIT
"""One copy of libc serves all processes: each has its whole text resident, and their shares add up to it once."""
import ctypes
import os
import sys

CHILDREN = 6


def text_of(pid):
    """(start, end, {figure: kB}) of libc's text in a process."""
    found, figures = None, {}
    for line in open(f"/proc/{pid}/smaps"):
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            if found:
                break
            if words[1] == "r-xp" and words[-1].endswith("/libc.so.6"):
                found = [int(at, 16) for at in words[0].split("-")]
        elif found and words[-1] == "kB":
            figures[words[0].rstrip(":")] = int(words[1])
    return *found, figures


def touch():
    start, end, _ = text_of("self")
    for at in range(start, end, 4096):
        ctypes.string_at(at, 1)


def child():
    """A process that has touched all of libc's text and waits until its input ends."""
    said, tell = os.pipe()
    until, end = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(end)
        touch()
        os.write(tell, b"x")
        os.read(until, 1)
        os._exit(0)
    os.close(until)
    os.read(said, 1)
    return pid, end


def show(what, pids):
    all_figures = [text_of(pid)[2] for pid in pids]
    size = all_figures[0]["Size"]
    total = sum(f["Pss"] for f in all_figures)
    print(what, f"processes {len(pids)}, text {size} kB, resident {sorted({f['Rss'] for f in all_figures})},",
          "shares add up to it once:", size - len(pids) <= total <= size)
    for name in ("Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Anonymous", "Swap", "Locked"):
        print("   ", name, sorted({f[name] for f in all_figures}))
    sys.stdout.flush()


touch()
show("alone:", [os.getpid()])
children = []
for n in range(CHILDREN):
    children.append(child())
    if n % 2:
        show(f"with {n + 1} children:", [os.getpid()] + [pid for pid, _ in children])
for _, end in children:  # all of them first: who was forked later holds the ends of those before
    os.close(end)
for pid, _ in children:
    os.waitpid(pid, 0)
show("alone again:", [os.getpid()])

# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 22, ["guide/2"]
TITLE = "under load free shrinks, clean cache goes first, nothing is swapped until it is gone"
TEACHES = "the cheapest page to give up is a clean one of a file: nothing has to be written"
NOT_ON_HOST = "it takes more memory than there is"

SOME_KB = 2048
RAM = "160M" if lab.IS_QUIRE else "256M"  # Debian's kernel takes more for itself


def run():
    program = lab.build(__file__, "fill.c")
    text = lab.script(__file__, "clean-first.sh", files=[program], ram=RAM, options=["--swap", "512M"])
    rows = [[int(w) for w in line.split("=")[1].split()] for line in text.splitlines() if line.startswith("row =")]
    full = rows[0][1] + rows[0][2]
    lab.say("")
    for taken, free, cache, swap in rows[::3]:
        lab.say(f"{taken:7} taken |{'.' * len(lab.bar(free, full, 30))}{'c' * len(lab.bar(cache, full, 30))}{'s' * len(lab.bar(swap, full, 30))}")
    lab.say("   . free   c cache of files   s in swap")
    cache_at_start = rows[0][2]
    lab.check(cache_at_start >= 60 << 10, "the file is not in the cache")
    lab.check(rows[0][3] < 512, "something was in swap before")
    first_less = next(r for r in rows if r[2] < cache_at_start - SOME_KB)
    lab.check(first_less[1] < rows[0][1] // 3, f"the cache went while {first_less[1]} kB were free")
    first_swap = next(r for r in rows if r[3] > SOME_KB)
    lab.check(first_swap[2] < cache_at_start // 3, f"swap began while {first_swap[2]} kB of clean cache were left")
    lab.check(rows[-1][3] > SOME_KB, "nothing was swapped in the end")
    lab.say(f"\nThe cache began to go when {first_less[0]} kB were taken, swap to fill at {first_swap[0]} kB.\n"
            "Where the documents are too simple: cache in use (programs that run, files read again and again) is kept against\n"
            "idle anonymous memory, and vm.swappiness moves the balance. This file was read once.")

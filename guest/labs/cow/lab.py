# SPDX-License-Identifier: MIT
import lab

TITLE = "fork shares frames, the first write copies one page"
TEACHES = "what fork costs, what a write after it costs, and how Pss tells shared memory"


def run():
    seen = lab.run(lab.build(__file__, "cow.c"), options=[*lab.debian(), "--ram", "480M"])
    n = {k: int(v.split()[0]) for k, v in seen.items()}
    lab.check(n["Rss before fork"] == 8192 and n["Pss before fork"] == 8192, "8 MiB before fork")
    lab.check(n["Rss in the child"] == 8192 and abs(n["Pss in the child"] - 4096) <= 8, "fork copied pages")
    lab.check(1024 <= n["faults for 1024 writes"] <= 1024 + 64, "not one fault for each page written")
    lab.check(abs(n["Private_Dirty after half was written"] - 4096) <= 8, "not half is private after half was written")
    lab.check(abs(n["Pss after half was written"] - (4096 + 2048)) <= 8, "Pss after half was written")
    lab.check(n["the parent still reads"] == 1, "the parent sees the child's write")
    lab.check(abs(n["Pss when the child is gone"] - 8192) <= 8, "Pss when the child is gone")
    lab.say("\nQuire's fork shares whole page tables until the first change under one, so its cost hardly grows with the\n"
            "resident size: Linux copies an entry for every page (12.9 million instructions for 128 MiB).")

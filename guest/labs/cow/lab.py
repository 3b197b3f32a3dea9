# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 15, ["basics/space", "guide/4"]
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
    lab.check(n["VmRSS of the child after fork"] >= 64 << 10 and n["VmRSS of the child after exec"] < 8 << 10, "exec did not drop its parent's memory")
    cost = {mib: n[f"fork, exit and wait with {mib} MiB resident, microseconds"] for mib in (0, 16, 32, 64, 128)}
    lab.say("\nfork, exit and wait:")
    for mib, us in cost.items():
        lab.say(f"{mib:5} MiB {us:7} us {lab.bar(us, max(cost.values()))}")
    if not lab.IS_QUIRE:
        lab.check(cost[128] > 2 * cost[0], "Linux copies no entries?")
    lab.say("\nQuire's fork shares whole page tables until the first change under one, so its cost hardly grows with the\n"
            "resident size: Linux copies an entry for every page (12.1 million instructions for 128 MiB).")

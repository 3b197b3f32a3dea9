# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 23, ["process/3", "basics/space", "guide/5"]
TITLE = "swap out and in with vmstat beside it, and a locked buffer that stays"
TEACHES = "what does not fit goes to the disk and comes back by major faults; mlock keeps pages in memory"
NOT_ON_HOST = "it takes more memory than there is"

LOCKED_KB = 8 << 10


def run():
    program = lab.build(__file__, "swap.c")
    text = lab.script(__file__, "swap.sh", files=[program], ram="128M", options=["--swap", "512M"])
    n = {k: int(v) for k, v in lab.values(text).items() if v.lstrip("-").isdigit()}
    total, ram = n["memory filled"], n["memory there is"]
    lab.say(f"\nfilled     {total:7} kB {lab.bar(total, total)}\nin RAM     {n['filled, VmRSS']:7} kB {lab.bar(n['filled, VmRSS'], total)}\n"
            f"in swap    {n['filled, VmSwap']:7} kB {lab.bar(n['filled, VmSwap'], total)}")
    lab.check(n["wrong words in the rest"] == 0 and n["wrong words in the locked buffer"] == 0, "contents were lost")
    lab.check(n["filled, VmSwap"] > total - ram, "more is in memory than there is")
    lab.near(n["filled, VmRSS"] + n["filled, VmSwap"], total + LOCKED_KB + n["before, VmRSS"] - LOCKED_KB, 3072, "VmRSS + VmSwap")
    lab.near(n["filled, swap in use"], n["filled, VmSwap"], max(4096, total // 20), "swap in use, against VmSwap")
    lab.check(n["filled, VmLck"] == LOCKED_KB and n["locked buffer in memory"] == LOCKED_KB, "the locked buffer is not in memory")
    lab.check(n["major faults in the locked buffer"] == 0, "the locked buffer had to be read")
    out = 4 * (n["filled, pswpout"] - n["before, pswpout"])
    into = 4 * (n["read again, pswpin"] - n["filled, pswpin"])
    lab.check(out >= n["filled, VmSwap"] - 1024, f"only {out} kB were written")
    lab.check(into >= total - n["rest in memory"] - 4096, f"only {into} kB were read again")
    lab.check(0 < n["major faults in the rest"] <= into // 4, f"{n['major faults in the rest']} major faults for {into} kB")
    lab.check(n["vmstat, so in all"] > out // 2 and n["vmstat, si in all"] > into // 2, "vmstat has not seen it")
    lab.check(n["swap in use after the end"] < n["filled, VmSwap"] // 10, "swap was not given back at the end")
    lab.check(n["areas after swapoff"] == 0, "swapoff left the area")
    lab.say("\n(vmstat 4.0.2 shows the memory columns as they were at the start, on Linux as well.)")
    lab.say(f"\n{into} kB came back with {n['major faults in the rest']} major faults: the others were read ahead.\n"
            "Where the documents differ: shared memory (tmpfs, shared anonymous mappings) goes to swap as well; only pages of files\n"
            "are written back to their files instead. And memory that is locked is still counted in VmRSS: it only never leaves.")

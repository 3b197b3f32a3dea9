# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 10, ["system/3", "guide/4"]
TITLE = "two processes, one virtual address, two frames"
TEACHES = "an address means something only together with a process; text is one frame for all"
HOST_NEEDS_ROOT = "only root is shown the frame numbers in /proc/PID/pagemap"


def run():
    seen = lab.run(lab.build(__file__, "same.c", "-no-pie", "-fno-pie"), options=lab.debian())
    lab.check((seen["value here"], seen["value there"]) == ("1", "2"), "one process sees the other's write")
    lab.check(seen["frame here"] == seen["frame there before its write"], "fork copied the page before any write")
    lab.check(seen["frame here"] != seen["frame there after"] != "0", "both write to one frame")
    lab.check(seen["frame of the program text here"] == seen["frame of the program text there"] != "0x0",
              "the program's text is in memory twice")
    starts = [{what: seen[f"{what}, {which} start"] for what in ("address of the variable", "value", "frame of the variable", "frame of text", "frame of libc")}
              for which in ("first", "second")]
    lab.check(starts[0]["address of the variable"] == starts[1]["address of the variable"], "two starts, two addresses")
    lab.check((starts[0]["value"], starts[1]["value"]) == ("1", "2"), "one start sees the other's value")
    lab.check(starts[0]["frame of the variable"] != starts[1]["frame of the variable"], "two variables in one frame")
    for what in ("frame of text", "frame of libc"):
        lab.check(starts[0][what] == starts[1][what] != "0", f"{what} is in memory twice")
    lab.say("\nThe frame numbers come from /proc/PID/pagemap. Until the write both processes map one frame; the write\n"
            "copies it. The program's text stays one frame for both. A second start of the program is no copy of the first, and\n"
            "still has the same text frames, and the C library's, wherever ASLR has put it: they are the page cache's.")

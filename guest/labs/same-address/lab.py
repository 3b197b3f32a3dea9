# SPDX-License-Identifier: MIT
import lab

TITLE = "two processes, one virtual address, two frames"
TEACHES = "an address means something only together with a process; text is one frame for all"


def run():
    seen = lab.run(lab.build(__file__, "same.c"))
    lab.check((seen["value here"], seen["value there"]) == ("1", "2"), "one process sees the other's write")
    lab.check(seen["frame here"] == seen["frame there before its write"], "fork copied the page before any write")
    lab.check(seen["frame here"] != seen["frame there after"] != "0", "both write to one frame")
    lab.check(seen["frame of the program text here"] == seen["frame of the program text there"] != "0x0",
              "the program's text is in memory twice")
    lab.say("\nThe frame numbers come from /proc/PID/pagemap. Until the write both processes map one frame; the write\n"
            "copies it. The program's text stays one frame for both.")

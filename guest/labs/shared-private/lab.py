# SPDX-License-Identifier: MIT
import lab

TITLE = "MAP_SHARED and MAP_PRIVATE on one file: who sees what, and when"
TEACHES = "both map the page cache's own frames; a private mapping gets a frame of its own at its first write, page by page"

EXPECTED = {
    "the other process wrote X: shared mapping": "X", "the other process wrote X: private mapping": "X", "the other process wrote X: read()": "X",
    "written privately: private mapping": "P", "written privately: shared mapping": "a", "written privately: read()": "a",
    "the other process wrote Y where a copy is: private mapping": "P", "the other process wrote Y where a copy is: shared mapping": "Y",
    "write() of F: shared mapping": "F", "write() of F: private mapping": "F",
    "Anonymous of the private mapping": "4", "Anonymous of the shared mapping": "0", "dirty in the shared mapping after msync": "0",
    "mapped privately once more": "XYFa", "a mapped device, /dev/zero": "0",
}


def run():
    seen = lab.run(lab.build(__file__, "maps.c"), options=lab.debian())
    for what, expected in EXPECTED.items():
        lab.check(seen.get(what) == expected, f"{what}: {seen.get(what)}, not {expected}")
    lab.check(seen["frame of the shared page"] == seen["frame of the private page"] != "0", "an unwritten private page has a frame of its own")
    lab.check(seen["frame of the written private page"] != seen["frame of the shared page beside it"], "a private write went to the file's frame")
    lab.check(int(seen["dirty in the shared mapping before msync"]) >= 4, "nothing is dirty after writes")
    lab.say("\nWhere the document differs: MAP_PRIVATE copies nothing at the start. Its clean pages are the file's own and go on\n"
            "showing what others write, until this process writes to the page. Readers and read() see a shared mapping's write\n"
            "at once: it is the same frame; only the disk is behind, until msync or write-back.")

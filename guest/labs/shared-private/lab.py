# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 16, ["basics/space", "guide/5"]
TITLE = "MAP_SHARED and MAP_PRIVATE on one file: who sees what, and when"
TEACHES = "both map the page cache's own frames; a private mapping gets a frame of its own at its first write, page by page"
HOST_NEEDS_ROOT = "only root is shown the frame numbers in /proc/PID/pagemap"

EXPECTED = {
    "the other process wrote X: shared mapping": "X", "the other process wrote X: private mapping": "X", "the other process wrote X: read()": "X",
    "written privately: private mapping": "P", "written privately: shared mapping": "a", "written privately: read()": "a",
    "the other process wrote Y where a copy is: private mapping": "P", "the other process wrote Y where a copy is: shared mapping": "Y",
    "write() of F: shared mapping": "F", "write() of F: private mapping": "F",
    "Anonymous of the private mapping": "4", "Anonymous of the shared mapping": "0", "dirty in the shared mapping after msync": "0",
    "mapped privately once more": "XYFa", "a mapped device, /dev/zero": "0",
}
# What came back from swap, of 4 pages.
UNDER_PRESSURE = {"private, only read": "0", "private, written": "4", "shared with the file, written": "0", "shared without a file": "4"}


def run():
    pressed = [] if lab.IS_HOST else ["swap", "/dev/vda"]
    seen = lab.run(lab.build(__file__, "maps.c"), *pressed, options=[*lab.debian(), "--ram", "160M", "--swap", "512M"])
    for what, expected in EXPECTED.items():
        lab.check(seen.get(what) == expected, f"{what}: {seen.get(what)}, not {expected}")
    lab.check(seen["frame of the shared page"] == seen["frame of the private page"] != "0", "an unwritten private page has a frame of its own")
    lab.check(seen["frame of the written private page"] != seen["frame of the shared page beside it"], "a private write went to the file's frame")
    lab.check(int(seen["dirty in the shared mapping before msync"]) >= 4, "nothing is dirty after writes")
    if pressed:
        for what, pages in UNDER_PRESSURE.items():
            lab.check(seen[what + ": pages still in memory"] == "0 of 4", f"{what}: stays in memory")
            lab.check(seen[what + ": contents"] == "right", f"{what}: other contents came back")
            lab.check(seen[what + ": pages that came back from swap"] == pages, f"{what}: {seen[what + ': pages that came back from swap']} pages from swap")
        lab.check(seen["a mapped disk: the file system's mark, 2 bytes at 1080"] == "ef53", "the mapped disk does not show its file system")
        lab.check(seen["a mapped disk: the same as read()"] == "yes", "the mapped disk differs from what is read")
    else:
        lab.say("\nThe machine's own swap and disks are left alone: where pages go under pressure is shown in the guest only.")
    lab.say("\nWhere the document differs: MAP_PRIVATE copies nothing at the start. Its clean pages are the file's own and go on\n"
            "showing what others write, until this process writes to the page. Readers and read() see a shared mapping's write\n"
            "at once: it is the same frame; only the disk is behind, until msync or write-back.\n"
            "Under pressure a page of a file goes back to its file, whoever shares it; swap takes what has no file: private copies,\n"
            "and shared memory without a file as well.")

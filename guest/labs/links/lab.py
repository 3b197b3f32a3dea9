# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 17, ["basics/links", "guide/2"]
TITLE = "hard links, symbolic links, special files, and what keeps a removed file's cache"
TEACHES = "a name is not the file: data, disk space and cache go with the last name and the last open descriptor"
HOST_NEEDS_ROOT = "only root may make device files"

EXPECTED = {
    "number of names": "2", "same inode under both names": "yes", "the symbolic link has an inode of its own": "yes",
    "size of the symbolic link": "1", "lines through the other name": "2", "after rm of a, b still reads": "first",
    "after rm of a, s reads": "No such file or directory", "type of fifo": "fifo", "type of null": "character special file",
    "type of disk": "block special file", "type of socket": "socket", "type of s": "symbolic link", "type of .": "directory",
    "type of b": "regular file", "size of a null device after a write": "0", "read from the FIFO": "through",
}
SIZE_KB = 64 << 10
NOISE_KB = 2048


def run():
    seen = lab.values(lab.script(__file__, "links.sh", *(["names"] if lab.IS_HOST else [])))
    for what, expected in EXPECTED.items():
        lab.check(seen.get(what) == expected, f"{what}: {seen.get(what)}, not {expected}")
    if lab.IS_HOST:
        lab.say("\nCached counts the whole machine, and other programs move it: the cache's part is shown in the guest only.")
        return
    for when, kb in (("64 MiB written", SIZE_KB), ("first of two names removed", SIZE_KB), ("last name removed, still open", SIZE_KB), ("closed", 0)):
        lab.near(int(seen["Cached, " + when]), kb, NOISE_KB, "Cached, " + when)
    lab.say("\nWhere the document differs: rm does not drop the cache because an unused cache is released, but because the\n"
            "file itself ends with its last name and its last open descriptor. As long as either is left, all of it stays.")

# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 18, ["system/1", "guide/2"]
TITLE = "1 GiB by dd: buff/cache up, and back after rm; second reads; drop_caches; Buffers against Cached"
TEACHES = "the page cache takes what is free and counts as available; a file's cache ends with the file"
NOT_ON_HOST = "it drops the machine's caches"

GIB_KB = 1 << 20
SMALL_KB = 64 << 10
NOISE_KB = 4096


def run():
    text = lab.script(__file__, "page-cache.sh", ram="2G")
    rows = [[int(w) for w in line.split()[1:]] for line in text.splitlines() if line.startswith("Mem:")]
    lab.check(len(rows) == 3, "three outputs of free")
    lab.say("")
    for when, row in zip(("before", "with the file", "after rm"), rows):
        lab.say(f"{when:14} buff/cache {row[4]:8} kB {lab.bar(row[4], rows[0][0])}")
    before, filled, after = rows
    lab.near(filled[4] - before[4], GIB_KB, GIB_KB // 25, "buff/cache grew by")
    lab.near(before[2] - filled[2], GIB_KB, GIB_KB // 25, "free shrank by")
    lab.near(filled[5], before[5], GIB_KB // 20, "available with the file")
    lab.near(filled[1], before[1], GIB_KB // 20, "used with the file")
    lab.near(after[4], before[4], 3 * NOISE_KB, "buff/cache after rm")
    seen = {k: int(v) for k, v in lab.values(text).items() if v.lstrip("-").isdigit()}
    lab.near(seen["kB from the disk, first read of 64 MiB"], SMALL_KB, NOISE_KB, "read from the disk the first time")
    lab.check(seen["kB from the disk, second read"] < 256, "the second read went to the disk")
    lab.near(seen["Cached that drop_caches 1 gave back"], SMALL_KB, 2 * SMALL_KB // 3, "given back by drop_caches 1")
    lab.check(seen["Cached that drop_caches 1 gave back"] >= SMALL_KB - NOISE_KB, "drop_caches 1 left the file in the cache")
    lab.check(4 * seen["SReclaimable that drop_caches 2 gave back"] > seen["SReclaimable after find"], "drop_caches 2 gave back no names and inodes")
    lab.check(seen["Buffers after find"] > 512, "reading directories brought no Buffers")
    lab.near(seen["Buffers, 32 MiB of the device itself read"], 32 << 10, NOISE_KB, "Buffers grew by")
    lab.check(abs(seen["Cached, 32 MiB of the device itself read"]) < NOISE_KB, "the device's pages count as Cached")
    lab.check(lab.values(text)["what was not yet written, after drop_caches 3"] == "again", "drop_caches lost what was written")
    lab.say("\nWhere the documents differ: there is one cache. Buffers are the pages of block devices: what the file system reads\n"
            "there for itself (bitmaps, inode tables, directories), and what somebody reads from the device. Names and inodes in\n"
            "memory are slab (SReclaimable). used hardly moves because it is total - available, and the cache is available.\n"
            "drop_caches drops clean pages only.")

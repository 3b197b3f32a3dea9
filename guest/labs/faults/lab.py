# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 7, ["guide/4"]
TITLE = "minor and major page faults, each brought about and counted"
TEACHES = "a fault is major when it waits for a disk, a file's or swap's; first touch, cached files and copies are minor"
NOT_ON_HOST = "it uses up memory until pages go to swap"

PAGES = 256
AROUND = 16  # pages of the cache that one fault maps


def run():
    seen = lab.run(lab.build(__file__, "faults.c"), options=[*lab.debian(), "--ram", "160M", "--swap", "512M"])

    def count(what):
        return int(seen[what + ", minor"]), int(seen[what + ", major"])

    minor, major = count("first touch of 256 pages")
    lab.check(PAGES <= minor <= PAGES + 4 and major == 0, f"first touch: {minor} minor, {major} major")
    lab.check(seen["pages in memory before the first read"] == "0", "the file was still in the cache")
    minor, major = count("file on the disk, no read-ahead")
    lab.check(major == PAGES and minor <= 4, f"file on the disk: {minor} minor, {major} major")
    lab.check(seen["pages in memory before the second read"] == str(PAGES), "the file is not in the cache")
    minor, major = count("file in the cache")
    lab.check(PAGES // AROUND <= minor <= PAGES // AROUND + 5 and major == 0, f"file in the cache: {minor} minor, {major} major")
    minor, major = count("write to pages that were read")
    lab.check(PAGES <= minor <= PAGES + 4 and major == 0, f"copies: {minor} minor, {major} major")
    minor, major = count("file on the disk, read-ahead")
    lab.check(1 <= major <= PAGES // 8, f"read-ahead: {minor} minor, {major} major")
    lab.check(seen["pages in memory before they are swapped in"] == "0", "the pages were not swapped out")
    minor, major = count("swapped page, no read-ahead")
    lab.check(major == PAGES and minor <= 4, f"swapped: {minor} minor, {major} major")
    minor, major = count("swapped page, read-ahead")
    lab.check(1 <= major <= PAGES // 2 and PAGES <= minor + major <= PAGES + 4, f"swapped, with read-ahead: {minor} minor, {major} major")
    rusage, ps = ([int(w) for w in seen[who + " says"].split()] for who in ("getrusage", "ps"))
    lab.check(0 <= ps[0] - rusage[0] < 60 and 0 <= ps[1] - rusage[1] <= 4, f"ps says {ps}, getrusage {rusage}")
    lab.say("\nWhere the documents differ: a fault does not always load a page from the disk. Only a major one does; the first\n"
            "touch of anonymous memory and the copy at a write after fork or in a private mapping are minor faults too,\n"
            "and one minor fault in a file that is cached maps 16 pages at once. Read-ahead makes few major faults of many, from a file and\n"
            "from swap: what it has brought is there for a minor fault (or, for a file, mapped with its neighbours).")

# SPDX-License-Identifier: MIT
import lab
from quire_cli.common import need

NUMBER, FROM = 12, ["guide/tables"]
TITLE = "page tables, flat and as a tree: what they would take and what they take"
TEACHES = "a tree has tables only where there are pages; it saves for sparse use, and costs a little more than a flat table when all is in use"

PAGE, ENTRY, ENTRIES = 4096, 8, 512
USER_SPACE = 1 << 47
DISTANCES = ("side by side", "2 MiB apart", "1 GiB apart", "512 GiB apart")
MANY_KB = 2048 * 4


def flat():
    lab.step("flat: one entry for each page there could be")
    pages = USER_SPACE // PAGE
    lab.say(f"128 TiB / 4 KiB = {pages:,} pages; * 8 bytes = {pages * ENTRY >> 30} GiB, for each process")
    lab.check(pages * ENTRY == 256 << 30, "256 GiB")
    tree = sum(USER_SPACE // (PAGE * ENTRIES ** level) for level in (1, 2, 3)) * PAGE + PAGE
    lab.say(f"a tree for all of it: {tree / 2**30:.2f} GiB, more than the flat table")
    lab.check(tree > pages * ENTRY, "a full tree is not larger")


def entries(used):
    """Entries of a tree of two levels, four entries a table, for a space of 16 pages of which some are used."""
    return 4 + 4 * len({page // 4 for page in used})


def small():
    lab.step("the document's example: 1,600 bytes in pages of 100")
    for used in ([0, 1, 2], [0, 1, 2, 7], range(16)):
        picture = "".join("x" if page in used else "." for page in range(16))
        lab.say(f"pages {picture[:4]} {picture[4:8]} {picture[8:12]} {picture[12:]}   flat 16 entries, tree {entries(used):2}")
    lab.check((entries([0, 1, 2]), entries(range(16))) == (8, 20), "the example")


def run():
    if lab.IS_HOST:
        need(["sysstat"])
    flat()
    small()
    program = lab.build(__file__, "tables.c")
    seen = {k: int(v) for k, v in lab.values(lab.script(__file__, "tables.sh", files=["kbpgtbl.sh", program])).items()}
    lab.say("\n64 pages        tables   VmPTE")
    for d in DISTANCES:
        needed, grew = seen[f"{d}, tables needed"], seen[f"{d}, VmPTE grew by"]
        lab.say(f"{d:14} {needed:7} {grew:4} kB {lab.bar(grew, 768)}")
        lab.near(grew, needed * 4, 4, f"VmPTE, {d}")  # the table above may have been there before
        if lab.IS_QUIRE:
            lab.check(seen[f"{d}, tables met by explain"] == needed, f"{d}: explain meets {seen[f'{d}, tables met by explain']} tables, not {needed}")
        lab.near(seen[f"{d}, left after munmap"], 0, 4, f"VmPTE after munmap, {d}")
    if not lab.IS_HOST:  # where other programs move it
        lab.near(seen["PageTables with them"] - seen["PageTables before"], MANY_KB, 64, "PageTables grew by")
        lab.near(seen["kbpgtbl with them"] - seen["kbpgtbl before"], MANY_KB, 512, "kbpgtbl grew by")
    lab.say("\nWhere the document differs: a tree is no saving as such. Eight entries instead of sixteen hold for three pages side by side;\n"
            "for all sixteen it takes twenty. The option of sar is -r ALL.")

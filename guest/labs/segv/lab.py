# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 8, ["system/3", "guide/4"]
TITLE = "null, after munmap, read-only, past a file's end"
TEACHES = "the signal, its cause and its address tell which mistake it was"

EXPECTED = {
    "null pointer": "SIGSEGV SEGV_MAPERR at the same address, killed by 11",
    "use after munmap": "SIGSEGV SEGV_MAPERR at the same address, killed by 11",
    "write to read-only memory": "SIGSEGV SEGV_ACCERR at the same address, killed by 11",
    "past the end of a file": "SIGBUS BUS_ADRERR at the same address, killed by 7",
    "behind the end, on the file's last page": "0",
}


def go():
    """The document's Go program: its runtime catches the signal, says what it was and exits with 2."""
    lab.step("a nil pointer in Go")
    program = lab.build_go(__file__, "segv.go")
    out, err = lab.output(program, options=lab.debian(), expect=2)
    lab.say(err)
    lab.check(out == "before the access\n", f"the program printed {out!r}")
    for words in ("panic: runtime error: invalid memory address or nil pointer dereference", "SIGSEGV: segmentation violation code=0x1 addr=0x0"):
        lab.check(words in err, f"the runtime did not say '{words}'")


def run():
    lab.step("four mistakes in C")
    seen = lab.run(lab.build(__file__, "segv.c"))
    for what, expected in EXPECTED.items():
        lab.check(seen.get(what) == expected, f"{what}: {seen.get(what)}")
    go()
    lab.say("\nWhere the documents differ: a first touch of mapped memory is no segmentation fault but a page fault that\n"
            "nobody sees; SIGSEGV comes only outside every region, or against a region's rights. Address 0 lies in no\n"
            "region because nothing may be mapped below vm.mmap_min_addr. The Go program does not die of the signal: its runtime\n"
            "catches it and exits with status 2.")

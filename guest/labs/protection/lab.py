# SPDX-License-Identifier: MIT
import lab

TITLE = "PROT_NONE, READ, WRITE, EXEC, each tried each way"
TEACHES = "which accesses the MMU stops, and with which signal and cause"

# On x86-64 whatever may be written or executed can be read too.
ALLOWED = {
    "PROT_NONE": (), "PROT_READ": ("read",), "PROT_WRITE": ("read", "write"), "PROT_EXEC": ("read", "execute"),
    "PROT_READ|PROT_WRITE": ("read", "write"), "PROT_READ|PROT_EXEC": ("read", "execute"),
}


def run():
    seen = lab.run(lab.build(__file__, "protect.c"))
    for right, ways in ALLOWED.items():
        for way in ("read", "write", "execute"):
            expected = "allowed" if way in ways else "SEGV_ACCERR"
            got = seen.get(f"{right}, {way}")
            lab.check(got == expected, f"{right}, {way}: {got}, not {expected}")
    lab.check(seen.get("an address that only the parent has") == "SIGSEGV", "a process reads another's address")
    lab.say("\nPROT_WRITE and PROT_EXEC alone can be read: x86-64 has no entry bit that forbids reading alone.")

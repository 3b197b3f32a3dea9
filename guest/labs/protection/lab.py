# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 9, ["system/3", "guide/4", "guide/5"]
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
            if right == "PROT_EXEC" and way != "execute" and seen["protection keys"] == "in use":
                expected = "SEGV_PKUERR"  # the kernel takes all data access away with a key
            got = seen.get(f"{right}, {way}")
            lab.check(got == expected, f"{right}, {way}: {got}, not {expected}")
    lab.check(seen.get("an address that only the parent has") == "SIGSEGV", "a process reads another's address")
    if "a process of another user opens its memory file" in seen or not lab.IS_HOST:
        lab.check(seen["a process of the same user reads its memory file"] == "a secret", "the same user's process cannot be read")
        lab.check(seen["a process of the same user traces it"] == "allowed", "the same user's process cannot be traced")
        lab.check(seen["a process of another user opens its memory file"] == "Permission denied", "another user's process can be read")
        lab.check(seen["a process of another user traces it"] == "Operation not permitted", "another user's process can be traced")
    lab.say("\nPROT_WRITE and PROT_EXEC alone can be read: x86-64 has no entry bit that forbids reading alone.\n"
            "(Linux takes reading away from PROT_EXEC with a protection key, where the CPU has them.)\n"
            "No address leads into another process. Only the kernel can look there, and it asks whose process it is: a debugger\n"
            "reads what belongs to the same user, nobody else does.")

# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 4, ["basics/space", "guide/5"]
TITLE = "how C, Python and Go cut 100,000 small objects out of few large pieces"
TEACHES = "programs ask the kernel for memory seldom and in large pieces; malloc and runtimes carve it up"


def run():
    c, go, count = lab.build(__file__, "carve.c"), lab.build_go(__file__, "gocarve.go"), lab.build(__file__, "count.c")
    text = lab.script(__file__, "carve.sh", files=["carve.py", c, go, count])
    seen = {k: int(v) for k, v in lab.values(text).items()}
    lab.say("")
    for name in ("C", "Python", "Go"):
        steps, kb = seen[f"{name}: times the address space grew"], seen[f"{name}: grown by kB"]
        lab.say(f"{name:8} {steps:4} times, {kb:6} kB: {kb // max(1, steps):5} kB each {lab.bar(steps, 60)}")
        lab.check(kb * 1024 >= 0 and steps < 1000, f"{name} asks the kernel {steps} times for 100,000 objects")
    # 48 bytes for each object, by steps of 132 KiB (M_TOP_PAD and the rest of a page).
    lab.near(seen["C: times the address space grew"], 36, 2, "C: times the address space grew")
    lab.near(seen["C: grown by kB"], 100_000 * 48 // 1024, 140, "C: grown by kB")
    # Arenas of 1 MiB; a tuple and its number take 48 + 32 bytes, 16 more for the collector.
    lab.check(4 <= seen["Python: times the address space grew"] <= 24, "Python: arenas")
    lab.check(seen["Go: times the address space grew"] <= 4, "Go: arenas of 64 MiB are reserved beforehand")
    calls = {name: [seen[f"{name}: calls of {call}"] for call in ("brk", "mmap")] for name in ("C", "Python", "Go")}
    lab.near(calls["C"][0], 36, 2, "C: calls of brk")
    lab.check(calls["C"][1] <= 1, f"C maps {calls['C'][1]} times for small objects")
    lab.check(4 <= calls["Python"][1] <= 24 and calls["Python"][0] <= 1, "Python: arenas are mapped")
    lab.check(sum(calls["Go"]) <= 8, f"Go: {calls['Go']} calls for what is reserved beforehand")
    lab.say("\nGo reserves 64 MiB of address space at a time (PROT_NONE costs nothing) and maps parts of it again, usable; Python takes\n"
            "arenas of 1 MiB by mmap; C's malloc moves the end of the heap by 132 KiB (brk), and maps only what is\n"
            "128 KiB or more.")

# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 6, ["guide/5"]
TITLE = "1 GiB of address space that costs no frame, and the refusal of it"
TEACHES = "mmap reserves addresses; overcommit decides how many"

GIB_KB = 1 << 20
NOISE_KB = 2048  # Go's own runtime goes on working


def kb(seen, what):
    return int(seen[what].split()[0])


def mode():
    with open("/proc/sys/vm/overcommit_memory", encoding="ascii") as f:
        return f.read().strip()


def all_memory_kb():
    """RAM and swap of the host."""
    with open("/proc/meminfo", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(("MemTotal:", "SwapTotal:")))


def run():
    program = lab.build_go(__file__, "mmap.go")
    lab.step("1 GiB where there is enough memory")
    seen = lab.run(program, options=[*lab.debian(), "--ram", "2G"])
    lab.near(kb(seen, "VmSize after mmap") - kb(seen, "VmSize before"), GIB_KB, NOISE_KB, "VmSize grew by")
    lab.near(kb(seen, "VmRSS after mmap"), kb(seen, "VmRSS before"), NOISE_KB, "VmRSS after mmap")
    if not lab.IS_HOST:  # where other programs move it
        lab.near(kb(seen, "MemFree after mmap"), kb(seen, "MemFree before"), 2 * NOISE_KB, "MemFree after mmap")
    lab.near(kb(seen, "VmRSS after one page was touched"), kb(seen, "VmRSS after mmap"), NOISE_KB, "VmRSS after one page was touched")
    lab.near(kb(seen, "VmSize after munmap"), kb(seen, "VmSize before"), NOISE_KB, "VmSize after munmap")
    lab.step("more than there is: refused")
    if lab.IS_HOST and mode() != "0":
        lab.say(f"vm.overcommit_memory is {mode()} on this machine: other rules hold")
    else:
        gib = 1 + all_memory_kb() // GIB_KB if lab.IS_HOST else 1
        seen = lab.run(program, str(gib), options=lab.debian(), expect=1)
        lab.check(seen.get(f"mmap of {gib} GiB") == "cannot allocate memory", "more than RAM and swap together is not refused")
    lab.say("\nWhere the document is silent: vm.overcommit_memory is 0 by default. Then a single mapping of more than RAM and swap\n"
            "together is refused (ENOMEM), although no frame is asked for; 1 lets every one pass, 2 counts them all.")

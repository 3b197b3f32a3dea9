#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs bench/bench.c (memory, processes), bench/files.c (files of a disk that lies in RAM, in the Debian image) and
bench/reclaim.c (the same with little memory, and swap in RAM) on Quire and on Debian's kernel in the same QEMU and
prints the ratios.

Instructions, not time: -icount shift=0 makes one tick one instruction, and a run repeats exactly. Linux
runs twice: with mitigations off, and "lean" (also without init_on_alloc, memcg and stack randomization),
the hardest Linux to beat.
"""
import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

LINUX = "quiet mitigations=off nokaslr norandmaps"
LEAN = LINUX + " init_on_alloc=0 randomize_kstack_offset=off cgroup_disable=memory"

# Estimated lower limits for an x86-64 kernel with 4-level tables, in instructions (docs/performance.md).
FLOOR = {
    "null_syscall": 40, "mmap_munmap_4k": 180, "mmap_touch_munmap_4k": 780, "anon_fault_4k": 590,
    "resident_read_4k": 4, "munmap_resident_per_page": 10, "anon_read_fault_zeropage": 75,
    "anon_write_after_read": 590, "dontneed_per_page": 10, "populate_write_per_page": 530,
    "dontneed_touch_4k": 650, "cow_fault_child": 600, "cow_reuse_parent": 75, "fork_exit_wait_1m": 12000,
    "fork_exit_wait_16m": 10000, "fork_exit_wait_128m": 10000, "fork_exec_wait": 40000,
    "vfork_exec_wait": 30000, "write_new_64k_tmpfs": 8900, "write_over_64k_tmpfs": 8600,
    "read_64k_tmpfs": 8600, "read_4k_tmpfs": 680, "read_1b_tmpfs": 170, "file_private_rfault_tmpfs": 15,
    "file_munmap_per_page_tmpfs": 8, "file_private_rfault_sparse_tmpfs": 90,
    "file_private_wfault_tmpfs": 620, "file_shared_wfault_tmpfs": 15, "shm_new_wfault": 610,
    "mprotect_4k": 90, "mprotect_4k_split_merge": 150, "mprotect_16m_resident": 16500,
    "mremap_grow_shrink_1_2": 160, "mremap_grow_1_2": 80, "mremap_move_entries_per_page": 4,
    "brk_grow_shrink_4k": 120, "brk_grow_touch_shrink_4k": 730, "fault_vmas_1": 590,
    "mmap_munmap_vmas_1": 180, "fault_vmas_1000": 620, "mmap_munmap_vmas_1000": 240,
    "fault_vmas_30000": 640, "mmap_munmap_vmas_30000": 280, "pipe_pingpong_roundtrip": 700,
    "pipe_write_read_self": 220, "futex_pingpong_roundtrip": 600, "segv_2mprotect_roundtrip": 500,
}


def make_initrd(bench, path):
    """A newc archive with the benchmark as /init and /bench, and the directories it mounts on."""
    with tempfile.TemporaryDirectory() as tree:
        for name in ("dev", "proc", "tmp"):
            os.mkdir(os.path.join(tree, name))
        for name in ("init", "bench"):
            subprocess.run(["cp", bench, os.path.join(tree, name)], check=True)
        names = "\n".join([".", "./dev", "./proc", "./tmp", "./init", "./bench"])
        with open(path, "wb") as out:
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), cwd=tree, stdout=out, check=True)


def boot(kernel, initrd, append, timeout):
    """One run; returns {test: ticks per operation} and the INFO lines."""
    command = ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "qemu64", "-m", "512M", "-nographic",
               "-no-reboot", "-nodefaults", "-serial", "stdio", "-monitor", "none", "-icount", "shift=0,sleep=off",
               "-rtc", "base=2020-01-01,clock=vm", "-kernel", kernel, "-initrd", initrd,
               "-append", "console=ttyS0 " + append]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    text = done.stdout.decode(errors="replace").replace("\r", "")
    results = {m[1]: float(m[2]) for m in re.finditer(r"BENCH (\S+) ([\d.]+)", text)}
    info = re.findall(r"BENCH_INFO (.*)", text)
    if "BENCH_END" not in text:
        sys.stderr.write(text[-3000:])
        raise SystemExit(f"bench: the run under {kernel} did not finish")
    return results, info


# Of the programs that run in the Debian image: the machine's memory.
IN_IMAGE = {"files": ("--ram", "512M"), "reclaim": ("--ram", "128M", "--swap", "512M")}


def boot_image(kernel, part, append, timeout):
    """One run of bench/PART.c in the Debian image; {test: ticks per operation}."""
    command = [os.path.join(ROOT, "quire"), "run", "--icount", "--kernel", kernel, "--image", "debian", *IN_IMAGE[part], "--cpu", "qemu64",
               "--append", append, "--timeout", str(timeout), "--", f"./build/bench-{part}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode or "BENCH_END" not in done.stdout:
        sys.stderr.write(done.stdout[-1000:] + done.stderr[-2000:])
        raise SystemExit(f"bench: the run of {part} under {kernel} did not finish")
    return {m[1]: float(m[2]) for m in re.finditer(r"BENCH (\S+) ([\d.]+)", done.stdout)}


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def print_table(quire, linux, lean):
    columns = ["Quire", "Linux", "lean", "Q/lean", "floor"]
    print(f"{'operation':34}" + "".join(f"{c:>14}" for c in columns))
    for name, q in quire.items():
        row = f"{name:34}{q:14,.1f}"
        row += f"{linux[name]:14,.1f}" if name in linux else f"{'':14}"
        row += f"{lean[name]:14,.1f}{q / lean[name]:14.3f}" if lean.get(name) else f"{'':28}"
        row += f"{FLOOR[name]:14,}" if name in FLOOR else ""
        print(row)
    shared = [quire[n] / lean[n] for n in quire if lean.get(n, 0) > 1 and n != "resident_read_4k"]
    if shared:
        print(f"geometric mean of Quire / lean over {len(shared)} operations: {geometric_mean(shared):.3f}")


def main():
    p = argparse.ArgumentParser(prog="quire bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog="example: ./quire bench --json build/bench.json")
    p.add_argument("--quire", default=os.path.join(ROOT, "build/quire-kernel"), help="Quire's kernel")
    p.add_argument("--linux", help="Debian's kernel (vmlinuz) to compare with; none: only Quire")
    p.add_argument("--json", help="also write the figures there")
    p.add_argument("--timeout", type=int, default=600, help="seconds for one run")
    p.add_argument("--part", choices=["memory", *IN_IMAGE], help="only one of the programs")
    a = p.parse_args()
    build = os.path.join(ROOT, "build")
    os.makedirs(build, exist_ok=True)
    binary, initrd = os.path.join(build, "bench"), os.path.join(build, "bench.cpio")
    for program, out in (("bench", binary), *((part, f"build/bench-{part}") for part in IN_IMAGE)):
        subprocess.run(["gcc", "-O2", "-static", "-o", os.path.join(ROOT, out), os.path.join(ROOT, f"bench/{program}.c")], check=True)
    make_initrd(binary, initrd)
    runs = [("Quire", "quire", a.quire, "quiet norandmaps")]
    if a.linux:
        runs += [("Linux, mitigations off", "linux", a.linux, LINUX), ("Linux, lean", "linux", a.linux, LEAN)]
    parts = [part for part in IN_IMAGE if a.part in (None, part)]
    results, info, images = [], [], {part: [] for part in parts}
    for title, name, kernel, append in runs:
        if a.part in (None, "memory"):
            print(f"bench: {title}, memory ...", file=sys.stderr)
            found, said = boot(kernel, initrd, append, a.timeout)
            results.append(found)
            info = info or said
        for part in parts:
            print(f"bench: {title}, {part} ...", file=sys.stderr)
            images[part].append(boot_image(name, part, append, a.timeout))
    quire, linux, lean = results + [{}] * (3 - len(results))
    if results:
        print_table(quire, linux, lean)
    for found in images.values():
        print_table(*found, *[{}] * (3 - len(found)))
    for line in info:
        print("Quire at init:", line)
    if a.json:
        with open(a.json, "w") as f:
            json.dump({"quire": quire, "linux": linux, "lean": lean, "floor": FLOOR, "info": info,
                       **{part: dict(zip(("quire", "linux", "lean"), found)) for part, found in images.items()}}, f, indent=1)


if __name__ == "__main__":
    main()

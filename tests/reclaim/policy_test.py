#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Replacement policies in the guest: chosen at boot and live, and 1,000 switches under load lose no page.

    policy_test.py [--switches 1000] [--cpus 2]
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIRE = os.path.join(ROOT, "quire")
PROGRAM = os.path.join(ROOT, "build/guest/switch")
POLICY = "/sys/kernel/mm/reclaim/policy"
DISK_BYTES = 48 << 20
passed = failed = 0


def count(what, ok, text=""):
    global passed, failed
    print(f"{what}: {'ok' if ok else 'FAILED'}")
    if not ok and text:
        print(text)
    passed += ok
    failed += not ok


def run(*words, timeout=1800):
    r = subprocess.run([QUIRE, "run", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, timeout=timeout, cwd=ROOT)
    return r.returncode, r.stdout


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--switches", type=int, default=1000)
    p.add_argument("--cpus", type=int, default=2)
    o = p.parse_args()

    script = f"cat {POLICY}; for p in $(cat {POLICY} | tr -d []); do echo $p > {POLICY} || exit 3; cat {POLICY}; done; " \
             f"echo nonsense > {POLICY}; echo $?; echo -n 'lru fifo' > {POLICY}; echo $?; cat {POLICY}"
    status, text = run("--policy", "nur", "--", "sh", "-c", script)
    lines = [l for l in text.split("\n") if re.match(r"^[a-z0-9\[\] -]+$", l)]
    names = lines[0].replace("[", "").replace("]", "").split() if lines else []
    shown = [re.findall(r"\[(.*?)\]", l) for l in lines]
    count("--policy chooses", status == 0 and shown and shown[0] == ["nur"], text)
    count("each policy can be chosen, and is shown", names and shown[1:1 + len(names)] == [[n] for n in names], text)
    count("an unknown policy is refused", text.count("Invalid argument") == 2 and shown[-1] == names[-1:], text)

    with tempfile.TemporaryDirectory() as tmp:
        disk = os.path.join(tmp, "disk.img")
        with open(disk, "wb") as f:
            f.truncate(DISK_BYTES)
        status, text = run("--ram", "32M", "--cpus", str(o.cpus), "--disk", disk, "--", "./" + os.path.relpath(PROGRAM, ROOT), "/dev/vda", str(o.switches))
    for line in text.split("\n"):
        if line.endswith((": ok", ": FAILED")):
            count(*[(what, word == "ok") for what, word in [line.rsplit(": ", 1)]][0])
        elif line:
            print(line)
    count("the program came to its end", status == 0)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())

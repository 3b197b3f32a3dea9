#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Java program on Debian's openjdk: one of its objects is walked from its virtual address to its frame."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests/files"))
from guest_disk import Report


def run(cpus):
    add = [word for name in ("Walk.java", "java_look.py") for word in ("--add", f"{os.path.join(HERE, name)}:/root/{name}")]
    done = subprocess.run([os.path.join(ROOT, "quire"), "run", "--image", "debian", "--package", "openjdk-17-jre-headless", "--ram", "512M", "--cpus", cpus, *add, "--", "python3",
                           "/root/java_look.py"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    text = done.stdout
    print(text)
    for line in (r"^address  0x[0-9a-f]+ of process \d+$", r"^walk     PT ", r"^frame    0x[0-9a-f]+ anonymous; up-to-date", r"^mapped   1 time$", r"^object as it was filled$",
                 r"^frame as pagemap has it$", "^last 5175697265517952$"):
        if not re.search(line, text, re.M):
            return f"status {done.returncode}, no line like {line}\n{text[-1500:]}{done.stderr[-800:]}"
    return None if done.returncode == 0 else f"status {done.returncode}: {done.stderr[-800:]}"


def main():
    report = Report("java")
    for cpus in ("1", "2"):
        report.result(f"an object of Java, from its address to its frame, {cpus} CPUs", run(cpus))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())

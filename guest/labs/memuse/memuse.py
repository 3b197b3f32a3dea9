#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""free before, with and without a list of ten million zeros."""
import subprocess
import sys

SIZE = 10_000_000


def show(when):
    print(f"\n== {when} ==\n", flush=True)
    sys.stdin.readline()
    subprocess.run(["free"], check=True)


show("before the list")
array = [0] * SIZE
show("with a list of ten million zeros")
del array
show("after del, in the same process")
array = [0] * SIZE
show("with the list again")

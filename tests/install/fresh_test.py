#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Quire on a machine that has nothing: a minimal Debian 12 in a chroot, a clean clone, `./quire run`.

    fresh_test.py [DIRECTORY]    DIRECTORY: a minbase tree made before, used as it is

Needs root, a network and mmdebstrap. The chroot has its own mounts and processes; all ends with the test.
"""
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]
FROM_CLONE_TO_PROMPT_S = 120
SECOND_START_S = 3

results = []


def check(name, good, seen=""):
    results.append(bool(good))
    print(f"{'ok' if good else 'FAIL':5}{name}{'' if good else ': ' + str(seen)[-2000:]}", flush=True)
    return good


def minbase(where):
    sources = [s for s in SOURCES if os.path.exists(s) and os.path.getsize(s)][:1]
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=git,ca-certificates", "bookworm", where, *sources],
                   check=True, stdin=subprocess.DEVNULL)


def inside(where, command, user="root", timeout=900):
    """Runs a shell command in the tree; what it starts ends with it."""
    return subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={where}/proc",
                           "setpriv", "--reset-env", "chroot", f"--userspec={user}", where, "/bin/sh", "-c", command],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)


def start_time(where):
    began = time.monotonic()
    done = inside(where, "cd /home/quire && ./quire run -- true")
    return time.monotonic() - began if done.returncode == 0 else 1e9


def test(where):
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, os.path.join(where, "home/quire")], check=True)
    if os.path.exists("/etc/resolv.conf"):
        with open("/etc/resolv.conf") as source, open(os.path.join(where, "etc/resolv.conf"), "w") as copy:
            copy.write(source.read())
    done = inside(where, "cd /home/quire && ./quire run -- true", "nobody")
    check("without rights: one line that says what to install", done.returncode == 125 and done.stderr.count("\n") == 1 and
          "apt-get install" in done.stderr and "python3" in done.stderr, done)

    began = time.monotonic()
    done = inside(where, "cd /home/quire && ./quire run -- uname -sr")
    took = time.monotonic() - began
    check("as root: installs what is missing, builds, runs", (done.returncode, done.stdout) == (0, "Linux 6.1.0-quire\n"), done)
    check("says what it installs, and why", "installing qemu-system-x86: the machine" in done.stderr, done.stderr)
    print(f"     {took:.0f} s with the downloads")

    began = time.monotonic()
    done = inside(where, "cd /home/quire && rm -rf build && ./quire run -- true")
    took = time.monotonic() - began
    check(f"from a clean clone to a program within {FROM_CLONE_TO_PROMPT_S} s", done.returncode == 0 and took <= FROM_CLONE_TO_PROMPT_S,
          f"{took:.0f} s, {done}")
    print(f"     {took:.0f} s")
    took = min(start_time(where) for _ in range(3))
    check(f"the next time within {SECOND_START_S} s", took <= SECOND_START_S, f"{took:.1f} s")
    print(f"     {took:.1f} s")

    inside(where, "apt-get remove -y musl-tools")
    done = inside(where, "cd /home/quire && ./quire run -- true", "nobody")
    check("one missing package is named with the line to paste", done.returncode == 125 and done.stderr.count("\n") == 1 and
          done.stderr.rstrip().endswith("musl-tools"), done)


def main():
    if os.geteuid():
        print("FAIL the chroot needs root\n0 passed, 1 failed")
        return 1
    try:
        if len(sys.argv) > 1:
            test(os.path.abspath(sys.argv[1]))
        else:
            with tempfile.TemporaryDirectory(prefix="quire-fresh-") as d:
                where = os.path.join(d, "root")
                os.mkdir(where)
                print("     making a minimal Debian 12", flush=True)
                minbase(where)
                test(where)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
        check("the test itself", False, e)
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the guest tests under Debian's kernel and in Quire and compares what they print, line by line.

    compare.py                    all programs, Quire against Linux 6.1 in QEMU
    compare.py mem_ sig_calls     only programs whose names start so
    compare.py --host             this machine's Linux in Quire's place (a quick check of the tests)
    compare.py --show mem_mmap    prints what Linux printed

Linux's output is kept in build/oracle and made anew only when the programs change. A difference fails
unless docs/differences.md lists it. A program at which the machine dies is reported, and the rest runs in
a further boot. Programs named smp_* run with two CPUs, programs named file_* and swap_* on an ext2 file
system on a disk, which must be clean afterwards, with a second, empty disk beside it.
"""
import argparse
import difflib
import fnmatch
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import boot

TESTS = os.path.join(boot.ROOT, "build/guest/tests")
DRIVER = os.path.join(boot.ROOT, "build/guest/driver")
ORACLE = os.path.join(boot.ROOT, "build/oracle")
DIFFERENCES = os.path.join(boot.ROOT, "docs/differences.md")
LINE = re.compile(r"^(.*?)\|(.*)$")


def parse(text):
    """{program: (lines, how it ended)} and the program that was running when the text ended."""
    results, name, lines = {}, None, []
    for line in text.split("\n"):
        at = line.find("@@ ")
        if at >= 0:
            words = line[at:].split()
            if words[1] == "begin":
                name, lines = words[2], []
            elif words[1] == "end" and name:
                results[name] = (lines, " ".join(words[3:]))
                name = None
        elif name and line.startswith("|"):
            lines.append(line[1:])
    return results, name


def run_machine(kernel, names, append, timeout, verbose, log):
    """All programs, each kind in its machine. Returns {program: (lines, end)}."""
    several = [n for n in names if n.startswith("smp_")]
    on_disk = [n for n in names if n.startswith(("file_", "swap_"))]
    one = [n for n in names if n not in several + on_disk]
    results = run_boots(kernel, one, append, timeout, verbose, log, 1)
    results.update(run_boots(kernel, several, append, timeout, verbose, log, 2))
    results.update(run_on_disk("quire" if kernel == boot.QUIRE else "linux", on_disk, timeout, log))
    return results


def run_on_disk(kernel, names, timeout, log):
    """Programs on a new ext2 file system, in as many boots as it takes. e2fsck's word on it belongs to how the last one ended."""
    results, left = {}, list(names)
    while left:
        with tempfile.TemporaryDirectory() as tmp:
            image, empty = os.path.join(tmp, "image"), os.path.join(tmp, "empty")
            with open(empty, "wb") as f:
                f.truncate(8 << 20)
            subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext2", "-b", "4096", "-N", "4096", image, "64M"], check=True, stdout=subprocess.DEVNULL)
            command = [os.path.join(boot.ROOT, "quire"), "run", "--kernel", kernel, "--disk", image, "--disk", empty, "--keep", "--timeout", str(int(timeout)),
                       "--log", os.path.join(tmp, "log"), "--env", "WORK=/mnt", "--add", DRIVER + ":/driver"]
            for n in left:
                command += ["--add", os.path.join(TESTS, n) + ":/tests/" + n]
            command += ["--", "sh", "-c", "mount -t ext2 /dev/vda /mnt && /driver /tests && umount /mnt"]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            text = done.stdout.decode("utf-8", "replace")
            log.write(text + "\n")
            fsck = subprocess.run(["/sbin/e2fsck", "-fn", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        got, running = parse(text)
        results.update(got)
        last = running or (list(got) or left)[-1]
        if done.returncode:
            lines = parse(text + "\n@@ end %s x\n" % last)[0].get(last, ([],))[0]
            results[last] = (lines, "the run ended with status %d" % done.returncode)
            print("  %s: %s" % (last, "\n".join(done.stderr.decode("utf-8", "replace").split("\n")[-30:])), file=sys.stderr)
        elif fsck.returncode:
            results[last] = (results[last][0], results[last][1] + ", e2fsck: " + fsck.stdout.decode("utf-8", "replace"))
        left = [n for n in left if n not in results]
    return results


def run_boots(kernel, names, append, timeout, verbose, log, cpus):
    """In as many boots as it takes."""
    results, left = {}, list(names)
    while left:
        with tempfile.TemporaryDirectory() as tmp:
            archive = os.path.join(tmp, "initrd")
            boot.initrd(archive, DRIVER, {"tests/" + n: os.path.join(TESTS, n) for n in left})
            text, reason = boot.qemu(kernel, archive, append, timeout, stop="@@ done", echo=sys.stderr if verbose else None,
                                     extra=("-smp", str(cpus)))
        log.write(text + "\n")
        got, running = parse(text)
        results.update(got)
        if running:
            last = "\n".join(text.split("\n")[-30:])
            results[running] = (parse(text + "\n@@ end %s x\n" % running)[0][running][0], "machine died (%s)" % reason)
            print("  %s: the machine died (%s):\n%s" % (running, reason, last), file=sys.stderr)
        elif not got:
            print("  no program ran (%s):\n%s" % (reason, "\n".join(text.split("\n")[-30:])), file=sys.stderr)
            return results
        left = [n for n in left if n not in results]
    return results


def run_host(names):
    results = {}
    with tempfile.TemporaryDirectory() as tmp:
        for n in names:
            os.makedirs(os.path.join(tmp, n))
            os.symlink(os.path.join(TESTS, n), os.path.join(tmp, n + ".bin"))
        text = subprocess.run([DRIVER, TESTS, *names], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout
        results = parse(text.decode("utf-8", "replace"))[0]
    return results


def linux_results(names, verbose):
    """Debian's kernel's results, from build/oracle where the same programs ran before."""
    kernel = boot.linux_kernel()
    if not kernel:
        sys.exit("differential: no Debian kernel found: apt-get install linux-image-amd64")
    os.makedirs(ORACLE, exist_ok=True)
    results, missing = {}, []
    for n in names:
        path = os.path.join(ORACLE, "%s-%s.txt" % (n, boot.digest([os.path.join(TESTS, n), DRIVER], (kernel,))))
        if os.path.exists(path):
            results.update(parse(open(path).read())[0])
        else:
            missing.append((n, path))
    if missing:
        print("  Linux runs %d programs ..." % len(missing), flush=True)
        with open(os.path.join(ORACLE, "console.log"), "w") as log:
            got = run_machine(kernel, [n for n, _ in missing], "quiet loglevel=0 mitigations=off", 300, verbose, log)
        for n, path in missing:
            if n in got:
                lines, end = got[n]
                with open(path, "w") as f:
                    f.write("@@ begin %s\n%s@@ end %s %s\n" % (n, "".join("|%s\n" % l for l in lines), n, end))
        results.update(got)
    return results


def allowed():
    """Patterns of docs/differences.md: lines "`program: pattern of a line`"."""
    patterns = []
    if os.path.exists(DIFFERENCES):
        for line in open(DIFFERENCES):
            m = re.match(r"^[-*|] *`(\w+): (.*?)`", line)
            if m:
                patterns.append((m[1], m[2]))
    return patterns


def differences(name, want, got, patterns):
    """Lines of a diff that no pattern covers: a changed line is covered by its name."""
    mine = [p for prog, p in patterns if fnmatch.fnmatchcase(name, prog)]

    def covered(line):
        return any(fnmatch.fnmatchcase(line, p) for p in mine)

    def strip(lines):
        return [l for l in lines if not covered(l)]

    if want[1].startswith("timeout"):
        return ["it does not end, on Linux either: what comes after its last line was never compared"]
    a, b = strip(want[0]) + ["(ends: %s)" % want[1]], strip(got[0]) + ["(ends: %s)" % got[1]]
    return [l for l in difflib.unified_diff(a, b, "linux", "quire", lineterm="", n=0) if not l.startswith("@@")][2:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", nargs="*")
    parser.add_argument("--host", action="store_true", help="compare this machine's Linux with Debian's")
    parser.add_argument("--show", action="store_true", help="print Linux's output only")
    parser.add_argument("--kernel", default=boot.QUIRE)
    parser.add_argument("--append", default="quiet")
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("-v", "--verbose", action="store_true", help="show the consoles")
    args = parser.parse_args()
    names = sorted(n for n in os.listdir(TESTS) if not args.prefix or n.startswith(tuple(args.prefix)))
    if args.host:  # they reach for whatever the machine has: /dev/null's mode, all of its disk
        names = [n for n in names if not n.startswith("bad_")]
    want = linux_results(names, args.verbose)
    if args.show:
        for n in names:
            print("\n".join(want[n][0]))
        return 0
    start = time.monotonic()
    if args.host:
        got = run_host(names)
    else:
        with open(os.path.join(ORACLE, "quire.log"), "w") as log:
            got = run_machine(args.kernel, names, args.append, args.timeout, args.verbose, log)
    patterns, failed, cases = allowed(), 0, 0
    for n in names:
        lines = differences(n, want.get(n, ([], "did not run")), got.get(n, ([], "did not run")), patterns)
        cases += len(want.get(n, ([],))[0])
        failed += bool(lines)
        print("%s %s (%d lines)" % ("FAIL" if lines else "ok  ", n, len(want.get(n, ([],))[0])))
        for l in lines:
            print("     " + l)
    print("differential: %d lines compared in %.0f s" % (cases, time.monotonic() - start))
    print("%d passed, %d failed" % (len(names) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

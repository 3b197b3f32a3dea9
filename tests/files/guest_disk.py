# SPDX-License-Identifier: MIT
"""What the tests of files on disks share: ext2 images, a guest that works on them, what e2fsck says."""
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SBIN = dict(os.environ, PATH="/usr/sbin:/sbin:" + os.environ["PATH"])
BAD = ("panic", "assertion", "BUG:", "validator")  # in a kernel's log


def program(name):
    """A static program of ours as ./quire run takes it."""
    return "./build/guest/files/" + name


def host(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, env=SBIN, **options).stdout


def make_image(path, size_mib, block=4096, *options, disk_mib=None):
    """A new ext2 file system; disk_mib: the disk goes on behind it."""
    if os.path.exists(path):
        os.unlink(path)
    with open(path, "wb") as f:
        f.truncate((disk_mib or size_mib) << 20)
    host("mke2fs", "-q", "-F", "-t", "ext2", "-b", str(block), *options, path, str(size_mib << 10) + "k")
    return path


def unclean(path):
    """What e2fsck finds, changing nothing; None: it is clean."""
    done = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True, env=SBIN)
    return None if done.returncode == 0 else done.stdout + done.stderr


class Run:
    """One run of ./quire run: status, out and err as bytes, log (the kernel's) as text."""

    def __init__(self, words, disks=(), keep=True, kernel="quire", ram="128M", cpus=1, timeout=1800, qemu=(), append=""):
        with tempfile.TemporaryDirectory(prefix="quire-files-") as folder:
            log = os.path.join(folder, "log")
            command = [os.path.join(ROOT, "quire"), "run", "--kernel", kernel, "--ram", ram, "--cpus", str(cpus), "--timeout", str(timeout), "--log", log]
            if append:
                command += ["--append", append]
            for disk in disks:
                command += ["--disk", disk]
            if keep and disks:
                command.append("--keep")
            command += ["--qemu=" + word for word in qemu]
            done = subprocess.run([*command, "--", *words], stdin=subprocess.DEVNULL, capture_output=True, cwd=ROOT, timeout=timeout + 120)
            self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
            self.log = ""
            if os.path.exists(log):
                with open(log, errors="replace") as f:
                    self.log = f.read()

    def trouble(self):
        """Why this run counts as failed; None: it went well."""
        found = [line for line in self.log.split("\n") if any(word in line for word in BAD)]
        if self.status == 0 and not found:
            return None
        tail = lambda data: "\n".join(data.decode(errors="replace").split("\n")[-40:])
        return f"status {self.status}\n{tail(self.out)}{tail(self.err)}" + "\n".join(found[:5] or self.log.split("\n")[-15:])


class Report:
    """One line for each test and the count at the end."""

    def __init__(self, suite):
        self.suite, self.passed, self.failed = suite, 0, 0

    def result(self, name, trouble):
        if trouble:
            self.failed += 1
            print(f"FAIL {name}\n     " + trouble.replace("\n", "\n     "), flush=True)
        else:
            self.passed += 1
            print(f"ok   {name}", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0

# SPDX-License-Identifier: MIT
"""quire debug: the kernel stopped at its entry, gdb attached."""
import argparse
import os
import subprocess
import tempfile

from .common import ROOT, RUN_PACKAGES, kernel_path, make, need
from .guest import die_with_parent
from .image import default_image


def main(words):
    p = argparse.ArgumentParser(prog="quire debug", description="Boots under QEMU's gdb stub and starts gdb with Quire's helpers.",
                                epilog="example: ./quire debug --cpus 2   # then: break kernel_main, continue")
    p.add_argument("--cpus", type=int, default=1)
    p.add_argument("--ram", default="256M")
    p.add_argument("--append", default="")
    p.add_argument("gdb", nargs="*", metavar="GDB-ARG", help="passed to gdb, for example -ex continue")
    o = p.parse_args(words)
    need(RUN_PACKAGES + ["gdb"])
    make("kernel")
    with tempfile.TemporaryDirectory(prefix="quire-") as d:
        stub = os.path.join(d, "gdb.sock")
        qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max", "-m", o.ram, "-smp", str(o.cpus), "-display", "none",
             "-no-reboot", "-serial", f"file:{os.path.join(ROOT, 'build/log/debug.log')}", "-S", "-kernel", kernel_path(),
             "-initrd", default_image(), "-append", f"console=ttyS0 {o.append}",
             "-chardev", f"socket,path={stub},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb"],
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        helpers = os.path.join(ROOT, "tools/gdb/quire.py")
        try:
            return subprocess.run(["gdb", "-q", kernel_path(), "-ex", f"target remote {stub}", "-x", helpers, *o.gdb]).returncode
        finally:
            qemu.kill()

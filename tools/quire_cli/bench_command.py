# SPDX-License-Identifier: MIT
"""quire bench: bench/run.py with both kernels at hand."""
import os
import subprocess
import sys

from .common import ROOT, TEST_PACKAGES, make, need
from .linux import linux_kernel


def main(words):
    arguments = list(words)
    if "--help" not in words and "-h" not in words:
        need(TEST_PACKAGES)
        make("kernel")
        if "--linux" not in words and "--no-linux" not in words:
            arguments += ["--linux", linux_kernel()[0]]
        arguments = [a for a in arguments if a != "--no-linux"]
    return subprocess.run([sys.executable, os.path.join(ROOT, "bench/run.py"), *arguments]).returncode

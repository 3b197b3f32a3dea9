# SPDX-License-Identifier: MIT
"""quire stop: ends the guest that is running."""
import argparse

from . import protocol as P
from .client import add_name, connect


def main(words):
    p = argparse.ArgumentParser(prog="quire stop", description="Powers off the guest that `quire run` started last.",
                                epilog="example: ./quire stop")
    add_name(p)
    o = p.parse_args(words)
    with connect(o.name) as s:
        s.sendall(P.frame(P.POWEROFF, 0))
        while s.recv(4096):
            pass
    return 0

# SPDX-License-Identifier: MIT
"""quire attach: a further terminal in the guest that is running."""
import argparse

from .client import add_name, run_session


def main(words):
    p = argparse.ArgumentParser(prog="quire attach", description="Opens a shell in the guest that `quire run` started last.",
                                epilog="example: ./quire attach   # in another terminal; Ctrl-A x leaves")
    add_name(p)
    o = p.parse_args(words)
    return run_session([], [], "/root", "", "auto", o.name)

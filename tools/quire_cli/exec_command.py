# SPDX-License-Identifier: MIT
"""quire exec: a further program in the guest that is running."""
import argparse

from .client import add_name, run_session
from .common import Failure
from .run_command import split_words


def main(words):
    p = argparse.ArgumentParser(prog="quire exec", description="Runs PROGRAM in the guest that `quire run` started last.",
                                epilog="example: ./quire exec -- free")
    add_name(p)
    p.add_argument("--env", action="append", default=[], metavar="K=V")
    p.add_argument("--cwd", default="")
    p.add_argument("--user", default="")
    p.add_argument("--tty", choices=["auto", "yes", "no"], default="auto")
    p.add_argument("program", nargs="*", metavar="PROGRAM")
    ours, argv = split_words(words)
    o = p.parse_args(ours)
    argv = o.program + argv
    if not argv:
        raise Failure("exec needs a program: ./quire exec -- PROGRAM")
    return run_session(argv, o.env, o.cwd, o.user, o.tty, o.name)

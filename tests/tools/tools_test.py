#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's own tools on the Debian image, in Quire and under Debian's kernel.

    tools_test.py [NAME...]      procps smem sysstat util_linux programs formats screens; with --nightly: java
    tools_test.py --show procps  what the tools printed, and no tests

A family is a module here: a script that one boot of each kernel runs, and functions that look at what it printed.
check_* holds for each kernel by itself: the tool's columns and units, its arithmetic, and that the value is what the
load made. compare_* takes what Linux and what Quire printed. Linux's output is kept in build/oracle.
"""
import argparse
import hashlib
import importlib
import os
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

FAMILIES = ["procps", "smem", "sysstat", "util_linux", "formats", "screens"]
NIGHTLY = ["programs", "java"]


def say(good, family, what, why):
    print(f"{'ok  ' if good else 'FAIL'} {family}: {what}")
    for line in why:
        print("     " + line)
    sys.stdout.flush()
    return good


def trouble(check, *outputs):
    """Why a check fails, as lines; none: it holds."""
    try:
        check(*outputs)
    except AssertionError as e:
        place = traceback.extract_tb(e.__traceback__)[-1]
        return [str(e) or place.line, f"({os.path.basename(place.filename)}:{place.lineno})"]
    except Exception as e:  # a tool printed what no test foresaw
        return traceback.format_exception(type(e), e, e.__traceback__)[-3:]
    return []


def oracle_path(module):
    """Where Linux's output is kept: it is made anew when what is run, or what runs it, changes."""
    digest = hashlib.sha256(" ".join([os.environ.get("QUIRE_LINUX", ""), *guest.PACKAGES]).encode())
    for path in (module.__file__, guest.__file__, os.path.join(guest.ROOT, "build/guest/load")):
        with open(path, "rb") as f:
            digest.update(f.read())
    return os.path.join(guest.ROOT, "build/oracle", f"tools-{module.__name__}-{digest.hexdigest()[:16]}.txt")


def boot_linux(module, is_fresh):
    output, path = guest.Output("linux"), oracle_path(module)
    if os.path.exists(path) and not is_fresh:
        with open(path) as f:
            output.parse(f.read())
        return output
    output = module.boot("linux")
    if not output.trouble:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new = f"{path}.{os.getpid()}"
        with open(new, "w") as f:
            f.write(output.text())
        os.replace(new, path)  # whole or not at all: another run may read it now
    return output


def boot_both(module, is_fresh=False):
    """{kernel: what its boot printed, or why there is nothing}"""
    def timed(kernel):
        start = time.monotonic()
        output = boot_linux(module, is_fresh) if kernel == "linux" else module.boot(kernel)
        output.seconds = time.monotonic() - start
        return output
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(guest.KERNELS, pool.map(timed, guest.KERNELS)))


def run_family(name, is_fresh):
    """(passed, failed)"""
    module = importlib.import_module(name)
    outputs = boot_both(module, is_fresh)
    done = [say(not o.trouble, name, f"{kernel} ran it all in {o.seconds:.0f} s", o.trouble) for kernel, o in outputs.items()]
    for attribute, check in vars(module).items():
        if attribute.startswith("check_"):
            why = [f"{kernel}: {line}" for kernel, o in outputs.items() for line in trouble(check, o)]
        elif attribute.startswith("compare_"):
            why = trouble(check, *outputs.values())
        else:
            continue
        done.append(say(not why, name, check.__doc__.split("\n")[0], why))
    return sum(done), len(done) - sum(done)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--show", action="store_true", help="print what the tools printed")
    parser.add_argument("--fresh", action="store_true", help="run Linux again, though its output is there")
    parser.add_argument("--nightly", action="store_true", help="the parts that take long")
    o = parser.parse_args()
    names = o.names or (NIGHTLY if o.nightly else FAMILIES)
    unknown = [n for n in names if n not in FAMILIES + NIGHTLY]
    if unknown:
        parser.error(f"no family {', '.join(unknown)}")
    passed = failed = 0
    for name in names:
        if o.show:
            for kernel, output in boot_both(importlib.import_module(name)).items():
                print(f"==== {name}: {kernel}\n{output.text()}")
            continue
        good, bad = run_family(name, o.fresh)
        passed += good
        failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

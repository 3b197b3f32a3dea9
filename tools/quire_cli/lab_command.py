# SPDX-License-Identifier: MIT
"""quire lab: the experiments. Each lives in guest/labs/NAME/lab.py, which defines TITLE, TEACHES and run(lab);
run raises AssertionError when what is seen is not what Linux would show."""
import argparse
import importlib.util
import os
import subprocess
import sys
import traceback

from .common import ROOT, RUN_PACKAGES, Failure, need, say

LABS = os.path.join(ROOT, "guest/labs")


def names():
    if not os.path.isdir(LABS):
        return []
    return sorted(n for n in os.listdir(LABS) if os.path.exists(os.path.join(LABS, n, "lab.py")))


def load(name):
    spec = importlib.util.spec_from_file_location(f"lab_{name.replace('-', '_')}", os.path.join(LABS, name, "lab.py"))
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, LABS)
    spec.loader.exec_module(module)
    return module


def run_one(name):
    module = load(name)
    print(f"\n--- {name}: {module.TITLE}\n")
    try:
        module.run()
    except (AssertionError, LookupError, ValueError, OSError, subprocess.SubprocessError) as e:
        print(f"\n{name}: FAILED: {e}")
        traceback.print_exc()
        return False
    print(f"\n{name}: ok")
    return True


def main(words):
    p = argparse.ArgumentParser(prog="quire lab", description="Runs an experiment: it shows, explains and checks itself.",
                                epilog="examples: ./quire lab cow\n          ./quire lab --kernel linux page-cache",
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name", nargs="*")
    p.add_argument("--list", action="store_true", help="what there is, and what it teaches")
    p.add_argument("--all", action="store_true")
    p.add_argument("--kernel", choices=["quire", "linux"], default="quire", help="linux: what Debian's kernel shows")
    o = p.parse_args(words)
    os.environ.setdefault("QUIRE_NAME", f"lab.{os.getpid()}")  # its second terminals reach its own guest
    try:
        if o.list or not (o.name or o.all):
            for n in names():
                module = load(n)
                print(f"{n:18}{module.TITLE}")
            return 0
        need(RUN_PACKAGES)
        os.environ["QUIRE_LAB_KERNEL"] = o.kernel
        wanted = names() if o.all else o.name
        unknown = [n for n in wanted if n not in names()]
        if unknown:
            raise Failure(f"no lab {unknown[0]}; ./quire lab --list shows them")
        results = [run_one(n) for n in wanted]
        if len(wanted) > 1:
            print(f"{results.count(True)} passed, {results.count(False)} failed")
        return 0 if all(results) else 1
    except Failure as e:
        say(str(e))
        return 125

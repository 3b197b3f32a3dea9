# SPDX-License-Identifier: MIT
"""quire lab: the experiments. Each lives in guest/labs/NAME/lab.py, which defines

    NUMBER, FROM     its place in the order of the documents, and the chapters it follows (lab_documents.py)
    TITLE, TEACHES   one line each
    run()            raises AssertionError when what is seen is not what Linux would show
    NOT_ON_HOST      why it does no harmless or no certain run on the host's own Linux (absent: it does)
    HOST_NEEDS_ROOT  why only root can run it there
    NOT_ON_LINUX     why Debian's kernel cannot run it (absent: it can)

and has a page in docs/labs in two languages (lab_pages.py)."""
import argparse
import importlib.util
import os
import subprocess
import sys
import traceback

from . import lab_pages
from .common import ROOT, RUN_PACKAGES, Failure, need
from .lab_documents import DOCUMENTS, said_shortly

LABS = os.path.join(ROOT, "guest/labs")
HOST_PACKAGES = ["gcc", "libc6-dev", "procps", "util-linux"]


def load(name):
    spec = importlib.util.spec_from_file_location(f"lab_{name.replace('-', '_')}", os.path.join(LABS, name, "lab.py"))
    module = importlib.util.module_from_spec(spec)
    if LABS not in sys.path:
        sys.path.insert(0, LABS)
    spec.loader.exec_module(module)
    return module


def load_all():
    """{name: module} in the documents' order."""
    found = {n: load(n) for n in os.listdir(LABS) if os.path.exists(os.path.join(LABS, n, "lab.py"))}
    return dict(sorted(found.items(), key=lambda item: item[1].NUMBER))


class Recorder:
    """Standard output that is kept as well."""

    def __init__(self, out):
        self.out, self.text = out, ""

    def write(self, text):
        self.text += text
        return self.out.write(text)

    def flush(self):
        self.out.flush()

    def fileno(self):
        return self.out.fileno()

    def isatty(self):
        return self.out.isatty()


def obstacle(module, kernel):
    """Why a lab is not run there, in one line; None: it is."""
    if kernel == "linux":
        return getattr(module, "NOT_ON_LINUX", None)
    if kernel == "host":
        if hasattr(module, "NOT_ON_HOST"):
            return module.NOT_ON_HOST
        if hasattr(module, "HOST_NEEDS_ROOT") and os.geteuid() != 0:
            return module.HOST_NEEDS_ROOT
    return None


def run_one(name, module, o):
    """True: passed, False: failed, None: not run there."""
    print(f"\n--- {name}: {module.TITLE}\n")
    why = obstacle(module, o.kernel)
    if why:
        print(f"{name}: skipped: {why}")
        return None
    sys.stdout = recorder = Recorder(sys.stdout)
    try:
        module.run()
        if o.kernel == "quire":
            output = recorder.text.splitlines()
            if o.write_pages:
                lab_pages.write_excerpts(name, output)
            wrong = lab_pages.check(name, output)
            if wrong:
                raise AssertionError(wrong)
    except Failure as e:  # something is missing that could not be installed
        print(f"\n{name}: FAILED: {e}")
        return False
    except (AssertionError, LookupError, ValueError, OSError, subprocess.SubprocessError) as e:
        print(f"\n{name}: FAILED: {e}")
        traceback.print_exc()
        return False
    finally:
        sys.stdout = recorder.out
    print(f"\n{name}: ok")
    return True


def show_list(modules):
    print("documents:")
    for name, (english, korean) in DOCUMENTS.items():
        print(f"    {name:9}{english} ({korean})")
    print("\nlabs, in their order (h: also on the host's own Linux, with --host):")
    for name, m in modules.items():
        on_host = " " if hasattr(m, "NOT_ON_HOST") else "h"
        print(f"{m.NUMBER:3} {on_host} {name:18}{m.TITLE}")
        print(f"      {said_shortly(m.FROM)}")
        print(f"      teaches: {m.TEACHES}")
    print("\n./quire lab NAME runs one; docs/labs/NAME.md explains it.")


def check_pages(modules):
    found = lab_pages.problems(modules)
    for line in found:
        print(f"pages: FAILED: {line}")
    if not found:
        print("pages: ok")
    return not found


def main(words):
    p = argparse.ArgumentParser(prog="quire lab", description="Runs an experiment: it shows, explains and checks itself.",
                                epilog="examples: ./quire lab cow\n          ./quire lab cow --step\n          ./quire lab --kernel linux page-cache",
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name", nargs="*")
    p.add_argument("--list", action="store_true", help="what there is: document, chapter, what it teaches")
    p.add_argument("--all", action="store_true", help="all, in the documents' order; their pages are checked too")
    p.add_argument("--step", action="store_true", help="wait for Enter before each step")
    p.add_argument("--kernel", choices=["quire", "linux", "host"], default="quire", help="linux: what Debian's kernel shows")
    p.add_argument("--host", dest="kernel", action="store_const", const="host", help="on this machine's own Linux, without a guest; what might harm it is left out")
    p.add_argument("--write-pages", action="store_true", help="put what is seen now into docs/labs")
    p.add_argument("--write-index", action="store_true", help="renew what docs/labs takes from the labs' own lines")
    o = p.parse_args(words)
    os.environ.setdefault("QUIRE_NAME", f"lab.{os.getpid()}")  # its second terminals reach its own guest
    os.environ["QUIRE_LAB_KERNEL"] = o.kernel
    os.environ["QUIRE_LAB_STEP"] = "1" if o.step else ""
    modules = load_all()
    if o.write_index:
        lab_pages.write_frames(modules)
        return 0 if check_pages(modules) else 1
    if o.list or not (o.name or o.all):
        show_list(modules)
        return 0
    unknown = [n for n in o.name if n not in modules]
    if unknown:
        raise Failure(f"no lab {unknown[0]}; ./quire lab --list shows them")
    if o.write_pages and o.kernel != "quire":
        raise Failure("pages show Quire: --write-pages goes with neither --host nor --kernel linux")
    need(HOST_PACKAGES if o.kernel == "host" else RUN_PACKAGES)
    wanted = list(modules) if o.all else o.name
    results = [run_one(n, modules[n], o) for n in wanted]
    if o.all and o.kernel == "quire":
        results.append(check_pages(modules))
    if len(results) > 1:
        skipped = results.count(None)
        print(f"{results.count(True)} passed, {results.count(False)} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if False in results else 0

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the labs are run with: excerpts in their pages, --list, --step, --host. Then all labs in Quire, and on the host
those that are harmless there.

    labs_test.py [--quick]    without the labs themselves
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from quire_cli import lab_command, lab_pages  # noqa: E402

PROMPT = b"[Enter: go on]"
QUIRE = os.path.join(ROOT, "quire")
RUN = ["== heading ==", "", "Mem:  100 kB ####", "at 0x7f00 of 7ffe3aa42000-7ffe3aa65000", "a word", "12.5 % |##ccc..", "the end"]


def masks_hide_figures_and_keep_words():
    for a, b in (("Mem:  100 kB ####", "Mem:     99812 kB #"), ("|##ccc...", "|#....."), ("at 0x7f00", "at 0x1"), ("of 7ffe3aa42000-7ffe3aa65000", "of 55b2f79cb000-55b2f79cc000"),
                 ("3.5 %", "100 %"), ("grew by -4", "grew by 12"), ("132K rw---", "52K rw---"), ("at 12:01:59", "at 3:44:00")):
        assert lab_pages.masked(a) == lab_pages.masked(b), (a, b)
    for a, b in (("Mem: 1 kB", "Swap: 1 kB"), ("killed = yes", "killed = no"), ("r-xp", "rw-p"), ("kmalloc-16", "dentry"), ("SEGV_MAPERR", "SEGV_ACCERR")):
        assert lab_pages.masked(a) != lab_pages.masked(b), (a, b)


def excerpts_are_found_in_order_and_side_by_side():
    assert lab_pages.missing(["Mem: 7 kB", "at 0x1 of 12345678-23456789", "...", "the end"], RUN) is None
    assert lab_pages.missing(["a word", "the end"], RUN) == "the end", "not side by side"
    assert lab_pages.missing(["the end", "...", "a word"], RUN) == "a word", "not in order"
    assert lab_pages.missing(["Mem: 7 kB", "another word"], RUN) == "another word"


def excerpts_are_renewed():
    new = ["== heading ==", "Mem:  555 kB ########", "a line more", "at 0x1 of 55b2f79cb000-55b2f79cc000", "a word", "the end"]
    assert lab_pages.renewed(["== heading ==", "Mem: 7 kB", "at 0x2 of 12345678-23456789", "...", "the end"], new) == new[:4] + ["...", "the end"]
    assert lab_pages.renewed([], new) == new


def what_is_wrong_with_pages_is_found():
    modules = lab_command.load_all()
    pages = lab_pages.PAGES
    with tempfile.TemporaryDirectory() as folder:
        lab_pages.PAGES = os.path.join(folder, "labs")
        try:
            shutil.copytree(pages, lab_pages.PAGES)
            assert not lab_pages.problems(modules), lab_pages.problems(modules)

            def changed(name, language, old, new):
                path = lab_pages.path_of(name, language)
                text = lab_pages.read(path)
                assert old in text
                lab_pages.write(path, text.replace(old, new))

            changed("cow", 0, "`mm/fault/copy.c`", "`mm/fault/copies.c`")
            changed("links", 1, "number of names", "names in number")
            changed("oom", 0, "*Lab 26.", "*Lab 27.")
            os.remove(lab_pages.path_of("swap", 1))
            found = " ".join(lab_pages.problems(modules))
            for words in ("names mm/fault/copies.c, which is not there", "links: the two languages show different output", "oom.md: the line below the title",
                          "swap.ko.md"):
                assert words in found, (words, found)
        finally:
            lab_pages.PAGES = pages


def list_is_in_the_documents_order():
    text = subprocess.run([QUIRE, "lab", "--list"], stdout=subprocess.PIPE, check=True, text=True).stdout
    modules = lab_command.load_all()
    numbers = [m.NUMBER for m in modules.values()]
    assert numbers == sorted(set(numbers)), "two labs with one number"
    assert re.findall(r"^ *(\d+) [h ] (\S+) ", text, re.M) == [(str(m.NUMBER), name) for name, m in modules.items()]
    assert all(m.TEACHES in text for m in modules.values())


def steps_wait_for_enter():
    p = subprocess.Popen([QUIRE, "lab", "process-layout", "--host", "--step"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    err = b""
    while PROMPT not in err:
        err += os.read(p.stderr.fileno(), 4096) or PROMPT
    try:
        p.wait(2)  # all it does takes a moment
    except subprocess.TimeoutExpired:
        pass
    else:
        raise AssertionError("it did not wait")
    out, more = p.communicate(b"\n\n\n", timeout=300)
    assert p.returncode == 0 and out.count(b"\n== ") == (err + more).count(PROMPT) == 3, (p.returncode, out, err)


def what_might_harm_the_host_is_skipped():
    done = subprocess.run([QUIRE, "lab", "oom", "--host"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "oom: skipped: " in done.stdout and "== " not in done.stdout, done.stdout


TESTS = (masks_hide_figures_and_keep_words, excerpts_are_found_in_order_and_side_by_side, excerpts_are_renewed,
         what_is_wrong_with_pages_is_found, list_is_in_the_documents_order,
         steps_wait_for_enter, what_might_harm_the_host_is_skipped)


def main():
    failed = 0
    for test in TESTS:
        try:
            test()
            print(f"{test.__name__}: ok", flush=True)
        except Exception:
            failed += 1
            print(f"{test.__name__}: FAILED", flush=True)
            traceback.print_exc()
    print(f"{len(TESTS) - failed} passed, {failed} failed", flush=True)
    status = 1 if failed else 0
    if "--quick" not in sys.argv:
        status |= subprocess.run([QUIRE, "lab", "--all"], stdin=subprocess.DEVNULL).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())

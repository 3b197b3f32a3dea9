#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The record of decisions: what `quire trace` prints of programs whose doings are known, that a run under --icount repeats
to the byte, what recording costs; /proc/PID/explain against pagemap; the page of `quire report` in a browser.

    record_test.py [NAME...]
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests/files"))
from guest_disk import Report

QUIRE = os.path.join(ROOT, "quire")
STEPS = "./steps"
PROGRAMS = os.path.join(ROOT, "build/guest")
PAGE = 4096


def quire(*words, cwd=PROGRAMS):
    return subprocess.run([QUIRE, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, timeout=1800)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def traced(*words, status=0):
    """A run with --json: (the program's "key value" lines, the record, standard error)."""
    with tempfile.TemporaryDirectory(prefix="quire-record-") as folder:
        out = os.path.join(folder, "record")
        done = quire("trace", "--json", "-o", out, *words)
        check(done.returncode == status, f"status {done.returncode}: {done.stderr[-800:]}")
        with open(out) as f:
            return dict(line.split() for line in done.stdout.splitlines()), [json.loads(line) for line in f], done.stderr


# ---- what a program does stands in the record ----

def test_faults_copies_and_forks():
    said, record, errors = traced("--events", "fault,copy,share,unshare,fork,exec,exit,map,unmap", "--", STEPS, "touch")
    area, parent, child = int(said["area"], 16), int(said["parent"]), int(said["child"])
    check("lost" not in errors, errors)
    mine = [r for r in record if area <= r.get("address", 0) < area + 64 * PAGE]
    filled = [r for r in mine if r["event"] == "fault" and r["cause"] == "zero-fill"]
    check([r["address"] for r in filled] == [area + i * PAGE for i in range(64)], f"{len(filled)} pages were filled, in another order or others")
    check(all(r["tid"] == parent and r["frame"] and "write" in r["access"] and "user" in r["access"] and not r["major"] for r in filled), "how they were filled")
    check(len({r["frame"] for r in filled}) == 64, "two pages have one frame")
    copied = [r for r in mine if r["event"] == "fault" and r["cause"] == "copy" and r["tid"] == child]
    check([r["address"] for r in copied] == [area + i * 4 * PAGE for i in range(8)], f"the child copied {len(copied)} pages, or others")
    copies = {r["address"] & ~0xfff: r for r in mine if r["event"] == "copy"}
    frames = {r["address"]: r["frame"] for r in filled}
    for r in copied:
        check(copies[r["address"]]["from"] == frames[r["address"]] and copies[r["address"]]["to"] == r["frame"], "a copy from or to another frame")
    check([r["child"] for r in record if r["event"] == "fork" and r["tid"] == parent] == [child], "the fork")
    check([r["text"] for r in record if r["event"] == "exec" and r["tid"] == parent] == ["steps"], "the exec")
    check({r["tid"] for r in record if r["event"] == "exit"} >= {parent, child}, "the exits")
    check(any(r["event"] == "map" and r["start"] == area and r["length"] == 64 * PAGE and r["rights"] == ["read", "write"] for r in record), "the map")
    times = [r["ns"] for r in record]
    check(times == sorted(times), "not in the order of time")


def test_cache_fills():
    path = "/usr/lib/x86_64-linux-gnu/libc.so.6"
    said, record, _ = traced("--image", "debian", "--cpus", "2", "--events", "fault,fill,open", "--", STEPS, "file", path)
    number = next(r["file"] for r in reversed(record) if r["event"] == "open" and r["text"] == "libc.so.6")
    filled = {i for r in record if r["event"] == "fill" and r["file"] == number for i in range(r["index"], r["index"] + r["pages"])}
    pages = int(said["pages"])
    check(filled >= set(range(0, pages, 16)) and max(filled) < pages, f"{len(filled)} pages were read, of {pages}")
    check(any(r["event"] == "fault" and r["major"] and r["cause"] == "file-page" for r in record), "no fault waited for the disk")


def test_a_moved_region_keeps_what_it_is():
    """mremap: rights and file of the region stand in the record of the new place."""
    script = ("import ctypes, mmap; c = ctypes.CDLL(None, use_errno=True); c.mmap.restype = c.mremap.restype = ctypes.c_void_p; f = open('/usr/bin/python3.11');"
              "p = c.mmap(None, 12288, 1, 2, f.fileno(), ctypes.c_long(0)); q = c.mremap(ctypes.c_void_p(p), 12288, ctypes.c_long(1 << 20), 1); print('place', hex(q))")
    said, record, _ = traced("--image", "debian", "--events", "map,open", "--", "python3", "-c", script)
    place = [r for r in record if r["event"] == "map" and r["start"] == int(said["place"], 16) and r["length"] == 1 << 20]
    number = next(r["file"] for r in reversed(record) if r["event"] == "open" and r["text"] == "python3.11")
    check([(r["rights"], r["file"]) for r in place] == [(["read"], number)], f"{place}")


def test_reclaim_and_swap():
    said, record, errors = traced("--ram", "40M", "--swap", "96M", "--ring", "65536", "--events", "reclaim,victim,evict,swap-out,swap-in,fault,judge", "--",
                                  STEPS, "fill", "64")
    check(said["wrong"] == "0", "wrong bytes")
    check("lost" not in errors, errors)
    out, back = sum(r["event"] == "swap-out" for r in record), sum(r["pages"] for r in record if r["event"] == "swap-in")
    for what, seen, counted in (("out", out, int(said["out"])), ("in", back, int(said["in"]))):
        check(counted > 3000 and counted <= seen <= counted * 1.05 + 64, f"{seen} pages {what} are recorded, /proc/vmstat counted {counted} until the program's last look")
    outcomes = [r["outcome"] for r in record if r["event"] == "evict"]
    check(outcomes.count("to-swap") == out, f"{outcomes.count('to-swap')} victims went to swap, {out} were written")
    victims = {r["frame"] for r in record if r["event"] == "victim"}
    check({r["frame"] for r in record if r["event"] == "evict"} <= victims, "an outcome without a victim")
    judged = {r["frame"] for r in record if r["event"] == "judge" and r["verdict"] == "evict"}
    check(victims <= judged, "a victim without a verdict")
    rounds = [r for r in record if r["event"] == "reclaim"]
    check(any(r["worker"] and r["name"] == "kswapd0" for r in rounds) and all(r["cost"] > 0 for r in rounds), "the rounds")
    check(any(r["event"] == "fault" and r["cause"] == "swap-in" and r["major"] for r in record), "no fault brought a page back")


def test_dirty_and_written():
    script = "dd if=/dev/zero of=/root/written bs=64k count=32 2> /dev/null; sync"
    _, record, _ = traced("--image", "debian", "--events", "dirty,write,written,open", "--", "sh", "-c", script)
    number = next(r["file"] for r in record if r["event"] == "open" and r["text"] == "written")
    pages = {what: [i for r in record if r["event"] == what and r["file"] == number for i in range(r["index"], r["index"] + r["pages"])] for what in ("dirty", "write", "written")}
    for what, found in pages.items():
        check(set(found) == set(range(512)), f"{what}: {len(found)} pages, {len(set(found))} of them different")
    check(all(not r["failed"] for r in record if r["event"] == "written"), "a write failed")
    first = {what: min(r["ns"] for r in record if r["event"] == what and r["file"] == number) for what in pages}
    check(first["dirty"] < first["write"] < first["written"], f"{first}")


def test_compaction():
    script = ("count() { grep pgmigrate_success /proc/vmstat | cut -d' ' -f2; }; for i in $(seq 200); do head -c 20000 /bin/busybox > /tmp/$i; done; rm /tmp/*[02468]; "
              "a=$(count); echo 1 > /proc/sys/vm/compact_memory; echo moved $(($(count) - a))")
    said, record, _ = traced("--ram", "64M", "--events", "migrate,compact", "--", "sh", "-c", script)
    moved = [r for r in record if r["event"] == "migrate" and r["error"] == 0]
    check(int(said["moved"]) == len(moved) > 50, f"{said['moved']} pages were moved, {len(moved)} are recorded")
    check(len({r["to"] for r in moved}) == len(moved), "two pages went to one frame")
    check(any(r["event"] == "compact" and r["cost"] > 0 for r in record), "the run of compaction")


def test_oom_scores():
    said, record, _ = traced("--ram", "40M", "--events", "candidate,kill", "--", STEPS, "fill", "200", status=137)
    kill, = [r for r in record if r["event"] == "kill"]
    candidates = {r["pid"]: r for r in record if r["event"] == "candidate"}
    check(not said and kill["pid"] in candidates, f"{kill} was no candidate")
    check(candidates[kill["pid"]]["points"] == max(r["points"] for r in candidates.values()), "another one had more points")
    check(kill["pages"] > 4000, f"the victim held {kill['pages']} pages")


def test_what_is_lost_is_counted():
    script = ("(echo fork fault exec > /proc/quire/trace/events); for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do /bin/true; done; "
              "(echo > /proc/quire/trace/events); cat /proc/quire/trace/text > /tmp/t; head -1 /tmp/t; grep -c . /tmp/t; cat /proc/quire/trace/text | wc -l")
    done = quire("run", "--", "sh", "-c", script)
    first, lines, rest = done.stdout.splitlines()
    lost = re.fullmatch(r"# CPU 0 lost (\d+) records", first)
    check(lost and int(lost[1]) > 30 and int(lines) == 1025 and rest == "0", done.stdout)


def test_perfetto():
    with tempfile.TemporaryDirectory(prefix="quire-record-") as folder:
        out = os.path.join(folder, "trace.json")
        done = quire("trace", "--events", "fault,switch", "--perfetto", out, "--", STEPS, "touch")
        check(done.returncode == 0 and done.stdout.startswith("area ") and not done.stderr, done.stderr)
        with open(out) as f:
            events = json.load(f)["traceEvents"]
    phases = {e["ph"] for e in events}
    check(phases == {"X", "C", "M"}, f"{phases}")
    check(sum(e.get("cat") == "fault" and e["name"] == "fault zero-fill" for e in events) >= 64, "the faults")
    check(any(e["ph"] == "M" and e["args"] == {"name": "steps"} for e in events), "the names")


def test_a_run_repeats_to_the_byte():
    """Seconds apart: the time at which a file of the run was made was once in the image, and took the kernel longer to read or less long."""
    for words in (("--ram", "40M", "--swap", "64M", "--", STEPS, "fill", "32"), ("--json", "--", "sh", "-c", "ls /proc | wc -l; echo $$ $RANDOM")):
        texts = []
        with tempfile.TemporaryDirectory(prefix="quire-record-") as folder:
            for i in range(2):
                time.sleep(1.1 * i)
                out = os.path.join(folder, f"record{i}")
                done = quire("trace", "--icount", "--events", "all", "--ring", "65536", "-o", out, *words)
                check(done.returncode == 0 and not done.stderr, f"status {done.returncode}: {done.stderr[-600:]}")
                with open(out) as f:
                    texts.append((done.stdout, f.read()))
        lines = texts[0][1].splitlines()
        check(len(lines) > 100, f"only {len(lines)} records")
        check(texts[0] == texts[1], next((f"{a}\nthen {b}" for a, b in zip(lines, texts[1][1].splitlines()) if a != b), "one is longer"))


def test_streams_and_statuses():
    done = quire("trace", "--events", "kill", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    check((done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n"), f"{done}")
    done = quire("trace", "--events", "kill", "--", "sh", "-c", "kill -9 $$")
    check(done.returncode == 137, f"{done}")
    done = quire("trace", "--events", "kill", "--", "no-such-program")
    check(done.returncode == 127 and "no-such-program: not found in the guest" in done.stderr, f"{done}")


def test_refused():
    for words, text in ((("trace", "--events", "fualt", "--", "true"), "--events fualt: there are fault, "), (("trace",), "a program is missing"),
                        (("trace", "--kernel", "linux", "--", "true"), "--kernel linux keeps no record"), (("trace", "--ring", "1000", "--", "true"), "--ring: a power of two"),
                        (("trace", "-o", "/no/such/place", "--", "true"), "/no/such/place: No such file or directory"), (("report",), "a program is missing"),
                        (("report", "-o", "/no/such/place", "--", "true"), "/no/such/place: No such file or directory"), (("trace", "--", "./no-such-file"), "no such file on the host")):
        done = quire(*words)
        check(done.returncode in (125, 127) and text in done.stderr and "Traceback" not in done.stderr, f"{words}: {done.returncode} {done.stderr[-400:]}")


# ---- what it costs ----

def test_cost_of_recording():
    """Instructions of a fault, with the record off and on: at most a quarter more. (What it costs while it is off stands in docs/record.md.)"""
    with tempfile.TemporaryDirectory(prefix="quire-record-") as folder:
        out = os.path.join(folder, "bench.json")
        done = quire("bench", "--part", "memory", "--no-linux", "--json", out)
        check(done.returncode == 0, done.stderr[-600:])
        with open(out) as f:
            figures = json.load(f)["quire"]
    off, on = figures["anon_fault_4k"], figures["anon_fault_4k_recorded"]
    check(off < on <= 1.25 * off, f"a fault takes {off} instructions, recorded {on}")


# ---- explain ----

def test_explain():
    script = os.path.join(HERE, "explain_check.py")
    for cpus, swap in (("1", ("--ram", "80M", "--swap", "128M")), ("2", ())):
        done = quire("run", "--image", "debian", "--cpus", cpus, *swap, "--append", "quire.checks", "--add", f"{script}:/root/explain_check.py", "--", "python3",
                     "/root/explain_check.py", *(["swap"] if swap else []))
        check(done.returncode == 0 and done.stdout == "explain: ok\n", f"{cpus} CPUs: status {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


# ---- the page ----

def test_regions_and_timelines():
    """What the page sums up, against the plainest model."""
    sys.path.insert(0, os.path.join(ROOT, "tools"))
    from quire_cli.report_data import AddressSpace, Timeline
    draw = random.Random(int(os.environ.get("QUIRE_SEED", "1")))
    for _ in range(200):
        space, model = AddressSpace(), {}
        for _ in range(40):
            start = draw.randrange(60)
            end, label = start + draw.randrange(1, 20), draw.choice("abc-")
            space.cut(start, end) if label == "-" else space.add(start, end, label)
            model.update({i: "outside any region" if label == "-" else label for i in range(start, end)})
            check(all(space.label(i) == model.get(i, "outside any region") for i in range(80)), f"{space.regions}")
    times = Timeline()
    for i in range(1000):
        times.add(i * 7_000_000, "x")
    check(sum(times.table()["series"]["x"]) == 1000 and len(times.rows) <= 300, "a timeline loses counts")


def test_report():
    sys.path.insert(0, HERE)
    import page
    with tempfile.TemporaryDirectory(prefix="quire-record-") as folder:
        out = os.path.join(folder, "report.html")
        done = quire("report", "--ram", "40M", "--swap", "96M", "-o", out, "--", STEPS, "fill", "64")
        check(done.returncode == 0 and done.stdout.startswith("wrong 0\n") and "Peak" in done.stderr, f"{done}")
        page.look(out, check)
        done = quire("report", "--ram", "40M", "--no-refs", "-o", out, "--", STEPS, "fill", "200")
        check(done.returncode == 137, f"{done}")
        page.look_at_kill(out, check)


def test_report_fit():
    """40 MiB, each page written and then read once: with less than that, pages come back from swap."""
    sys.path.insert(0, HERE)
    import page
    with tempfile.TemporaryDirectory(prefix="quire-record-") as folder:
        out = os.path.join(folder, "report.html")
        done = quire("report", "--fit", "--ram", "128M", "-o", out, "--", STEPS, "fill", "40")
        check(done.returncode == 0 and done.stdout.count("wrong 0") == 1, f"{done}")
        rows = page.data_of(out)["fit"]["rows"]
        check(rows[0][0] == "none" and len(rows) > 3, f"{rows}")
        faults = [r[1] for r in rows]
        check(faults[0] >= 40 * 256 and faults[-1] > 1.3 * faults[0] and all(r[0] < 45 << 10 for r in rows[1:]), f"{rows}")


LONG = ("report_fit",)  # only by name: a part of --nightly
TESTS = {name[5:]: test for name, test in list(globals().items()) if name.startswith("test_")}


def main():
    report = Report("record")
    for name in sys.argv[1:] or [name for name in TESTS if name not in LONG]:
        try:
            TESTS[name]()
            report.result(name.replace("_", " "), None)
        except (AssertionError, ValueError, KeyError, LookupError, StopIteration, OSError, subprocess.SubprocessError) as e:
            report.result(name.replace("_", " "), f"{type(e).__name__}: {e}")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())

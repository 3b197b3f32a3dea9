# SPDX-License-Identifier: MIT
"""quire trace: runs a program and prints each decision of the memory manager with its cause."""
import argparse
import json
import sys

from . import traced
from .common import Failure, say
from .run_command import split_words

DEFAULT = "fault map unmap share unshare copy fill write reclaim victim evict swap-out swap-in migrate compact candidate kill no-memory fork exec exit open".split()
ALL = DEFAULT + "dirty written judge switch".split()


def shown(f, value):
    """A field for people; None: not worth a word."""
    if f.kind == "b":
        return f.name if value else None
    if f.kind == "f":
        return "|".join(value) or None
    if f.kind == "e":
        return str(value)
    if f.is_part and not value:
        return None
    if f.kind == "n":
        return f"{f.name} {value / 1000:.1f} us"
    return f"{f.name} {value:#x}" if f.kind == "x" else f"{f.name} {value}"


def line_of(e, d):
    words = []
    for f in e.kind.fields:
        text = shown(f, f.value(e.arguments))
        if f.name == "file" and e.arguments[f.argument] in d.files and e.name != "open":
            text = f"file {d.files[e.arguments[f.argument]]}"
        if text:
            words.append(text)
    who = f"{e.tid} {d.names.get(e.tid, '?')}"
    return f"{(e.ns - d.first_ns) / 1e6:11.3f} cpu{e.cpu} {who:20} {e.name:9} {' '.join(words)}\n"


class TextWriter:
    def __init__(self, out):
        self.out = out

    def event(self, e, d):
        self.out.write(line_of(e, d))

    def end(self, d):
        self.out.flush()


class JsonWriter(TextWriter):
    """A JSON object in each line."""

    def event(self, e, d):
        what = {"ns": e.ns - d.first_ns, "cpu": e.cpu, "tid": e.tid, "name": d.names.get(e.tid, "?"), "event": e.name}
        for key, value in e.values().items():
            what["text" if key == "name" else key] = value
        self.out.write(json.dumps(what) + "\n")


class PerfettoWriter:
    """A trace in the format of Chrome's trace viewer, which Perfetto (ui.perfetto.dev) opens."""

    CPUS = 1 << 30  # the "process" whose threads are the CPUs

    def __init__(self, path):
        self.out = open(path, "w")
        self.out.write('{"displayTimeUnit":"ns","traceEvents":[\n')
        self.running = {}  # cpu -> (since, tid)
        self.comma = ""

    def put(self, **what):
        self.out.write(self.comma + json.dumps(what))
        self.comma = ",\n"

    def event(self, e, d):
        at = (e.ns - d.first_ns) / 1000
        values = e.values()
        if e.name == "switch":
            since, tid = self.running.get(e.cpu, (at, e.tid))
            self.put(ph="X", ts=since, dur=at - since, pid=self.CPUS, tid=e.cpu, name=d.names.get(tid, str(tid)), cat="switch")
            self.running[e.cpu] = (at, values["next"])
            return
        cost = values.get("cost", 0) / 1000
        name = f"{e.name} {values['cause']}" if e.name == "fault" else e.name
        args = {k: hex(v) if isinstance(v, int) and k in ("address", "start", "frame", "from", "to") else v for k, v in values.items()}
        what = {"ph": "X", "dur": cost} if cost else {"ph": "i", "s": "t"}
        self.put(ts=at - cost, pid=e.tid, tid=e.tid, name=name, cat=e.name, args=args, **what)

    def sample(self, s, first_ns):
        m = s.memory
        self.put(ph="C", ts=(s.ns - first_ns) / 1000, pid=self.CPUS, name="memory kB",
                 args={k: m.get(k, 0) for k in ("MemFree", "Cached", "AnonPages", "PageTables")})

    def end(self, d):
        for tid, name in d.names.items():
            self.put(ph="M", pid=tid, tid=tid, name="process_name", args={"name": name})
        self.put(ph="M", pid=self.CPUS, name="process_name", args={"name": "CPUs"})
        self.out.write("\n]}\n")
        self.out.close()


class Readers:
    """What comes from the record goes to several writers, as far as it was asked for."""

    def __init__(self, events, writers, perfetto):
        self.wanted, self.writers, self.perfetto = {*events, "lost"}, writers, perfetto

    def event(self, e, d):
        if e.name in self.wanted:
            for w in self.writers:
                w.event(e, d)

    def sample(self, s, d):
        if self.perfetto:
            self.perfetto.sample(s, d.first_ns)

    def regions(self, r, d):
        pass

    def end(self, d):
        for w in self.writers:
            w.end(d)


def wanted_events(text):
    names = []
    for word in (text or "").replace(",", " ").split():
        if word not in ALL + ["all"]:
            raise Failure(f"--events {word}: there are {', '.join(ALL)}, and all")
        names += ALL if word == "all" else [word]
    return names or DEFAULT


def main(words):
    p = traced.parser("trace", "Runs PROGRAM and prints what the memory manager decides, and why: a line for each decision, on\n"
                               "standard error, or in the files that are asked for. The program's streams and its status are its own.",
                      "examples:\n  ./quire trace -- ls /\n  ./quire trace --events fault,copy --image debian -o faults.txt -- python3 -c 'print(1)'\n"
                      "  ./quire trace --json --events all -o record.jsonl -- ./my-program\n"
                      "  ./quire trace --perfetto trace.json -- ./my-program   # for ui.perfetto.dev")
    p.add_argument("--events", metavar="NAME,...", help="what is recorded: all, or some of " + ", ".join(ALL) + "\n(default: all but the last four)")
    p.add_argument("--json", action="store_true", help="a JSON object in each line")
    p.add_argument("-o", "--output", metavar="FILE", help="where the lines go (default: standard error)")
    p.add_argument("--perfetto", metavar="FILE", help="writes a trace for ui.perfetto.dev; lines only with -o then")
    p.formatter_class = argparse.RawTextHelpFormatter
    ours, argv = split_words(words)
    o = p.parse_args(ours)
    argv = o.program + argv
    events = wanted_events(o.events)
    refused = traced.prepare(o, argv)
    if refused:
        return traced.run_command.report(refused)
    writers = []
    perfetto = PerfettoWriter(o.perfetto) if o.perfetto else None
    if perfetto:
        writers.append(perfetto)
    if o.output or not perfetto:
        writers.append((JsonWriter if o.json else TextWriter)(open(o.output, "w") if o.output else sys.stderr))
    readers = Readers(events, writers, perfetto)
    needed = events + [name for name in ("exec", "fork", "open") if name not in events]  # who and what the numbers are
    status, decoder = traced.run(o, argv, needed, readers, sample_ms=50 if perfetto else 0)
    readers.end(decoder)
    if decoder.lost:
        say(f"{decoder.lost} records were lost, {decoder.nr} were kept: fewer --events, or a larger --ring, lose less")
    return status

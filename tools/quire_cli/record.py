# SPDX-License-Identifier: MIT
"""The record that guest/tracer.c passes on: chunks, and in them what /proc/quire/trace gave. What an event's arguments
mean comes with the record (mm/trace.h says how); nothing here knows an event."""
import re
import struct

FORMAT, NAMES, RECORDS, SAMPLE, END, REGIONS = 1, 2, 3, 4, 5, 6
HEADER = struct.Struct("<II")
RECORD = struct.Struct("<QHHI4Q")
LOST = 0xFFFF


class Field:
    """Some bits of one argument, or a text in several."""

    def __init__(self, words, argument, shift):
        self.name, kind = words.split(":", 1)
        match = re.fullmatch(r"([xusnbeft])(\d*)(?:\((.*)\))?", kind)
        self.kind = match[1]
        self.argument, self.shift = argument, shift
        self.is_part = bool(match[2]) and self.kind != "t"
        self.bits = int(match[2]) if match[2] else 64
        self.choices = match[3].split(",") if match[3] else []

    def value(self, arguments):
        if self.kind == "t":
            raw = b"".join(a.to_bytes(8, "little") for a in arguments[self.argument:self.argument + self.bits])
            return raw.split(b"\0")[0].decode(errors="replace")
        v = arguments[self.argument] >> self.shift & (1 << self.bits) - 1
        if self.kind == "s" and v >> self.bits - 1:
            return v - (1 << self.bits)
        if self.kind == "e":
            return self.choices[v] if v < len(self.choices) else v
        if self.kind == "f":
            return [name for i, name in enumerate(self.choices) if v >> i & 1]
        return bool(v) if self.kind == "b" else v


def fields_of(text):
    fields, argument = [], 0
    for words in text.split():
        shift = 0
        for part in re.split(r"\+(?![^(]*\))", words):
            f = Field(part, argument, shift)
            fields.append(f)
            shift += f.bits if f.kind != "t" else 64
        argument += fields[-1].bits if fields[-1].kind == "t" else 1
    return fields


class Event:
    __slots__ = ("ns", "cpu", "tid", "kind", "arguments")

    def __init__(self, ns, cpu, tid, kind, arguments):
        self.ns, self.cpu, self.tid, self.kind, self.arguments = ns, cpu, tid, kind, arguments

    @property
    def name(self):
        return self.kind.name

    def values(self):
        return {f.name: f.value(self.arguments) for f in self.kind.fields}


class Kind:
    def __init__(self, name, fields):
        self.name, self.fields = name, fields


class Sample:
    """The machine at one moment: kB by the names of /proc/meminfo, and (pid, rss, swap, tables, name) of processes."""

    def __init__(self, text):
        self.ns, self.memory, self.processes = 0, {}, []
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["ns"]:
                self.ns = int(words[1])
            elif words[:1] == ["process"]:
                self.processes.append((*map(int, words[1:5]), " ".join(words[5:])))
            elif len(words) > 1 and words[0].endswith(":"):
                self.memory[words[0][:-1]] = int(words[1])


class Regions:
    """The regions of one process at one moment, [{start, end, label, Rss, Referenced, Swap, ...}] in kB; Referenced: used
    since the last time."""

    def __init__(self, text):
        self.ns, self.pid, self.regions = 0, 0, []
        for line in text.splitlines():
            words = line.split()
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                start, _, end = words[0].partition("-")
                self.regions.append({"start": int(start, 16), "end": int(end, 16), "label": " ".join(words[5:])})
            elif words[0] in ("ns", "pid"):
                setattr(self, words[0], int(words[1]))
            elif self.regions and len(words) == 3 and words[2] == "kB":
                self.regions[-1][words[0][:-1]] = int(words[1])


class Decoder:
    """Feed it bytes. It calls on_event in the order of time, on_sample, and keeps the rest: names of threads and files,
    losses, how the program ended."""

    def __init__(self, on_event, on_sample=lambda s, d: None, on_regions=lambda r, d: None):
        self.on_event, self.on_sample, self.on_regions = on_event, on_sample, on_regions
        self.buffer = bytearray()
        self.kinds = {LOST: Kind("lost", fields_of("records:u"))}
        self.waiting = []  # records that others of an earlier time may still come before
        self.names, self.files = {}, {}
        self.nr, self.lost = 0, 0
        self.first_ns = 0  # of the record; nothing in it is older
        self.status = self.pid = None

    def feed(self, data):
        self.buffer += data
        at = 0
        while len(self.buffer) - at >= HEADER.size:
            kind, length = HEADER.unpack_from(self.buffer, at)
            if kind == 0 or len(self.buffer) - at < HEADER.size + length:
                break
            self.chunk(kind, bytes(self.buffer[at + HEADER.size:at + HEADER.size + length]))
            at += HEADER.size + length
        del self.buffer[:at]

    def chunk(self, kind, payload):
        if kind == FORMAT:
            for line in payload.decode().splitlines():
                number, name, arguments = line.split(" ", 2)
                self.kinds[int(number)] = Kind(name, fields_of(arguments))
        elif kind == NAMES:
            first, *lines = payload.decode(errors="replace").splitlines()
            self.first_ns = int(first.split()[1])
            for line in lines:
                pid, _, name = line.partition(" ")
                self.names[int(pid)] = name
        elif kind == RECORDS:
            self.records(payload)
        elif kind == SAMPLE:
            self.on_sample(Sample(payload.decode(errors="replace")), self)
        elif kind == REGIONS:
            self.on_regions(Regions(payload.decode(errors="replace")), self)
        elif kind == END:
            self.status, self.pid, _ = struct.unpack("<IIQ", payload)
            self.flush(None)

    def records(self, payload):
        complete, = struct.unpack_from("<Q", payload)
        self.waiting += RECORD.iter_unpack(payload[8:])
        self.flush(complete)

    def flush(self, before):
        """Hands on what is older than `before`: whatever comes later is younger."""
        self.waiting.sort(key=lambda r: r[0])
        n = len(self.waiting) if before is None else next((i for i, r in enumerate(self.waiting) if r[0] >= before), len(self.waiting))
        ready, self.waiting = self.waiting[:n], self.waiting[n:]
        for ns, number, cpu, tid, *arguments in ready:
            self.hand_on(Event(ns, cpu, tid, self.kinds[number], arguments))

    def hand_on(self, e):
        if e.name == "lost":
            self.lost += e.arguments[0]
        else:
            self.nr += 1
        if e.name == "exec":
            self.names[e.tid] = e.values()["name"]
        elif e.name == "fork":
            self.names[e.arguments[0]] = self.names.get(e.tid, "?")
        elif e.name == "open":
            self.files[e.arguments[0]] = e.values()["name"]
        self.on_event(e)

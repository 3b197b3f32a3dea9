# SPDX-License-Identifier: MIT
"""From a record to what a page shows: sums by time, region, file and cause. The memory it takes does not grow with the
record, but for the rounds of reclaim and the kills, of which the first ROWS are kept."""
import bisect

ROWS = 1000
MAX_BUCKETS = 300
GROWSDOWN = 0x100  # of mmap's flags


class Timeline:
    """Counts by kind in steps of time, which double when there are too many."""

    def __init__(self):
        self.step_ns, self.rows = 1_000_000, []

    def add(self, ns, kind, n=1):
        at = ns // self.step_ns
        while at >= MAX_BUCKETS:
            self.rows = [self.merged(self.rows[i:i + 2]) for i in range(0, len(self.rows), 2)]
            self.step_ns *= 2
            at = ns // self.step_ns
        while len(self.rows) <= at:
            self.rows.append({})
        self.rows[at][kind] = self.rows[at].get(kind, 0) + n

    @staticmethod
    def merged(rows):
        total = {}
        for row in rows:
            for kind, n in row.items():
                total[kind] = total.get(kind, 0) + n
        return total

    def table(self):
        kinds = sorted({k for row in self.rows for k in row}, key=lambda k: -sum(row.get(k, 0) for row in self.rows))
        return {"ms": [i * self.step_ns / 1e6 for i in range(len(self.rows))], "step": self.step_ns / 1e6,
                "series": {k: [row.get(k, 0) for row in self.rows] for k in kinds}}


class AddressSpace:
    """The regions of a process, by what its maps and unmaps said."""

    def __init__(self, regions=()):
        self.regions = list(regions)  # (start, end, label), ascending, apart

    def cut(self, start, end):
        i = bisect.bisect_right(self.regions, (start,)) - 1
        i = max(i, 0)
        kept = []
        j = i
        while j < len(self.regions) and self.regions[j][0] < end:
            s, e, label = self.regions[j]
            if s < start:
                kept.append((s, min(e, start), label))
            if e > end:
                kept.append((max(s, end), e, label))
            j += 1
        self.regions[i:j] = kept

    def add(self, start, end, label):
        self.cut(start, end)
        bisect.insort(self.regions, (start, end, label))

    def label(self, address):
        i = bisect.bisect_right(self.regions, (address, 1 << 64)) - 1
        if i >= 0 and self.regions[i][0] <= address < self.regions[i][1]:
            return self.regions[i][2]
        above = self.regions[i + 1][2] if i + 1 < len(self.regions) else ""
        return above if above == "[stack]" else "outside any region"  # a stack grows downwards by itself


def size_text(kb):
    return f"{kb} KiB" if kb < 1024 else f"{kb / 1024:.1f} MiB" if kb < 1 << 20 else f"{kb / (1 << 20):.2f} GiB"


class Report:
    """A reader of traced.run()."""

    def __init__(self):
        self.first_ns = 0
        self.faults, self.reclaimed = Timeline(), Timeline()
        self.by_region = {}   # label -> {cause: faults}
        self.spaces = {}      # tid -> AddressSpace
        self.tree = set()     # tids of the program and what it started
        self.root = None
        self.nr_faults = self.nr_major = self.fault_ns = 0
        self.samples, self.heat, self.kills, self.rounds = [], {}, [], []
        self.nr_rounds, self.round_ns = 0, 0
        self.candidates = []
        self.files = {}       # number -> {read, dirtied, written, evicted}
        self.victims, self.evicted = {}, {}  # frame -> where; (where, outcome) -> pages
        self.counts = {}
        self.working_set = []
        self.heat_samples = 0

    def ms(self, ns):
        return (ns - self.first_ns) / 1e6

    # ---- events ----

    def event(self, e, d):
        self.first_ns = d.first_ns
        self.counts[e.name] = self.counts.get(e.name, 0) + 1
        handler = getattr(self, "on_" + e.name.replace("-", "_"), None)
        if handler:
            handler(e, e.values(), d)

    def on_exec(self, e, v, d):
        if self.root is None:
            self.root = e.tid
            self.tree.add(e.tid)
        self.spaces[e.tid] = AddressSpace()

    def on_fork(self, e, v, d):
        if e.tid in self.tree:
            self.tree.add(v["child"])
        mine = self.spaces.setdefault(e.tid, AddressSpace())
        self.spaces[v["child"]] = mine if v["flags"] & 0x100 else AddressSpace(mine.regions)  # CLONE_VM

    def on_map(self, e, v, d):
        space = self.spaces.setdefault(e.tid, AddressSpace())
        length = v["length"]
        label = d.files.get(v["file"]) or (f"file {v['file']}" if v["file"] else None)
        if not label:
            label = "[heap]" if v["heap"] else "[stack]" if v["flags"] & GROWSDOWN else f"anonymous, {size_text(length >> 10)}" if length >= 1 << 20 else "anonymous, small"
        space.add(v["start"], v["start"] + length, label)

    def on_unmap(self, e, v, d):
        if e.tid in self.spaces:
            self.spaces[e.tid].cut(v["start"], v["start"] + v["length"])

    def on_fault(self, e, v, d):
        if e.tid not in self.tree:
            return
        self.nr_faults += 1
        self.nr_major += v["major"]
        self.fault_ns += v["cost"]
        cause = "from disk" if v["major"] and v["cause"] != "swap-in" else v["cause"]
        self.faults.add(e.ns - self.first_ns, cause)
        space = self.spaces.get(e.tid)
        causes = self.by_region.setdefault(space.label(v["address"]) if space else "?", {})
        causes[cause] = causes.get(cause, 0) + 1

    def count_pages(self, v, d, what):
        f = self.files.setdefault(v["file"], {"read": 0, "dirtied": 0, "written": 0, "evicted": 0})
        f[what] += v.get("pages", 1)
        if v.get("metadata"):
            d.files.setdefault(v["file"], "(a disk's metadata)")

    def on_fill(self, e, v, d):
        self.count_pages(v, d, "read")

    def on_dirty(self, e, v, d):
        self.count_pages(v, d, "dirtied")

    def on_write(self, e, v, d):
        self.count_pages(v, d, "written")

    def on_victim(self, e, v, d):
        self.victims[v["frame"]] = v["file"]
        if len(self.victims) > 65536:
            self.victims.pop(next(iter(self.victims)))

    def on_evict(self, e, v, d):
        file = self.victims.pop(v["frame"], None)
        where = "anonymous memory" if not file else d.files.get(file, f"file {file}")
        key = (where, v["outcome"])
        self.evicted[key] = self.evicted.get(key, 0) + 1
        if v["outcome"] in ("freed", "to-swap"):
            self.reclaimed.add(e.ns - self.first_ns, "to swap" if v["outcome"] == "to-swap" else "anonymous" if not file else "pages of files")
            if file:
                self.count_pages({"file": file}, d, "evicted")

    def on_reclaim(self, e, v, d):
        self.nr_rounds += 1
        self.round_ns += v["cost"]
        if len(self.rounds) < ROWS:
            cause = "the low watermark was reached" if v["worker"] else f"{d.names.get(e.tid, e.tid)} needed memory" + (" (its group's limit)" if v["group"] else "")
            self.rounds.append([round(self.ms(e.ns), 1), d.names.get(e.tid, str(e.tid)), cause, v["wanted"], v["freed"], round(v["cost"] / 1e6, 2)])

    def on_candidate(self, e, v, d):
        self.candidates.append([v["pid"], d.names.get(v["pid"], "?"), v["points"], v["pages"] * 4, v["adj"]])

    def on_kill(self, e, v, d):
        if len(self.kills) < ROWS:
            self.kills.append({"ms": round(self.ms(e.ns), 1), "pid": v["pid"], "name": d.names.get(v["pid"], "?"), "by": d.names.get(e.tid, str(e.tid)),
                               "kb": v["pages"] * 4, "candidates": sorted(self.candidates, key=lambda c: -c[2])[:50]})
        self.candidates = []

    # ---- samples ----

    def sample(self, s, d):
        self.first_ns = d.first_ns
        mine = [p for p in s.processes if p[0] in self.tree]
        m = s.memory
        self.samples.append([round(self.ms(s.ns), 1), sum(p[1] for p in mine), sum(p[2] for p in mine), m.get("Cached", 0) + m.get("Buffers", 0),
                             m.get("MemFree", 0), sum(p[3] for p in mine), m.get("PageTables", 0), m.get("SwapTotal", 0) - m.get("SwapFree", 0)])

    def regions(self, r, d):
        self.first_ns = d.first_ns
        if r.pid not in self.tree:
            return
        self.heat_samples += r.pid == self.root
        used = 0
        for region in r.regions:
            size = region["end"] - region["start"] >> 10
            label = region["label"].rsplit("/", 1)[-1] or (f"anonymous, {size_text(size)}" if size >= 1024 else "anonymous, small")
            h = self.heat.setdefault(label, {"rss": 0, "used": 0, "swap": 0, "seen": set(), "peak": 0})
            h["rss"] += region.get("Rss", 0)
            h["used"] += region.get("Referenced", 0)
            h["swap"] += region.get("Swap", 0)
            h["peak"] = max(h["peak"], region.get("Rss", 0))
            h["seen"].add(r.ns)
            used += region.get("Referenced", 0)
        self.working_set.append([round(self.ms(r.ns), 1), used])

    # ---- the result ----

    def hottest(self):
        """Regions by the part of them that was used between two looks."""
        rows = [[label, h["rss"] // len(h["seen"]), h["used"] // len(h["seen"]), h["swap"] // len(h["seen"]), len(h["seen"])] for label, h in self.heat.items() if h["rss"]]
        return sorted(rows, key=lambda r: -r[2])

    def peak(self, column):
        return max((row[column] for row in self.samples), default=0)

    def region_rows(self):
        rows = sorted(self.by_region.items(), key=lambda r: -sum(r[1].values()))
        rest = {}
        for _, causes in rows[14:]:
            for cause, n in causes.items():
                rest[cause] = rest.get(cause, 0) + n
        return rows[:14] + ([("all others", rest)] if rest else [])

    @property
    def seconds(self):
        return max(self.samples[-1][0] if self.samples else 0, (self.faults.table()["ms"] or [0])[-1]) / 1000

    def headline(self):
        rss = self.peak(1)
        text = f"Peak {size_text(rss)} resident; {self.nr_faults:,} page faults, {self.nr_major:,} of them from disk, in {self.seconds:.2f} s."
        if self.nr_rounds:
            text += f" Memory ran short {self.nr_rounds:,} times: {sum(n for (_, o), n in self.evicted.items() if o in ('freed', 'to-swap')):,} pages were taken."
        else:
            text += " Memory never ran short."
        return text

    def result(self, d):
        files = sorted(([d.files.get(n, f"file {n}"), f["read"] * 4, f["dirtied"] * 4, f["written"] * 4, f["evicted"] * 4] for n, f in self.files.items()),
                       key=lambda r: -sum(r[1:]))
        return {
            "headline": self.headline(), "peak": self.peak(1), "faults": self.faults.table(), "reclaimed": self.reclaimed.table(),
            "regions": self.region_rows(), "samples": self.samples, "workingSet": self.working_set, "heat": self.hottest(), "rounds": self.rounds,
            "nrRounds": self.nr_rounds, "kills": self.kills, "files": files[:40], "nrFiles": len(files), "counts": self.counts, "lost": d.lost,
            "nrFaults": self.nr_faults, "nrMajor": self.nr_major, "faultMs": self.fault_ns / 1e6, "reclaimMs": self.round_ns / 1e6,
            "evicted": sorted(([w, o, n] for (w, o), n in self.evicted.items()), key=lambda r: -r[2])[:40],
        }

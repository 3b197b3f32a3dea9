# SPDX-License-Identifier: MIT
import os
import subprocess
import tempfile
import time

import lab
from quire_cli.common import need

NUMBER, FROM = 5, ["guide/5"]
TITLE = "100 MiB mapped, then touched page by page, watched by ps and sar"
TEACHES = "address space comes at once, frames with the first touch of each page: one minor fault each"

KB = 100 << 10
PAGES = KB // 4
NOISE_KB = 2048
# Seconds after each 10 MiB, and between two looks at the process.
DOCUMENTS_REST, SHORT_REST = "1", "0.3"
HERE = os.path.dirname(os.path.abspath(__file__))


class Terminal:
    """A command in a further terminal of the guest, its output in a file."""

    def __init__(self, *words):
        self.out = tempfile.TemporaryFile()
        beside = [] if lab.IS_HOST else [lab.QUIRE, "exec", "--cwd", "/root", "--"]
        self.process = subprocess.Popen([*beside, *words], stdin=subprocess.DEVNULL, stdout=self.out, cwd=lab.ROOT)

    def text(self):
        self.out.seek(0)
        return self.out.read().decode()

    def wait_for_lines(self, count):
        """Waits until so many more lines have come: what is watched has been seen meanwhile."""
        until = self.text().count("\n") + count
        deadline = time.monotonic() + lab.HANG
        while self.text().count("\n") < until:
            lab.check(self.process.poll() is None and time.monotonic() < deadline, "the further terminal says nothing more")
            time.sleep(0.1)

    def end(self):
        self.process.terminate()
        self.process.wait()
        return self.text()


def observe(populate):
    """(ps samples [vsz, rss, min_flt, maj_flt], sar -r rows, sar -B rows) of one run."""
    files = [os.path.join(HERE, name) for name in ("demand-paging.py", "capture.sh")]
    rest = SHORT_REST if populate or lab.IS_HOST else DOCUMENTS_REST
    words = f"python3 -u demand-paging.py {rest}" + (" populate" if populate else "")
    watched = lab.Watched(["bash", "-c", f"{words}; echo the process has ended; read x"], [*lab.debian(), "--ram", "512M", "--cwd", "/root"], files)
    watched.wait_for("before mmap")
    pid = watched.ask(f"pgrep -P {watched.process.pid}") if lab.IS_HOST else watched.ask("pgrep -xo python3")
    ps = Terminal("bash", files[1] if lab.IS_HOST else "capture.sh", pid.strip(), rest)
    sar = [Terminal("env", "LC_ALL=C", "S_TIME_FORMAT=ISO", "stdbuf", "-oL", "sar", option, "1") for option in ("-r", "-B")] if not populate else []
    try:
        watch(watched, ps, sar)
    finally:
        texts = [t.end() for t in (ps, *sar)]
    watched.enter()
    watched.end()
    return [[int(w) for w in line.split()[1:]] for line in texts[0].splitlines()], [table(t) for t in texts[1:]]


def watch(watched, ps, sar):
    """Leads the program through its steps, each of which is seen by those that look on."""
    ps.wait_for_lines(3)
    for s in sar:
        s.wait_for_lines(5)
    lab.step("mmap")
    watched.enter()
    watched.wait_for("are mapped")
    ps.wait_for_lines(3)
    lab.step("the touches, page by page")
    watched.enter()
    watched.wait_for("all is touched")
    ps.wait_for_lines(3)
    lab.step("the end")
    watched.enter()
    watched.wait_for("has ended")
    ps.process.wait(lab.HANG)
    for s in sar:
        s.wait_for_lines(3)


def table(text):
    """The rows of sar's output as {column: value}."""
    rows, names = [], None
    for line in text.splitlines():
        words = line.split()
        if len(words) > 3 and words[1].startswith(("kb", "pg")):
            names = words[1:]
        elif names and len(words) == len(names) + 1 and words[0][:1].isdigit():
            rows.append(dict(zip(names, map(float, words[1:]))))
    return rows


def show(samples):
    lab.say("    VSZ kB   RSS kB  min_flt maj_flt")
    for before, sample in zip([None, *samples], samples):
        vsz, rss, minor, major = sample
        if sample != before:
            lab.say(f"{vsz:10} {rss:8} {minor:8} {major:7}  {lab.bar(rss - samples[0][1], KB)}".rstrip())


def run():
    if lab.IS_HOST:
        need(["sysstat"])
    lab.step("demand paging")
    samples, (memory, paging) = observe(False)
    show(samples)
    first, last = samples[0], samples[-1]
    lab.near(last[0] - first[0], KB, NOISE_KB, "VSZ grew by")
    lab.check(any(s[0] - first[0] >= KB - NOISE_KB and s[1] - first[1] < NOISE_KB for s in samples), "RSS grew with mmap already")
    lab.near(last[1] - first[1], KB, NOISE_KB, "RSS grew by")
    lab.near(last[2] - first[2], PAGES, 300, "minor faults")
    lab.check(last[3] - first[3] <= 16, "anonymous memory causes major faults")  # the interpreter's own code comes from the disk
    for before, s, after in zip([first, *samples], samples, [*samples[1:], last]):  # ps reads the two one after the other, maybe while they grow
        least, most = ((x[2] - first[2]) * 4 for x in (before, after))
        lab.check(least - NOISE_KB <= s[1] - first[1] <= most + NOISE_KB, f"RSS and minor faults do not grow together: {s[1] - first[1]}, not from {least} to {most}")
    used = [row["kbmemused"] for row in memory]
    lab.say(f"\nsar -r: kbmemused from {used[0]:.0f} to {max(used):.0f} kB, {used[-1]:.0f} kB after exit")
    if not lab.IS_HOST:  # where other programs move it
        lab.near(max(used) - used[0], KB, 8 * NOISE_KB, "kbmemused grew by")
        lab.check(used[-1] - used[0] < NOISE_KB, "kbmemused did not come back at exit")
    faults = sum(row["fault/s"] for row in paging)
    lab.say(f"sar -B: {faults:.0f} faults in {len(paging)} seconds, {sum(row['majflt/s'] for row in paging):.0f} major")
    lab.check(faults > 0.9 * PAGES, f"sar -B counted {faults:.0f} faults")

    lab.step("pre-paging (MAP_POPULATE)")
    samples, _ = observe(True)
    show(samples)
    mapped = next(s for s, after in zip(samples, samples[1:]) if s[0] - samples[0][0] >= KB - NOISE_KB and s == after)  # and at rest
    lab.near(mapped[1] - samples[0][1], KB, NOISE_KB, "RSS after mmap grew by")
    lab.check(samples[-1][2] - mapped[2] < 300, "pages that are there already fault again")
    lab.say("\nWhere the document differs: 100 MiB are 25,600 pages, and as many faults, when pages have 4 KiB; with transparent\n"
            "huge pages (Debian's default from 512 MiB of RAM on) 50 faults do it. RSS does not reach VSZ: the interpreter has\n"
            "more mapped than it touches. The 10 MiB a second come from the program's own rests.")

# SPDX-License-Identifier: MIT
"""quire report: runs a program and writes one page, complete in itself, that shows its memory."""
import argparse
import json
import os
import shlex
import time

from . import traced
from .common import ROOT, Failure, need, say
from .report_data import Report, size_text
from .run_command import split_words

PARTS = os.path.join(ROOT, "tools/report")
CHART = "/usr/share/javascript/chart.js/chart.min.js"
EVENTS = "fault map unmap fill dirty write reclaim victim evict swap-in candidate kill fork exec exit open".split()
SAMPLE_MS, REGIONS_MS = 20, 100


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def in_script(text):
    """Inside a script element nothing may look like its end."""
    return text.replace("</", "<\\/")


def page(data):
    chart = read(CHART)
    parts = {"TITLE": data["command"].replace("&", "&amp;").replace("<", "&lt;"), "CSS": read(f"{PARTS}/page.css"), "CHART": in_script(chart),
             "DATA": in_script(json.dumps(data, separators=(",", ":"))), "JS": read(f"{PARTS}/page.js")}
    text = read(f"{PARTS}/page.html")
    for name, part in parts.items():
        before, _, after = text.partition(f"@{name}@")
        text = before + part + after
    return text


def facts(o, status):
    machine = f"{o.ram >> 20} MiB of RAM, {o.cpus} CPU{'s' if o.cpus > 1 else ''}, " + (f"swap {o.swap}" if o.swap else "no swap")
    return f"{machine}, policy {o.policy or 'lru'}, image {os.path.basename(o.image)}; status {status}; {time.strftime('%Y-%m-%d')}."


# How little would do: these parts of the peak are tried, in percent.
FIT = (75, 60, 50, 40, 30, 20)
FIT_COST = 5  # percent more faults that one may put up with


def fit(o, argv, report, decoder):
    """Runs the program again with less and less memory until it ends otherwise than before; (rows, sentence)."""
    peak, first = report.peak(1), report.nr_faults
    rows, best = [["none", first, "", report.nr_major, round(report.seconds, 2), str(decoder.status)]], None
    o.swap = o.swap or f"{max(64, peak * 2 >> 10)}M"
    for percent in FIT:
        limit = peak * percent // 100
        say(f"--fit: again, with {size_text(limit)} ...")
        again = Report()
        _, d = traced.run(argv=list(argv), o=o, events=["fault", "exec", "fork", "exit"], reader=again, sample_ms=SAMPLE_MS, limit=limit << 10, quiet=True)
        more = 100 * (again.nr_faults - first) / max(1, first)
        rows.append([limit, again.nr_faults, f"{more:+.1f} %", again.nr_major, round(again.seconds, 2), str(d.status)])
        if d.status != decoder.status:
            break
        if more <= FIT_COST:
            best = (limit, more)
    sentence = f" It would fit in {size_text(best[0])} at {best[1]:.0f} % more faults." if best else f" With {size_text(rows[1][0])} it has {rows[1][2]} faults."
    return rows, sentence


def options(words):
    p = traced.parser("report", "Runs PROGRAM and writes a page of HTML, complete in itself: memory over time, faults by cause and region, page\n"
                                "tables, hot and cold regions, each round of reclaim and each kill with its cause. The program's streams and its\n"
                                "status are its own.",
                      "examples:\n  ./quire report --image debian -- python3 -c 'x = [0] * 10000000'\n"
                      "  ./quire report --ram 64M --swap 256M -o swap.html -- ./my-program")
    p.formatter_class = argparse.RawTextHelpFormatter
    p.add_argument("-o", "--output", metavar="FILE", default="report.html", help="the page (default report.html)")
    p.add_argument("--no-refs", action="store_true", help="leaves the accessed bits alone: no working set, no hot and cold regions")
    p.add_argument("--fit", action="store_true", help="how little memory would do: runs the program again with less and less")
    ours, argv = split_words(words)
    o = p.parse_args(ours)
    return o, o.program + argv


def check_place(path):
    """Said before the run rather than after it."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise Failure(f"{path}: No such file or directory")
    if os.path.isdir(path) or not os.access(folder, os.W_OK):
        raise Failure(f"{path}: cannot be written")


def make_page(o, argv, command):
    report = Report()
    status, decoder = traced.run(o, argv, EVENTS, report, SAMPLE_MS, 0 if o.no_refs else REGIONS_MS)
    if decoder.status is None:
        raise Failure("the record ended before the program did: no page was written")
    result = {**report.result(decoder), "command": command, "facts": facts(o, status)}
    if o.fit:
        rows, sentence = fit(o, argv, report, decoder)
        result["fit"] = {"rows": rows, "note": "The same program in memory groups of less and less, with swap: measured, not computed."}
        result["headline"] += sentence
    with open(o.output, "w", encoding="utf-8") as f:
        f.write(page(result))
    say(f"{result['headline']} The page: {o.output}")
    return status


def main(words):
    o, argv = options(words)
    command = shlex.join(argv)
    check_place(o.output)
    need(["libjs-chart.js"])
    refused = traced.prepare(o, argv)
    return traced.run_command.report(refused) if refused else make_page(o, argv, command)

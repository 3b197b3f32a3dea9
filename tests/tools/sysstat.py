# SPDX-License-Identifier: MIT
"""sysstat: sar live and from sadc's file, pidstat, iostat, mpstat. Between two records of sadc the loads do what is known."""
import re

import guest
from guest import between, fields, near, rows, same

ANON, OUT, BACK, MAJOR, READ, SPIN = 20 << 10, 24 << 10, 4 << 10, 4 << 10, 8 << 10, 50  # KiB, 1/100 seconds

SCRIPT = r"""
sadc() { /usr/lib/sysstat/sadc "$@"; }
timer() { awk '/LOC:/ { print "LOC", $2 + $3 }' /proc/interrupts; }
figures() { cat /proc/vmstat /proc/stat; timer; cat /proc/uptime; }
look() { try $1 figures; }
echo 0 > /proc/sys/vm/page-cluster # what comes from swap comes page by page
sadc -S XALL 1 1 /root/sa          # a file's first record is what came since boot
look before
sadc -S XALL 1 1 /root/sa
look begin
/root/load swapin=4 once > /dev/null
/root/load anon=20 read=8 major=4 once > /dev/null
hold pageout=24; O=$held
# A CPU's time and its timer's interrupts, as they are counted.
busy() { read -r _ user nice system _ < /proc/stat; busy=$((user + nice + system)); }
busy; now=$(timer); enough=$((busy + 50)) ticks=$((${now#* } + 20))
until busy; now=$(timer); [ $busy -ge $enough ] && [ ${now#* } -ge $ticks ]; do :; done
look finish
sadc -S XALL 1 1 /root/sa
look after
try meminfo cat /proc/meminfo
for f in -r '-r ALL' -B -S -W -u '-u ALL -P ALL' -q '-q ALL' -d -w -b -v '-I ALL' -H; do try "file $f" sar $f -f /root/sa; done
# Live: all in the same second.
n=0; for f in -r '-r ALL' -B -S -W -u -q -d; do sar $f 1 1 > /tmp/live$n & jobs[$n]=$!; n=$((n + 1)); done
wait ${jobs[*]}
n=0; for f in -r '-r ALL' -B -S -W -u -q -d; do try "live $f" cat /tmp/live$n; n=$((n + 1)); done
hold name=tool_anon anon=20 major=4; A=$held
show pids; echo $A
try uptime-before cat /proc/uptime
for f in -r -u -d -w -v -R -s; do try "pidstat $f" pidstat $f -p $A; done
try uptime-after cat /proc/uptime
try status cat /proc/$A/status
try stat cat /proc/$A/stat
try iostat iostat
try 'iostat -x' iostat -x
try diskstats cat /proc/diskstats
try mpstat mpstat -P ALL
try 'mpstat -I' mpstat -I SUM
try cpus cat /proc/stat
"""

LIVE = ("-r", "-r ALL", "-B", "-S", "-W", "-u", "-q", "-d")
HEADERS = {
    "-r": "kbmemfree kbavail kbmemused %memused kbbuffers kbcached kbcommit %commit kbactive kbinact kbdirty",
    "-r ALL": "kbmemfree kbavail kbmemused %memused kbbuffers kbcached kbcommit %commit kbactive kbinact kbdirty kbanonpg kbslab kbkstack kbpgtbl kbvmused",
    "-B": "pgpgin/s pgpgout/s fault/s majflt/s pgfree/s pgscank/s pgscand/s pgsteal/s %vmeff",
    "-S": "kbswpfree kbswpused %swpused kbswpcad %swpcad",
    "-W": "pswpin/s pswpout/s",
    "-u": "CPU %user %nice %system %iowait %steal %idle",
    "-u ALL -P ALL": "CPU %usr %nice %sys %iowait %steal %irq %soft %guest %gnice %idle",
    "-q": "runq-sz plist-sz ldavg-1 ldavg-5 ldavg-15 blocked",
    "-d": "DEV tps rkB/s wkB/s dkB/s areq-sz aqu-sz await %util",
    "-w": "proc/s cswch/s",
    "-b": "tps rtps wtps dtps bread/s bwrtn/s bdscd/s",
    "-v": "dentunusd file-nr inode-nr pty-nr",
    "-H": "kbhugfree kbhugused %hugused kbhugrsvd kbhugsurp",
}


def boot(kernel):
    return guest.boot(kernel, SCRIPT, "--swap", "128M")


def records(lines):
    """sar's lines with a time of day, by time: [{column: value}]."""
    timed = [line.split()[1:] for line in lines if re.match(r"\d\d:\d\d:\d\d ", line)]
    names = timed[0]
    return [dict(zip(names, words)) for words in timed[1:] if words != names]


def last(o, flags):
    """The record about the time in which the loads ran."""
    return {name: float(v) for name, v in records(o[f"file {flags}"])[-1].items() if re.fullmatch(r"[0-9.]+", v)}


def seconds(o, first, second):
    return float(o[second][-1].split()[0]) - float(o[first][-1].split()[0])


def moved(o, first, second):
    a, b = fields(o[first], r"^(\w+) (\d+)"), fields(o[second], r"^(\w+) (\d+)")
    return {name: b[name] - a[name] for name in b if name in a}


def rate(what, got, o, names, least=0):
    """A rate of the record. Between its two looks lie `begin` and `finish`, around them `before` and `after`: what was counted
    between the inner two is the least that it can have seen, and theirs the shortest time."""
    inner, outer = (sum(moved(o, *pair)[name] for name in names.split()) for pair in (("begin", "finish"), ("before", "after")))
    assert inner >= least, f"{what}: the loads counted {inner}, not {least}"
    between(what, got, inner / seconds(o, "before", "after") - 0.01, outer / seconds(o, "begin", "finish") + 0.01)


def check_headers(o):
    """sar: columns, live and from the file"""
    for flags, names in HEADERS.items():
        line = next(line for line in o[f"file {flags}"] if re.match(r"\d\d:\d\d:\d\d ", line))
        same(f"file {flags}", line.split()[1:], names.split())
    for flags in LIVE:
        lines = [line for line in o[f"live {flags}"] if re.match(r"\d\d:\d\d:\d\d ", line)]
        same(f"live {flags}", lines[0].split()[1:], HEADERS[flags].split())
        assert len(lines) >= 2 and any(line.startswith("Average:") for line in o[f"live {flags}"]), o[f"live {flags}"]


def check_memory(o):
    """sar -r, -S: kbmemused is total - free - buffers - cached - slab, shares of totals, swap in use"""
    m, r, swap = fields(o["meminfo"]), last(o, "-r ALL"), last(o, "-S")
    used = m["MemTotal"] - m["MemFree"] - m["Buffers"] - m["Cached"] - m["Slab"]
    near("kbmemused", r["kbmemused"], used, 3072)
    near("%memused", r["%memused"], 100 * r["kbmemused"] / m["MemTotal"], 0.02)
    near("%commit", r["%commit"], 100 * r["kbcommit"] / (m["MemTotal"] + m["SwapTotal"]), 0.02)
    for column, name in (("kbmemfree", "MemFree"), ("kbavail", "MemAvailable"), ("kbcached", "Cached"), ("kbslab", "Slab"), ("kbanonpg", "AnonPages")):
        near(column, r[column], m[name], 3072)
    near("kbpgtbl", r["kbpgtbl"], m["PageTables"], 256)
    same("all swap", swap["kbswpfree"] + swap["kbswpused"], m["SwapTotal"])
    between("kbswpused", swap["kbswpused"], OUT * 0.95, OUT + 16384)
    near("%swpused", swap["%swpused"], 100 * swap["kbswpused"] / m["SwapTotal"], 0.02)


def check_paging(o):
    """sar -B, -W: faults, major faults, paging and swapping are what the loads did"""
    b, w = last(o, "-B"), last(o, "-W")
    between("faults", moved(o, "before", "after")["pgfault"], (ANON + OUT + 2 * BACK + MAJOR) // 4, 1 << 18)
    rate("fault/s", b["fault/s"], o, "pgfault", (ANON + OUT + 2 * BACK + MAJOR) // 4)
    rate("majflt/s", b["majflt/s"], o, "pgmajfault", (MAJOR + BACK) // 4 * 0.97)
    rate("pgpgin/s", b["pgpgin/s"], o, "pgpgin", READ + MAJOR + BACK)
    rate("pgpgout/s", b["pgpgout/s"], o, "pgpgout", OUT * 0.95)
    rate("pswpin/s", w["pswpin/s"], o, "pswpin", BACK // 4 * 0.97)
    rate("pswpout/s", w["pswpout/s"], o, "pswpout", (OUT + BACK) // 4 * 0.97)
    rate("pgfree/s", b["pgfree/s"], o, "pgfree", ANON // 4)
    rate("context switches", last(o, "-w")["cswch/s"], o, "ctxt", 20)


def busy(o, first, second):
    """(CPU time, all time) in 1/100 s, of all CPUs."""
    a, b = ([int(word) for line in o[name] if line.startswith("cpu ") for word in line.split()[1:9]] for name in (first, second))
    passed = [y - x for x, y in zip(a, b)]
    return sum(passed) - passed[3] - passed[4], sum(passed)


def check_processors(o):
    """sar -u, -q: shares add up to 100, the processor time of a load is there, processes are counted"""
    for row in records(o["file -u ALL -P ALL"]):
        near(f"shares of CPU {row['CPU']}", sum(float(v) for k, v in row.items() if k.startswith("%")), 100, 0.3)
    u = records(o["file -u"])[-1]
    (inner, shortest), (outer, longest) = busy(o, "begin", "finish"), busy(o, "before", "after")
    assert inner >= SPIN, f"{inner}/100 s of CPU time"
    between("100 - %idle - %iowait", 100 - float(u["%idle"]) - float(u["%iowait"]), 100 * inner / longest - 0.1, 100 * outer / shortest + 0.1)
    q = last(o, "-q")
    between("plist-sz", q["plist-sz"], 8, 200)
    assert any("%smem-10" in line for line in o["file -q ALL"]), "no pressure in -q ALL"


def check_disks(o):
    """sar -d, -b, iostat: sectors of /proc/diskstats"""
    d = {row["DEV"]: row for row in records(o["file -d"])}
    same("disks", sorted(d), ["vda", "vdb"])
    shortest, longest, all_disks = seconds(o, "begin", "finish"), seconds(o, "before", "after"), moved(o, "before", "after")
    between("KiB a second read from vda", float(d["vda"]["rkB/s"]), (READ + MAJOR) / longest - 0.01, all_disks["pgpgin"] / shortest + 0.01)
    between("KiB a second written to the swap disk", float(d["vdb"]["wkB/s"]), OUT * 0.95 / longest - 0.01, all_disks["pgpgout"] / shortest + 0.01)
    stat = {line.split()[2]: [int(w) for w in line.split()[3:]] for line in o["diskstats"]}
    for line in o["iostat"]:
        if line.startswith("vd"):
            words = line.split()
            near(f"KiB read from {words[0]}", int(words[5]), stat[words[0]][2] // 2, 2048)
            near(f"KiB written to {words[0]}", int(words[6]), stat[words[0]][6] // 2, 2048)
    assert any(line.split()[:3] == ["Device", "r/s", "rkB/s"] for line in o["iostat -x"])


def check_pidstat(o):
    """pidstat: faults since the start, sizes as in status, threads, switches"""
    pid, status = o["pids"][0], fields(o["status"])
    def row(flags):
        timed = [line.split()[1:] for line in o[f"pidstat {flags}"] if re.match(r"\d\d:\d\d:\d\d ", line)]
        found = dict(zip(timed[0], timed[1]))
        same(f"PID of {flags}", found["PID"], pid)
        return found
    r, stat = row("-r"), o["stat"][0].rsplit(")", 1)[1].split()
    early, late = (float(o[f"uptime-{when}"][0].split()[0]) for when in ("before", "after"))
    near("RSS", int(r["RSS"]), status["VmRSS"], 256)
    same("VSZ", int(r["VSZ"]), status["VmSize"])
    between("RSS", int(r["RSS"]), ANON + MAJOR, ANON + MAJOR + 1024)
    for name, count in (("minflt/s", int(stat[7])), ("majflt/s", int(stat[9]))):
        between(name, float(r[name]), count / late - 0.01, count / early + 0.01)
    between("major faults", int(stat[9]), MAJOR // 4 * 0.97, MAJOR // 4 + 64)
    same("threads", row("-v")["threads"], "1")
    same("policy", row("-R")["policy"], "NORMAL")
    u = row("-u")
    near("%CPU", float(u["%CPU"]), float(u["%usr"]) + float(u["%system"]), 0.03)
    between("kB_rd/s", float(row("-d")["kB_rd/s"]), MAJOR / late - 0.01, 1 << 20)


def check_mpstat(o):
    """mpstat: a line for each CPU, shares add up, interrupts"""
    lines = [line.split()[1:] for line in o["mpstat"] if re.match(r"\d\d:\d\d:\d\d ", line)]
    same("header", lines[0], "CPU %usr %nice %sys %iowait %irq %soft %steal %guest %gnice %idle".split())
    same("CPUs", [words[0] for words in lines[1:]], ["all", "0", "1"])
    for words in lines[1:]:
        near(f"shares of {words[0]}", sum(map(float, words[1:])), 100, 0.2)
    between("interrupts", float(o["mpstat -I"][-1].split()[-1]), 1, 1 << 20)


def check_interrupts(o):
    """sar -I: numbers of /proc/interrupts, the sum with the processor's own"""
    found = [line.split()[1:] for line in o["file -I ALL"] if re.match(r"\d\d:\d\d:\d\d ", line)]
    names = {words[0] for words in found}
    assert {"sum", "LOC", "RES", "TLB", "4"} <= names, names
    timers = [float(words[1]) for words in found if words[0] == "LOC"]
    total = [float(words[1]) for words in found if words[0] == "sum"]
    rate("timer interrupts", timers[-1], o, "LOC", 20)
    assert total[-1] >= timers[-1], (timers, total)

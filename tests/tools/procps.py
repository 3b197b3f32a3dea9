# SPDX-License-Identifier: MIT
"""procps: free, vmstat, ps, top, pmap, slabtop, uptime, w, pgrep, pkill, sysctl."""
import re

import guest
from guest import between, fields, near, number, rows, same

ANON, SHARED, OUT, BACK, MAJOR, READ, LOCKED = 40 << 10, 16 << 10, 24 << 10, 4 << 10, 4 << 10, 8 << 10, 2 << 10  # KiB
NOISE = 2048  # KiB that the tools themselves and caches may take between two looks

SCRIPT = r"""
echo 0 > /proc/sys/vm/page-cluster   # what comes from swap comes page by page
try vmstat-before cat /proc/vmstat
/root/load swapin=4 once > /dev/null # first: it makes memory short
/root/load read=8 once > /dev/null
hold name=tool_out pageout=24; O=$held
hold name=tool_major major=4; M=$held
hold name=tool_locked locked=2; L=$held
try vmstat-after cat /proc/vmstat
free > /dev/null                     # its libraries are in the cache now
try before cat /proc/meminfo
hold name=tool_anon anon=40 threads=3; A=$held
hold name=tool_shared shared=16; S=$held
try after cat /proc/meminfo
for f in '' -h -w -t -k -m -b --si; do try "free $f" free $f; done
try 'free -s' free -s 0.1 -c 2
try meminfo cat /proc/meminfo
kill $L; wait $L 2> /dev/null
show pids; echo $A $S $O $M
try 'vmstat 1 5' vmstat 1 5
for f in -s -m -a -d -D -w -f '-p vda' -t; do try "vmstat $f" vmstat $f; done
try meminfo2 cat /proc/meminfo
try diskstats cat /proc/diskstats
try slabinfo cat /proc/slabinfo
try ps ps -o pid,min_flt,maj_flt,rss,vsz,psr,nlwp,ppid,stat,tty,comm -p $A,$S,$O,$M
try 'ps aux' ps aux --sort=-%mem
try 'ps -L' ps -L -o tid,psr,stat,comm -p $A
for p in $A $S $O $M; do try "status $p" cat /proc/$p/status; try "rollup $p" cat /proc/$p/smaps_rollup; done
try top top -b -n 1 -w 120 -o %MEM
try 'top -H' top -b -n 1 -H -p $A
for f in '' -x -X -d; do try "pmap $f" pmap $f $A; done
try 'slabtop' slabtop -o -s c
# The load changes every five seconds: until it is the same before and after.
loads() { cut -d ' ' -f 1-3 /proc/loadavg; }
until a=$(loads) u=$(uptime) && [ "$(loads)" = "$a" ]; do :; done
show uptime; echo "$u"
show loadavg; echo "$a"
try w w
try pgrep pgrep -x 'tool_.*'
try 'pgrep -a' pgrep -a -f 'load name=tool_anon'
try 'pgrep -c' pgrep -c -f 'load name=tool_'
hold name=tool_kill anon=1; K=$held
try pkill pkill -e -x tool_kill
wait $K 2> /dev/null; was=$?
show killed; echo $was
try sysctl sysctl vm.swappiness vm.overcommit_memory
try 'sysctl -w' sysctl -w vm.swappiness=33
show swappiness; cat /proc/sys/vm/swappiness
"""


def boot(kernel):
    return guest.boot(kernel, SCRIPT, "--swap", "128M")


def pids(o):
    return dict(zip(("anon", "shared", "out", "major"), o["pids"][0].split()))


def memory_line(lines, name="Mem:"):
    """A line of free as {column: KiB}."""
    columns = lines[0].split()
    words = next(line.split() for line in lines if line.startswith(name))
    return dict(zip(columns, map(number, words[1:])))


# ---- free ----

def check_free_columns(o):
    """free: columns and rows, also with -w and -t"""
    same("header", o["free "][0].split(), "total used free shared buff/cache available".split())
    same("header of -w", o["free -w"][0].split(), "total used free shared buffers cache available".split())
    same("rows of -t", [line.split()[0] for line in o["free -t"][1:]], ["Mem:", "Swap:", "Total:"])
    same("rows of -s -c 2", [line.split()[0] for line in o["free -s"] if ":" in line], ["Mem:", "Swap:"] * 2)


def check_free_arithmetic(o):
    """free: used is total - available, buff/cache is Buffers + Cached + SReclaimable, -t adds up"""
    m, f = fields(o["meminfo"]), memory_line(o["free "])
    same("total", f["total"], m["MemTotal"])
    same("used", f["used"], f["total"] - f["available"])
    near("available", f["available"], m["MemAvailable"], NOISE)
    near("buff/cache", f["buff/cache"], m["Buffers"] + m["Cached"] + m["SReclaimable"], NOISE)
    near("shared", f["shared"], m["Shmem"], 64)
    w = memory_line(o["free -w"])
    near("buffers + cache", w["buffers"] + w["cache"], f["buff/cache"], NOISE)
    mem, swap, total = (memory_line(o["free -t"], name) for name in ("Mem:", "Swap:", "Total:"))
    for column in ("total", "used", "free"):
        same(f"Total's {column}", total[column], mem[column] + swap[column])


def check_free_units(o):
    """free: -b, -m, -h and --si show the same in other units"""
    k, b, m, h, si = (memory_line(o[f"free {f}"])["total"] for f in ("-k", "-b", "-m", "-h", "--si"))
    same("bytes", b, k * 1024)
    same("MiB", m, k // 1024)
    near("total of -h", h, k, 1024)
    same("kB of 1000 bytes", si, k * 1024 // 1000)
    assert re.search(r"^Mem: +\d+Mi ", o["free -h"][1]), o["free -h"][1]


def check_free_value(o):
    """free and meminfo: what a load takes is no longer available, and shared memory is shared"""
    a, b = fields(o["before"]), fields(o["after"])
    near("fall of MemAvailable", a["MemAvailable"] - b["MemAvailable"], ANON + SHARED, 6 << 10)
    near("rise of AnonPages", b["AnonPages"] - a["AnonPages"], ANON, 1024)
    near("rise of Shmem", b["Shmem"] - a["Shmem"], SHARED, 128)
    between("shared of free", memory_line(o["free "])["shared"], SHARED - 128, SHARED + 1024)


# ---- vmstat ----

def check_vmstat_columns(o):
    """vmstat: columns of its tables"""
    same("vmstat", o["vmstat 1 5"][1].split(), "r b swpd free buff cache si so bi bo in cs us sy id wa st".split())
    same("lines of 1 5", len(o["vmstat 1 5"]), 7)
    same("vmstat -a", o["vmstat -a"][1].split(), "r b swpd free inact active si so bi bo in cs us sy id wa st".split())
    same("vmstat -d", o["vmstat -d"][1].split(), "total merged sectors ms total merged sectors ms cur sec".split())
    same("vmstat -m", o["vmstat -m"][0].split(), "Cache Num Total Size Pages".split())
    same("vmstat -w", o["vmstat -w"][1].split(), "r b swpd free buff cache si so bi bo in cs us sy id wa st gu".split())
    same("vmstat -t", o["vmstat -t"][1].split()[-1], "UTC")


def check_vmstat_values(o):
    """vmstat: memory as in meminfo; swpd is what went to swap; the processor's share adds up"""
    m, v = fields(o["meminfo2"]), dict(zip(o["vmstat 1 5"][1].split(), map(int, o["vmstat 1 5"][3].split())))
    near("free", v["free"], m["MemFree"], NOISE)
    near("buff", v["buff"], m["Buffers"], NOISE)
    near("cache", v["cache"], m["Cached"] + m["SReclaimable"], NOISE)
    same("swpd", v["swpd"], m["SwapTotal"] - m["SwapFree"])
    between("swpd", v["swpd"], OUT * 0.97, OUT + 16 * 1024)
    between("us + sy + id + wa + st", sum(v[k] for k in ("us", "sy", "id", "wa", "st")), 98, 102)
    a = dict(zip(o["vmstat -a"][1].split(), map(int, o["vmstat -a"][2].split())))
    near("active", a["active"], m["Active"], NOISE)
    near("inact", a["inact"], m["Inactive"], NOISE)


def check_vmstat_sums(o):
    """vmstat -s: the sums since boot are those of /proc/vmstat, which moved by what the loads did"""
    a, b = (fields(o[f"vmstat-{when}"]) for when in ("before", "after"))
    moved = {name: b[name] - a[name] for name in b}
    back, major = moved["pswpin"], moved["pgmajfault"]
    between("pages swapped out", moved["pswpout"], (OUT + BACK) // 4 * 0.97, (OUT + BACK) // 4 + 4096)
    between("pages swapped in", back, BACK // 4 * 0.97, BACK // 4 + 512)
    between("major faults", major, (MAJOR // 4 + back) * 0.97, MAJOR // 4 + back + 512)
    between("faults", moved["pgfault"], (OUT + 2 * BACK + MAJOR) // 4, 1 << 18)
    between("pages locked", moved["unevictable_pgs_mlocked"], LOCKED // 4, LOCKED // 4 + 16)
    same("pages written by reclaim", moved["nr_vmscan_write"], moved["pswpout"])
    for event in ("pgscan", "pgsteal"):
        same(event, moved[event + "_anon"] + moved[event + "_file"], moved[event + "_kswapd"] + moved[event + "_direct"])
    stalls = sum(n for name, n in moved.items() if name.startswith("allocstall_"))
    for what, times, scanned in (("calls of the worker", moved["pageoutrun"], moved["pgscan_kswapd"]), ("allocations that reclaim", stalls, moved["pgscan_direct"])):
        between(what, times, 1 if scanned else 0, max(scanned, 64))  # each looks at pages
    between("KiB paged in", moved["pgpgin"], READ + MAJOR + back * 4, READ + MAJOR + back * 4 + 6144)
    s = {line.split(None, 1)[1].removeprefix("K "): int(line.split()[0]) for line in o["vmstat -s"]}
    m = fields(o["meminfo2"])
    same("pages swapped out", s["pages swapped out"], b["pswpout"])
    same("pages swapped in", s["pages swapped in"], b["pswpin"])
    near("used memory", s["used memory"], m["MemTotal"] - m["MemAvailable"], NOISE)
    near("used swap", s["used swap"], m["SwapTotal"] - m["SwapFree"], 64)
    between("interrupts", s["interrupts"], 1, 1 << 40)
    assert s["CPU context switches"] > s["forks"] > 10


def check_vmstat_disks(o):
    """vmstat -d, -D, -p: the figures of /proc/diskstats"""
    stat = {line.split()[2]: [int(w) for w in line.split()[3:]] for line in o["diskstats"]}
    d = next(line.split() for line in o["vmstat -d"] if line.startswith("vda"))
    between("sectors read", stat["vda"][2], 2 * (READ + MAJOR), 1 << 30)
    near("reads", int(d[1]), stat["vda"][0], 64)
    near("sectors of -p", int(o["vmstat -p vda"][1].split()[1]), stat["vda"][2], 8192)
    near("total reads of -D", int(next(line.split()[0] for line in o["vmstat -D"] if "total reads" in line)), sum(s[0] for s in stat.values()), 64)


# ---- caches of the kernel ----

def check_slab(o):
    """slabtop and vmstat -m: the caches of /proc/slabinfo, and slabtop's sums"""
    caches = {line.split()[0]: [int(w) for w in line.split()[1:6]] for line in o["slabinfo"][2:]}
    for line in [line for line in o["vmstat -m"] if not line.startswith("Cache ")]:
        name, num, total, size, per_slab = line.split()
        meant = [c for n, c in caches.items() if n.startswith(name)]  # names are cut
        assert [int(size), int(per_slab)] in [c[2:4] for c in meant], f"{line}: {meant} in slabinfo"
        assert int(num) <= int(total), line
    text = "\n".join(o["slabtop"])
    active, objects, percent = re.search(r"Active / Total Objects .*: (\d+) / (\d+) \(([0-9.]+)%\)", text).groups()
    near("share of objects in use", float(percent), 100 * int(active) / int(objects), 0.06)
    near("objects", int(objects), sum(c[1] for c in caches.values()), int(objects) // 10)
    same("header of slabtop", o["slabtop"][6].split(), "OBJS ACTIVE USE OBJ SIZE SLABS OBJ/SLAB CACHE SIZE NAME".split())
    table = [line.split() for line in o["slabtop"][7:] if line.strip()]
    sizes = [number(words[6]) for words in table]
    same("order by size", sizes, sorted(sizes, reverse=True))
    for objects, active, share, size, slabs, per_slab, _, name in table:
        near(f"share of {name}", int(share.rstrip("%")), 100 * int(active) // max(int(objects), 1), 1)
        near(f"objects of {name}", int(objects), int(slabs) * int(per_slab), int(per_slab))


# ---- processes ----

def check_ps_values(o):
    """ps: rss, vsz, faults and threads are what the loads made, and what /proc/PID/status says"""
    by_pid = {row["PID"]: row for row in rows(o["ps"])}
    for name, pid in pids(o).items():
        row, status = by_pid[pid], fields(o[f"status {pid}"])
        near(f"rss of {name}", int(row["RSS"]), status["VmRSS"], 256)  # Linux sums a thread's share up now and then
        same(f"vsz of {name}", int(row["VSZ"]), status["VmSize"])
        same(f"threads of {name}", int(row["NLWP"]), status["Threads"])
        same(f"command of {name}", row["COMMAND"], f"tool_{name}")
        assert row["PSR"] in "01" and row["STAT"][0] == "S" and row["TT"] == "?", row
    at = {name: by_pid[pid] for name, pid in pids(o).items()}
    between("rss of anon", int(at["anon"]["RSS"]), ANON, ANON + 1024)
    between("rss of shared", int(at["shared"]["RSS"]), SHARED, SHARED + 1024)
    between("rss of out", int(at["out"]["RSS"]), 0, OUT // 20 + 1024)
    between("minor faults of anon", int(at["anon"]["MINFL"]), ANON // 4, ANON // 4 + 200)
    between("major faults of major", int(at["major"]["MAJFL"]), MAJOR // 4 * 0.97, MAJOR // 4 + 64)
    same("threads of anon", at["anon"]["NLWP"], "4")


def check_ps_sorted(o):
    """ps aux --sort=-%mem: columns, order, and the share of memory"""
    same("header", o["ps aux"][0].split(), "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND".split())
    table, total = rows(o["ps aux"]), fields(o["meminfo"])["MemTotal"]
    shares = [float(row["%MEM"]) for row in table]
    same("order", shares, sorted(shares, reverse=True))
    same("first", table[0]["PID"], pids(o)["anon"])
    for row in table:
        near(f"%MEM of {row['PID']}", float(row["%MEM"]), 100 * int(row["RSS"]) / total, 0.11)
    kernel = [row for row in table if row["COMMAND"].startswith("[")]
    assert len(kernel) > 3 and all(row["VSZ"] == row["RSS"] == "0" for row in kernel), kernel


def check_ps_threads(o):
    """ps -L: each thread with its own name"""
    table = rows(o["ps -L"])
    same("names", sorted(row["COMMAND"] for row in table), ["tool_anon", "worker", "worker", "worker"])
    same("first thread", table[0]["TID"], pids(o)["anon"])


def top_table(lines):
    at = next(i for i, line in enumerate(lines) if line.split()[:2] == ["PID", "USER"])
    return lines[:at], rows(lines[at:])


def check_top(o):
    """top -b: summary, order by %MEM, RES and SHR as ps and status have them"""
    head, table = top_table(o["top"])
    total = fields(o["meminfo"])["MemTotal"]
    tasks = [int(w) for w in re.findall(r"\d+", head[1])]
    same("tasks", tasks[0], sum(tasks[1:]))
    same("listed", len(table), tasks[0])
    mem = [float(w) for w in re.findall(r"[0-9.]+", head[3])]
    near("MiB Mem: total", mem[0], total / 1024, 0.06)
    swap = [float(w) for w in re.findall(r"\d+\.\d+", head[4])]
    near("used: total - available", mem[2], mem[0] - swap[3], 0.25)
    cpu = [float(w) for w in re.findall(r"\d+\.\d+(?= [a-z]{2})", head[2])]
    between("processor shares", sum(cpu), 99, 101)
    shares = [float(row["%MEM"]) for row in table]
    same("order", shares, sorted(shares, reverse=True))
    by_pid = {row["PID"]: row for row in table}
    for name, pid in pids(o).items():
        row, status = by_pid[pid], fields(o[f"status {pid}"])
        near(f"RES of {name}", number(row["RES"]), status["VmRSS"], 256)
        near(f"SHR of {name}", number(row["SHR"]), status["RssFile"] + status["RssShmem"], 256)
        near(f"VIRT of {name}", number(row["VIRT"]), status["VmSize"], 64)
    same("threads", sorted(row["COMMAND"] for row in top_table(o["top -H"])[1]), ["tool_anon", "worker", "worker", "worker"])


def check_pmap(o):
    """pmap: sizes, resident and dirty KiB of each mapping; totals add up and agree with ps"""
    status, rollup = (fields(o[f"{what} {pids(o)['anon']}"]) for what in ("status", "rollup"))
    total = int(re.search(r"total +(\d+)K", o["pmap "][-1])[1])
    same("total of pmap", total, sum(int(line.split()[1][:-1]) for line in o["pmap "][1:-1]))
    near("total", total, status["VmSize"], 8)  # pmap leaves the page for old system calls out, or not
    body = [line.split() for line in o["pmap -x"][2:-2]]
    sums = [sum(int(words[k]) for words in body) for k in (1, 2, 3)]
    same("totals of -x", [int(w) for w in o["pmap -x"][-1].split()[2:]], sums)
    near("RSS of -x", sums[1], status["VmRSS"], 256)
    large = [words for words in body if int(words[1]) >= ANON and "rw" in words[4]]
    same("the load's mapping", [[int(w) for w in words[2:4]] for words in large], [[ANON if int(words[2]) == ANON else int(words[2])] * 2 for words in large])
    between("resident", int(large[0][2]), ANON, ANON + 64)
    names = o["pmap -X"][1].split()
    sums = dict(zip(names[5:], map(int, o["pmap -X"][-1].split()[:-1])))
    for column in ("Rss", "Pss", "Referenced", "Anonymous", "Swap"):
        same(f"{column} of -X", sums[column], rollup[column]) if column != "Pss" else near("Pss", sums["Pss"], rollup["Pss"], 32)
    m = re.match(r"mapped: (\d+)K +writeable/private: (\d+)K +shared: (\d+)K", o["pmap -d"][-1])
    near("mapped of -d", int(m[1]), total, 8)
    between("writeable/private of -d", int(m[2]), ANON, ANON + (26 << 10))


def check_uptime(o):
    """uptime and w: time since boot, load as in /proc/loadavg"""
    m = re.search(r"up +.*load average: ([0-9.]+), ([0-9.]+), ([0-9.]+)$", o["uptime"][0])
    same("load", list(m.groups()), o["loadavg"][0].split())
    same("w", o["w"][1].split(), "USER TTY FROM LOGIN@ IDLE JCPU PCPU WHAT".split())
    assert re.search(r"load average: [0-9.]+, [0-9.]+, [0-9.]+$", o["w"][0]), o["w"][0]


def check_signals(o):
    """pgrep finds by name and by command line, pkill ends"""
    same("pgrep", sorted(o["pgrep"]), sorted(pids(o).values()))
    same("pgrep -a", o["pgrep -a"], [f"{pids(o)['anon']} /root/load name=tool_anon anon=40 threads=3"])
    same("pgrep -c", o["pgrep -c"], ["4"])
    assert re.fullmatch(r"tool_kill killed \(pid \d+\)", o["pkill"][0]), o["pkill"]
    same("status of who was killed", o["killed"], [str(128 + 15)])


def check_sysctl(o):
    """sysctl reads and writes"""
    same("sysctl", o["sysctl"], ["vm.swappiness = 60", "vm.overcommit_memory = 0"])
    same("sysctl -w", o["sysctl -w"] + o["swappiness"], ["vm.swappiness = 33", "33"])

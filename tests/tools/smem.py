# SPDX-License-Identifier: MIT
"""smem: what processes use, share and have in swap; users, mappings and the whole system."""
import guest
from guest import between, fields, near, number, same

ANON, SHARED, OUT = 40 << 10, 16 << 10, 24 << 10  # KiB; the shared memory is one process's and its child's

SCRIPT = r"""
hold anon=40; A=$held
hold shared=16 fork=1; S=$held
hold pageout=24; O=$held
show pids; echo $A $S $O
try smem smem -r -c 'pid user swap uss pss rss vss name'
for f in -t -k -u -m -w; do try "smem $f" smem $f; done
try meminfo cat /proc/meminfo
for p in $A $S $O; do try "rollup $p" cat /proc/$p/smaps_rollup; try "status $p" cat /proc/$p/status; done
show maps; grep -h -E ' (/root/load|/usr/bin/bash)$' /proc/[0-9]*/maps | awk '{print $6}' | sort | uniq -c
show processes; grep -l . /proc/[0-9]*/smaps 2> /dev/null | wc -l
"""


def boot(kernel):
    return guest.boot(kernel, SCRIPT, "--swap", "128M")


def processes(o):
    """{pid: {column: number}}"""
    names = o["smem"][0].split()
    same("header", names, "PID User Swap USS PSS RSS VSS Name".split())
    return {line.split()[0]: dict(zip(names, line.split())) for line in o["smem"][1:]}


def kib(row, column):
    return int(row[column])


def pids(o):
    return o["pids"][0].split()


def check_headers(o):
    """smem: columns of each form"""
    same("-t", o["smem -t"][0].split(), "PID User Command Swap USS PSS RSS".split())
    same("-u", o["smem -u"][0].split(), "User Count Swap USS PSS RSS".split())
    same("-m", o["smem -m"][0].split(), "Map PIDs AVGPSS PSS".split())
    same("-w", o["smem -w"][0].split(), "Area Used Cache Noncache".split())


def check_values(o):
    """smem: USS, PSS, RSS and swap of the loads"""
    table = processes(o)
    anon, shared, out = (table[pid] for pid in pids(o))
    for column in ("USS", "PSS", "RSS"):
        between(f"{column} of anon", kib(anon, column), ANON, ANON + 1024)
    between("RSS of shared", kib(shared, "RSS"), SHARED, SHARED + 1024)
    between("PSS of shared: half", kib(shared, "PSS"), SHARED // 2, SHARED // 2 + 1024)
    between("USS of shared: its own", kib(shared, "USS"), 0, 1024)
    between("swap of out", kib(out, "Swap"), OUT * 0.97, OUT + 1024)
    between("RSS of out", kib(out, "RSS"), 0, OUT // 20 + 1024)


def check_agreement(o):
    """smem: the figures of smaps_rollup and status, USS <= PSS <= RSS <= VSS, ordered by PSS"""
    table = processes(o)
    for pid in pids(o):
        row, rollup = table[pid], fields(o[f"rollup {pid}"])
        same(f"RSS of {pid}", kib(row, "RSS"), rollup["Rss"])
        near(f"PSS of {pid}", kib(row, "PSS"), rollup["Pss"], 64)  # each mapping's is rounded down; sharers come and go
        near(f"USS of {pid}", kib(row, "USS"), rollup["Private_Clean"] + rollup["Private_Dirty"], 64)
        same(f"swap of {pid}", kib(row, "Swap"), rollup["Swap"])
        near(f"VmRSS of {pid}", fields(o[f"status {pid}"])["VmRSS"], rollup["Rss"], 256)
    for row in table.values():
        assert kib(row, "USS") <= kib(row, "PSS") <= kib(row, "RSS") <= kib(row, "VSS"), row
    shares = [kib(row, "PSS") for row in table.values()]
    same("order", shares, sorted(shares, reverse=True))


def check_sums(o):
    """smem -t, -u: totals of the processes; -k: the same with units"""
    body, total = o["smem -t"][1:-2], o["smem -t"][-1].split()
    same("processes", int(total[0]), len(body))
    for at in (-1, -2, -3, -4):
        same(f"total of column {at}", int(total[at]), sum(int(line.split()[at]) for line in body))
    user = o["smem -u"][1].split()
    same("user", user[0], "root")
    near("PSS of the user", int(user[4]), int(total[-2]), 512)
    large = next(line for line in o["smem -k"] if line.split()[0] == pids(o)[0])
    near("RSS of -k", number(large.split()[-1]), ANON, 1024)


def check_mappings(o):
    """smem -m: who maps a file, and PSS as the average times the processes"""
    table = {}
    for line in o["smem -m"][1:]:
        name, nr, average, pss = line.rsplit(None, 3)
        table[name] = (int(nr), int(average), int(pss))
        between(f"PSS of {name}", int(pss), int(nr) * int(average), int(nr) * (int(average) + 1))
    between("[heap] and others", len(table), 10, 200)
    same("processes that map the load", table["/root/load"][0], 4)
    between("anonymous memory", table["<anonymous>"][2], ANON, ANON + 32768)


def check_whole(o):
    """smem -w: areas add up to memory, used is cache and the rest, free is MemFree"""
    areas = {line[:24].strip(): [int(w) for w in line[24:].split()] for line in o["smem -w"][1:]}
    m = fields(o["meminfo"])
    for name, (used, cache, rest) in areas.items():
        same(f"used of {name}", used, cache + rest)
    same("sum", sum(a[0] for a in areas.values()), m["MemTotal"])
    near("free memory", areas["free memory"][0], m["MemFree"], 16 << 10)  # it measures while Python is in memory
    between("userspace memory", areas["userspace memory"][2], ANON, ANON + 32768)

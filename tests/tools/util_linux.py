# SPDX-License-Identifier: MIT
"""util-linux and numactl: taskset, dmesg, lsmem, lscpu, swapon, findmnt, prlimit, ipcs, choom, chrt, ionice, renice, lsirq, lsfd, lsns, lslocks."""
import json
import re

import guest
from guest import between, fields, near, same

SHARED = 16 << 10  # KiB

SCRIPT = r"""
hold name=tool_task threads=1; P=$held
show pid; echo $P
cpus() { grep Cpus_allowed: /proc/$P/status | cut -f 2; }
show taskset; {
	taskset -p $P; taskset -cp $P; taskset -p 1 $P; cpus; taskset -pc 0,1 $P; cpus; taskset -a -p 2 $P; cpus
	taskset 2 sh -c 'taskset -p $$; nproc'; taskset -c 1 sh -c 'taskset -cp $$'; taskset -c 0-1 nproc
	taskset 10 true; echo "status $?"; taskset -p 99999; echo "status $?"
} 2>&1 | sed "s/$P/PID/; s/pid [0-9]*'s/pid N's/"
show psr; taskset -c 1 sh -c 'ps -o psr= -p $$'; taskset -c 0 sh -c 'ps -o psr= -p $$'
try date-before date +%s
echo '<3>tools: an error' > /dev/kmsg; echo '<6>tools: for information' > /dev/kmsg; echo '<12>tools: of a user' > /dev/kmsg
try date-after date +%s
try 'dmesg' sh -c 'dmesg | grep tools:'
try 'dmesg --level' sh -c 'dmesg --level=err | grep tools:'
try 'dmesg -T' sh -c 'dmesg -T | grep tools:'
try 'dmesg -x' sh -c 'dmesg -x | grep tools:'
try 'dmesg -r' sh -c 'dmesg -r | grep tools:'
try 'dmesg -J' dmesg -J
try 'dmesg -f' sh -c 'dmesg -f user | grep tools:'
mkfifo /tmp/follow; dmesg -w > /tmp/follow & W=$!
show 'dmesg -w'; while read -r line; do case "$line" in
	*'of a user'*) echo '<6>tools: written later' > /dev/kmsg;;
	*'written later'*) echo "$line"; break;;
esac; done < /tmp/follow; kill $W
for f in '' -a '--summary=only -b'; do try "lsmem $f" lsmem $f; done
for f in '' -e -p -C; do try "lscpu $f" lscpu $f; done
try cpuinfo cat /proc/cpuinfo
hold pageout=8; O=$held
try 'swapon' swapon --show --bytes
try 'swapon -s' swapon -s
try swaps cat /proc/swaps
try meminfo cat /proc/meminfo
for f in '' -l '-D -b' '-n -o TARGET,FSTYPE /proc' '-t ext2 -n -o SOURCE'; do try "findmnt $f" findmnt $f; done
try prlimit prlimit -p $P
try 'prlimit set' prlimit --nofile=100:200 --as=1000000000 -p $P
try limits cat /proc/$P/limits
try 'prlimit run' prlimit --nofile=77 sh -c 'ulimit -n'
show ipcmk; ipcmk -M 16M
/root/load anon=1 once > /dev/null
for f in -m '-m -l' '-m -u'; do try "ipcs $f" ipcs $f; done
try 'ipcrm' ipcrm --all=shm
try 'ipcs gone' ipcs -m
try choom choom -p $P; try 'choom set' choom -n 500 -p $P; try score cat /proc/$P/oom_score_adj
try renice renice -n 5 -p $P; try nice ps -o ni= -p $P
try chrt chrt -p $P; try 'chrt set' chrt -r -p 10 $P; try 'chrt after' chrt -p $P; try 'chrt -m' chrt -m
try ionice ionice -p $P; try 'ionice set' ionice -c 2 -n 7 -p $P; try 'ionice after' ionice -p $P
try interrupts-before cat /proc/interrupts
try lsirq lsirq -P -o IRQ,TOTAL
try interrupts cat /proc/interrupts
try lsfd lsfd -p $P -n -o COMMAND,ASSOC,MODE,TYPE,NAME
flock /root/locked sleep 1000 &
until grep -q FLOCK /proc/locks; do :; done
try lslocks lslocks -n -o COMMAND,TYPE,MODE,M,START,END,PATH
kill $!
try lsns lsns -n -o NS,TYPE,PID,USER,COMMAND
try lsblk lsblk -n -o NAME,SIZE,TYPE
try 'numactl -H' numactl -H
try 'numactl -s' numactl -s
try 'numactl run' numactl --cpunodebind=0 --membind=0 nproc
try numastat numastat -m
try 'numastat -p' numastat -p $O
"""


def boot(kernel):
    return guest.boot(kernel, SCRIPT, "--swap", "128M")


def compare_taskset(linux, quire):
    """taskset in all its forms: masks, lists, commands, all threads, errors"""
    same("lines", len(linux["taskset"]), 21)
    same("taskset", quire["taskset"], linux["taskset"])


def check_affinity(o):
    """a command bound to a CPU runs there"""
    same("psr", [line.strip() for line in o["psr"]], ["1", "0"])


TEXTS = ["tools: an error", "tools: for information", "tools: of a user"]


def check_dmesg(o):
    """dmesg: plain, -T, -x, -r, -J, --level, -f, and -w shows what is written while it waits"""
    def texts(name, pattern):
        found = [re.fullmatch(pattern, line) for line in o[name]]
        assert all(found), o[name]
        return [m[m.lastindex] for m in found]
    same("dmesg", texts("dmesg", r"\[ *\d+\.\d{6}\] (.*)"), TEXTS)
    same("-T", texts("dmesg -T", r"\[\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}\] (.*)"), TEXTS)
    same("-x", [line.split("[")[0].replace(" ", "") for line in o["dmesg -x"]], ["user:err:", "user:info:", "user:warn:"])
    same("-r", texts("dmesg -r", r"<\d+>\[ *\d+\.\d{6}\] (.*)"), TEXTS)
    same("--level", texts("dmesg --level", r"\[ *\d+\.\d{6}\] (.*)"), TEXTS[:1])
    same("-f", texts("dmesg -f", r"\[ *\d+\.\d{6}\] (.*)"), TEXTS)
    log = json.loads("\n".join(o["dmesg -J"]))["dmesg"]
    same("-J", [r["msg"] for r in log if r["msg"].startswith("tools:")], TEXTS)
    times = [r["time"] for r in log if r["msg"].startswith("tools:")]
    same("order", times, sorted(times))
    same("-w", [line.split("] ")[1] for line in o["dmesg -w"]], ["tools: written later"])


def check_dmesg_time(o):
    """dmesg -T: wall-clock time"""
    import time
    for line in o["dmesg -T"]:
        at = time.mktime(time.strptime(re.search(r"\[(.*?)\]", line)[1], "%a %b %d %H:%M:%S %Y")) - time.timezone
        between("time", at, o.value("date-before") - 1, o.value("date-after") + 1)  # it adds two times that are whole seconds


def check_lsmem(o):
    """lsmem: blocks that make up the machine's 256 MiB"""
    same("header", o["lsmem "][0].split(), "RANGE SIZE STATE REMOVABLE BLOCK".split())
    same("summary", [int(line.split()[-1]) for line in o["lsmem --summary=only -b"]], [128 << 20, 256 << 20, 0])
    same("-a", [line.split()[0] for line in o["lsmem -a"] if line.startswith("0x")],
         ["0x0000000000000000-0x0000000007ffffff", "0x0000000008000000-0x000000000fffffff"])


def compare_lscpu(linux, quire):
    """lscpu: processor, topology and caches as on Linux"""
    def shape(o, flags):
        left = [line for line in o[f"lscpu {flags}"] if not re.match(r"(Flags|BogoMIPS|BIOS|Vulnerability|Virtualization)", line)]
        return [re.sub(r" +", " ", line) for line in left]
    for flags in ("", "-e", "-p", "-C"):
        same(f"lscpu {flags}", shape(quire, flags), shape(linux, flags))


def check_swapon(o):
    """swapon --show, -s and /proc/swaps: the area and what is in use of it"""
    same("header", o["swapon"][0].split(), "NAME TYPE SIZE USED PRIO".split())
    name, kind, size, used, priority = o["swapon"][1].split()
    m = fields(o["meminfo"])
    same("area", [name, kind, int(size) // 1024, priority], ["/dev/vdb", "partition", m["SwapTotal"], "-2"])
    between("used", int(used) // 1024, 7 << 10, 10 << 10)
    near("used", int(used) // 1024, m["SwapTotal"] - m["SwapFree"], 64)
    same("-s", o["swapon -s"][0].split(), "Filename Type Size Used Priority".split())
    near("used in swaps", int(o["swaps"][1].split()[3]), int(used) // 1024, 64)


def compare_findmnt(linux, quire):
    """findmnt: the same tree and options, but for devtmpfs's limits, which are what Linux has when it starts"""
    def tree(o, flags):
        return [re.sub(r"size=\w+,nr_inodes=\d+,", "", line).split() for line in o[f"findmnt {flags}"]]
    for flags in ("", "-l"):
        same(f"findmnt {flags}", tree(quire, flags), tree(linux, flags))
    for flags in ("-n -o TARGET,FSTYPE /proc", "-t ext2 -n -o SOURCE"):
        same(flags, quire[f"findmnt {flags}"], linux[f"findmnt {flags}"])


def compare_prlimit(linux, quire):
    """prlimit: names, units and limits; what it sets, /proc/PID/limits shows"""
    def values(o):
        return [line for line in o["prlimit"] if not line.startswith(("NPROC", "SIGPENDING"))]
    same("prlimit", quire["prlimit"][0].split(), linux["prlimit"][0].split())
    same("prlimit", [line.split() for line in values(quire)], [line.split() for line in values(linux)])


def check_prlimit(o):
    """prlimit sets another process's limits and a command's"""
    limits = "\n".join(o["limits"])
    assert re.search(r"^Max open files +100 +200 +files", limits, re.M), limits
    assert re.search(r"^Max address space +1000000000 +1000000000 +bytes", limits, re.M), limits
    same("of a command", o["prlimit run"], ["77"])


def check_ipcs(o):
    """ipcs: a segment, its size, limits, and that it is gone"""
    row = o["ipcs -m"][-1].split() if o["ipcs -m"][-1].split() else o["ipcs -m"][-2].split()
    same("segment", row[2:6], ["root", "644", str(SHARED << 10), "0"])
    same("pages", re.search(r"pages allocated (\d+)", "\n".join(o["ipcs -m -u"]))[1], str(SHARED // 4))
    same("id", re.search(r"\d+", o["ipcmk"][0])[0], row[1])
    assert not any(line.startswith("0x") for line in o["ipcs gone"]), o["ipcs gone"]


def compare_ipcs(linux, quire):
    """ipcs -m -l: limits of shared memory"""
    same("limits", quire["ipcs -m -l"], linux["ipcs -m -l"])


def compare_scheduling(linux, quire):
    """choom, chrt, ionice, renice: before, set, after"""
    for name in ("choom set", "chrt", "chrt set", "chrt after", "chrt -m", "ionice", "ionice set", "ionice after", "renice"):
        def without_pid(o):
            return [re.sub(rf"\b{o['pid'][0]}\b", "PID", line) for line in o[name]]
        same(name, without_pid(quire), without_pid(linux))
    same("ionice", quire["ionice"], ["none: prio 0"])
    same("nice", [o["nice"][0].strip() for o in (linux, quire)], ["5", "5"])
    same("oom_score_adj", [o["score"] for o in (linux, quire)], [["500"]] * 2)


def compare_lists(linux, quire):
    """lsfd, lslocks, lsns, lsblk, numactl: the same lists"""
    for name in ("lsblk", "numactl run"):
        same(name, quire[name], linux[name])
    def open_files(o):
        return [re.sub(r"\d{4,}|pipe:\[\d+\]", "N", re.sub(r" +", " ", line)) for line in o["lsfd"]]
    same("lsfd", open_files(quire), open_files(linux))
    same("lslocks", [line.split() for line in quire["lslocks"]], [line.split() for line in linux["lslocks"]])
    same("lsns", [line.split() for line in quire["lsns"]], [line.split() for line in linux["lsns"] if not line.endswith("kdevtmpfs")])
    same("numactl -s", [line.strip() for line in quire["numactl -s"]], [line.strip() for line in linux["numactl -s"]])


def check_lsirq(o):
    """lsirq: the sums of /proc/interrupts"""
    before, after = ({line.split(":")[0].strip(): sum(int(w) for w in line.split(":")[1].split()[:2] if w.isdigit()) for line in o[name][1:]}
                     for name in ("interrupts-before", "interrupts"))
    for line in o["lsirq"]:
        name, total = re.findall(r'"(.*?)"', line)
        between(f"interrupts {name}", int(total), before[name], after[name])
    assert before["LOC"] > 10


def check_numa(o):
    """numactl -H and numastat: one node with all memory"""
    m, text = fields(o["meminfo"]), "\n".join(o["numactl -H"])
    same("CPUs", re.search(r"node 0 cpus: (.*)", text)[1].split(), ["0", "1"])
    same("size", int(re.search(r"node 0 size: (\d+) MB", text)[1]), m["MemTotal"] // 1024)
    near("free", int(re.search(r"node 0 free: (\d+) MB", text)[1]), m["MemFree"] // 1024, 8)
    rows = {line.split()[0]: float(line.split()[1]) for line in o["numastat"] if re.match(r"\S+ +[\d.]+ +[\d.]+$", line)}
    near("MemTotal of numastat", rows["MemTotal"], m["MemTotal"] / 1024, 0.01)
    near("AnonPages of numastat", rows["AnonPages"], m["AnonPages"] / 1024, 4)
    assert {"Active", "Inactive", "Active(anon)", "Unevictable", "Slab", "KernelStack"} <= set(rows), rows

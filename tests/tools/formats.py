# SPDX-License-Identifier: MIT
"""The files of /proc and /sys, one parser for both kernels: each line has its form; keys are Linux's, in Linux's order.

A grammar is a list of forms, of which each line has to be one; a group `key` names what the line is about. Keys that
Linux has and Quire has not stand in LACKS with the reason, those that only Quire has in OWN.
"""
import re

import guest
from guest import between, fields, same

SCRIPT = r"""
hold name=tool_files pageout=2 anon=4 shared=2 locked=1 file=1 threads=2 fork=1; P=$held
show pid; echo $P
for f in meminfo vmstat zoneinfo buddyinfo pagetypeinfo slabinfo swaps stat loadavg uptime diskstats partitions filesystems interrupts softirqs \
	cpuinfo devices iomem consoles version cmdline mounts tty/drivers sysvipc/shm pressure/memory pressure/io pressure/cpu; do try $f cat /proc/$f; done
for f in status stat statm maps smaps smaps_rollup numa_maps limits io sched schedstat stack cgroup cpuset mountinfo mounts mountstats oom_score \
	oom_score_adj oom_adj syscall personality coredump_filter comm timerslack_ns uid_map gid_map fdinfo/0 fdinfo/1; do
	try PID/$f cat /proc/$P/$f
done
try PID/wchan sh -c "cat /proc/$P/wchan; echo"
try PID/cmdline sh -c "tr '\0' '|' < /proc/$P/cmdline; echo"
try PID/environ sh -c "tr '\0' '\n' < /proc/$P/environ | grep ^TERM="
try PID/auxv sh -c "od -A n -t u8 -w16 -v /proc/$P/auxv"
try PID/fd sh -c "ls -l /proc/$P/fd | sed 1d"
try PID/map_files sh -c "ls -l /proc/$P/map_files | sed 1d"
try PID/ns sh -c "ls -l /proc/$P/ns | sed 1d"
try PID/task sh -c "ls /proc/$P/task | wc -l; cat /proc/$P/task/*/comm"
try PID/list sh -c "ls /proc/$P"
try list sh -c "ls /proc | grep -v '^[0-9]'"
try PID/refs sh -c "echo 1 > /proc/$P/clear_refs; grep Referenced: /proc/$P/smaps_rollup"
# Of the load's first anonymous page: what the words about its frame say.
try words python3 - $P << END
import struct, sys
def word(name, n):
    with open(name, "rb") as f:
        f.seek(8 * n)
        return struct.unpack("<Q", f.read(8))[0]
path = "/proc/" + sys.argv[1]
for line in open(path + "/maps"):
    start, end = (int(w, 16) for w in line.split()[0].split("-"))
    if end - start >= 4 << 20 and line.split()[1] == "rw-p":
        entry = word(path + "/pagemap", start >> 12)
        pfn = entry & (1 << 55) - 1
        print(entry >> 63, entry >> 62 & 1, word("/proc/kpagecount", pfn), word("/proc/kpageflags", pfn) >> 12 & 1)
        break
END
try vm ls /proc/sys/vm
try kernel ls /proc/sys/kernel
try kmsg sh -c 'dd if=/dev/kmsg iflag=nonblock bs=8192 count=3 status=none'
try node cat /sys/devices/system/node/node0/meminfo
try stat-disk cat /sys/block/vda/stat
# Two loops share CPU 1 for two seconds and until each has had its half of it (the CPU itself stands still now and then: who
# ran has lost that time, and gets it back later); then one of them is sent to CPU 0 and back five times; 200 reads of a disk.
taskset -c 1 sh -c 'while :; do :; done' & A=$!
taskset -c 1 sh -c 'while :; do :; done' & B=$!
until [ "$(cat /proc/$A/comm)$(cat /proc/$B/comm)" = shsh ]; do :; done
figures() { read -r ran waited runs < /proc/$1/schedstat; }
timer() { awk '/LOC:/ { print $3 }' /proc/interrupts; }
begun() { figures $A; ran_a=$ran waited_a=$waited runs_a=$runs; figures $B; ran_b=$ran waited_b=$waited runs_b=$runs; ticks=$(timer); }
is_half() { # PID RAN WAITED RUNS, the last three as they were
	figures $1
	ran=$((ran - $2)) waited=$((waited - $3)) runs=$((runs - $4))
	[ $((waited * 100)) -ge $(((ran + waited) * 40)) ] && [ $((waited * 100)) -le $(((ran + waited) * 60)) ] && [ $((runs * 100000000)) -ge $((ran + waited)) ]
}
begun
try interrupts-before cat /proc/interrupts
try uptime-before cat /proc/uptime
for p in $A $B; do try schedstat-before-$p cat /proc/$p/schedstat; done
try uptime-begin cat /proc/uptime
for n in $(seq 2 60); do
	sleep 1
	[ $n -gt 2 ] && is_half $A $ran_a $waited_a $runs_a && is_half $B $ran_b $waited_b $runs_b && [ $(($(timer) - ticks)) -ge 180 ] && break
done
try uptime-end cat /proc/uptime
for p in $A $B; do try schedstat-after-$p cat /proc/$p/schedstat; done
try uptime-after cat /proc/uptime
try interrupts-loops cat /proc/interrupts
try pidstat pidstat -u -p $A 3 1
look() { # what stands in the lines belongs together while it is stopped
	kill -STOP $A
	until [ "$(state)" = T ]; do :; done
	try $1 cat /proc/$A/sched
	kill -CONT $A
}
state() { awk '{ print $3 }' /proc/$A/stat; }
send() { # CPU: until it has run there for 20 ms
	taskset -p $((1 << $1)) $A > /dev/null
	until [ "$(awk '{ print $39 }' /proc/$A/stat)" = $1 ]; do :; done
	figures $A; enough=$((ran + 20000000))
	until figures $A; [ $ran -ge $enough ]; do :; done
}
look sched-before
for i in 1 2 3 4 5; do send 0; send 1; done
look sched-after
kill $A $B
wait $A $B 2> /dev/null
sync
try interrupts-quiet cat /proc/interrupts
dd if=/dev/vda of=/dev/null bs=4096 count=200 iflag=direct status=none
try interrupts-reads cat /proc/interrupts
"""

NUMBER, HEX, NAME = r"\d+", r"[0-9a-f]+", r"[A-Za-z0-9_()]+"
KB = rf"(?P<key>{NAME}): +\d+ kB"
MAP = rf"{HEX}-{HEX} [r-][w-][x-][ps] {HEX} {HEX}:{HEX} \d+ +.*"
MAP_LINE = rf"[0-9a-f]{{8,}}-[0-9a-f]{{8,}} [r-][w-][x-][ps] [0-9a-f]{{8}} [0-9a-f]{{2}}:[0-9a-f]{{2}} \d+ ( *(?P<name>\S.*))?"
SMAPS = [MAP_LINE, KB, r"(?P<key>THPeligible): +[01]", r"(?P<key>ProtectionKey): +\d+", r"(?P<key>VmFlags): ([a-z]{2} )+"]
FORMS = {
    "meminfo": [r"(?P<key>[\w()]+): +\d+ kB", r"(?P<key>HugePages_\w+): +\d+"],
    "vmstat": [r"(?P<key>\w+) \d+"],
    "zoneinfo": [r"Node \d+, zone +(?P<key>\w+)", r"  (?P<key>per-node stats)", r"      (?P<key>\w+) +\d+", r"  (?P<key>pages free) +\d+",
                 r"        (?P<key>boost|min|low|high|spanned|present|managed|cma) +\d+", r"        (?P<key>protection): \(\d+(, \d+)*\)",
                 r"  (?P<key>pagesets)", r"    (?P<key>cpu): \d+", r"              (?P<key>count|high|batch): +\d+", r"  (?P<key>vm stats threshold): \d+",
                 r"  (?P<key>node_unreclaimable): +\d", r"  (?P<key>start_pfn): +\d+"],
    "buddyinfo": [r"Node \d, zone +\w+ ( *\d+ ){11}"],
    "pagetypeinfo": [r"Page block order: 9", r"Pages per block:  512", r"", r"Free pages count per migrate type at order ( *\d+ ){11}",
                     r"Node +\d, zone +\w+, type +(?P<key>\w+) ( *>?\d+ ){11}", r"Number of blocks type ( *\w+ )+", r"Node \d, zone +\w+ ( *\d+ )+"],
    "slabinfo": [r"slabinfo - version: 2.1", r"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> "
                 r"<batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>",
                 r"\S+ +\d+ +\d+ +\d+ +\d+ +\d+ : tunables +0 +0 +0 : slabdata +\d+ +\d+ +0"],
    "swaps": [r"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority", r"/dev/vdb +partition\t\d+\t+\d+\t+-2"],
    "stat": [r"(?P<key>cpu) ( \d+){10}", r"(?P<key>cpu\d)( \d+){10}", r"(?P<key>intr) \d+( \d+)*", r"(?P<key>ctxt|btime|processes|procs_running|procs_blocked) \d+",
             r"(?P<key>softirq)( \d+){11}"],
    "loadavg": [r"\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+/\d+ \d+"],
    "uptime": [r"\d+\.\d\d \d+\.\d\d"],
    "diskstats": [r" *\d+ +\d+ (?P<key>vd[ab])( \d+){17}"],
    "partitions": [r"major minor  #blocks  name", r"", r" *\d+ +\d+ +\d+ (?P<key>vd[ab])"],
    "filesystems": [r"(nodev)?\t\w+"],
    "interrupts": [r" +CPU0 +CPU1 +", r" *(\d+|[A-Z]{3}): +\d+ +\d+  +\S.*", r" *(ERR|MIS): +\d+"],
    "softirqs": [r" +CPU0 +CPU1 +", r" *(?P<key>[A-Z_]+): +\d+ +\d+"],
    "cpuinfo": [r"(?P<key>[\w ]+?)\t*:.*", r""],
    "devices": [r"(Character|Block) devices:", r" *\d+ \S+", r""],
    "iomem": [r" *[0-9a-f]{8,}-[0-9a-f]{8,} : \S.*"],
    "consoles": [r"\w+ +[R-][W-][U-] \([E ][C ][B ][p ][b ][a ]\) +\d+:\d+"],
    "version": [r"Linux version 6\.1\.0\S* \(\S+\) \(.*\) .*"],
    "cmdline": [r".*console=ttyS0.*"],
    "mounts": [r"\S+ /\S* \w+ rw[\w,=]* 0 0"],
    "tty/drivers": [r"\S+ +/dev/\S+ +\d+ +[\d-]+ \S.*"],
    "sysvipc/shm": [r" +key +shmid perms +size +cpid +lpid nattch +uid +gid +cuid +cgid +atime +dtime +ctime +rss +swap"],
    "PID/statm": [r"\d+( \d+){6}"],
    "PID/stat": [r"\d+ \(tool_files\) S( -?\d+){49}"],
    "PID/status": [r"(?P<key>\w+):\t.*"],
    "PID/maps": [MAP_LINE],
    "PID/smaps": SMAPS,
    "PID/smaps_rollup": [rf"{HEX}-{HEX} ---p 00000000 00:00 0 +\[rollup\]", KB],
    "PID/numa_maps": [r"[0-9a-f]{8,} default( (file=\S+|heap|stack|anon=\d+|dirty=\d+|mapped=\d+|mapmax=\d+|active=\d+|swapcache=\d+|writeback=\d+|"
                      r"N0=\d+|kernelpagesize_kB=4))*"],
    "PID/limits": [r"Limit +Soft Limit +Hard Limit +Units +", r"(?P<key>Max [a-z ]+?)  +(\d+|unlimited) +(\d+|unlimited) +(\w+ *)?"],
    "PID/io": [r"(?P<key>\w+): \d+"],
    "PID/sched": [r"tool_files \(\d+, #threads: 3\)", r"-{67}", r"(?P<key>[a-zA-Z_.>-]+) +: +-?\d+(\.\d{6})?", r"current_node=.*", r"numa_faults .*"],
    "PID/schedstat": [r"\d+ \d+ \d+"],
    "PID/stack": [r"\[<0>\] [\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+"],
    "PID/wchan": [r"[a-z_0-9]+"],
    "PID/cgroup": [r"0::/\S*"],
    "PID/cpuset": [r"/"],
    "PID/mountinfo": [r"\d+ \d+ \d+:\d+ / \S+ rw[\w,=]* - \w+ \S+ rw[\w,=]*"],
    "PID/mounts": [r"\S+ /\S* \w+ rw[\w,=]* 0 0"],
    "PID/mountstats": [r"device \S+ mounted on \S+ with fstype \w+"],
    "PID/oom_score": [NUMBER], "PID/oom_score_adj": ["0"], "PID/oom_adj": ["0"],
    "PID/syscall": [r"\d+( 0x[0-9a-f]+){8}"],
    "PID/personality": ["00000000"], "PID/coredump_filter": ["00000033"], "PID/comm": ["tool_files"], "PID/timerslack_ns": ["50000"],
    "PID/uid_map": [r" +0 +0 4294967295"], "PID/gid_map": [r" +0 +0 4294967295"],
    "PID/fdinfo/0": [r"(?P<key>\w+):\t\d+"], "PID/fdinfo/1": [r"(?P<key>\w+):\t\d+"],
    "PID/cmdline": [r"/root/load\|name=tool_files\|pageout=2\|.*\|fork=1\|"], "PID/environ": ["TERM=linux"],
    "PID/auxv": [r" +\d+ +\d+"],
    "PID/fd": [r"l[r-][w-]x------ 1 root root 64 .* \d+ -> .*"],
    "PID/map_files": [r"l[r-][w-]------- 1 root root 64 .* [0-9a-f]+-[0-9a-f]+ -> /.*"],
    "PID/ns": [r"lrwxrwxrwx 1 root root 0 .* (?P<key>\w+) -> \w+:\[\d+\]"],
    "kmsg": [r"\d+,\d+,\d+,-(,.*)?;.*", r" .*"],
    "node": [r"Node 0 (?P<key>[\w()]+): +\d+( kB)?"],
    "stat-disk": [r"( *\d+){17}"],
    **{f"pressure/{what}": [r"(?P<key>some|full) avg10=\d+\.\d\d avg60=\d+\.\d\d avg300=\d+\.\d\d total=\d+"] for what in ("memory", "io", "cpu")},
}

HUGE, NUMA, ZSWAP, KSM = "no transparent huge pages", "one memory node at a time", "no compressed swap", "no merging of equal pages"
LACKS = {
    "meminfo": {"Zswap|Zswapped": ZSWAP},
    "zoneinfo": {r"DMA|DMA32|Movable|Device": "one zone for each node"},
    "cpuinfo": {r"microcode|cache size|TLB size": "not asked for"},
    "PID/smaps": {"ProtectionKey": "protection keys are not used"},
    "PID/sched": {r"se\.avg\.\w+(\.\w+)?|se\.avg\.util_est\.\w+": "no running averages of load", r"mm->numa_scan_seq|numa_\w+|total_numa_faults": NUMA},
    "PID/list": {"attr|patch_state|cpu_resctrl_groups|arch_status": "no security modules, live patches, cache control",
                 "autogroup|ksm_merging_pages|ksm_stat": "no such mechanism", "net": "no network", "loginuid|sessionid": "no audit",
                 "projid_map|setgroups|timens_offsets": "no name spaces but the first ones", "timers": "for checkpoints"},
    "list": {"acpi|bus|crypto|dma|driver|fb|irq|misc|mtrr|ioports|scsi|asound": "no such device or table",
             "cgroups|kpagecgroup": "version 1 of control groups is not there", "dynamic_debug|sysrq-trigger|timer_list|schedstat|vmallocinfo|kallsyms|kcore": "for debugging Linux",
             "execdomains|fs|key-users|keys|modules": "no such mechanism, or no list of it", "net": "no network"},
    "vm": {"compaction_proactiveness": "memory is not compacted ahead of time", "hugetlb_\\w+|nr_hugepages_mempolicy": HUGE,
           "dirtytime_expire_seconds": "times are written with their inodes", "legacy_va_layout": "one layout of addresses",
           "lowmem_reserve_ratio|numa_zonelist_order": "one zone for each node", "numa_stat|stat_interval|stat_refresh": "counters are exact whenever they are read",
           "memory_failure_\\w+": "no broken memory is reported", "min_slab_ratio|min_unmapped_ratio": "no reclaim within a node",
           "mmap_rnd_\\w+": "a fixed number of random bits", "page_lock_unfairness|percpu_pagelist_high_fraction|watermark_boost_factor": "of Linux's allocator and locks"},
    "kernel": {
        r"acct|task_delayacct": "no accounting to a file", r"acpi_video_flags|firmware_config|io_delay_type|real-root-dev|bootloader_\w+|arch": "of Linux's start",
        r"apparmor_\w+|unprivileged_\w+|yama|seccomp|keys": "no security modules, filters, keys or further name spaces",
        r"auto_msgmni|msg\w+|sem\w*|shm_next_id|shm_rmid_forced": "no System V queues and semaphores; shared memory goes when it is removed",
        r"bpf_\w+|ftrace_\w+|perf_\w+|stack_tracer_enabled|trace\w+": "of Linux's tracing; Quire's is /proc/quire/trace",
        r"hardlockup\w+|softlockup\w+|hung_task\w+|nmi_\w+|soft_watchdog|watchdog\w*|max_rcu_stall\w+|panic_\w+|oops_\w+|warn_limit|unknown_nmi_panic|split_lock_\w+":
            "no watchdogs; an error of the kernel ends it", r"kexec_\w+|mod\w+|usermodehelper|poweroff_cmd|cad_pid|ctrl-alt-del": "no modules, no second kernel, no helpers of the kernel's",
        r"numa_\w+": NUMA, r"sched_\w+|timer_migration|max_lock_depth": "of Linux's scheduler", r"printk_\w+|print-fatal-signals": "messages are neither slowed nor dropped",
        r"core_pipe_limit|pty|sysrq|sysctl_writes_strict": "core files go to files; 256 ptys; no such keys; a write is one value"},
}
OWN = {
    "meminfo": ["Companions"], "list": ["quire", "config.gz"], "PID/list": ["explain"],
    "vmstat": ["nr_buffers", "nr_companion_pages", "nr_kernel_misc_pages", "pgtable_share", "pgtable_unshare", "pgtable_unshare_last", "pgcopy", "pgzero_fault",
               "tlb_flush", "tlb_shootdown", "pgreadahead", "reclaim_turns", "reclaim_pauses"],
}
# What tools read by position. For the rest the names decide.
ORDERED = ["meminfo", "stat", "PID/status", "PID/smaps", "PID/smaps_rollup", "PID/limits", "PID/io", "PID/fdinfo/0", "softirqs", "pressure/memory", "vmstat", "zoneinfo"]


def boot(kernel):
    return guest.boot(kernel, SCRIPT, "--swap", "128M")


def match(name, line):
    return next((m for m in (re.fullmatch(form, line) for form in FORMS[name]) if m), None)


def keys(o, name):
    """In the order of their first lines."""
    found = {}
    for line in o[name]:
        m = match(name, line) if name in FORMS else None
        key = line if name not in FORMS else m.groupdict().get("key") if m else None
        if key:
            found.setdefault(key)
    return list(found)


def check_forms(o):
    """each line of each file has its form"""
    wrong = []
    for name in FORMS:
        lines = o[name]
        if not lines:
            wrong.append(f"{name} is empty")
        wrong += [f"{name}: {line!r}" for line in lines if not match(name, line)][:2]
    assert not wrong, "; ".join(wrong[:12])


def compare_keys(linux, quire):
    """keys: Linux's, but for those that a reason is given for"""
    wrong = []
    for name in [*FORMS, "PID/list", "list", "vm", "kernel"]:
        theirs, ours = keys(linux, name), keys(quire, name)
        reasons = LACKS.get(name, {})
        wrong += [f"{name} lacks {key}" for key in theirs if key not in ours and not any(re.fullmatch(p, key) for p in reasons)]
        wrong += [f"{name} has {key}" for key in ours if key not in theirs and key not in OWN.get(name, [])]
    assert not wrong, "; ".join(wrong[:40])


def compare_reasons(linux, quire):
    """no reason stands for a key that is there"""
    stale = [f"{name}: {pattern}" for name, reasons in LACKS.items() for pattern in reasons if name in quire.sections
             and not any(re.fullmatch(pattern, key) for key in keys(linux, name) if key not in keys(quire, name))]
    assert not stale, "; ".join(stale)


def compare_order(linux, quire):
    """order of keys, where tools count lines"""
    for name in ORDERED:
        theirs, ours = ([k for k in keys(o, name) if k != "Normal"] for o in (linux, quire))  # a zone's name: Linux's first is another
        same(name, [k for k in ours if k in theirs], [k for k in theirs if k in ours])


def check_columns(o):
    """meminfo and status: values end in Linux's columns"""
    for line in o["meminfo"]:
        if line.endswith("kB") and len(line.split()[1]) <= 9:
            same(f"length of '{line}'", len(line), 27)
    for line in o["PID/status"]:
        if line.startswith("Vm") or line.startswith("Rss"):
            assert re.fullmatch(r"\w+:\t *\d+ kB", line) and len(line.split("\t")[1]) == 11, line


def check_values(o):
    """files agree: maps and status, smaps and rollup, statm, io, fd; each file shows the load"""
    status, rollup = fields(o["PID/status"]), fields(o["PID/smaps_rollup"])
    size = sum(int(end, 16) - int(start, 16) for start, end in (line.split()[0].split("-") for line in o["PID/maps"] if "vsyscall" not in line)) >> 10
    same("sum of maps", size, status["VmSize"])
    total = {}
    for line in o["PID/smaps"]:
        m = re.fullmatch(KB, line)
        if m:
            total[m["key"]] = total.get(m["key"], 0) + int(line.split()[1])
    for key in ("Rss", "Anonymous", "Swap", "Locked", "Private_Dirty"):
        same(f"{key} of rollup", rollup[key], total[key])
    statm = [int(w) * 4 for w in o["PID/statm"][0].split()]
    same("size of statm", statm[0], status["VmSize"])
    between("shared of statm", statm[2], status["RssFile"] + status["RssShmem"] - 256, status["RssFile"] + status["RssShmem"] + 256)
    between("locked", status["VmLck"], 1024, 1024)
    between("RssShmem", status["RssShmem"], 2048 - 64, 2048)
    between("RssFile", status["RssFile"], 512, 2048)  # the file is read through the page cache, text as it is run
    between("VmSwap", status["VmSwap"], 2048 * 0.9, 2048 + 64)
    same("threads", [status["Threads"], o["PID/task"][0], o["PID/task"][1:]], [3, "3", ["tool_files", "worker", "worker"]])
    stat = o["PID/stat"][0].rsplit(")", 1)[1].split()
    same("vsize of stat", int(stat[20]) >> 10, status["VmSize"])
    same("threads of stat", stat[17], "3")
    assert any(line.endswith("/root/data") for line in o["PID/map_files"]) and any("/root/data" in line for line in o["PID/numa_maps"])
    pairs = dict(line.split() for line in o["PID/auxv"])
    same("page size, end of auxv", [pairs["6"], pairs["0"]], ["4096", "0"])


def check_words(o):
    """pagemap, kpagecount, kpageflags: a written page is present, mapped by parent and child, anonymous"""
    same("words", o["words"], ["1 0 2 1"])


def check_refs(o):
    """clear_refs: nothing is referenced right afterwards"""
    between("Referenced", int(o["PID/refs"][0].split()[1]), 0, 256)


def schedule(o, when):
    """[[CPU seconds, seconds of waiting, runs] of each loop]"""
    lines = [o[name][0].split() for name in o.sections if name.startswith("schedstat-" + when)]
    return [[int(line[0]) / 1e9, int(line[1]) / 1e9, int(line[2])] for line in lines]


def seconds(o, first, second):
    return float(o["uptime-" + second][0].split()[0]) - float(o["uptime-" + first][0].split()[0])


def check_schedstat(o):
    """schedstat: of two loops on one CPU each runs half of the time and waits the other half, by turns"""
    loops = []
    for before, after in zip(schedule(o, "before"), schedule(o, "after")):
        ran, waited, runs = (b - a for a, b in zip(before, after))
        between("running and waiting", ran + waited, seconds(o, "begin", "end") - 0.1, seconds(o, "before", "after") + 0.1)  # it is summed up by turns
        between("share of waiting", waited / (ran + waited), 0.35, 0.65)
        between("runs a second", runs / (ran + waited), 10, 1000)
        loops.append(ran)
    between("CPU time of one to the other's", loops[0] / loops[1], 0.7, 1.4)


def check_wait(o):
    """pidstat -u: a good part of the time such a loop waits for the CPU"""
    names, values = next(line.split() for line in o["pidstat"] if "%wait" in line), o["pidstat"][-1].split()
    row = dict(zip(names[-7:], values[-7:]))
    between("%wait", float(row["%wait"]), 15, 85)
    between("%CPU", float(row["%CPU"]), 15, 85)


def check_sched(o):
    """sched: ten moves from CPU to CPU are ten migrations; switches add up; the sum of CPU time goes on"""
    before, after = ({line.split(":")[0].strip(): float(line.split(":")[1]) for line in o["sched-" + when][2:] if line.count(":") == 1 and "=" not in line}
                     for when in ("before", "after"))
    same("migrations", after["se.nr_migrations"] - before["se.nr_migrations"], 10)
    for s in (before, after):
        same("switches", s["nr_switches"], s["nr_voluntary_switches"] + s["nr_involuntary_switches"])
    assert after["se.sum_exec_runtime"] - before["se.sum_exec_runtime"] >= 200, "ms of CPU time in ten times 20 ms"
    same("priority, weight", [after["prio"], after["se.load.weight"]], [120, 1 << 20])


def interrupts(o, when):
    """{name: [count on each CPU]} of the timer and the disk"""
    found = {}
    for line in o["interrupts-" + when][1:]:
        words = line.split()
        if words[0] == "LOC:" or words[-1].startswith("virtio"):
            found[words[0] if words[0] == "LOC:" else words[-1]] = [int(w) for w in words[1:3]]
    return found


def check_interrupts(o):
    """interrupts: a busy CPU has its timer's, each read of a disk one"""
    before, loops, quiet, reads = (interrupts(o, when) for when in ("before", "loops", "quiet", "reads"))
    assert loops["LOC:"][1] - before["LOC:"][1] >= 2 * 90, "timer interrupts of a busy CPU in two seconds or more"
    moved = {name: sum(reads[name]) - sum(quiet[name]) for name in reads if name != "LOC:"}
    between("interrupts of the disk for 200 reads", max(moved.values()), 200, 230)

# SPDX-License-Identifier: MIT
"""quire test: all suites, several at a time; the last line counts, and those before it say again what failed.

All is built first. The lines of one suite are shown as they come, those of the others when it has ended. A suite is a command that prints one line for each test and ends with "N passed, N failed". The default
size takes minutes; larger sizes are parts of --nightly, which use other seeds every day: they print them,
and --seed repeats them.
"""
import argparse
import datetime
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .common import BUILD, ISO_PACKAGES, ROOT, TEST_PACKAGES, Failure, make, need, say
from .linux import linux_kernel

COUNT = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed")
# What suites print for a test that failed: their own words, cmocka's, make's and the sanitizers'.
FAILING = re.compile(r"FAIL\b|not ok\b|\[  FAILED  \]|.*\bFAILED(:|$)|make.*\*\*\*|.*ERROR: \w+Sanitizer:|.*WARNING: ThreadSanitizer:|\S+:\d+:\d+: runtime error:")
DETAILS = 6  # indented lines under a failing one that are said again with it


SEED = "{seed}"  # in a nightly part's command: the seed of the run, for tests that do not take QUIRE_SEED


class Suite:
    """alone: runs beside no other, because it compares work done in a time, shows a person what comes
    right after a command, or uses all CPUs itself."""

    def __init__(self, name, what, command, packages=(), targets=(), oracle=False, alone=False):
        self.name, self.what, self.command = name, what, command
        self.packages, self.targets, self.oracle, self.alone = list(packages), targets, oracle, alone


def python(path, *words):
    return [sys.executable, os.path.join(ROOT, path), *words]


def make_command(target):
    return ["make", "-C", ROOT, "--no-print-directory", "-s", target]


FILE_PACKAGES, FILE_TARGETS = ("e2fsprogs",), ("kernel", "guest", "file-tests")
SWAP_TARGETS, THRASHING_TARGETS = ("kernel", "guest", "build/guest/swap_check"), ("kernel", "guest", "build/guest/thrash")

SUITES = [
    Suite("house", "imports run downwards", [os.path.join(ROOT, "tests/house/imports")]),
    Suite("unit", "mm/ and lib/ on the host under ASan and UBSan", make_command("check"), (), ("build/unit", "build/unit-small")),
    Suite("ext2", "ext2 on the host: model, crashes, e2fsck", make_command("check-ext2"), ("e2fsprogs",), ("build/ext2-test",)),
    Suite("threads", "free-running CPUs under TSan: mm/, and ext2 used by several threads", make_command("check-tsan"), ("e2fsprogs",),
          ("build/unit-tsan", "build/ext2-tsan")),
    Suite("labs", "the experiments check themselves and their pages", python("tests/labs/labs_test.py"),
          ["mmdebstrap", "e2fsprogs", "golang-go", "procps", "util-linux", "sysstat"], ("kernel", "guest", "host-lib")),
    Suite("swap", "swap: tools as on Linux, --swap, every byte of four times the memory", python("tests/swap/swap_test.py", "--policies", "lru", "mglru"),
          ["mmdebstrap", "e2fsprogs", "qemu-utils"], SWAP_TARGETS, oracle=True),
    Suite("record", "the record of decisions, its readers, explain, the report in a browser", ["/usr/bin/python3", os.path.join(ROOT, "tests/record/record_test.py")],
          ("mmdebstrap", "e2fsprogs", "libjs-chart.js", "chromium", "chromium-driver", "python3-selenium"), ("kernel", "guest", "build/guest/steps")),
    Suite("tools", "procps, smem, sysstat, util-linux, htop and more: output, arithmetic, values; /proc as on Linux", python("tests/tools/tools_test.py"),
          ("mmdebstrap", "e2fsprogs", "python3-pyte"), ("kernel", "guest", "build/guest/load"), oracle=True),
    Suite("boot", "-kernel, BIOS, UEFI; protections; panics", make_command("check-boot"), ISO_PACKAGES,
          ("kernel", "build/selftest.iso", "build/quire.iso")),
    Suite("initramfs", "initial RAM disks, whole and broken", make_command("check-initramfs"), ("cpio",), ("kernel", "build/initramfs/init")),
    Suite("differential", "the same programs on Linux and in Quire", python("tests/differential/compare.py"), (),
          ("kernel", "guest-tests"), oracle=True),
    Suite("table", "each call, flag and error has its case", python("tests/differential/table.py")),
    Suite("sequence", "300 random sequences of memory calls: Linux, Quire, host", python("tests/sequence/compare.py"), (),
          ("kernel", "sequence-guest", "sequence-host"), oracle=True),
    Suite("command", "./quire itself", python("tests/command/command_test.py"), (), ("kernel", "guest")),
    Suite("image", "the Debian image, files as images, disks", python("tests/command/image_test.py"),
          ["mmdebstrap", "e2fsprogs", "qemu-utils", "fdisk"], ("kernel", "guest")),
    Suite("disk", "block devices: bytes, calls, figures, failing disks", python("tests/disk/disk_test.py"),
          ["mmdebstrap", "e2fsprogs", "qemu-utils"], ("kernel", "guest", "build/guest/disk"), oracle=True),
    Suite("programs", "Debian's bash, Python, pmap and sqlite and a Go program print the same as on Linux", python("tests/programs/programs_test.py", "bash", "python", "pmap", "net", "database", "libc", "locks"),
          ("procps", "libpython3.11-stdlib", "golang-go", "mmdebstrap", "e2fsprogs"), ("kernel", "guest"), oracle=True),
    Suite("fsx", "random file operations against a model: tmpfs, ext2, little memory", python("tests/files/fsx_test.py"), FILE_PACKAGES, FILE_TARGETS),
    Suite("crash", "what fsync promised is there after a power failure", python("tests/files/crash_test.py", "--points", "10"), FILE_PACKAGES,
          FILE_TARGETS),
    Suite("damage", "damaged and full file systems", python("tests/files/damage_test.py", "--images", "12"), FILE_PACKAGES, FILE_TARGETS),
    Suite("errors", "a disk that fails at random under a file system", python("tests/files/errors_test.py", "--operations", "300"), FILE_PACKAGES, FILE_TARGETS),
    Suite("policy", "replacement policies: every one, and 1,000 switches under load", python("tests/reclaim/policy_test.py"), (),
          ("kernel", "guest", "build/guest/switch")),
    Suite("identity", "guest and host evict the same pages, for every policy", python("tests/reclaim/identity_test.py"), (),
          ("kernel", "guest", "reclaim-tests")),
    Suite("thrashing", "pressure as on Linux", python("tests/reclaim/thrashing_test.py", "pressure", "--seconds", "8"), (),
          THRASHING_TARGETS, oracle=True, alone=True),
    Suite("compact", "compaction while programs fork, swap and map files", python("tests/compact/compact_test.py"), FILE_PACKAGES, SWAP_TARGETS),
    Suite("leaks", "nothing is left behind", python("tests/leak/leak_test.py"), (), ("kernel", "build/guest/leak")),
    Suite("oom", "memory used up in many ways", python("tests/oom/oom_test.py"), (), ("kernel", "build/guest/exhaust")),
    Suite("countdown", "every allocation in the kernel fails once", python("tests/countdown/countdown_test.py"), (),
          ("kernel", "build/guest/countdown")),
]

NIGHTLY = {
    "fresh": Suite("fresh", "./quire run on a minimal Debian 12 made by mmdebstrap", python("tests/install/fresh_test.py"), ["mmdebstrap"], alone=True),
    "sequences": Suite("sequences", "1,000,000 random sequences of memory calls on the host, validated after every call",
                       python("tests/sequence/compare.py", "--count", "1000000", "--machines", "host", "--fast"), (), ("sequence-host",), alone=True),
    "guest-sequences": Suite("guest-sequences", "10,000 random sequences of memory calls: Linux, Quire, host",
                             python("tests/sequence/compare.py", "--count", "10000", "--machines", "linux,quire,host", "--fast"), (),
                             ("kernel", "sequence-guest", "sequence-host"), oracle=True, alone=True),
    "turns": Suite("turns", "5,000 orders in which CPUs meet in memory calls, twice", ["make", "-C", ROOT, "-s", "-j2", "check-turns"], alone=True),
    "fuzz-gpt": Suite("fuzz-gpt", "libFuzzer over partition tables", ["make", "-C", ROOT, "-s", "fuzz-gpt"], ["clang", "libclang-rt-14-dev"]),
    "fuzz": Suite("fuzz", "libFuzzer over regions and page tables", ["make", "-C", ROOT, "-s", "fuzz"], ["clang", "libclang-rt-14-dev"]),
    "fuzz-ext2": Suite("fuzz-ext2", "libFuzzer over broken ext2 images: mount, look-up, read, change", ["make", "-C", ROOT, "-s", "fuzz-ext2",
                       f"FUZZ_ARGS=-max_total_time=240 -print_final_stats=1 -seed={SEED}"], ["clang", "libclang-rt-14-dev", "e2fsprogs"]),
    "programs": Suite("programs", "a longer Python program prints the same as on Linux", python("tests/programs/programs_test.py", "many"),
                      ("mmdebstrap", "e2fsprogs"), ("kernel", "guest"), oracle=True),
    "fsx": Suite("fsx", "random file operations, 20 minutes", python("tests/files/fsx_test.py", "--seeds", SEED + "-", "--operations", "20000",
                                                                     "--minutes", "20"), FILE_PACKAGES, FILE_TARGETS),
    "crash": Suite("crash", "200 power failures", python("tests/files/crash_test.py", "--points", "100", "--operations", "3000", "--seed", SEED),
                   FILE_PACKAGES, FILE_TARGETS),
    "damage": Suite("damage", "200 damaged images", python("tests/files/damage_test.py", "--only", "damaged", "--images", "200", "--seed", SEED),
                    FILE_PACKAGES, FILE_TARGETS),
    "labs-host": Suite("labs-host", "the experiments on this machine's own Linux, as far as they are harmless there", [os.path.join(ROOT, "quire"), "lab", "--all", "--host"],
                       ["golang-go", "procps", "util-linux", "sysstat"], ("host-lib",)),
    "report-fit": Suite("report-fit", "quire report --fit: how little memory would do", ["/usr/bin/python3", os.path.join(ROOT, "tests/record/record_test.py"), "report_fit"],
                        ("libjs-chart.js", "python3-selenium"), ("kernel", "guest", "build/guest/steps")),
    "java": Suite("java", "an object of Java on Debian's openjdk, from its address to its frame", python("tests/record/java_test.py"), ["mmdebstrap", "e2fsprogs"],
                  ("kernel", "guest")),
    "tools": Suite("tools", "strace, gdb, cron, tmux, Java's virtual machine", python("tests/tools/tools_test.py", "--nightly"), ("mmdebstrap", "e2fsprogs", "openjdk-17-jdk-headless"),
                   ("kernel", "guest", "build/guest/load"), oracle=True),
    "major-faults": Suite("major-faults", "at most 1.05 times Linux's major faults, four workloads", python("tests/reclaim/major_faults_test.py"), (),
                          ("kernel", "guest", "build/guest/major_faults"), oracle=True),
    "thrashing": Suite("thrashing", "pressure as on Linux; turns do 1.2 times the work under every policy; median of five runs of 20 seconds", python("tests/reclaim/thrashing_test.py"), (), THRASHING_TARGETS,
                       oracle=True, alone=True),
    "oom": Suite("oom", "memory used up in many ways, with 10 seeds of failing allocations on top", python("tests/oom/oom_test.py", "--failures", "10"), (),
                 ("kernel", "build/guest/exhaust")),
    "integrity": Suite("integrity", "every policy with four times the memory; all that can change at once",
                       python("tests/swap/swap_test.py", "policies", "all-at-once", "--rounds", "3", "--policy-mib", "96",
                              "--policy-cpus", "4"), FILE_PACKAGES, SWAP_TARGETS),
    "swap": Suite("swap", "four times the memory, 12 rounds", python("tests/swap/swap_test.py", "check", "areas", "--rounds", "12"), FILE_PACKAGES,
                  SWAP_TARGETS),
    "compact": Suite("compact", "compaction under load, 10 rounds", python("tests/compact/compact_test.py", "--rounds", "10", "--mib", "80", "--seed", SEED), FILE_PACKAGES,
                     SWAP_TARGETS),
    "errors": Suite("errors", "a failing disk, 40 rounds", python("tests/files/errors_test.py", "--rounds", "40", "--seed", SEED), FILE_PACKAGES,
                    FILE_TARGETS),
}


def seed_of_today():
    """The first seed of a nightly part: a million apart from day to day."""
    return (datetime.date.today() - datetime.date(2026, 1, 1)).days * 1000000 + 1


def exists(suite):
    """Suites whose files are not part of this tree are left out, and named."""
    script = next((w for w in suite.command if w.endswith(".py")), None)
    return script is None or os.path.exists(script)


class Outcome:
    """What a suite's lines and its end amount to."""

    def __init__(self):
        self.passed = self.failed = 0
        self.failing = []  # the lines that say so, each once, and the first of those indented under them
        self.room = 0  # how many further indented ones are kept
        self.is_counted = False
        self.last = ""
        self.cpu_s = 0.0  # of its processes and of those that they waited for

    def take(self, line):
        """Notes a line; False: it is the count, which is printed for all suites at the end."""
        found = COUNT.match(line)
        if found:
            self.is_counted = True
            self.passed += int(found[1])
            self.failed += int(found[2])
            return False
        line = line.rstrip()
        self.last = line or self.last
        if FAILING.match(line):
            self.room = 0 if line in self.failing else DETAILS
            self.failing += [line] if self.room else []
        elif self.room and line.startswith("     "):
            self.room -= 1
            self.failing.append(line)
        else:
            self.room = 0
        return True

    def ended(self, status):
        if not self.is_counted and status == 0:
            self.passed = 1
        elif not self.is_counted or (status and not self.failed):
            self.failed += 1
            self.failing.append(f"ended with status {status}; its last line: {self.last}")
        elif not self.failed:
            self.failing = []  # a word in some program's output
        elif not self.failing:
            self.failing.append(f"{self.failed} failed; the last line: {self.last}")

    def refused(self, why):
        self.failed += 1
        self.failing.append(f"did not run: {why}")


class Screen:
    """What suites print that run at the same time: the first one's lines as they come, another's when its turn has come."""

    def __init__(self):
        self.lock = threading.Lock()
        self.blocks = []  # [lines that wait, has it ended]

    def open(self):
        block = [[], False]
        with self.lock:
            self.blocks.append(block)
        return block

    def write(self, block, line):
        with self.lock:
            if block is self.blocks[0]:
                sys.stdout.write(line)
                sys.stdout.flush()
            else:
                block[0].append(line)

    def close(self, block):
        with self.lock:
            block[1] = True
            while self.blocks and self.blocks[0][1]:
                self.blocks.pop(0)
                if self.blocks:
                    sys.stdout.write("".join(self.blocks[0][0]))
                    self.blocks[0][0].clear()
            sys.stdout.flush()


installing = threading.Lock()


def prepare(suites):
    """What these suites need is there, or a Failure."""
    with installing:
        need(list(dict.fromkeys(TEST_PACKAGES + [p for s in suites for p in s.packages])))
        targets = list(dict.fromkeys(t for s in suites for t in s.targets))
        if targets:
            make(*targets)


def run_suite(suite, seed, write):
    """Its Outcome. write: takes each of its lines."""
    outcome = Outcome()
    try:
        prepare([suite])
        env = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "tools"), PYTHONUNBUFFERED="1", QUIRE_NAME=suite.name)
        if seed is not None:
            env["QUIRE_SEED"] = str(seed)
        if suite.oracle:
            env["QUIRE_LINUX"] = linux_kernel()[0]
    except Failure as e:
        write(f"{e}\n")
        outcome.refused(e)
        return outcome
    command = [word.replace(SEED, str(seed)) for word in suite.command]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               cwd=ROOT, env=env)
    for raw in process.stdout:
        line = raw.decode(errors="replace")
        if outcome.take(line):
            write(line)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    outcome.cpu_s = usage.ru_utime + usage.ru_stime
    outcome.ended(process.returncode)
    return outcome


def run_shown(suite, seed, screen):
    """run_suite() between two lines that say what it is and how it ended."""
    block = screen.open()

    def write(line):
        screen.write(block, line)

    write(f"=== {suite.name}: {suite.what}\n")
    start = time.monotonic()
    if seed is not None:
        write(f"seed {seed}; again: ./quire test --nightly {suite.name} --seed {seed}\n")
    outcome = run_suite(suite, seed, write)
    write(f"=== {suite.name}: {outcome.passed} ok, {outcome.failed} not, {time.monotonic() - start:.0f} s, {outcome.cpu_s:.0f} s of CPU\n")
    screen.close(block)
    return outcome


def run_all(suites, seed, jobs):
    """[(suite, Outcome)]: those that can bear company first, jobs at a time, then the others."""
    screen, done = Screen(), []
    for group, workers in (([s for s in suites if not s.alone], jobs), ([s for s in suites if s.alone], 1)):
        with ThreadPoolExecutor(workers) as pool:
            done += zip(group, pool.map(lambda s: run_shown(s, seed, screen), group))
    return done


def say_again(failing):
    """What failed, at the end, where it is seen. failing: (suite's name, line)"""
    if failing:
        print("=== what failed:")
    for name, line in failing:
        print(f"{name}: {line}")


def main(words):
    p = argparse.ArgumentParser(prog="quire test", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__,
                                epilog="suites: " + ", ".join(s.name for s in SUITES) + "\nnightly parts: " + ", ".join(NIGHTLY)
                                + "\nexample: ./quire test unit boot")
    p.add_argument("suite", nargs="*", help="only these")
    p.add_argument("--nightly", metavar="PART", choices=[*sorted(NIGHTLY), "all"], help="a larger part, or all of them")
    p.add_argument("--seed", type=int, metavar="N", help="the first seed of a nightly part (default: by the date)")
    p.add_argument("--jobs", type=int, metavar="N", default=min((os.cpu_count() or 1) + 1, 4), help="suites at a time (default: one more than the CPUs, since each waits now and then; at most 4)")
    p.add_argument("--list", action="store_true")
    o = p.parse_args(words)
    if o.list:
        for s in SUITES:
            print(f"{s.name:14}{s.what}")
        for name, s in NIGHTLY.items():
            print(f"--nightly {name:14}{s.what}")
        return 0
    suites = list(NIGHTLY.values()) if o.nightly == "all" else [NIGHTLY[o.nightly]] if o.nightly else SUITES
    if o.suite:
        unknown = set(o.suite) - {s.name for s in SUITES}
        if unknown:
            say(f"no suite {', '.join(sorted(unknown))}; there are: {', '.join(s.name for s in SUITES)}")
            return 125
        suites = [s for s in SUITES if s.name in o.suite]
    os.makedirs(BUILD, exist_ok=True)
    begin = time.monotonic()
    for s in [s for s in suites if not exists(s)]:
        print(f"=== {s.name}: not in this tree yet")
    suites = [s for s in suites if exists(s)]
    try:
        prepare(suites)
    except Failure as e:
        say(str(e))  # and each suite says whether it can do without
    done = run_all(suites, (seed_of_today() if o.seed is None else o.seed) if o.nightly else None, o.jobs)
    passed, failed = sum(outcome.passed for _, outcome in done), sum(outcome.failed for _, outcome in done)
    failing = [(s.name, line) for s, outcome in done for line in outcome.failing]
    print(f"=== all in {(time.monotonic() - begin) / 60:.1f} minutes")
    say_again(failing)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0

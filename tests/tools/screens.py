# SPDX-License-Identifier: MIT
"""htop, top, slabtop, watch, less and tmux in a terminal, driven by keys; what the screens show is compared.

One boot of each kernel runs one shell at a terminal. Keys are sent when the screen shows what they are for, and a
screen is kept when it shows what it should; figures are masked before two screens are compared, labels and places are not.
"""
import contextlib
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
import fcntl

import guest
from guest import between, near, number, same

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's python3-pyte, whatever Python runs this
import pyte

ROWS, COLUMNS, PATIENCE = 30, 120, 300  # seconds, which tell a hang
F2, F10, UP, DOWN = "\x1b[[B", "\x1b[21~", "\x1b[A", "\x1b[B"  # as TERM=linux has them, which pyte is like


class Terminal:
    """The host's end of a pseudo-terminal in which ./quire run shows a guest's shell."""

    def __init__(self, words):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
        self.fd, self.seen = master, b""
        self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, cwd=guest.ROOT, start_new_session=True,
                                        env=dict(os.environ, TERM="linux"))
        os.close(slave)
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)

    def keys(self, text):
        os.write(self.fd, text.encode())

    def text(self):
        return [line.rstrip() for line in self.screen.display]

    def read(self, seconds):
        """False: nothing more will come."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        # pyte knows no private reports and takes their letters for text.
        self.seen = (self.seen + data)[-4096:]
        self.stream.feed(re.sub(rb"\x1b\[[>=?]\d*(;\d+)*[cmu]", b"", data))
        return bool(data)

    def family(self):
        """./quire run and the machine, which is its child."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
                if str(self.process.pid) in (pid, f.read().rsplit(")", 1)[1].split()[1]):
                    found.append(pid)
        return found

    def is_idle(self):
        """Is there a moment at which all of ./quire run and of the machine sleeps? A machine that only waits for its turn on
        a CPU of the host does not."""
        def look():
            seen = {}
            for pid in self.family():
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{thread}/status") as f:
                        text = f.read()
                    seen[pid, thread] = re.findall(r"^(?:State:\t(.)|\w*voluntary_ctxt_switches:\t(\d+))", text, re.M)
            return seen
        try:
            first = look()
            return all(seen[0][0] == "S" for seen in first.values()) and look() == first  # nobody ran between the two
        except (FileNotFoundError, ProcessLookupError):
            return False

    def wait(self, pattern, gone="(?!)"):
        """Until the screen matches, has nothing more of what is to be gone, and all of it has come; the screen."""
        until = time.monotonic() + PATIENCE
        while not re.search(pattern, "\n".join(self.text()), re.M) or re.search(gone, "\n".join(self.text()), re.M):
            assert time.monotonic() < until and self.read(1), f"no '{pattern}' on the screen:\n" + "\n".join(line for line in self.text() if line)
        while time.monotonic() < until:
            is_idle = self.is_idle()
            if not select.select([self.fd], [], [], 0.1)[0]:
                if is_idle:
                    break
            elif not self.read(0):
                break
        return self.text()

    def close(self):
        os.close(self.fd)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


SHELL = "(\\^C)?ready\\$"  # what ended the last program may stand before it
SETUP = "export LC_ALL=C.UTF-8 TERM=linux HISTFILE=; hold name=tool_screen anon=40 threads=2; P=$held; hold name=tool_other anon=8; PS1='rea''dy$ '; clear\r"


def drive(t, keep):
    """All programs one after the other. keep(name, pattern): waits and keeps the screen."""
    t.wait("^bash-.*#")
    t.keys(". /root/script\r")
    t.wait("prelude")
    t.keys(SETUP)

    def start(command, pattern, name):
        t.wait("^" + SHELL + "$")
        t.keys(f"clear; {command}\r")
        keep(name, pattern)

    start("htop -d 10", "F10Quit", "htop")
    t.keys("M")  # sorted by memory
    keep("htop by memory", r"MEM%▽.*\n.*name=tool_screen")  # at the next look it sorts
    t.keys("t")
    keep("htop tree", "├─")
    t.keys("t")
    t.wait("F5Tree", "├─")
    t.keys("/tool_screen")
    keep("htop search", "Search: tool_screen")
    t.keys("\r")
    t.wait("F10Quit")
    t.keys("a")
    keep("htop affinity", "Use CPUs")
    t.keys(UP + DOWN + DOWN + " \r")
    keep("htop bound", "F10Quit")
    t.keys("e")
    keep("htop environment", "TERM=linux")
    t.keys("\x1b")
    t.wait("F10Quit", "TERM=linux")
    t.keys("H")
    keep("htop without threads", "name=tool_screen", r"name=tool_screen.*\n.*name=tool_screen")
    t.keys(F2)
    keep("htop setup", "Categories")
    t.keys(F10)
    t.wait("F10Quit", "Categories")
    t.keys("q")
    start("taskset -p $P", "current affinity mask", "bound")
    start("top -d 5 -p $P,1", "COMMAND", "top")
    t.keys("e")
    keep("top in other units", "[0-9.]+[mg] +[0-9.]+[mg]")
    t.keys("H")
    keep("top threads", "worker")
    t.keys("1")
    keep("top CPUs", "%Cpu1")
    t.keys("c")
    keep("top commands", "name=tool_screen")
    t.keys("h")
    keep("top help", "Help for Interactive Commands")
    t.keys("q")
    t.wait("COMMAND")
    t.keys("q")
    start("slabtop -d 5", "CACHE SIZE NAME", "slabtop")
    t.keys("n")
    keep("slabtop by name", "NAME *\\n.*(anon|Acpi|TCP|UDP|bio|cred|dentry)")
    t.keys("q")
    start("watch -n 2 -t 'echo a $((6*7)); grep ^Threads /proc/'$P'/status'", "Threads:", "watch")
    t.keys("\x03")
    start("seq 1000 > /tmp/numbers; less /tmp/numbers", "^/tmp/numbers|^29$", "less")
    t.keys(" ")
    keep("less page", "^58$")
    t.keys("/777\r")
    keep("less search", "^777$")
    t.keys("G")
    keep("less end", r"\(END\)")
    t.keys("1g")
    keep("less begin", "^1$")
    t.keys("q")
    start("echo 'set -g automatic-rename off' > /tmp/conf; tmux -f /tmp/conf new -n first 'PS1=\"in\"\"side$ \" bash --norc'", r"^inside\$", "tmux")
    t.keys('\x02%')
    keep("tmux split", "│root@quire")
    t.keys("stty size\r")
    keep("tmux size", r"\b29 59\b")
    t.keys("\x02x")
    t.wait("kill-pane")
    t.keys("y")
    t.wait(r"^inside\$", "│")
    t.keys("\x02c")
    keep("tmux second window", r"^root@quire.*(\n.*)*1:bash\*")
    t.keys("exit\r")
    t.wait(r"0:first\*", "1:bash")
    t.keys("exit\r")
    keep("after tmux", r"\[exited\]")
    t.wait("^" + SHELL + "$")
    t.keys("exit\r")


def boot(kernel):
    o = guest.Output(kernel)
    with tempfile.TemporaryDirectory(prefix="quire-screens-") as folder:
        script = os.path.join(folder, "script")
        with open(script, "w") as f:
            f.write(guest.PRELUDE + "\necho prelude\n")
        words = guest.command(kernel, folder, script)
        t = Terminal([*words, "--tty", "yes", "--", "bash", "--norc"])

        def keep(name, *patterns):
            section = o.sections[name] = guest.Section()
            section.lines = t.wait(*patterns)
        try:
            drive(t, keep)
        except AssertionError as e:
            o.trouble = str(e).splitlines()
        finally:
            t.close()
    return o


def mask(line):
    """Figures, bars and states away; words, marks and the order of columns stay."""
    line = re.sub(r"\[[| ]*", "[ ", line)
    line = re.sub(r"\|{2,}", "", line)
    line = re.sub(r"\d\d-[A-Z][a-z]{2}-\d\d", "DATE", line)
    line = re.sub(r"[0-9][0-9.,:/h]*([KMGmgt%]|i?B)*", "N", line)
    line = re.sub(r" [RSDI] ", " S ", line)
    line = re.sub(r"([,:])N", r"\1 N", line)
    return re.sub(r" +", " ", line).strip()


def masked(o, name):
    return [mask(line) for line in o[name] if line.strip()]


def compare_htop(linux, quire):
    """htop: header, columns and processes; by memory, as a tree, a search, affinity, without threads"""
    for name in ("htop by memory", "htop tree", "htop search", "htop affinity", "htop without threads"):
        assert len(linux[name]) > 10
        same(name, sorted(masked(quire, name)), sorted(masked(linux, name)))


def compare_htop_setup(linux, quire):
    """htop: setup's lists, and the environment of a process"""
    def lists(o, name):
        lines = [line for line in o[name] if line.strip()]
        return [mask(line) for line in lines[5 if "setup" in name else 1:]]
    for name in ("htop setup", "htop environment"):
        same(name, lists(quire, name), lists(linux, name))


def check_htop_values(o):
    """htop: the load first by memory with its RES and share, and bound to CPU 0 by key"""
    lines = o["htop by memory"]
    at = next(i for i, line in enumerate(lines) if "MEM%▽" in line)
    first = dict(zip(lines[at].replace("CPU%", "CPU% ").replace("▽", " ").split(), lines[at + 1].split()))
    between("RES", number(first["RES"]), 40 << 10, 42 << 10)
    total = number(re.search(r"/([0-9.]+[MG])\]", "\n".join(lines))[1])
    near("MEM%", float(first["MEM%"]), 100 * number(first["RES"]) / total, 0.2)
    same("threads shown", sum("name=tool_screen" in line for line in lines), 3)
    same("threads hidden", sum("name=tool_screen" in line for line in o["htop without threads"]), 1)
    assert any(re.search(r"affinity mask: 1$", line) for line in o["bound"]), o["bound"][:3]


def compare_top(linux, quire):
    """top: summary, columns, threads, each CPU, command lines, help"""
    for name in ("top", "top in other units", "top threads", "top CPUs", "top commands", "top help"):
        same(name, sorted(masked(quire, name)), sorted(masked(linux, name)))


def check_top_values(o):
    """top: RES of the load, in KiB and in MiB"""
    def row(name):
        at = next(i for i, line in enumerate(o[name]) if line.split()[:2] == ["PID", "USER"])
        return dict(zip(o[name][at].split(), next(line for line in o[name][at:] if "tool_screen" in line).split()))
    between("RES", number(row("top")["RES"]), 40 << 10, 42 << 10)
    near("RES with e", number(row("top in other units")["RES"]), number(row("top")["RES"]), 256)


def compare_slabtop(linux, quire):
    """slabtop: summary and columns"""
    same("summary", masked(quire, "slabtop")[:6], masked(linux, "slabtop")[:6])


def check_slabtop(o):
    """slabtop: sorted by objects at first, by name after a key"""
    objects = [int(line.split()[0]) for line in o["slabtop"][7:] if re.match(r" *\d", line)]
    same("objects", objects, sorted(objects, reverse=True))
    assert len(objects) > 10


def compare_pagers(linux, quire):
    """watch and less: the same screens"""
    for name in ("watch", "less", "less page", "less search", "less end", "less begin"):
        same(name, quire[name], linux[name])


def compare_tmux(linux, quire):
    """tmux: a split screen, its size, a second window, the end"""
    for name in ("tmux", "tmux split", "tmux size", "tmux second window", "after tmux"):
        same(name, masked(quire, name), masked(linux, name))

# SPDX-License-Identifier: MIT
"""htop, top, slabtop, watch, less and tmux in a terminal, driven by keys; what the screens show is compared.

One boot of each kernel runs one shell at a terminal. Keys are sent when the screen shows what they are for, and a
screen is kept when it shows what it should; figures are masked before two screens are compared, labels and places are not.
"""
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

ROWS, COLUMNS, PATIENCE = 30, 120, 60
F = {1: "\x1b[11~", 2: "\x1bOQ", 3: "\x1bOR", 4: "\x1bOS", 5: "\x1b[15~", 6: "\x1b[17~", 9: "\x1b[20~", 10: "\x1b[21~"}
UP, DOWN = "\x1bOA", "\x1bOB"


class Terminal:
    """The host's end of a pseudo-terminal in which ./quire run shows a guest's shell."""

    def __init__(self, words):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
        self.fd, self.seen = master, b""
        self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, cwd=guest.ROOT, start_new_session=True,
                                        env=dict(os.environ, TERM="xterm"))
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

    def wait(self, pattern):
        """Until a line of the screen matches, and the screen then rests; the screen."""
        until = time.monotonic() + PATIENCE
        while not any(re.search(pattern, line) for line in self.text()):
            assert time.monotonic() < until and self.read(1), f"no '{pattern}' on the screen:\n" + "\n".join(line for line in self.text() if line)
        rest = time.monotonic() + 5
        while time.monotonic() < rest and select.select([self.fd], [], [], 0.3)[0]:  # what is still on its way
            if not self.read(0):
                break
        return self.text()

    def close(self):
        os.close(self.fd)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


SHELL = "ready\\$"
SETUP = "export LC_ALL=C.UTF-8 TERM=xterm HISTFILE=; hold name=tool_screen anon=40 threads=2; P=$held; hold name=tool_other anon=8; PS1='rea''dy$ '; clear\r"


def drive(t, keep):
    """All programs one after the other. keep(name, pattern): waits and keeps the screen."""
    t.wait("^bash-.*#")
    t.keys(". /root/script\r")
    t.wait("prelude")
    t.keys(SETUP)
    t.wait("^" + SHELL)

    def start(command, pattern, name):
        t.keys(f"clear; {command}\r")
        keep(name, pattern)

    start("htop -d 20", "F10Quit", "htop")
    t.keys("M")  # sorted by memory
    keep("htop by memory", "tool_screen|/root/load")
    t.keys("t")
    keep("htop tree", "F5List.*|[├└]─")
    t.keys("t")
    t.keys("/tool_screen\r")
    keep("htop search", "name=tool_screen")
    t.keys("a")
    keep("htop affinity", "Use CPUs|CPU 1|Cpu 1")
    t.keys(UP + DOWN + DOWN + " \r")
    keep("htop bound", "F10Quit")
    t.keys("H")
    t.keys("e")
    keep("htop environment", "TERM=xterm")
    t.keys("\x1b")
    keep("htop again", "F10Quit")
    t.keys(F[2])
    keep("htop setup", "Categories|Setup")
    t.keys("\x1b")
    keep("htop back", "F10Quit")
    t.keys("q")
    t.wait("^" + SHELL + "$")
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
    t.keys("qq")
    t.wait("^" + SHELL + "$")
    start("slabtop -d 5", "CACHE SIZE NAME", "slabtop")
    t.keys("n")
    keep("slabtop by name", "NAME")
    t.keys("q")
    t.wait("^" + SHELL + "$")
    start("watch -n 2 -t 'echo a $((6*7)); grep ^Threads /proc/'$P'/status'", "Threads:", "watch")
    t.keys("\x03")
    t.wait("^" + SHELL + "$")
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
    t.wait("^" + SHELL + "$")
    start("tmux -f /dev/null new 'PS1=\"in\"\"side$ \" bash --norc'", r"^inside\$", "tmux")
    t.keys('\x02%')
    keep("tmux split", "│")
    t.keys("stty size\r")
    keep("tmux size", r"\b29 59\b")
    t.keys("\x02x")
    t.keys("y")
    t.wait(r"^inside\$")
    t.keys("\x02c")
    keep("tmux second window", "1:bash\\*")
    t.keys("exit\rexit\r")
    t.keys("\x04")
    keep("after tmux", r"\[exited\]")
    t.keys("exit\r")


def boot(kernel):
    o = guest.Output(kernel)
    with tempfile.TemporaryDirectory(prefix="quire-screens-") as folder:
        script = os.path.join(folder, "script")
        with open(script, "w") as f:
            f.write(guest.PRELUDE + "\necho prelude\n")
        words = guest.command(kernel, folder, script)
        t = Terminal([*words, "--tty", "yes", "--", "bash", "--norc"])

        def keep(name, pattern):
            section = o.sections[name] = guest.Section()
            section.lines = t.wait(pattern)
        try:
            drive(t, keep)
        except AssertionError as e:
            o.trouble = str(e).splitlines()
        finally:
            t.close()
    return o


def mask(line):
    """Figures and bars away; words, marks and blanks between columns stay."""
    line = re.sub(r"\|+", "|", line)
    line = re.sub(r"[0-9][0-9.,:/h]*[KMGmgt%i]*", "N", line)
    return re.sub(r" +", " ", line).strip()


def labels(lines, pattern):
    return [re.sub(r"[\d.]+", "N", re.sub(r" +", " ", line)).strip() for line in lines if re.search(pattern, line)]

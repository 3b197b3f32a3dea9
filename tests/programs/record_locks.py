# SPDX-License-Identifier: MIT
"""Byte-range locks between processes: conflicts, splitting and joining, waiting, deadlock, what close and exit release."""
import errno
import fcntl
import os
import select
import struct

PATH = "/tmp/locks"
FLOCK = "hhqqi4x"
SH, EX, UN, NB = fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN, fcntl.LOCK_NB
fd = os.open(PATH, os.O_RDWR | os.O_CREAT, 0o600)
os.truncate(PATH, 1000)


class Other:
    """A process that does what it is told: ("lock", how, len, start) gives an errno name or "ok"."""

    def __init__(self):
        ours, theirs = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(ours[1]), os.close(theirs[0])
            self.work(ours[0], theirs[1])
        os.close(ours[0]), os.close(theirs[1])
        self.tell, self.said = os.fdopen(ours[1], "w", 1), os.fdopen(theirs[0])

    def work(self, orders, answers):
        mine = os.open(PATH, os.O_RDWR)
        for line in os.fdopen(orders):
            if line == "end\n":
                os._exit(0)
            how, length, start = map(int, line.split())
            os.write(answers, (lock(mine, how, length, start) + "\n").encode())

    def ask(self, how, length=0, start=0):
        self.tell.write(f"{how} {length} {start}\n")

    def answer(self):
        return self.said.readline().strip()

    def lock(self, *words):
        self.ask(*words)
        return self.answer()

    def end(self):
        self.tell.write("end\n")
        os.waitpid(self.pid, 0)


def lock(where, how, length=0, start=0):
    try:
        fcntl.lockf(where, how, length, start)
        return "ok"
    except OSError as e:
        return errno.errorcode[e.errno]


def holder(start, length, names, kind=fcntl.F_WRLCK):
    """Who stands in the way of a lock, as F_GETLK says."""
    got = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(FLOCK, kind, os.SEEK_SET, start, length, 0))
    kind, _, start, length, pid = struct.unpack(FLOCK, got)
    if kind == fcntl.F_UNLCK:
        return "nobody"
    return f"{names[pid]} has {'read' if kind == fcntl.F_RDLCK else 'write'} {start}+{length}"


a, b = Other(), Other()
names = {a.pid: "a", b.pid: "b"}
print("a writes 0-99:", a.lock(EX | NB, 100, 0))
print("b beside it:", b.lock(EX | NB, 100, 100))
print("b over both:", b.lock(EX | NB, 20, 90))
print("seen:", holder(50, 10, names), "|", holder(150, 0, names), "|", holder(300, 0, names))
print("a frees its middle:", a.lock(UN, 20, 40))
print("seen:", holder(0, 0, names), "|", holder(40, 20, names), "|", holder(60, 10, names))
print("b takes the middle:", b.lock(EX | NB, 20, 40))
print("a grows over it:", a.lock(EX | NB, 100, 0))
print("b frees all:", b.lock(UN, 0, 0), holder(100, 0, names))
print("a joins:", a.lock(EX | NB, 20, 40), holder(0, 0, names))
print("a becomes a reader:", a.lock(SH | NB, 100, 0))
print("b reads too:", b.lock(SH | NB, 50, 25), "and cannot write:", b.lock(EX | NB, 1, 30))
print("seen by a reader:", holder(0, 0, names, fcntl.F_RDLCK), "| by a writer:", holder(80, 0, names))
b.ask(EX, 100, 0)
print("b waits for a:", a.lock(UN, 0, 0), b.answer())
print("a has 500:", a.lock(EX | NB, 1, 500))
b.ask(EX, 1, 500)
a.ask(EX, 1, 0)
first = a if a.said in select.select([a.said, b.said], [], [])[0] else b  # who came second is told
print("deadlock:", first.answer(), "and when that one gives up:", first.lock(UN, 0, 0), (b if first is a else a).answer())
print("both free all:", a.lock(UN, 0, 0), b.lock(UN, 0, 0), holder(0, 0, names))
print("ours:", lock(fd, EX | NB, 10, 700), "theirs:", a.lock(EX | NB, 10, 700))
os.close(os.open(PATH, os.O_RDONLY))
print("closing any descriptor frees ours:", a.lock(EX | NB, 10, 700))
print("a again:", a.lock(EX | NB, 0, 600), holder(900, 0, names))
a.end()
print("its end frees:", holder(600, 0, names), "|", holder(0, 0, names))
pid = os.fork()
if not pid:
    os._exit(0 if lock(fd, EX | NB, 1, 800) == "ok" else 1)
print("a child:", os.waitpid(pid, 0)[1], holder(800, 1, names))
print("ours are not inherited:", lock(fd, EX | NB, 10, 810), end=" ")
pid = os.fork()
if not pid:
    os._exit(0 if lock(fd, EX | NB, 1, 815) in ("EAGAIN", "EACCES") else 1)
print(os.waitpid(pid, 0)[1])
b.end()
print("nobody is left:", holder(0, 800, names))
ofd = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 10, 0)
one, two = os.open(PATH, os.O_RDWR), os.open(PATH, os.O_RDWR)
print("of open descriptions:", fcntl.fcntl(one, 37, ofd) and "ok", end=" ")
try:
    fcntl.fcntl(two, 37, ofd)
except OSError as e:
    print(errno.errorcode[e.errno], end=" ")
os.close(one)
print("freed by the last close:", fcntl.fcntl(two, 37, ofd) and "ok")

# SPDX-License-Identifier: MIT
"""quire run: boots a guest, runs a program or a shell in it, ends with its status."""
import argparse
import os
import re
import selectors
import signal
import socket

from . import protocol as P
from .common import BUILD, ROOT, RUN_PACKAGES, Failure, need, parse_size
from .disks import Disks
from .guest import Guest
from .session import Interrupted, Session, default_env, program_name, report, signal_socket, terminal_size, use_tty

RUN_DIR = os.path.join(BUILD, "run")
NAME = r"[A-Za-z0-9_.-]+"  # of a guest


def policies():
    folder = os.path.join(ROOT, "mm", "reclaim", "policy")
    return sorted(name[:-2].replace("_", "-") for name in os.listdir(folder) if name.endswith(".c"))


def parser():
    p = argparse.ArgumentParser(
        prog="quire run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Boots a guest and runs PROGRAM in it, or a shell. Without a terminal the streams are the program's,\n"
                    "byte for byte; the exit status is the program's (128+N: killed by signal N; 124: --timeout; 125: Quire\n"
                    "failed; 126: not executable; 127: not found). In the shell, Ctrl-A x ends Quire.",
        epilog="examples:\n  ./quire run\n  ./quire run --ram 64M --cpus 2 -- sh -c 'free; ps'\n"
               "  ./quire run -- ./my-program   # the host's, with its libraries\n"
               "  ./quire run --image debian    # bash, procps, util-linux, python3, sysstat on ext2\n"
               "  ./quire run --image debian --package sqlite3 --keep -- sqlite3 /root/my.db\n"
               "  ./quire run --ram 64M --swap 512M -- ./my-program   # with more memory than there is\n"
               "  ./quire run --image disk.img --disk data.qcow2,ro -- ls /mnt")
    p.add_argument("--ram", default="256M", help="memory of the guest (default 256M)")
    p.add_argument("--cpus", type=int, default=1)
    p.add_argument("--image", default="busybox", metavar="busybox|debian|FILE",
                   help="what is booted: busybox in RAM; debian: Debian 12 on a disk, made when it is first asked for; or a\n"
                        "file: an ext2 disk image (raw or qcow2, whole or with a GPT), or a newc cpio archive")
    p.add_argument("--package", action="append", default=[], metavar="NAME", help="a further package in --image debian")
    p.add_argument("--disk", action="append", default=[], metavar="FILE[,ro]", help="a further disk (raw or qcow2)")
    p.add_argument("--swap", metavar="SIZE|FILE", help="memory on a disk: 512M makes a throw-away one, FILE is one that mkswap has marked;\n"
                                                       "in use when the program starts, behind the other disks")
    p.add_argument("--keep", action="store_true", help="what is written to image and disks stays (else it is thrown away)")
    p.add_argument("--add", action="append", default=[], metavar="HOST:GUEST", help="adds a file or directory")
    p.add_argument("--kernel", choices=["quire", "linux"], default="quire")
    p.add_argument("--policy", choices=policies(), metavar="NAME",
                   help="what leaves memory first: " + ", ".join(policies()) + " (default lru)")
    p.add_argument("--append", default="", help="further kernel arguments")
    p.add_argument("--tty", choices=["auto", "yes", "no"], default="auto")
    p.add_argument("--env", action="append", default=[], metavar="K=V")
    p.add_argument("--name", metavar="NAME", default=os.environ.get("QUIRE_NAME", "") or "guest",
                   help="for exec, attach and stop, when there are several guests")
    p.add_argument("--cwd", default="")
    p.add_argument("--user", default="")
    p.add_argument("--icount", action="store_true", help="count instructions: one CPU, repeatable")
    p.add_argument("--seed", type=int, help="repeatable randomness and layout")
    p.add_argument("--accel", choices=["auto", "tcg", "kvm"], default="auto")
    p.add_argument("--cpu", default="max", help="QEMU's CPU model")
    p.add_argument("--timeout", type=float, metavar="SECONDS")
    p.add_argument("--debug", action="store_true", help="lock ranks and assertions are checked, /proc/quire/leaks tells who holds the kernel's objects,\n"
                                                        "and the memory manager's structures are validated at the end")
    p.add_argument("--log", help="where the kernel log goes (default build/log/)")
    p.add_argument("--qemu", action="append", metavar="ARG", help="passed to QEMU")
    p.add_argument("program", nargs="*", metavar="PROGRAM")
    return p


def split_words(words):
    """argparse would take the program's options for ours."""
    if "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1:]
    return words, []


def check(o):
    if not re.fullmatch(NAME, o.name):
        raise Failure(f"--name {o.name}: letters, digits, _, . and - only")
    o.ram = parse_size(o.ram)
    if o.ram < 4 << 20:
        raise Failure(f"--ram {o.ram >> 20}M is too small: a guest needs 4M to start, 8M for a shell")
    if not 1 <= o.cpus <= 64:
        raise Failure("--cpus: from 1 to 64")
    adds = []
    for a in o.add:
        host, colon, guest = a.rpartition(":")
        if not colon or not guest.startswith("/"):
            raise Failure(f"--add {a}: write HOST:GUEST with an absolute GUEST path")
        adds.append((host, guest))
    o.add = adds
    if o.debug:
        if o.kernel != "quire":
            raise Failure("--debug checks Quire's kernel; there is no such thing in --kernel linux")
        o.append += " quire.checks quire.leaks"
    for e in o.env:
        if "=" not in e:
            raise Failure(f"--env {e}: write NAME=VALUE")


def bring_program(o, argv):
    """A program that starts with ./ or ../ is the host's."""
    if argv and argv[0].startswith(("./", "../")):
        host = argv[0]
        if not os.path.isfile(host):
            return 127, f"{host}: no such file on the host"
        if not os.access(host, os.X_OK):
            return 126, f"{host}: not executable"
        guest = "/host/" + os.path.basename(host)
        o.add.append((os.path.realpath(host), guest))
        argv[0] = guest
    return None


class Runner:
    """The loop: the guest's port, this terminal, and further clients (exec, attach, stop)."""

    def __init__(self, o, argv, disks):
        self.o = o
        self.argv = argv  # empty: the user's login shell
        if not argv and not o.cwd:
            o.cwd = "/root"
        self.tty = use_tty(o.tty)
        self.guest = Guest(o, disks)
        self.session = Session(self.send_first, self.tty)
        self.early = []  # what there is to say to the program before it was asked for; None: it was
        self.clients = {}  # channel -> [socket, decoder, outgoing, whether its program runs]
        self.left = set()  # channels whose client went before its program did
        self.ended = None
        self.got_signal = self.resized = False

    def listen(self):
        os.makedirs(RUN_DIR, exist_ok=True)
        self.path = os.path.join(RUN_DIR, f"{self.o.name}-{os.getpid()}.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        # A relative name: socket addresses are short.
        self.listener.bind(os.path.relpath(self.path) if len(self.path) > 100 else self.path)
        self.listener.listen(8)
        self.listener.setblocking(False)

    def send_first(self, kind, data):
        if self.early is None:
            self.guest.send(kind, 0, data)
        else:
            self.early.append((kind, 0, data))

    def on_signal(self, number, _frame):
        self.got_signal = True
        if number == signal.SIGALRM:
            self.ended = (124, f"--timeout: ended after {self.o.timeout:g} s")
        else:
            self.ended = (128 + number, None)
        if self.session.writing:
            self.session.writing = False
            raise Interrupted

    def on_winch(self, *_):
        self.resized = True

    def request(self):
        size = terminal_size() if self.tty else (24, 80)
        return P.run_request(self.argv, default_env(self.tty) + self.o.env, self.o.cwd,
                             self.o.user, self.tty, size)

    def accept(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        client.setblocking(False)
        channel = next((c for c in range(1, P.MAX_SESSIONS) if c not in self.clients and c not in self.left), None)
        if channel is None:
            client.close()
            return
        self.clients[channel] = [client, P.Decoder(), bytearray(), False]

    def from_client(self, channel):
        client, decoder, _, _ = self.clients[channel]
        try:
            data = client.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.leave(channel)
            return
        for kind, _, payload in decoder.feed(data):
            if kind == P.POWEROFF:
                self.ended = (0, None)
                continue
            if kind == P.RUN:
                self.clients[channel][3] = True
            self.guest.send(kind, channel, payload)

    def leave(self, channel):
        """The client has gone: its program is hung up, and the channel is free once the program has ended."""
        client, _, _, is_running = self.clients.pop(channel)
        client.close()
        if is_running:
            self.left.add(channel)
            self.guest.send(P.SIGNAL, channel, b"1")

    def to_client(self, channel, kind, payload):
        ends = kind in (P.EXIT, P.FAILED)
        if ends:
            self.left.discard(channel)
        if channel in self.clients:
            if ends:
                self.clients[channel][3] = False
            self.clients[channel][2] += P.frame(kind, 0, payload)
            self.flush_client(channel)

    def flush_client(self, channel):
        client, _, out, _ = self.clients[channel]
        try:
            while out:
                del out[:client.send(out)]
        except BlockingIOError:
            pass
        except OSError:
            self.leave(channel)

    def handle_guest(self):
        frames = self.guest.receive()
        if frames is None:
            self.ended = (125, self.guest.failure())
            return
        for kind, channel, payload in frames:
            if kind == P.HELLO:
                self.guest.send(P.RUN, 0, self.request())
                self.early, early = None, self.early
                for message in early or []:
                    self.guest.send(*message)
            elif channel == 0:
                self.session.handle(kind, payload, program_name(self.argv))
            else:
                self.to_client(channel, kind, payload)

    def step(self):
        with selectors.SelectSelector() as s:
            s.register(self.guest.port, selectors.EVENT_READ | (0 if self.guest.flush() else selectors.EVENT_WRITE), "guest")
            s.register(self.listener, selectors.EVENT_READ, "listener")
            s.register(self.signals[0], selectors.EVENT_READ, "signal")
            if self.session.wants_input() and len(self.guest.outgoing) < P.INPUT_WINDOW:
                s.register(0, selectors.EVENT_READ, "input")
            for channel, (client, _, out, _) in self.clients.items():
                s.register(client, selectors.EVENT_READ | (selectors.EVENT_WRITE if out else 0), channel)
            events = s.select()
        for key, mask in events:
            if key.data == "guest":
                if mask & selectors.EVENT_READ:
                    self.handle_guest()
            elif key.data == "listener":
                self.accept()
            elif key.data == "input":
                self.session.read_input()
            elif key.data == "signal":
                self.signals[0].recv(64)
            elif key.data in self.clients:
                if mask & selectors.EVENT_WRITE:
                    self.flush_client(key.data)
                if mask & selectors.EVENT_READ and key.data in self.clients:
                    self.from_client(key.data)
        if self.resized:
            self.resized = False
            self.session.resize()

    def run(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM) + (() if self.tty & 1 else (signal.SIGINT,)):
            signal.signal(number, self.on_signal)
        signal.signal(signal.SIGWINCH, self.on_winch)
        self.signals = signal_socket()
        self.session.signals, self.session.is_over = [self.signals[0]], lambda: self.got_signal
        self.listen()
        signal.setitimer(signal.ITIMER_REAL, self.o.timeout or 0)
        try:
            self.guest.start()
            self.session.open_terminal()
            while not self.ended and not self.session.result and not self.session.wants_end:
                self.step()
        except BrokenPipeError:
            self.ended = (141, None)
        except Interrupted:
            pass  # self.ended says why
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.session.close_terminal()
            complete = self.guest.end()
            self.listener.close()
            os.unlink(self.path)
        if self.o.debug and self.guest.validated() != "ok":
            return report((125, f"--debug: the memory manager's structures are not whole: {self.guest.validated()} (log: {self.guest.log})"))
        if not complete:
            return report((125, "the guest did not power off; what it wrote last may be missing on the disks that are kept"))
        return report(self.session.result or self.ended or (0, None))


def main(words):
    ours, argv = split_words(words)
    o = parser().parse_args(ours)
    argv = o.program + argv
    check(o)
    need(RUN_PACKAGES)
    refused = bring_program(o, argv)
    if refused:
        return report(refused)
    return Runner(o, argv, Disks(o)).run()

# SPDX-License-Identifier: MIT
"""Talking to a guest that another `quire run` owns."""
import glob
import os
import re
import selectors
import signal
import socket

from . import protocol as P
from .common import Failure
from .run_command import NAME, RUN_DIR
from .session import Interrupted, Session, default_env, program_name, report, signal_socket, terminal_size, use_tty


def add_name(parser):
    """Which guest is meant, for commands that look for one."""
    parser.add_argument("--name", metavar="NAME", default=os.environ.get("QUIRE_NAME", ""), help="the last with `quire run --name NAME`")


def running(name):
    """Sockets of the guests with this name, or of all, newest first."""
    if name and not re.fullmatch(NAME, name):
        raise Failure(f"'{name}' is no name of a guest")
    paths = [path for path in glob.glob(os.path.join(RUN_DIR, "*.sock"))
             if not name or re.fullmatch(re.escape(name) + r"-\d+\.sock", os.path.basename(path))]
    return sorted(paths, key=os.path.getmtime, reverse=True)


def connect(name):
    """A socket to the newest running guest of this name, or of any."""
    for path in running(name):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(os.path.relpath(path) if len(path) > 100 else path)
            return s
        except OSError:
            s.close()
            try:
                os.unlink(path)  # left by a command that was killed
            except OSError:
                pass
    raise Failure(f"no guest named {name} is running" if name else "no guest is running; start one with: ./quire run")


class Gone(Exception):
    """The guest's owner has closed the connection."""


class Client:
    """One program in a guest that another command owns, with this process's streams."""

    def __init__(self, argv, tty, name):
        self.argv = argv
        self.socket = connect(name)
        self.session = Session(self.send, tty)
        self.decoder = P.Decoder()
        self.resized = False

    def send(self, kind, data):
        try:
            self.socket.sendall(P.frame(kind, 0, data))
        except OSError:
            raise Gone from None

    def receive(self):
        try:
            data = self.socket.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            raise Gone
        for kind, _, payload in self.decoder.feed(data):
            self.session.handle(kind, payload, program_name(self.argv))

    def on_winch(self, *_):
        self.resized = True

    def on_signal(self, number, _frame):
        self.session.result = (128 + number, None)
        raise Interrupted

    def step(self):
        with selectors.SelectSelector() as sel:
            sel.register(self.socket, selectors.EVENT_READ, "guest")
            sel.register(self.signals[0], selectors.EVENT_READ, "signal")
            if self.session.wants_input():
                sel.register(0, selectors.EVENT_READ, "input")
            events = sel.select()
        for key, _ in events:
            if key.data == "guest":
                self.receive()
            elif key.data == "input":
                self.session.read_input()
            else:
                self.signals[0].recv(64)
        if self.resized:
            self.resized = False
            self.session.resize()

    def run(self, request):
        session = self.session
        signal.signal(signal.SIGWINCH, self.on_winch)
        self.signals = signal_socket()
        session.signals = [self.signals[0]]
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.on_signal)
        try:
            self.send(P.RUN, request)
            session.open_terminal()
            while not session.result and not session.wants_end:
                self.step()
        except Gone:
            session.result = (125, "the guest is gone")
        except Interrupted:
            pass  # session.result says why
        except BrokenPipeError:
            session.result = (141, None)
        finally:
            session.close_terminal()
            self.socket.close()
        return report(session.result or (0, None))


def run_session(argv, env, cwd, user, tty_choice, name):
    tty = use_tty(tty_choice)
    size = terminal_size() if tty else (24, 80)
    return Client(argv, tty, name).run(P.run_request(argv, default_env(tty) + env, cwd, user, tty, size))

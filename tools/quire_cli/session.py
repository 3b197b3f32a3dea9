# SPDX-License-Identifier: MIT
"""One program's streams between this process and a guest: standard input with a window, output apart,
the terminal's modes and size."""
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import termios
import tty as tty_module

from . import protocol as P


def terminal_size():
    try:
        rows, cols, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
        return (rows or 24, cols or 80)
    except OSError:
        return (24, 80)


def signal_socket():
    """A socket that becomes readable when a signal came: select() itself goes on waiting after one."""
    ours, theirs = socket.socketpair()
    for s in (ours, theirs):
        s.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    return ours, theirs


class Interrupted(Exception):
    """A signal ended the run while output waited for its reader."""


def write_all(fd, data, signals, is_over):
    """signals: [signal_socket()], as far as there is one. Only what there is room for is written: a signal that came just before a write that waits
    would not end it."""
    view = memoryview(data)
    while view:
        came, room, _ = select.select(signals, [fd], [])
        for s in came:
            s.recv(64)
        if is_over():
            raise Interrupted
        if room:
            view = view[os.write(fd, view[:select.PIPE_BUF]):]


class Session:
    """send(kind, payload) carries frames to the guest."""

    ESCAPE = 1  # Ctrl-A

    def __init__(self, send, tty):
        self.send = send
        self.tty = tty
        self.unacknowledged = 0
        self.input_open = True
        self.after_escape = False
        self.saved = None
        self.wants_end = False
        self.writing = False  # a signal's handler raises Interrupted then
        self.signals = []     # [signal_socket()] once there is one
        self.is_over = lambda: False  # has a signal ended the run?
        self.result = None  # (status, message)

    def open_terminal(self):
        if self.tty & 1 and os.isatty(0):
            self.saved = termios.tcgetattr(0)
            tty_module.setraw(0)
            if not self.tty & 2:  # lines that come past the guest's terminal, through a pipe for example
                mode = termios.tcgetattr(0)
                mode[1] |= termios.OPOST
                termios.tcsetattr(0, termios.TCSADRAIN, mode)

    def close_terminal(self):
        if self.saved:
            termios.tcsetattr(0, termios.TCSADRAIN, self.saved)
            self.saved = None

    def wants_input(self):
        return self.input_open and self.unacknowledged < P.INPUT_WINDOW

    def read_input(self):
        try:
            data = os.read(0, min(P.MAX_PAYLOAD, P.INPUT_WINDOW - self.unacknowledged))
        except OSError:
            data = b""
        if not data:
            self.input_open = False
            self.send(P.EOF, b"")
            return
        if self.saved:
            data = self.filter_escapes(data)
        if data:
            self.unacknowledged += len(data)
            self.send(P.INPUT, data)

    def filter_escapes(self, data):
        """Ctrl-A x ends Quire, Ctrl-A Ctrl-A is one Ctrl-A."""
        out = bytearray()
        for b in data:
            if self.after_escape:
                self.after_escape = False
                if b in b"xX":
                    self.wants_end = True
                else:
                    out += bytes([b]) if b == self.ESCAPE else bytes([self.ESCAPE, b])
            elif b == self.ESCAPE:
                self.after_escape = True
            else:
                out.append(b)
        return bytes(out)

    def write(self, fd, data):
        self.writing = True
        write_all(fd, data, self.signals, self.is_over)
        self.writing = False

    def handle(self, kind, payload, program):
        """One frame from the guest."""
        from .guest import failed_status, status_of
        if kind == P.OUTPUT:
            self.write(1, payload)
        elif kind == P.ERROR:
            self.write(2, payload)
        elif kind == P.TERMINAL:
            # The terminal is one; on the host it is where the program has one.
            self.write(1 if self.tty & 2 else 2 if self.tty & 4 else 0, payload)
        elif kind == P.TAKEN:
            self.unacknowledged -= int(payload)
        elif kind == P.EXIT:
            self.result = (status_of(int(payload)), None)
        elif kind == P.FAILED:
            self.result = failed_status(int(payload), program)

    def resize(self):
        self.send(P.WINSIZE, b"%d %d" % terminal_size())


def use_tty(choice):
    """Bit N: stream N of the program is a terminal; "auto": where the host's is."""
    if choice == "auto":
        return sum(1 << fd for fd in range(3) if os.isatty(fd))
    return 7 if choice == "yes" else 0


def default_env(with_tty):
    env = []
    if with_tty:
        env.append("TERM=" + os.environ.get("TERM", "vt100"))
    for name in ("LANG", "TZ"):
        if name in os.environ:
            env.append(f"{name}={os.environ[name]}")
    return env


def program_name(argv):
    """For messages."""
    return argv[0] if argv else "the login shell"


def report(result):
    status, message = result
    if message:
        sys.stderr.write(f"quire: {message}\n")
    return status

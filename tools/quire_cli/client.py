# SPDX-License-Identifier: MIT
"""Talking to a guest that another `quire run` owns."""
import glob
import os
import selectors
import signal
import socket

from . import protocol as P
from .common import Failure
from .run_command import RUN_DIR
from .session import Session, default_env, report, signal_socket, terminal_size, use_tty


def connect():
    """A socket to the newest running guest."""
    for path in sorted(glob.glob(os.path.join(RUN_DIR, "*.sock")), key=os.path.getmtime, reverse=True):
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
    raise Failure("no guest is running; start one with: ./quire run")


def run_session(argv, env, cwd, user, tty_choice):
    s = connect()
    tty = use_tty(tty_choice)
    session = Session(lambda kind, data: s.sendall(P.frame(kind, 0, data)), tty)
    size = terminal_size() if tty else (24, 80)
    s.sendall(P.frame(P.RUN, 0, P.run_request(argv, default_env(tty) + env, cwd, user, tty, size)))
    decoder = P.Decoder()
    resized = []
    signal.signal(signal.SIGWINCH, lambda *_: resized.append(1))
    signals = signal_socket()
    session.open_terminal()
    try:
        while not session.result and not session.wants_end:
            with selectors.SelectSelector() as sel:
                sel.register(s, selectors.EVENT_READ, "guest")
                sel.register(signals[0], selectors.EVENT_READ, "signal")
                if session.wants_input():
                    sel.register(0, selectors.EVENT_READ, "input")
                events = sel.select(1)
            for key, _ in events:
                if key.data == "input":
                    session.read_input()
                    continue
                if key.data == "signal":
                    signals[0].recv(64)
                    continue
                data = s.recv(1 << 18)
                if not data:
                    session.result = (125, "the guest is gone")
                for kind, _, payload in decoder.feed(data):
                    session.handle(kind, payload, argv[0])
            if resized:
                resized.clear()
                session.resize()
    finally:
        session.close_terminal()
        s.close()
    return report(session.result or (0, None))

# SPDX-License-Identifier: MIT
"""Frames between the command and the guest's init (guest/protocol.h says the same in C)."""
import struct

RUN, INPUT, EOF, WINSIZE, SIGNAL, POWEROFF = 1, 2, 3, 4, 5, 6
HELLO, OUTPUT, ERROR, EXIT, TAKEN, FAILED, TERMINAL = 17, 18, 19, 20, 21, 22, 23

HEADER = struct.Struct("<IBBH")
MAX_PAYLOAD = 65536
INPUT_WINDOW = 256 * 1024
MAX_SESSIONS = 32


def frame(kind, channel, payload=b""):
    return HEADER.pack(len(payload), kind, channel, 0) + payload


class Decoder:
    """Cuts a stream into (kind, channel, payload)."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data
        frames = []
        start = 0
        while len(self.buffer) - start >= HEADER.size:
            length, kind, channel, _ = HEADER.unpack_from(self.buffer, start)
            end = start + HEADER.size + length
            if len(self.buffer) < end:
                break
            frames.append((kind, channel, bytes(self.buffer[start + HEADER.size:end])))
            start = end
        del self.buffer[:start]
        return frames


def run_request(argv, env, cwd, user, tty, size):
    """tty: bit N is set when stream N is a terminal."""
    words = [f"tty={tty}", f"rows={size[0]}", f"cols={size[1]}", f"cwd={cwd or ''}", f"user={user or ''}"]
    words += [f"env={e}" for e in env] + [f"arg={a}" for a in argv]
    return b"".join(w.encode("utf-8", "surrogateescape") + b"\0" for w in words)

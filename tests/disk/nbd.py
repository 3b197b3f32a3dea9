# SPDX-License-Identifier: MIT
"""A disk that fails as it is told: a server of the NBD protocol on a socket, for QEMU.

Ranges are of 512-byte sectors. Source: the NBD protocol (doc/proto.md of the nbd project): fixed newstyle
handshake, simple replies."""
import contextlib
import errno
import socket
import struct
import threading

READ, WRITE, DISCONNECT, FLUSH = range(4)
OPTION_EXPORT_NAME, OPTION_ABORT, OPTION_GO = 1, 2, 7
REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED = 1, 3, 0x80000001
FLAGS = 1 | 4  # has flags, takes flushes


class Disk:
    def __init__(self, path, sectors):
        self.data = bytearray(sectors * 512)
        self.fails = []    # (command, first, end)
        self.stalls = []   # [first, end): of each sector the first read is held
        self.stalled = set()
        self.flush_trap = None  # a write of this sector makes the next flush fail
        self.flush_fails = False
        self.counts = {READ: 0, WRITE: 0, FLUSH: 0}
        self.held = []
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection, connection.makefile("rwb") as f:
                if self.negotiate(f):
                    self.transmit(f)
        except (OSError, struct.error):
            pass  # QEMU is gone

    def negotiate(self, f):
        f.write(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        f.flush()
        client = struct.unpack(">I", f.read(4))[0]
        while True:
            _, option, length = struct.unpack(">8sII", f.read(16))
            f.read(length)
            if option == OPTION_EXPORT_NAME:
                f.write(struct.pack(">QH", len(self.data), FLAGS) + (b"" if client & 2 else b"\0" * 124))
            elif option == OPTION_GO:
                self.reply_option(f, option, REPLY_INFO, struct.pack(">HQH", 0, len(self.data), FLAGS))
                self.reply_option(f, option, REPLY_ACK)
            else:
                self.reply_option(f, option, REPLY_ACK if option == OPTION_ABORT else REPLY_UNSUPPORTED)
            f.flush()
            if option in (OPTION_EXPORT_NAME, OPTION_GO):
                return True
            if option == OPTION_ABORT:
                return False

    @staticmethod
    def reply_option(f, option, kind, data=b""):
        f.write(struct.pack(">QIII", 0x3e889045565a9, option, kind, len(data)) + data)

    def transmit(self, f):
        while True:
            _, _, command, handle, offset, length = struct.unpack(">IHHQQI", f.read(28))
            payload = f.read(length) if command == WRITE else b""
            if command == DISCONNECT:
                return
            with self.lock:
                self.counts[command] = self.counts.get(command, 0) + 1
                if command == READ and self.is_stalled(offset // 512, (offset + length) // 512):
                    self.held.append((f, handle, offset, length))
                    continue
                self.answer(f, command, handle, offset, length, payload)

    def is_stalled(self, first, end):
        new = [s for a, b in self.stalls for s in range(max(a, first), min(b, end)) if s not in self.stalled]
        self.stalled.update(new)
        return bool(new)

    def error_of(self, command, first, end):
        if command == FLUSH:
            failed, self.flush_fails = self.flush_fails, False
            return errno.EIO if failed else 0
        if any(command == c and first < b and a < end for c, a, b in self.fails):
            return errno.EIO
        return 0

    def answer(self, f, command, handle, offset, length, payload):
        first, end = offset // 512, (offset + length) // 512
        error = self.error_of(command, first, end)
        data = b""
        if command == WRITE and not error:
            self.data[offset:offset + length] = payload
            if self.flush_trap is not None and first <= self.flush_trap < end:
                self.flush_fails, self.flush_trap = True, None
        elif command == READ and not error:
            data = self.data[offset:offset + length]
        f.write(struct.pack(">IIQ", 0x67446698, error, handle) + data)
        f.flush()

    def release(self, for_good, end=1 << 63):
        """What is held of sectors below end is answered now; for_good: and nothing more is held (QEMU has sixteen requests
        under way and keeps the others back)."""
        with self.lock:
            self.stalls = [] if for_good else self.stalls
            held = [h for h in self.held if h[2] < end * 512]
            self.held = [h for h in self.held if h[2] >= end * 512]
            for f, handle, offset, length in held:
                self.answer(f, READ, handle, offset, length, b"")

    def close(self):
        self.listener.close()
        with contextlib.suppress(OSError, ValueError):  # QEMU may be gone
            self.release(True)

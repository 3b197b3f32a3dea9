# SPDX-License-Identifier: MIT
"""What must be on a disk after the power failed, from the marks of tests/files/crash.c.

A file keeps what the last fsync or sync of it promised, but for the bytes that an operation begun since then may have
changed. A name keeps its file from the fsync of its directory (of a file that was fsynced itself) or sync on, until
an operation that takes the name away or gives it to another file is begun.
"""
from array import array


def pattern(offset, length, seed):
    first = (seed << 32) | offset // 8
    return array("Q", range(first, first + length // 8)).tobytes()


class File:
    def __init__(self):
        self.now = bytearray()
        self.promised = None  # bytes
        self.kept = None      # for each byte of `promised`: 1 when it must still be so
        self.min_size = 0

    def write(self, offset, data):
        if offset > len(self.now):
            self.now.extend(bytes(offset - len(self.now)))
        self.now[offset:offset + len(data)] = data
        if self.promised is not None:
            end = min(offset + len(data), len(self.promised))
            if offset < end:
                self.kept[offset:end] = bytes(end - offset)

    def truncate(self, size):
        if size < len(self.now):
            del self.now[size:]
        else:
            self.now.extend(bytes(size - len(self.now)))
        if self.promised is not None and size < len(self.promised):
            self.kept[size:] = bytes(len(self.promised) - size)
            self.min_size = min(self.min_size, size)

    def synced(self):
        self.promised = bytes(self.now)
        self.kept = bytearray(b"\1" * len(self.now))
        self.min_size = len(self.now)

    def wrong(self, found):
        """What of the promise `found` breaks; None: nothing."""
        if len(found) < self.min_size:
            return f"{len(found)} bytes, at least {self.min_size} were promised"
        if self.promised == found[:len(self.promised)]:
            return None
        for at, (want, keep) in enumerate(zip(self.promised, self.kept)):
            if keep and (at >= len(found) or found[at] != want):
                return f"byte {at} of {len(found)} is not what was promised"
        return None


class Process:
    """What one process has said."""

    def __init__(self):
        self.names = {}     # path: File or "directory", as the process sees it
        self.promised = {}  # the same, of names that must be there
        self.nr_promises = 0

    def forget(self, *paths):
        for path in paths:
            self.promised.pop(path, None)

    def promise_names(self, directory=None):
        for path, what in self.names.items():
            if directory is None or path.rpartition("/")[0] == directory:
                if what == "directory" or what.promised is not None:
                    self.promised[path] = what
        if directory is not None:
            for path in [p for p in self.promised if p.rpartition("/")[0] == directory and p not in self.names]:
                del self.promised[path]

    def mark(self, words):
        what, args = words[0], words[1:]
        if what == "create":
            self.names[args[0]] = File()
        elif what == "write":
            offset, length, seed = map(int, args[1:])
            self.names[args[0]].write(offset, pattern(offset, length, seed))
        elif what == "truncate":
            self.names[args[0]].truncate(int(args[1]))
        elif what == "rename":
            self.forget(*args)
            self.names[args[1]] = self.names.pop(args[0])
        elif what == "link":
            self.forget(args[1])
            self.names[args[1]] = self.names[args[0]]
        elif what in ("unlink", "rmdir"):
            self.forget(args[0])
            del self.names[args[0]]
        elif what == "mkdir":
            self.names[args[0]] = "directory"
        elif what == "fsync":
            self.names[args[0]].synced()
            self.nr_promises += 1
        elif what == "fsyncdir":
            self.promise_names(args[0])
            self.nr_promises += 1
        elif what == "sync":
            for file in self.names.values():
                if file != "directory":
                    file.synced()
            self.promise_names()
            self.nr_promises += 1
        else:
            raise ValueError(f"unknown mark {what}")


class Model:
    """Fed with marks in the order of the recording."""

    def __init__(self):
        self.processes = {}

    def feed(self, sector):
        """True when these bytes of a write were a mark."""
        if not sector.startswith(b"crash "):
            return False
        _, process, _, *words = sector.split(b"\n")[0].decode().split()
        self.processes.setdefault(process, Process()).mark(words)
        return True

    @property
    def nr_promises(self):
        return sum(p.nr_promises for p in self.processes.values())

    def required(self):
        """{path: File or "directory"}"""
        return {path: what for p in self.processes.values() for path, what in p.promised.items()}

    def broken(self, read):
        """Promises that are not kept. read(path): the bytes of a file, "directory", or None."""
        lines = []
        for path, what in sorted(self.required().items()):
            found = read(path)
            if found is None:
                lines.append(f"{path} is gone")
            elif (found == "directory") != (what == "directory"):
                lines.append(f"{path} is something else")
            elif what != "directory" and (trouble := what.wrong(found)):
                lines.append(f"{path}: {trouble}")
        return lines

# SPDX-License-Identifier: MIT
"""Boots a kernel in QEMU with an initial RAM disk made of static programs, and returns its console."""
import glob
import hashlib
import os
import selectors
import shutil
import stat
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIRE = os.environ.get("QUIRE_KERNEL", os.path.join(ROOT, "build", "quire-kernel"))


def linux_kernel():
    """Debian's kernel: QUIRE_LINUX, else what `./quire run --kernel linux` downloaded, else the newest 6.1 of /boot."""
    if os.environ.get("QUIRE_LINUX"):
        return os.environ["QUIRE_LINUX"]
    found = sorted(glob.glob("/boot/vmlinuz-6.1*")) + sorted(glob.glob(os.path.join(ROOT, "build/cache/linux/boot/vmlinuz-*")))
    return found[-1] if found else None


def cpio(entries):
    """A newc archive. entries: (name, mode, data, (major, minor)) in order."""
    out = bytearray()
    for number, (name, mode, data, dev) in enumerate(entries + [("TRAILER!!!", 0, b"", (0, 0))], 1):
        raw = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (number, mode, 0, 0, links, 1577836800, len(data), 0, 0, dev[0], dev[1], len(raw), 0)
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + raw
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def initrd(path, init, files):
    """Writes an initrd with `init` as /init and files: {guest path: host path}."""
    entries, seen = [], set()

    def directory(name):
        if name and name not in seen:
            directory(os.path.dirname(name))
            seen.add(name)
            entries.append((name, stat.S_IFDIR | 0o755, b"", (0, 0)))

    for name in ("dev", "proc", "sys", "tmp", "bin"):
        directory(name)
    entries.append(("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
    entries.append(("dev/null", stat.S_IFCHR | 0o666, b"", (1, 3)))
    for guest, host in sorted({"init": init, **files}.items()):
        directory(os.path.dirname(guest))
        with open(host, "rb") as f:
            entries.append((guest, stat.S_IFREG | (stat.S_IMODE(os.stat(host).st_mode) | 0o500), f.read(), (0, 0)))
    with open(path, "wb") as f:
        f.write(cpio(entries))


def qemu(kernel, archive, append, timeout, extra=(), echo=None, stop=None, cpu="max,la57=off,pku=off", ram="256M"):
    """Runs QEMU until it ends, `stop` appears on the console or time is out.
    Returns (text, reason): reason is "end", "stop" or "timeout"."""
    if kernel != QUIRE:
        append = "no_timer_check " + append  # Linux panics when the first timer interrupts come late, as on a busy host
    command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", cpu, "-m", ram, "-nodefaults", "-nographic",
               "-no-reboot", "-serial", "stdio", "-monitor", "none", "-kernel", kernel, "-initrd", archive,
               "-append", "console=ttyS0 panic=-1 " + append, *extra]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text, reason, deadline = bytearray(), "end", time.monotonic() + timeout
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    try:
        while True:
            if not selector.select(max(0, deadline - time.monotonic())):
                reason = "timeout"
                break
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            text += chunk
            if echo:
                echo.write(chunk.decode("utf-8", "replace"))
                echo.flush()
            if stop and stop.encode() in text[-len(chunk) - len(stop):]:
                reason = "stop"
                break
    finally:
        process.kill()
        process.wait()
    return text.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", ""), reason


def digest(paths, words=()):
    h = hashlib.sha256(repr(words).encode())
    for path in sorted(paths):
        with open(path, "rb") as f:
            h.update(os.path.basename(path).encode() + f.read())
    return h.hexdigest()[:16]


def have_qemu():
    return shutil.which("qemu-system-x86_64") is not None

# SPDX-License-Identifier: MIT
"""A running guest: the QEMU process, the port to its init, and the sessions on it."""
import ctypes
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import time

from . import image, linux
from . import protocol as P
from .common import BUILD, Failure, kernel_path, make

KERNEL_RAM = 3 << 20  # below 1 MiB, the kernel's image, and a little to run in


def die_with_parent():
    """In the child: no QEMU outlives the command, whatever ends it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


END_S = 6          # for a guest to power off whose disks are thrown away
END_KEEPING_S = 300  # for one that writes to them, or looks at the kernel's structures at its end


class Guest:
    """options: of `quire run`; disks: what it boots from (disks.py)."""

    def __init__(self, options, disks):
        self.options = options
        self.disks = disks
        self.temporary = tempfile.TemporaryDirectory(prefix="quire-")
        self.log = options.log or os.path.join(BUILD, "log", f"run-{os.getpid()}.log")
        os.makedirs(os.path.dirname(os.path.abspath(self.log)), exist_ok=True)
        self.decoder = P.Decoder()
        self.outgoing = bytearray()
        self.process = None

    # ---- start ----

    def initrd(self, modules):
        o = self.options
        base = self.disks.initrd()
        if not o.add and not modules:
            return base
        extra = os.path.join(self.temporary.name, "extra.cpio")
        both = os.path.join(self.temporary.name, "initrd")
        image.additions(extra, o.add, modules, self.disks.root is not None)
        with open(both, "wb") as out:
            for part in (base, extra):
                with open(part, "rb") as f:
                    data = f.read()
                out.write(data + b"\0" * (-len(data) % 512))
        return both

    def check_ram(self, initrd):
        """QEMU would put a large initrd over the kernel and start all the same."""
        with open(initrd, "rb") as f:
            packed = os.fstat(f.fileno()).st_size
            unpacked = packed
            if f.read(2) == b"\x1f\x8b":
                f.seek(-4, os.SEEK_END)
                unpacked = int.from_bytes(f.read(4), "little")
        least = KERNEL_RAM + packed + unpacked
        if self.options.kernel == "quire" and self.options.ram < least:
            raise Failure(f"--ram {self.options.ram >> 10}K is too small: the image needs {-(-least >> 20)}M")
        return initrd

    def ports(self, agent_fd):
        """The port to init, and a further one for the record of a traced run."""
        fd = getattr(self.options, "trace_fd", None)
        words = ["-device", "virtio-serial-pci,max_ports=4", "-chardev", f"socket,id=agent,fd={agent_fd}",
                 "-device", "virtserialport,chardev=agent,name=org.quire.agent,nr=1"]
        return words if fd is None else words + ["-chardev", f"socket,id=trace,fd={fd}", "-device", "virtserialport,chardev=trace,name=org.quire.trace,nr=2"]

    def command(self, agent_fd):
        o = self.options
        modules = []
        if o.kernel == "linux":
            kernel, modules = linux.linux_kernel("port", *self.disks.linux_parts())
        else:
            make("kernel")
            kernel = kernel_path()
        self.disks.place(self.temporary.name)
        machine, ram_kib = self.disks.machine()
        batch = getattr(o, "batch", False)
        agent = f"quire.batch={self.disks.output_name(0)}" if batch else "quire.agent"
        append = f"console=ttyS0 quiet {agent} panic=-1" + self.disks.kernel_words()
        if o.kernel == "linux":
            append += " no_timer_check"  # it panics when the first timer interrupts come late, as on a busy host
        if o.seed is not None:
            append += f" quire.seed={o.seed}"
        if o.policy:
            append += f" quire.policy={o.policy}"
        if o.append:
            append += " " + o.append
        accel = {"auto": "tcg,thread=multi", "tcg": "tcg,thread=multi", "kvm": "kvm"}[o.accel]
        q = ["qemu-system-x86_64", "-machine", "q35" + machine, "-accel", "tcg" if o.icount else accel, "-cpu", o.cpu,
             "-m", f"{ram_kib}K", "-smp", str(1 if o.icount else o.cpus), "-nodefaults", "-no-user-config", "-no-reboot",
             "-display", "none", "-monitor", "none", "-serial", f"file:{self.log}",
             *([] if batch else self.ports(agent_fd)),
             "-device", "isa-debug-exit,iobase=0x501,iosize=4", *self.disks.qemu(),
             "-kernel", kernel, "-initrd", self.check_ram(self.initrd(modules)), "-append", append]
        if o.icount:
            q += ["-icount", "shift=0,sleep=off", "-rtc", "base=2020-01-01,clock=vm"]
        else:
            q += ["-device", "virtio-rng-pci"]
        return q + (o.qemu or [])

    def start(self):
        ours, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        command = self.command(theirs.fileno())
        self.errors = open(os.path.join(self.temporary.name, "qemu.err"), "w+b")
        passed = [fd for fd in (theirs.fileno(), getattr(self.options, "trace_fd", None)) if fd is not None]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
                                        pass_fds=passed, preexec_fn=die_with_parent, start_new_session=True)
        theirs.close()
        ours.setblocking(False)
        self.port = ours

    # ---- talk ----

    def send(self, kind, channel, payload=b""):
        self.outgoing += P.frame(kind, channel, payload)

    def flush(self):
        """Sends what the socket takes; True: nothing is left."""
        while self.outgoing:
            try:
                n = self.port.send(memoryview(self.outgoing)[:1 << 18])
            except BlockingIOError:
                return False
            except OSError:
                self.outgoing.clear()
                return True
            del self.outgoing[:n]
        return True

    def receive(self):
        """Frames that arrived; None: the guest is gone."""
        try:
            data = self.port.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self.decoder.feed(data) if data else None

    # ---- end ----

    def failure(self):
        """Why the guest is gone, in words."""
        status = self.wait(5)
        try:
            with open(self.log, errors="replace") as f:
                lines = f.read().splitlines()
        except OSError:
            lines = []
        for i, line in enumerate(lines):
            if "Kernel panic" in line:
                return "\n".join([line.strip()] + lines[i + 1:i + 40]) + f"\n(the whole log: {self.log})"
        self.errors.seek(0)
        errors = [line for line in self.errors.read().decode(errors="replace").splitlines() if line.strip() and "warning:" not in line]
        if errors:
            return "QEMU: " + errors[-1]
        said = [line for line in lines if line.strip() and "reboot: " not in line]
        last = f"; its last words: {said[-1].strip()}" if said else ""
        return f"the guest ended by itself (QEMU's status {status}){last} (log: {self.log})"

    def validated(self):
        """What init's last look at the kernel's structures found (--debug): "ok", or what is broken."""
        with open(self.log, errors="replace") as f:
            found = [line.partition("init: validate: ")[2].strip() for line in f if "init: validate: " in line]
        return found[-1] if found else "it did not come to that"

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        """Powers the guest off; kills it when it does not go. False: disks that are kept may lack what was written last."""
        complete = True
        if self.process and self.process.poll() is None:
            seconds = END_KEEPING_S if self.disks.keeps or getattr(self.options, "debug", False) else END_S
            self.outgoing.clear()
            self.send(P.POWEROFF, 0)
            deadline = time.monotonic() + seconds / 2
            with selectors.SelectSelector() as s:
                s.register(self.port, selectors.EVENT_WRITE)
                while not self.flush() and time.monotonic() < deadline:
                    s.select(0.1)
            if self.wait(seconds / 2) is None:
                self.process.kill()
                self.process.wait()
                complete = not self.disks.keeps
        self.temporary.cleanup()
        return complete


def status_of(wait_status):
    return os.WEXITSTATUS(wait_status) if os.WIFEXITED(wait_status) else 128 + os.WTERMSIG(wait_status)


def failed_status(errno_value, program):
    import errno
    if errno_value == errno.ENOENT:
        return 127, f"{program}: not found in the guest"
    return 126, f"{program}: {os.strerror(errno_value)}"

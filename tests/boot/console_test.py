#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A virtio console as the terminal: a shell on /dev/hvc0, with and without a control queue, beside a port.

    console_test.py [BUILD-FOLDER]
"""
import fcntl
import hashlib
import os
import select
import subprocess
import sys
import tempfile
import time

HANG = 300  # seconds after which what should come is not waited for any longer; they decide nothing else
BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
MULTIPORT = ["-device", "virtio-serial-pci,max_ports=4", "-device", "virtconsole,chardev=c"]
WITH_PORT = MULTIPORT + ["-chardev", "null,id=n", "-device", "virtserialport,chardev=n,name=other,nr=2"]
SINGLE = ["-device", "virtio-serial-pci,max_ports=1", "-device", "virtconsole,chardev=c"]
TWO = MULTIPORT + ["-chardev", "null,id=n", "-device", "virtconsole,chardev=n,nr=3"]


class Failed(Exception):
    pass


machines = []


PIPE_BYTES = 1 << 20  # more than a test lets come before it reads


class Machine:
    """A guest whose hvc0 is on our pipes; its serial line goes to a file.

    QEMU throws away what a console (not a port) sends while its pipe is full, and the guest cannot know. So the pipe
    holds whatever comes until we read."""

    def __init__(self, devices, append, folder):
        self.log = os.path.join(folder, "serial")
        self.text = b""
        self.qemu = subprocess.Popen(
            ["timeout", str(2 * HANG), "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "64M", "-smp", "2",
             "-display", "none", "-monitor", "none", "-net", "none", "-no-reboot", "-serial", "file:" + self.log,
             "-device", "isa-debug-exit,iobase=0x501,iosize=4", "-chardev", "stdio,id=c,signal=off", *devices,
             "-kernel", os.path.join(BUILD, "quire-kernel"), "-initrd", os.path.join(BUILD, "busybox.cpio"), "-append", append + " quire.checks"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        machines.append(self.qemu)
        fcntl.fcntl(self.qemu.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def expect(self, what, seconds=HANG):
        """Reads until `what` has come; what came before it is returned and forgotten."""
        deadline = time.monotonic() + seconds
        while what not in self.text:
            ready, _, _ = select.select([self.qemu.stdout], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.qemu.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise Failed(f"{'ended' if ready else 'time is up'} before {what!r}: {self.text[-300:]!r}")
            self.text += data
        before, _, self.text = self.text.partition(what)
        return before

    def serial(self):
        """What has come over the serial line."""
        try:
            with open(self.log, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def type(self, data):
        self.qemu.stdin.write(data)
        self.qemu.stdin.flush()

    def command(self, line, answer):
        self.type(line + b"\r")
        return self.expect(answer)

    def off(self):
        self.type(b"poweroff -f\r")
        status = self.qemu.wait(HANG)
        if status:
            raise Failed(f"QEMU ended with {status}")


def check_equal(got, want):
    if got != want:
        raise Failed(f"{got!r} instead of {want!r}")


def shell(m):
    """Prompt, echo and editing, signals, job control: the shell's own terminal is hvc0."""
    m.expect(b"# ")
    m.command(b"tty; echo $((6 * 7))", b"/dev/console\r\n42\r\n")
    m.command(b"cat /proc/consoles", b"hvc0 ")
    m.command(b"cat /sys/class/tty/console/active", b"\nhvc0\r\n")
    m.command(b"stat -c %t:%T /dev/hvc0", b"e5:0\r\n")
    m.command(b"echo abcX\x7fdef", b"\nabcdef\r\n")
    m.command(b"sh -c 'echo rea\"\"dy; exec sleep 100'", b"ready")
    m.type(b"\x03")
    m.expect(b"# ")
    m.command(b"echo st$?at", b"st130at")
    m.command(b"sh -c 'echo rea\"\"dy; exec sleep 100'", b"ready")
    m.type(b"\x1a")
    m.expect(b"Stopped")
    m.command(b"kill %1; fg; echo en\"\"d", b"end")


def test_shell_on_hvc0(folder):
    m = Machine(MULTIPORT, "console=hvc0 quiet", folder)
    shell(m)
    m.off()


def test_without_control_queue(folder):
    m = Machine(SINGLE, "console=hvc0 quiet", folder)
    shell(m)
    m.off()


def test_last_console_word_wins(folder):
    m = Machine(WITH_PORT, "console=ttyS0 console=hvc0 quiet", folder)
    m.expect(b"# ")
    m.command(b"cat /proc/consoles", b"hvc0 ")
    m.command(b"ls /dev/vport0p2 && echo po\"\"rt", b"port")
    m.command(b"cat /dev/vport0p0; echo no\"\"ne", b"none")  # a console is no stream
    m.off()


def test_two_consoles(folder):
    m = Machine(TWO, "console=hvc0 quiet", folder)
    m.expect(b"# ")
    m.command(b"ls /dev/hvc*", b"/dev/hvc0  /dev/hvc1")
    m.command(b"echo nobody reads > /dev/hvc1; echo do\"\"ne", b"done")
    m.off()


def test_log_goes_to_the_console(folder):
    m = Machine(MULTIPORT, "console=hvc0", folder)
    before = m.expect(b"# ")
    for line in (b"] Quire 6.1.0-quire", b"] Run /init as init process\r\n"):
        if line not in before:
            raise Failed(f"{line!r} is not in {before!r}")
    m.command(b"echo '<3>from a program' > /dev/kmsg", b"] from a program\r\n")
    m.off()
    if b"] from a program" not in m.serial():
        raise Failed("the serial line has not got the message")


def test_no_such_console(folder):
    """The serial line takes its place, and the log says so."""
    m = Machine([], "console=hvc0 quiet", folder)
    deadline = time.monotonic() + HANG
    while b"# " not in m.serial():
        if time.monotonic() > deadline:
            raise Failed(f"no prompt on the serial line: {m.serial()[-300:]!r}")
        time.sleep(0.1)


def test_much_input_and_output(folder):
    """More than all buffers hold, while nobody reads; nothing is lost, either way."""
    m = Machine(MULTIPORT, "console=hvc0 quiet", folder)
    m.expect(b"# ")
    data = bytes(range(256)) * 1500
    m.command(b"stty raw -echo; echo rea\"\"dy; sleep 1; head -c %d > /tmp/in; stty sane; md5sum /tmp/in" % len(data), b"ready\n")
    m.type(data)
    m.expect(hashlib.md5(data).hexdigest().encode())
    m.expect(b"# ")
    m.command(b"stty raw -echo; echo rea\"\"dy; cat /tmp/in; stty sane; echo en\"\"d", b"ready\n")
    time.sleep(1)  # nobody reads
    got = m.expect(b"end\r\n")
    check_equal(hashlib.md5(got).hexdigest(), hashlib.md5(data).hexdigest())
    m.command(b"stty -echo; seq 1 20000; stty sane", b"\r\n1\r\n")
    check_equal(m.expect(b"\r\n20000\r\n"), b"\r\n".join(b"%d" % n for n in range(2, 20000)))
    m.off()


def main():
    passed = failed = 0
    for name, test in sorted((n, f) for n, f in globals().items() if n.startswith("test_")):
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
                passed += 1
                print("ok   console-" + name[5:].replace("_", "-"), flush=True)
            except (Failed, OSError, subprocess.TimeoutExpired) as e:
                failed += 1
                print(f"FAIL console-{name[5:].replace('_', '-')}: {e}", flush=True)
            finally:
                for qemu in machines:
                    qemu.terminate()
                    qemu.wait()
                machines.clear()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

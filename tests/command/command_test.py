#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The quire command from outside: streams, statuses, terminals, what is brought in, what is left behind.

    command_test.py [--kernel linux] [NAME...]
"""
import fcntl
import hashlib
import os
import pty
import select
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIRE = os.path.join(ROOT, "quire")
KERNEL = []


def run(*words, data=b"", timeout=120, cwd=ROOT):
    """(status, stdout, stderr) of `quire run WORDS`."""
    done = subprocess.run([QUIRE, "run", *KERNEL, *words], input=data, capture_output=True, timeout=timeout, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry))
    return found


class Streams(unittest.TestCase):
    def test_output_and_error_apart(self):
        self.assertEqual(run("--", "sh", "-c", "echo out; echo err >&2; exit 7"), (7, b"out\n", b"err\n"))

    def test_input_reaches_the_program(self):
        self.assertEqual(run("--", "tr", "a-z", "A-Z", data=b"hello\n")[1], b"HELLO\n")

    def test_64_mib_there_and_back(self):
        data = os.urandom(64 << 20)
        status, out, err = run("--", "sh", "-c", "cat; echo apart >&2", data=data, timeout=300)
        self.assertEqual((status, err), (0, b"apart\n"))
        self.assertEqual(hashlib.sha256(out).digest(), hashlib.sha256(data).digest())

    def test_a_pipe_is_no_terminal(self):
        self.assertEqual(run("--", "sh", "-c", "test -t 0 || test -t 1 || test -t 2 || echo none")[1], b"none\n")

    def test_each_stream_is_what_the_host_has(self):
        """Standard output into a file, the others a terminal: what is typed is echoed, the file stays clean."""
        with tempfile.NamedTemporaryFile() as out:
            pid, fd = pty.fork()
            if pid == 0:
                os.dup2(out.fileno(), 1)
                os.chdir(ROOT)
                os.execv(QUIRE, [QUIRE, "run", *KERNEL, "--", "sh", "-c",
                                 "for i in 0 1 2; do test -t $i && echo $i; done; echo ask >&2; read x; echo got $x"])
            seen = b""
            while b"ask" not in seen:
                seen += os.read(fd, 4096)
            os.write(fd, b"word\r")
            try:
                while True:
                    data = os.read(fd, 4096)
                    if not data:
                        break
                    seen += data
            except OSError:
                pass  # the terminal's other side is closed
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
            os.close(fd)
            with open(out.name, "rb") as f:
                self.assertEqual(f.read(), b"0\n2\ngot word\n")
            self.assertIn(b"word", seen)  # echoed

    def test_tty_yes_makes_a_terminal(self):
        self.assertEqual(run("--tty", "yes", "--", "sh", "-c", "test -t 0 && test -t 1 && echo both")[1], b"both\r\n")


class Statuses(unittest.TestCase):
    def test_not_found_is_127(self):
        status, _, err = run("--", "/no/such/program")
        self.assertEqual(status, 127)
        self.assertIn(b"not found", err)

    def test_not_executable_is_126(self):
        self.assertEqual(run("--", "/etc/passwd")[0], 126)

    def test_killed_by_signal_is_128_plus(self):
        self.assertEqual(run("--", "sh", "-c", "kill -9 $$")[0], 137)

    def test_timeout_is_124(self):
        self.assertEqual(run("--timeout", "8", "--", "sleep", "100")[0], 124)

    def test_bad_words_are_one_line_and_125(self):
        for words in (("--ram", "1M", "--", "true"), ("--ram", "many", "--", "true"), ("--cpus", "0", "--", "true"),
                      ("--image", "/etc/passwd", "--", "true"), ("--add", "/nothing:/x", "--", "true")):
            status, out, err = run(*words)
            self.assertEqual((status, out), (125, b""), words)
            self.assertEqual(err.count(b"\n"), 1, err)


    def test_output_that_nobody_takes_does_not_hold_up_the_end(self):
        p = subprocess.Popen([QUIRE, "run", *KERNEL, "--", "yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT)
        time.sleep(4)
        p.terminate()
        self.assertEqual(p.wait(20), 143)
        p.communicate()


class Inside(unittest.TestCase):
    def test_environment_directory_user(self):
        self.assertEqual(run("--env", "A=b c", "--cwd", "/tmp", "--", "sh", "-c", 'echo "$A"; pwd')[1], b"b c\n/tmp\n")
        self.assertEqual(run("--user", "nobody", "--", "id", "-u")[1], b"65534\n")

    def test_cpus_and_ram(self):
        self.assertEqual(run("--cpus", "2", "--", "grep", "-c", "^processor", "/proc/cpuinfo")[1], b"2\n")
        ram = "256M" if KERNEL else "64M"  # Debian's kernel does not start in less than about 100 MiB
        kb = int(run("--ram", ram, "--", "awk", "/MemTotal/ { print $2 }", "/proc/meminfo")[1])
        full = int(ram[:-1]) << 10
        self.assertTrue(full * 5 // 8 < kb <= full, kb)

    def test_least_memory(self):
        if KERNEL:
            self.skipTest("Quire's figure")
        self.assertEqual(run("--ram", "8M", "--", "sh", "-c", "echo up")[1], b"up\n")
        status, _, err = run("--ram", "7M", "--", "true")
        self.assertEqual((status, err.count(b"\n")), (125, 1), err)

    def test_host_programs_static_and_dynamic(self):
        with tempfile.TemporaryDirectory() as d:
            with open(os.path.join(d, "p.c"), "w") as f:
                f.write('#include <stdio.h>\nint main(int c, char **v) { printf("%d %s\\n", c, v[1]); return c; }\n')
            for flags in ([], ["-static"]):
                subprocess.run(["gcc", *flags, "-o", os.path.join(d, "p"), os.path.join(d, "p.c")], check=True)
                self.assertEqual(run("--", "./p", "x", cwd=d), (2, b"2 x\n", b""))

    def test_add_keeps_modes_and_links(self):
        with tempfile.TemporaryDirectory() as d:
            tree = os.path.join(d, "tree")
            os.makedirs(os.path.join(tree, "sub"))
            with open(os.path.join(tree, "sub/file"), "w") as f:
                f.write("content")
            os.chmod(os.path.join(tree, "sub/file"), 0o640)
            os.link(os.path.join(tree, "sub/file"), os.path.join(tree, "hard"))
            os.symlink("sub/file", os.path.join(tree, "soft"))
            script = "stat -c '%a %h' /x/sub/file /x/hard; readlink /x/soft; cat /x/soft"
            self.assertEqual(run("--add", f"{tree}:/x", "--", "sh", "-c", script)[1], b"640 2\n640 2\nsub/file\ncontent")

    def test_two_at_once(self):
        a = subprocess.Popen([QUIRE, "run", *KERNEL, "--", "sh", "-c", "sleep 1; echo a"], stdout=subprocess.PIPE, cwd=ROOT)
        b = subprocess.Popen([QUIRE, "run", *KERNEL, "--", "sh", "-c", "sleep 1; echo b"], stdout=subprocess.PIPE, cwd=ROOT)
        self.assertEqual((a.communicate(timeout=120)[0], b.communicate(timeout=120)[0]), (b"a\n", b"b\n"))

    def test_seed_repeats(self):
        if KERNEL:
            self.skipTest("Linux knows no seed")
        words = ("--seed", "5", "--", "sh", "-c", "head -c 16 /dev/urandom > /tmp/r; od -An -tx1 /tmp/r; grep stack /proc/self/maps")
        first = run(*words)[1]
        self.assertTrue(first)
        self.assertEqual(first, run(*words)[1])


class Ending(unittest.TestCase):
    def guest(self, *words):
        return subprocess.Popen([QUIRE, "run", *KERNEL, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)

    def wait_for_output(self, process):
        self.assertEqual(process.stdout.readline(), b"up\n")

    def test_sigterm_and_sigint_end_the_guest(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            p = self.guest("--", "sh", "-c", "echo up; sleep 100")
            self.wait_for_output(p)
            qemu = children_of(p.pid)
            self.assertTrue(qemu)
            p.send_signal(number)
            self.assertEqual(p.wait(30), 128 + number)
            self.assertFalse([q for q in qemu if os.path.exists(f"/proc/{q}")])
            p.communicate()

    def test_no_qemu_is_left_when_the_command_is_killed(self):
        p = self.guest("--", "sh", "-c", "echo up; sleep 100")
        self.wait_for_output(p)
        qemu = children_of(p.pid)
        p.kill()
        p.communicate()
        deadline = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{q}") for q in qemu) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse([q for q in qemu if os.path.exists(f"/proc/{q}")])

    def test_exec_and_stop(self):
        p = self.guest("--", "sh", "-c", "echo up > /tmp/mark; echo up; sleep 100")
        self.wait_for_output(p)
        done = subprocess.run([QUIRE, "exec", "--", "sh", "-c", "cat /tmp/mark; echo e >&2; exit 5"], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, cwd=ROOT)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (5, b"up\n", b"e\n"))
        self.assertEqual(subprocess.run([QUIRE, "stop"], timeout=60, cwd=ROOT).returncode, 0)
        self.assertEqual(p.wait(30), 0)
        p.communicate()

    def test_panic_is_125_with_the_reason(self):
        if KERNEL:
            self.skipTest("Quire's own self-test")
        status, _, err = run("--append", "quire.selftest=panic", "--", "true")
        self.assertEqual(status, 125)
        self.assertIn(b"Kernel panic", err)
        self.assertIn(b"Backtrace", err)


class Terminal(unittest.TestCase):
    """A shell as a person has it: the command in a pseudo-terminal of 30 x 100."""

    def setUp(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execv(QUIRE, [QUIRE, "run", *KERNEL])
        self.resize(30, 100)
        self.text = b""
        self.expect(b"# ", 90)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def tearDown(self):
        try:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.fd)

    def expect(self, what, seconds=30):
        """Reads until `what` has come; what came before it is forgotten."""
        deadline = time.monotonic() + seconds
        while what not in self.text:
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                self.fail(f"waited for {what!r}, got {self.text[-300:]!r}")
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            if not data:
                self.fail(f"ended before {what!r}: {self.text[-300:]!r}")
            self.text += data
        before, _, self.text = self.text.partition(what)
        return before

    def type(self, text):
        os.write(self.fd, text)

    def test_job_control(self):
        self.type(b"sleep 100\r")
        time.sleep(0.5)
        self.type(b"\x03")
        self.expect(b"# ")
        self.type(b"echo st$?atus\r")
        self.expect(b"st130atus")
        self.type(b"sleep 100\r")
        time.sleep(0.5)
        self.type(b"\x1a")
        self.expect(b"Stopped")
        self.type(b"jobs; fg\r")
        self.expect(b"sleep 100")
        time.sleep(0.5)
        self.type(b"\x03")
        self.expect(b"# ")
        self.type(b"seq 1 5 | grep 3 | tr 3 x\r")
        self.expect(b"\nx")

    def test_window_size_and_its_changes(self):
        self.type(b"stty size\r")
        self.expect(b"30 100")
        self.resize(40, 90)
        os.kill(self.pid, signal.SIGWINCH)
        time.sleep(0.5)
        self.type(b"stty size\r")
        self.expect(b"40 90")

    def test_control_a_x_ends_quire(self):
        self.type(b"\x01x")
        _, status = os.waitpid(self.pid, 0)
        self.assertTrue(os.WIFEXITED(status))

    def test_exit_status_of_the_shell(self):
        self.type(b"exit 3\r")
        _, status = os.waitpid(self.pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 3)


class Counting(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def line(self, word, test):
        print(f"{word:5}{test._testMethodName} ({time.monotonic() - self.began:.1f} s)", flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("FAIL", test)

    def addError(self, test, err):
        super().addError(test, err)
        self.line("FAIL", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"skip {test._testMethodName}: {reason}", flush=True)


def main():
    words = sys.argv[1:]
    if words[:1] == ["--kernel"]:
        KERNEL.extend(words[:2])
        words = words[2:]
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    if words:
        chosen = unittest.TestSuite()
        for group in suite:
            for test in group:
                if any(w in test._testMethodName for w in words):
                    chosen.addTest(test)
        suite = chosen
    stream = unittest.runner._WritelnDecorator(open(os.devnull, "w"))
    result = Counting(stream, False, 0)
    suite.run(result)
    for test, trace in result.failures + result.errors:
        print(f"--- {test._testMethodName}\n{trace}")
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad - len(result.skipped)} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

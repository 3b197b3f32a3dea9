#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The quire command from outside: streams, statuses, terminals, what is brought in, what is left behind.

    command_test.py [--kernel linux] [NAME...]
"""
import contextlib
import fcntl
import hashlib
import io
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
os.environ.setdefault("QUIRE_NAME", f"command.{os.getpid()}")  # what reaches for a guest without a name finds ours
HANG = 300  # seconds after which what should come is not waited for any longer; they decide nothing else


def run(*words, data=b"", timeout=HANG, cwd=ROOT):
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
        status, out, err = run("--", "sh", "-c", "cat; echo apart >&2", data=data, timeout=3 * HANG)
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
        size, full = struct.pack("i", 0), fcntl.fcntl(p.stdout, fcntl.F_GETPIPE_SZ)
        while struct.unpack("i", fcntl.ioctl(p.stdout, termios.FIONREAD, size))[0] < full:
            time.sleep(0.05)
        p.terminate()
        self.assertEqual(p.wait(HANG), 143)
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

    @unittest.skipIf("--kernel" in sys.argv, "Debian keeps it in /boot")
    def test_configuration(self):
        with open(os.path.join(ROOT, "kernel/config.txt"), "rb") as f:
            self.assertEqual(run("--", "zcat", "/proc/config.gz"), (0, f.read(), b""))

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
        self.assertEqual((a.communicate(timeout=HANG)[0], b.communicate(timeout=HANG)[0]), (b"a\n", b"b\n"))

    def test_seed_repeats(self):
        if KERNEL:
            self.skipTest("Linux knows no seed")
        words = ("--seed", "5", "--", "sh", "-c", "head -c 16 /dev/urandom > /tmp/r; od -An -tx1 /tmp/r; grep stack /proc/self/maps")
        first = run(*words)[1]
        self.assertTrue(first)
        self.assertEqual(first, run(*words)[1])


    def test_seed_repeats_for_programs_at_the_same_time(self):
        """Each process and thread has numbers and a layout of its own, whoever is faster."""
        if KERNEL:
            self.skipTest("Linux knows no seed")
        with tempfile.TemporaryDirectory() as d:
            program = os.path.join(d, "p")
            subprocess.run(["gcc", "-O1", "-static", "-pthread", "-o", program, os.path.join(ROOT, "tests/command/seeded.c")], check=True)
            words = ("--cpus", "2", "--seed", "7", "--", "./p")
            status, first, _ = run(*words, cwd=d)
            self.assertEqual(status, 0)
            lines = first.split(b"\n")[:-1]
            self.assertEqual(len(lines), 8 * 3, first)
            self.assertEqual(len(set(line.split(b": ")[1] for line in lines)), len(lines))
            for _ in range(3):
                self.assertEqual(run(*words, cwd=d)[1], first)
            self.assertNotEqual(run("--cpus", "2", "--seed", "8", "--", "./p", cwd=d)[1], first)


class Debugging(unittest.TestCase):
    def setUp(self):
        if KERNEL:
            self.skipTest("it is Quire's kernel that is looked into")

    def test_debug_finds_who_holds_objects(self):
        """Seven descriptors are seven objects of file_new until they are closed; then none is left."""
        script = ("held() { awk '/ filp file_new/ { n += $1 } END { print n + 0 }' /proc/quire/leaks; }; echo mark > /proc/quire/leaks; a=$(held);"
                  "exec 3</etc/passwd 4</etc/passwd 5</etc/passwd 6</etc/passwd 7</etc/passwd 8</etc/passwd 9</etc/passwd; b=$(held);"
                  "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; echo $((b - a)) $(($(held) - a))")
        self.assertEqual(run("--debug", "--cpus", "2", "--", "sh", "-c", script), (0, b"7 0\n", b""))

    def test_without_debug_there_are_no_notes(self):
        status, out, err = run("--", "cat", "/proc/quire/leaks")
        self.assertEqual((status, out), (1, b""))
        self.assertIn(b"No data available", err)

    def test_gdb_helpers(self):
        """In a kernel whose init starts a shell: what each helper prints of it."""
        commands = ["break exec_commit", "continue", "continue", "q tasks", "q current", "q bt 5", "q space 1", "q walk 0x401000 1", "q back $pfn", "q frame $pfn",
                    "q walk $rip", "q buddy", "q slab", "q log 3", "kill"]
        done = subprocess.run([QUIRE, "debug", "--", "-batch", *[word for c in commands for word in ("-ex", c)]], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=HANG, cwd=ROOT)
        text = done.stdout.decode(errors="replace")
        for line in (r"Breakpoint 1.*exec_commit", r"(?m)^ +1 +1 [SR].*init", r"kswapd0", r"CPU 0: tid \d+ ", r"#0 +0x\w+ .*", r"root frame 0x\w+, \d+ regions", r"00401000-\w+ r-x",
                     r"level 1, table 0x\w+, entry +1: \w+ frame 0x\w+ P", r"address 0x401000: physical 0x\w+", r"node +managed", r"CPU 0 keeps \d+", r"kmalloc-64 +64 +\d+",
                     r"Run /init as init process", r"0x000000401000 in space 0x\w+ \(tid 1 init\)", r"frame 0x\w+: cache, order 0"):
            self.assertRegex(text, line)
        self.assertNotIn("Error", text + done.stderr.decode(errors="replace"))


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
            self.assertEqual(p.wait(HANG), 128 + number)
            self.assertFalse([q for q in qemu if os.path.exists(f"/proc/{q}")])
            p.communicate()

    def test_no_qemu_is_left_when_the_command_is_killed(self):
        p = self.guest("--", "sh", "-c", "echo up; sleep 100")
        self.wait_for_output(p)
        qemu = children_of(p.pid)
        p.kill()
        p.communicate()
        deadline = time.monotonic() + HANG
        while any(os.path.exists(f"/proc/{q}") for q in qemu) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse([q for q in qemu if os.path.exists(f"/proc/{q}")])

    def test_exec_and_stop(self):
        p = self.guest("--", "sh", "-c", "echo up > /tmp/mark; echo up; sleep 100")
        self.wait_for_output(p)
        done = subprocess.run([QUIRE, "exec", "--", "sh", "-c", "cat /tmp/mark; echo e >&2; exit 5"], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=HANG, cwd=ROOT)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (5, b"up\n", b"e\n"))
        self.assertEqual(subprocess.run([QUIRE, "stop"], timeout=HANG, cwd=ROOT).returncode, 0)
        self.assertEqual(p.wait(HANG), 0)
        p.communicate()

    def test_several_guests_have_names(self):
        """exec and stop reach the one that is named, the newest of those with that name."""
        guests = []
        for name, says in (("one", "older"), ("one-more", "other"), ("one", "newer")):
            guests.append(self.guest("--name", name, "--", "sh", "-c", f"echo {says} > /tmp/who; echo up; sleep 100"))
            self.wait_for_output(guests[-1])
        for name, says in (("one", "newer"), ("one-more", "other")):
            done = subprocess.run([QUIRE, "exec", "--name", name, "--", "cat", "/tmp/who"], capture_output=True, stdin=subprocess.DEVNULL,
                                  timeout=HANG, cwd=ROOT)
            self.assertEqual(done.stdout.decode(), f"{says}\n")
        for name, p in (("one", guests[2]), ("one-more", guests[1]), ("one", guests[0])):
            self.assertEqual(subprocess.run([QUIRE, "stop", "--name", name], timeout=HANG, cwd=ROOT).returncode, 0)
            self.assertEqual(p.wait(HANG), 0)
            p.communicate()
        gone = subprocess.run([QUIRE, "exec", "--name", "one", "--", "true"], capture_output=True, timeout=HANG, cwd=ROOT)
        self.assertEqual((gone.returncode, gone.stderr), (125, b"quire: no guest named one is running\n"))

    def test_panic_is_125_with_the_reason(self):
        if KERNEL:
            self.skipTest("Quire's own self-test")
        status, _, err = run("--append", "quire.selftest=panic", "--", "true")
        self.assertEqual(status, 125)
        self.assertIn(b"Kernel panic", err)
        self.assertIn(b"Backtrace", err)


class Screen:
    """A command in a pseudo-terminal of its own, as a person has it."""

    def __init__(self, test, *words, rows=30, cols=100):
        self.test = test
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.chdir(ROOT)
            os.execv(QUIRE, [QUIRE, *words])
        self.text = b""

    def resize(self, rows, cols):
        """The foreground of a terminal learns of its new size by SIGWINCH."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, seconds):
        """What has come; b"": the command has let go of the terminal."""
        ready, _, _ = select.select([self.fd], [], [], max(0, seconds))
        if not ready:
            return None
        try:
            return os.read(self.fd, 4096)
        except OSError:
            return b""

    def expect(self, what, seconds=HANG):
        """Reads until `what` has come; what came before it is forgotten."""
        deadline = time.monotonic() + seconds
        while what not in self.text:
            data = self.read(deadline - time.monotonic())
            if not data:
                self.test.fail(f"{'waited for' if data is None else 'ended before'} {what!r}, got {self.text[-300:]!r}")
            self.text += data
        before, _, self.text = self.text.partition(what)
        return before

    def type(self, text):
        os.write(self.fd, text)

    def command(self, line, answer):
        """Types a line and waits for what it prints; the echo of the line must not contain that."""
        self.test.assertNotIn(answer, line)
        self.type(line + b"\r")
        self.expect(answer)

    def status(self, seconds=HANG):
        """Waits for the end; the exit status."""
        deadline = time.monotonic() + seconds
        while True:
            data = self.read(deadline - time.monotonic())
            if data is None:
                self.test.fail(f"does not end: {self.text[-300:]!r}")
            if not data:
                break
            self.text += data
        status = os.waitpid(self.pid, 0)[1]
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


class Terminal(unittest.TestCase):
    """A shell in the command's terminal."""

    def setUp(self):
        self.screen = Screen(self, "run", *KERNEL)
        self.addCleanup(self.screen.close)
        self.screen.expect(b"# ")

    def test_job_control(self):
        job_control(self.screen)

    def test_window_size_and_its_changes(self):
        self.screen.command(b"stty size", b"30 100")
        self.screen.resize(40, 90)
        self.screen.command(b"until stty size | grep 40; do :; done", b"40 90")

    def test_control_a_x_ends_quire(self):
        self.screen.type(b"\x01x")
        self.assertEqual(self.screen.status(), 0)

    def test_exit_status_of_the_shell(self):
        self.screen.type(b"exit 3\r")
        self.assertEqual(self.screen.status(), 3)


def job_control(screen):
    """Ctrl-C, Ctrl-Z, jobs, fg and a pipeline. A job says when it is in the foreground, and when it is there again: fg names
    it before it gives it the terminal, and lets it go on after that."""
    job = b"sh -c 'trap \"echo on\"ward CONT; echo star\"\"ted; while :; do sleep 0.1; done'"
    screen.command(job, b"started")
    screen.type(b"\x03")
    screen.expect(b"# ")
    screen.command(b"echo st$?atus", b"st130atus")
    screen.command(job, b"started")
    screen.type(b"\x1a")
    screen.expect(b"Stopped")
    screen.command(b"jobs", b"Stopped")
    screen.expect(b"# ")
    screen.type(b"fg\r")
    screen.expect(b"onward")
    screen.type(b"\x03")
    screen.expect(b"# ")
    screen.command(b"seq 1 5 | grep 3 | tr 3 x", b"\nx")


class Attach(unittest.TestCase):
    """Two terminals of one guest."""

    def setUp(self):
        self.first = Screen(self, "run", *KERNEL)
        self.addCleanup(self.first.close)
        self.first.expect(b"# ")

    def attach(self, **size):
        screen = Screen(self, "attach", **size)
        self.addCleanup(screen.close)
        screen.expect(b"# ")
        return screen

    def test_two_terminals_at_once(self):
        second, third = self.attach(), self.attach()
        seen = set()
        for n, screen in enumerate((self.first, second, third)):
            screen.command(b"echo on-$(tty) > /tmp/%d; cat /tmp/%d" % (n, n), b"on-/dev/pts/")
            seen.add(screen.expect(b"\r\n"))
        self.assertEqual(len(seen), 3)
        self.first.command(b"cat /tmp/[012] | grep -c pts; echo do\"\"ne", b"3\r\ndone")
        second.type(b"sh -c 'echo wai\"\"ting; read x; echo \"<$x>\"'\r")
        second.expect(b"waiting")  # a program in one terminal does not hold up the others
        third.command(b"echo $((20 + 3))", b"23")
        self.first.command(b"echo $((20 + 4))", b"24")
        second.command(b"word", b"<word>")

    def test_window_size_is_each_terminals_own(self):
        second = self.attach(rows=20, cols=61)
        second.command(b"stty size", b"20 61")
        self.first.command(b"stty size", b"30 100")
        second.command(b"sh -c 'trap \"stty size\" WINCH; echo se\"\"t; while :; do sleep 0.1; done'", b"set")
        second.resize(25, 77)
        second.expect(b"25 77")
        second.type(b"\x03")
        self.first.command(b"stty size", b"30 100")

    def test_job_control_in_the_second_terminal(self):
        second = self.attach()
        self.first.type(b"sleep 1000\r")
        second.command(b"until ps | grep '[s]leep 1000'; do :; done; echo the\"\"re", b"there")
        second.expect(b"# ")
        job_control(second)
        second.command(b"ps | grep -c '[s]leep 1000'", b"\n1")  # Ctrl-C went to its own terminal only
        self.first.type(b"\x03")
        self.first.expect(b"# ")

    def test_detach(self):
        second = self.attach()
        second.command(b"echo she\"\"ll-$$", b"shell-")
        pid = second.expect(b"\r\n").strip()
        second.type(b"sh -c 'trap \"\" HUP; sleep 1000' > /dev/null & sleep 1001\r")
        self.first.command(b"until ps | grep '[s]leep 1000' && ps | grep '[s]leep 1001'; do :; done; echo bo\"\"th", b"both")
        second.type(b"\x01x")
        self.assertEqual(second.status(), 0)
        self.first.command(b"while kill -0 %b; do :; done; echo go\"\"ne" % pid, b"gone")  # hung up
        self.first.command(b"while ps | grep '[s]leep 1001'; do :; done; echo it\"\"too", b"ittoo")
        self.first.command(b"ps | grep -c '[s]leep 1000'", b"\n1")  # it asked to stay
        for _ in range(3):  # a channel that was left serves again
            again = self.attach()
            again.command(b"echo $((40 + 2))", b"42")
            again.type(b"\x01x")
            self.assertEqual(again.status(), 0)
        self.first.command(b"echo $((40 + 3))", b"43")

    def test_terminal_modes_come_back(self):
        for end in (b"\x01x", b"exit\r", signal.SIGTERM):
            script = "stty -g; ./quire attach; stty -g"
            pid, fd = pty.fork()
            if pid == 0:
                os.chdir(ROOT)
                os.execvp("sh", ["sh", "-c", script])
            screen = Screen.__new__(Screen)
            screen.test, screen.pid, screen.fd, screen.text = self, pid, fd, b""
            self.addCleanup(screen.close)
            modes = screen.expect(b"\r\n")
            screen.expect(b"# ")
            if end is signal.SIGTERM:
                for child in children_of(pid):
                    os.kill(child, end)
            else:
                screen.type(end)
            screen.status()
            self.assertIn(modes, screen.text)

    def test_exit_status_is_the_shells(self):
        second = self.attach()
        second.type(b"exit 5\r")
        self.assertEqual(second.status(), 5)

    def test_the_guest_ends_while_attached(self):
        second = self.attach()
        self.first.type(b"exit 3\r")
        self.assertEqual(self.first.status(), 3)
        self.assertEqual(second.status(), 125)
        self.assertIn(b"the guest is gone", second.text)

    def test_without_a_guest_it_is_one_line(self):
        self.first.type(b"exit\r")
        self.first.status()
        alone = Screen(self, "attach")
        self.addCleanup(alone.close)
        self.assertEqual(alone.status(), 125)
        self.assertEqual(alone.text.count(b"\n"), 1, alone.text)


class Suites(unittest.TestCase):
    """What `quire test` makes of a suite's lines."""

    def setUp(self):
        sys.path.insert(0, os.path.join(ROOT, "tools"))

    def outcome(self, script):
        from quire_cli.test_command import Suite, run_suite
        with contextlib.redirect_stdout(io.StringIO()):
            o = run_suite(Suite("made", "up", ["sh", "-c", script]), None, lambda _line: None)
        return o.passed, o.failed, o.failing

    def test_lines_of_failures_are_kept(self):
        script = "printf 'FAIL a: 1\\nok b\\nnot ok 3\\n[  FAILED  ] c\\n[  FAILED  ] c\\nd: FAILED: why\\ne: FAILED\\n2 passed, 5 failed\\n'; exit 1"
        self.assertEqual(self.outcome(script), (2, 5, ["FAIL a: 1", "not ok 3", "[  FAILED  ] c", "d: FAILED: why", "e: FAILED"]))

    def test_a_suite_that_ends_badly_is_named(self):
        self.assertEqual(self.outcome("echo last; exit 3"), (0, 1, ["ended with status 3; its last line: last"]))
        self.assertEqual(self.outcome("echo last; echo 4 passed, 0 failed; exit 3"), (4, 1, ["ended with status 3; its last line: last"]))
        self.assertEqual(self.outcome("echo why; echo 4 passed, 2 failed; exit 1"), (4, 2, ["2 failed; the last line: why"]))

    def test_suites_at_a_time_are_shown_one_by_one(self):
        """The second ends first, and its lines still come behind the first one's."""
        from quire_cli.test_command import Suite, run_all
        with tempfile.TemporaryDirectory() as d:
            waits = f"echo a1; until [ -e {d}/over ]; do :; done; echo a2; echo 1 passed, 0 failed"
            suites = [Suite("a", "", ["sh", "-c", waits]), Suite("b", "", ["sh", "-c", f"echo b1; echo 2 passed, 0 failed; : > {d}/over"]),
                      Suite("c", "", ["sh", "-c", "echo c1; exit 1"], alone=True)]
            with contextlib.redirect_stdout(io.StringIO()) as out:
                done = run_all(suites, None, 2)
        self.assertEqual([word for word in out.getvalue().split() if word in ("a1", "a2", "b1", "c1")], ["a1", "a2", "b1", "c1"])
        self.assertEqual([(s.name, o.passed, o.failed) for s, o in done], [("a", 1, 0), ("b", 2, 0), ("c", 0, 1)])

    def test_words_of_programs_do_not_count(self):
        self.assertEqual(self.outcome("echo FAIL is a word; echo 1 passed, 0 failed"), (1, 0, []))


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

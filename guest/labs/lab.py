# SPDX-License-Identifier: MIT
"""What labs share: steps, compiling a program with the host's gcc or go, running it, watching it from a second terminal,
checking what is seen.

QUIRE_LAB_KERNEL says where: quire or linux (a guest on Debian's kernel), or host (the host's own Linux, no guest).
QUIRE_LAB_STEP: each step waits for Enter."""
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from quire_cli import debian as debian_image
from quire_cli.common import need

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIRE = os.path.join(ROOT, "quire")
KERNEL = os.environ.get("QUIRE_LAB_KERNEL", "quire")
IS_HOST = KERNEL == "host"
IS_QUIRE = KERNEL == "quire"
IS_STEPPING = bool(os.environ.get("QUIRE_LAB_STEP"))
LABS = os.path.join(ROOT, "guest/labs")
RUN = [QUIRE, "run", "--kernel", KERNEL]
PR_SET_THP_DISABLE = 41
HANG = 300  # seconds after which what should come is not waited for any longer; they decide nothing else

if IS_HOST:  # what a lab starts gets pages of 4 KiB, whatever this machine's default is
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)


def say(text):
    print(text, flush=True)


# ---- steps ----

def pause():
    sys.stderr.write("    [Enter: go on] ")
    sys.stderr.flush()
    sys.stdin.readline()


def step(text):
    """Heads what comes next; under --step it waits before it."""
    say(f"\n== {text} ==\n")
    if IS_STEPPING:
        pause()


def is_heading(line):
    return line.startswith(b"== ") and line.rstrip().endswith(b" ==")


# ---- programs ----

def build_folder(lab_file):
    folder = os.path.dirname(os.path.abspath(lab_file))
    out = os.path.join(ROOT, "build/labs", os.path.basename(folder))
    os.makedirs(out, exist_ok=True)
    return folder, out


def build(lab_file, source, *flags):
    """Compiles a source beside lab.py; the path of the program."""
    folder, out = build_folder(lab_file)
    program = os.path.join(out, os.path.splitext(source)[0] + ("-static" if "-static" in flags else ""))
    subprocess.run(["gcc", "-O0", "-g", "-o", program, os.path.join(folder, source), *flags], check=True)
    return program


def build_go(lab_file, source):
    """Compiles a Go program beside lab.py; the path of the program, which is static."""
    need(["golang-go"])
    folder, out = build_folder(lab_file)
    program = os.path.join(out, os.path.splitext(source)[0])
    env = dict(os.environ, CGO_ENABLED="0", GO111MODULE="off", GOCACHE=os.path.join(ROOT, "build/labs/go-cache"))
    subprocess.run(["go", "build", "-trimpath", "-o", program, source], cwd=folder, env=env, check=True)
    return program


# ---- running them ----

def debian():
    """Options for a run on the Debian image as it was made: what other runs keep does not disturb a lab."""
    return [] if IS_HOST else ["--image", debian_image.pristine()]


def host_folder():
    """A folder of its own on the host's disk for a run without a guest."""
    os.makedirs(os.path.join(ROOT, "build/labs"), exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="host.", dir=os.path.join(ROOT, "build/labs"))


def in_guest(program):
    """The host's program as `quire run` takes it along."""
    return "./" + os.path.relpath(program, ROOT)


def run(program, *arguments, options=(), expect=0):
    """Runs the program, shows what it prints, returns {key: value} of its "key = value" lines."""
    return values(output(program, *arguments, options=options, expect=expect)[0])


def output(program, *arguments, options=(), expect=0):
    """Runs the program, shows what it prints; (standard output, standard error). On the Debian image and on the host it
    finds itself in a folder on a disk."""
    if IS_HOST:
        with host_folder() as folder:
            return shown([program, *arguments], folder, expect)
    place = ["--cwd", "/root"] if "--image" in options else []
    return shown([*RUN, *options, *place, "--", in_guest(program), *arguments], ROOT, expect)


def shown(command, cwd, expect, timeout=900):
    """Runs a command, shows its output while it comes, checks its status; (standard output, standard error). What runs
    may head its own steps; then it waits for a line of input, which comes with Enter, or for its end, which is there at once."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE if IS_STEPPING else subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=errors)
        timer = threading.Timer(timeout, process.terminate)
        if not IS_STEPPING:
            timer.start()
        text = b""
        for line in process.stdout:
            text += line
            sys.stdout.write(line.decode(errors="replace"))
            sys.stdout.flush()
            if IS_STEPPING and is_heading(line):
                pause()
                process.stdin.write(b"\n")
                process.stdin.flush()
        status = process.wait()
        timer.cancel()
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    check(status == expect, f"the program ended with {status}, not {expect}: {said[-600:]}")
    return text.decode(errors="replace"), said


def script(lab_file, name, *arguments, files=(), options=(), expect=0, ram="256M"):
    """Runs a script beside lab.py on the Debian image, in /root with further files beside it, or on the host in a folder of
    its own. Shows and returns what it prints."""
    folder = os.path.dirname(os.path.abspath(lab_file))
    beside = [os.path.join(folder, f) for f in (name, *files)] + [os.path.join(LABS, "step.sh")]
    words = ["python3", "-u", name] if name.endswith(".py") else ["bash", name]
    if IS_HOST:
        with host_folder() as place:
            for f in beside:
                shutil.copy(f, place)
            return shown([*words, *arguments], place, expect)[0]
    add = [word for f in beside for word in ("--add", f"{f}:/root/{os.path.basename(f)}")]
    return shown([*RUN, *debian(), "--ram", ram, *add, *options, "--cwd", "/root", "--", *words, *arguments], ROOT, expect)[0]


class Watched:
    """A program that waits for Enter, and a second terminal beside it. program: a file of the host, or a list of words
    for the guest. files: what lies beside it."""

    def __init__(self, program, options=(), files=()):
        words = program if isinstance(program, list) else [program if IS_HOST else in_guest(program)]
        self.folder = host_folder() if IS_HOST else None
        if IS_HOST:
            for f in files:
                shutil.copy(f, self.folder.name)
            command, cwd = words, self.folder.name
        else:
            add = [word for f in files for word in ("--add", f"{f}:/root/{os.path.basename(f)}")]
            command, cwd = [*RUN, *options, *add, "--", *words], ROOT
        self.process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.name = os.path.basename(words[0])
        self.text = b""

    def pid(self):
        """What a second terminal's shell writes for the program's number."""
        return str(self.process.pid) if IS_HOST else f"$(pgrep -xo {self.name})"

    def wait_for(self, what):
        """Reads the program's output until `what` has come."""
        at = len(self.text)
        while what.encode() not in self.text[at:]:
            data = os.read(self.process.stdout.fileno(), 4096)
            check(data, f"the program ended before it said '{what}'")
            self.text += data
            sys.stdout.write(data.decode(errors="replace"))
        sys.stdout.write("\n")
        sys.stdout.flush()

    def enter(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def ask(self, command):
        """What `command` prints beside the program."""
        words = ["sh", "-c", command] if IS_HOST else [QUIRE, "exec", "--", "sh", "-c", command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=HANG, cwd=ROOT)
        return done.stdout.decode()

    def second_terminal(self, command):
        """The same, shown."""
        say(f"    (second terminal) $ {command}")
        text = self.ask(command)
        say("".join(f"    {line}\n" for line in text.splitlines()))
        return text

    def wait_until(self, holds, what):
        """Waits until holds(what the second terminal prints about the process) is true."""
        deadline = time.monotonic() + HANG
        while time.monotonic() < deadline:
            check(self.process.poll() is None, "the program has ended")
            if holds(self.ask(f"cat /proc/{self.pid()}/status")):
                return
            time.sleep(0.1)
        raise AssertionError(f"{what} was not seen in time")

    def end(self):
        self.process.stdin.close()
        self.process.stdout.read()
        status = self.process.wait(HANG)
        if self.folder:
            self.folder.cleanup()
        return status


# ---- what is seen ----

def check(condition, text):
    if not condition:
        raise AssertionError(text)
    return True


def near(seen, expected, within, what):
    """Checks that a figure is what it should be, give or take."""
    check(abs(seen - expected) <= within, f"{what}: {seen}, not {expected} (give or take {within})")


def bar(value, full, width=50):
    """A figure as a bar, for pictures of text."""
    return "#" * max(0, min(width, round(value * width / full)))


def values(text):
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition(" = ")
        if equals:
            found[name.strip()] = value.strip()
    return found


def status_kb(text, field):
    """A field of /proc/PID/status in kB."""
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(f"{field} is not in /proc/PID/status")

# SPDX-License-Identifier: MIT
"""What labs share: compiling a program with the host's gcc or go, running it in a guest, watching it from a second
terminal, checking what is seen. QUIRE_LAB_KERNEL=linux (`quire lab --kernel linux`): on Debian's kernel instead."""
import os
import subprocess
import sys
import tempfile
import threading

from quire_cli import debian as debian_image
from quire_cli.common import need

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIRE = os.path.join(ROOT, "quire")
KERNEL = os.environ.get("QUIRE_LAB_KERNEL", "quire")
RUN = [QUIRE, "run", "--kernel", KERNEL]


def say(text):
    print(text, flush=True)


def build(lab_file, source, *flags):
    """Compiles a source beside lab.py; the path of the program."""
    folder = os.path.dirname(os.path.abspath(lab_file))
    out = os.path.join(ROOT, "build/labs", os.path.basename(folder))
    os.makedirs(out, exist_ok=True)
    program = os.path.join(out, os.path.splitext(source)[0] + ("-static" if "-static" in flags else ""))
    subprocess.run(["gcc", "-O0", "-g", "-o", program, os.path.join(folder, source), *flags], check=True)
    return program


def build_go(lab_file, source):
    """Compiles a Go program beside lab.py; the path of the program, which is static."""
    need(["golang-go"])
    folder = os.path.dirname(os.path.abspath(lab_file))
    out = os.path.join(ROOT, "build/labs", os.path.basename(folder))
    os.makedirs(out, exist_ok=True)
    program = os.path.join(out, os.path.splitext(source)[0])
    env = dict(os.environ, CGO_ENABLED="0", GO111MODULE="off", GOCACHE=os.path.join(ROOT, "build/labs/go-cache"))
    subprocess.run(["go", "build", "-trimpath", "-o", program, source], cwd=folder, env=env, check=True)
    return program


def debian():
    """Options for a run on the Debian image as it was made: what other runs keep does not disturb a lab."""
    return ["--image", debian_image.pristine()]


def run(program, *arguments, options=(), expect=0):
    """Runs the program in a guest, shows what it prints, returns {key: value} of its "key = value" lines."""
    text, _ = shown([*RUN, *options, "--", "./" + os.path.basename(program), *arguments], os.path.dirname(program), expect)
    return values(text)


def shown(command, cwd, expect, timeout=900):
    """Runs a command, shows its output while it comes, checks its status; (standard output, standard error)."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        timer = threading.Timer(timeout, process.terminate)
        timer.start()
        text = b""
        for line in process.stdout:
            text += line
            sys.stdout.write(line.decode(errors="replace"))
            sys.stdout.flush()
        status = process.wait()
        timer.cancel()
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    check(status == expect, f"the program ended with {status}, not {expect}: {said[-600:]}")
    return text.decode(errors="replace"), said


def script(lab_file, name, *arguments, files=(), options=(), expect=0, ram="256M"):
    """Runs a script beside lab.py on the Debian image, in /root with further files beside it. Shows and returns what it
    prints."""
    folder = os.path.dirname(os.path.abspath(lab_file))
    add = [word for f in (name, *files) for word in ("--add", f"{os.path.join(folder, f)}:/root/{os.path.basename(f)}")]
    program = ["python3", "-u", name] if name.endswith(".py") else ["bash", name]
    return shown([*RUN, *debian(), "--ram", ram, *add, *options, "--cwd", "/root", "--", *program, *arguments], ROOT, expect)[0]


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


def check(condition, text):
    if not condition:
        raise AssertionError(text)
    return True


class Watched:
    """A program that waits for Enter, and a second terminal beside it. program: a file of the host, or a list of words
    for the guest."""

    def __init__(self, program, options=()):
        words = program if isinstance(program, list) else ["./" + os.path.basename(program)]
        self.process = subprocess.Popen([*RUN, *options, "--", *words], cwd=ROOT if words is program else os.path.dirname(program),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.text = b""

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

    def second_terminal(self, command):
        """What `command` prints in the same guest."""
        say(f"    (second terminal) $ {command}")
        done = subprocess.run([QUIRE, "exec", "--", "sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, cwd=ROOT)
        text = done.stdout.decode()
        say("".join(f"    {line}\n" for line in text.splitlines()))
        return text

    def end(self):
        self.process.stdin.close()
        self.process.stdout.read()
        return self.process.wait(60)


def status_kb(text, field):
    """A field of /proc/PID/status in kB."""
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(f"{field} is not in /proc/PID/status")

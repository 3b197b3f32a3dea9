# SPDX-License-Identifier: MIT
"""What labs share: compiling a program with the host's gcc, running it in a guest, watching it from a second
terminal, checking what is seen."""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIRE = os.path.join(ROOT, "quire")


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


def run(program, *arguments, options=(), expect=0):
    """Runs the program in a guest, shows what it prints, returns {key: value} of its "key = value" lines."""
    done = subprocess.run([QUIRE, "run", *options, "--", "./" + os.path.basename(program), *arguments],
                          cwd=os.path.dirname(program), stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    text = done.stdout.decode(errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()
    check(done.returncode == expect, f"the program ended with {done.returncode}, not {expect}: "
          f"{done.stderr.decode(errors='replace')[-400:]}")
    return values(text)


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
    """A program that waits for Enter, and a second terminal beside it."""

    def __init__(self, program, options=()):
        self.process = subprocess.Popen([QUIRE, "run", *options, "--", "./" + os.path.basename(program)],
                                        cwd=os.path.dirname(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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

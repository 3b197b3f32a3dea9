# SPDX-License-Identifier: MIT
"""One boot of the Debian image that runs a script of named commands, and what each of them printed."""
import difflib
import os
import re
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KERNELS = ("linux", "quire")
# One image for all families: making one takes two minutes.
PACKAGES = "cron gdb htop less numactl smem strace tmux".split()
TIMEOUT = 900  # tells a hang, nothing else: half a minute when nobody else uses the machine

# In the script: `try NAME COMMAND...` runs a command as the section NAME, `hold LOADS...` starts ./load and leaves its
# pid in $held when it is ready, which is when all its threads sleep and nothing is on its way to a disk, `show NAME` names
# a section for what is printed next.
PRELUDE = r"""
export LC_ALL=C TERM=linux
cd /root
show() { printf '@@ %s\n' "$1"; }
try() { show "$1"; shift; "$@" 2>&1; printf '\n@= %d\n' $?; }
hold() {
	local fifo=/tmp/load.ready said
	mkfifo $fifo
	/root/load "$@" > $fifo & held=$!
	read -r said < $fifo
	rm $fifo
	[ "$said" = ready ] || { echo "@! load $*: $said"; return; }
	until sleeps $held; do :; done
	until [[ $(< /proc/meminfo) =~ Writeback:\ +0\ kB ]]; do :; done
}
sleeps() {
	local file words
	for file in /proc/$1/task/*/stat; do
		read -r -a words < $file
		[ ${words[2]} = S ] || return 1
	done
}
dd if=/dev/zero of=/root/data bs=1M count=16 status=none
sync
"""


class Section:
    """What one command printed, and its exit status."""

    def __init__(self):
        self.lines, self.status = [], None


def rows(lines):
    """[{column: word}]: lines under a header; the last column takes the rest of its line."""
    names = lines[0].split()
    found = []
    for line in lines[1:]:
        words = line.split(None, len(names) - 1)
        if words:
            found.append(dict(zip(names, words)))
    return found


class Output:
    """All sections of a boot."""

    def __init__(self, kernel):
        self.kernel, self.sections, self.trouble = kernel, {}, []

    def __getitem__(self, name):
        """The lines of a command that ended well."""
        section = self.sections.get(name)
        assert section, f"{name} did not run"
        assert not section.status, f"{name} ended with status {section.status}: {section.lines[-1:]}"
        return section.lines

    def status(self, name):
        return self.sections[name].status

    def value(self, name):
        """A section that is one number."""
        return int(self[name][0])

    def text(self):
        """What parse() makes the same of."""
        return "".join(f"@@ {name}\n" + "".join(line + "\n" for line in s.lines) + ("" if s.status is None else f"\n@= {s.status}\n")
                       for name, s in self.sections.items())

    def parse(self, text):
        section = None
        for line in text.split("\n"):
            if line.startswith("@@ "):
                section = self.sections[line[3:]] = Section()
            elif line.startswith("@= ") and section:
                section.status = int(line[3:])
                if section.lines and not section.lines[-1]:
                    section.lines.pop()  # the one that came before the mark
            elif line.startswith("@! "):
                self.trouble.append(line[3:])
            elif section:
                section.lines.append(line)
        if section and section.lines and not section.lines[-1]:
            section.lines.pop()


def command(kernel, folder, script, *options, timeout=TIMEOUT):
    """./quire run, up to the program: the Debian image with what the tests need, the script as /root/script."""
    words = [os.path.join(ROOT, "quire"), "run", "--kernel", kernel, "--image", "debian", "--cpus", "2", "--timeout", str(timeout),
             "--log", os.path.join(folder, "log"), "--append", "quire.checks" if kernel == "quire" else "mitigations=off"]
    for package in PACKAGES:
        words += ["--package", package]
    return [*words, "--add", script + ":/root/script", "--add", os.path.join(ROOT, "build/guest/load") + ":/root/load", *options]


def boot(kernel, script, *options, timeout=TIMEOUT):
    """Runs the script in one boot. What went wrong with it as a whole is in .trouble."""
    output = Output(kernel)
    with tempfile.TemporaryDirectory(prefix="quire-tools-") as folder:
        path, log = os.path.join(folder, "script"), os.path.join(folder, "log")
        with open(path, "w") as f:
            f.write(PRELUDE + script + "\nshow end\n")
        words = command(kernel, folder, path, *options, timeout=timeout)
        done = subprocess.run([*words, "--", "bash", "/root/script"], stdin=subprocess.DEVNULL, capture_output=True, cwd=ROOT)
        output.parse(done.stdout.decode(errors="replace"))
        if done.returncode or "end" not in output.sections:
            output.trouble += [f"status {done.returncode}", *done.stderr.decode(errors="replace").splitlines()[-10:]]
            if os.path.exists(log):
                with open(log, errors="replace") as f:
                    output.trouble += [line for line in f.read().splitlines() if re.search(r"panic|BUG|ASSERT", line)][:5]
    return output


# ---- arithmetic that several families use ----

def near(what, got, want, slack):
    assert abs(got - want) <= slack, f"{what} is {got}, not {want} give or take {slack}"


def same(what, got, want):
    if isinstance(got, list) and isinstance(want, list) and got != want:
        changed = [line for line in difflib.unified_diff(list(map(str, want)), list(map(str, got)), lineterm="", n=0) if line[:2] not in ("--", "++", "@@")]
        raise AssertionError(f"{what}: " + "; ".join(changed[:8]))
    assert got == want, f"{what} is {got}, not {want}"


def between(what, got, low, high):
    assert low <= got <= high, f"{what} is {got}, not from {low} to {high}"


def number(text):
    """Of a figure with a unit as free, top, smem and htop write it: KiB."""
    m = re.fullmatch(r"([0-9.]+)([BKMGTkmgt]?)i?", text)
    assert m, f"'{text}' is no figure"
    return float(m[1]) * {"B": 1 / 1024, "": 1, "K": 1, "M": 1 << 10, "G": 1 << 20, "T": 1 << 30}[m[2].upper()]


def fields(lines, pattern=r"^(\S+?):?\s+(-?\d+)"):
    """{name: number} of lines like those of meminfo, vmstat and status."""
    return {m[1]: int(m[2]) for m in (re.match(pattern, line) for line in lines) if m}

# SPDX-License-Identifier: MIT
"""The Debian image: Debian 12's own packages on an ext2 file system, made once for each list of packages.

mmdebstrap takes the packages from the host's own sources (/etc/apt) and gives a tar archive, also without root;
it is unpacked (under fakeroot when not root) and mke2fs -d makes the file system of it. The image lies in build/cache
and stays as it was made; what a run with --keep changes is kept in a copy in build/image.
"""
import contextlib
import fcntl
import glob
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

from .common import BUILD, CACHE, Failure, need, say

SUITE = "bookworm"
PACKAGES = ["bash", "coreutils", "procps", "util-linux", "mount", "findutils", "grep", "sed", "gawk", "python3", "sysstat",
            "e2fsprogs", "passwd"]
DEFAULT_SOURCE = f"deb http://deb.debian.org/debian {SUITE} main\n"
SIZE = 4 << 30
EPOCH = "1700000000"  # all times in the image: it is the same when the packages are
RECIPE = 1            # counts changes of this file that change what is in the image
MAX_IMAGES = 4        # the least recently used go
HOOKS = "/usr/share/mmdebstrap/hooks/merged-usr"  # without it usrmerge comes along, and all of Perl

# Run in the unpacked tree.
FINISH = r"""
rm -rf usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/* var/log/apt var/log/*.log var/cache/debconf/*-old
rm -f etc/resolv.conf
echo quire > etc/hostname
printf '127.0.0.1\tlocalhost quire\n' > etc/hosts
echo '# Quire mounts the root file system before this is read.' > etc/fstab
ln -sfn ../proc/self/mounts etc/mtab
"""


# ---- where packages come from ----

def is_ours(suite):
    return suite in (SUITE, SUITE + "-updates", SUITE + "-security")


def one_line_sources(text):
    """The lines of a sources.list that are Debian 12's."""
    kept = []
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        m = re.match(r"deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$", line)
        if m and is_ours(m[3]) and "main" in m[4].split():
            kept.append(line)
    return kept


def stanza_sources(text):
    """The stanzas of a .sources file that are Debian 12's, with its suites only."""
    kept = []
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if line.strip() and not line.startswith("#")]
        fields = {}
        for line in lines:
            if ":" in line and not line[0].isspace():
                name, value = line.split(":", 1)
                fields[name.strip().lower()] = value.split()
        suites = [s for s in fields.get("suites", []) if is_ours(s)]
        if suites and "deb" in fields.get("types", []) and "main" in fields.get("components", []) \
                and fields.get("enabled", ["yes"]) != ["no"]:
            kept.append("\n".join("Suites: " + " ".join(suites) if line.lower().startswith("suites:") else
                                  "Types: deb" if line.lower().startswith("types:") else line for line in lines))
    return kept


def host_sources(where="/etc/apt"):
    """(one-line sources, deb822 sources) of the host that are Debian 12's."""
    lines, stanzas = [], []
    for path in [os.path.join(where, "sources.list")] + sorted(glob.glob(os.path.join(where, "sources.list.d/*"))):
        if not os.path.isfile(path) or not path.endswith((".list", ".sources")):
            continue
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        if path.endswith(".list"):
            lines += one_line_sources(text)
        else:
            stanzas += stanza_sources(text)
    one_line = "".join(line + "\n" for line in lines)
    deb822 = "\n\n".join(stanzas) + "\n" if stanzas else ""
    if not one_line and not deb822:
        one_line = DEFAULT_SOURCE
    return one_line, deb822


def host_network():
    """How the host's apt reaches its sources: proxies and the like, for the apt that works for the image."""
    shown = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    return [line for line in shown.splitlines()
            if re.match(r"Acquire::((http|https|ftp)\b.*::|Retries\b|Check-|ForceIPv)", line, re.I) and '""' not in line]


# ---- making it ----

class Progress:
    """One line on a terminal that is written over, else a line now and then."""

    def __init__(self, what):
        self.what, self.began, self.said = what, time.monotonic(), 0.0
        self.tty = sys.stderr.isatty()
        self.count = self.total = 0
        self.tail = []

    def show(self, step, always=False):
        now = time.monotonic() - self.began
        if self.tty:
            sys.stderr.write(f"\r\033[Kquire: {self.what}: {now:3.0f} s, {step}"[:110])
            sys.stderr.flush()
        elif always or now - self.said >= 10:
            self.said = now
            say(f"{self.what}: {now:3.0f} s, {step}")

    def line(self, line):
        """A line of mmdebstrap's or apt's output."""
        line = line.strip()
        self.tail = (self.tail + [line])[-40:]
        new = re.search(r"(\d+) newly installed", line)
        setting_up = re.match(r"(?:Setting up|Unpacking) ([^ :]+)", line)
        if new:
            self.total += int(new[1])
        elif line.startswith("I: ") and re.match(r"I: (running apt-get|downloading|extracting|installing|creating tar)", line):
            self.show(line[3:].rstrip(". ").split(" in the chroot")[0], True)
        elif setting_up:
            self.count += line.startswith("Setting")
            self.show(f"{line.split()[0].lower()}{' up' if line.startswith('Setting') else ''} {setting_up[1]}")

    def end(self):
        if self.tty:
            sys.stderr.write("\r\033[K")


def why(tail):
    """The line of the output that says what went wrong."""
    errors = [line for line in tail if line.startswith(("E:", "Err:", "W: Failed", "dpkg: error"))]
    shown = [line for line in errors if not re.match(r"E: (run_chroot|setup|apt-get|.*failed: process exited|mmdebstrap failed|waitpid)", line)]
    return (shown or errors or tail or ["no reason given"])[0]


def bootstrap(packages, tar, folder, progress):
    """mmdebstrap: the packages and what they need, as a tar archive."""
    sources = []
    for name, text in zip(("quire.list", "quire.sources"), host_sources()):
        if text:
            sources.append(os.path.join(folder, name))
            with open(sources[-1], "w") as f:
                f.write(text)
    command = ["mmdebstrap", "--verbose", "--variant=essential", "--format=tar", "--dpkgopt=force-unsafe-io",
               '--aptopt=Apt::Install-Recommends "false"', *[f"--aptopt={line.rstrip(';')}" for line in host_network()]]
    if os.path.isdir(HOOKS):
        command += ["--hook-dir=" + HOOKS]
        packages = ["usr-is-merged"] + packages
    command += ["--include=" + ",".join(packages), SUITE, tar, *sources]
    env = dict(os.environ, SOURCE_DATE_EPOCH=EPOCH, LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as process:
        for line in process.stdout:
            progress.line(line.decode(errors="replace"))
    if process.returncode:
        progress.end()
        raise Failure(f"mmdebstrap failed: {why(progress.tail)}")


def file_system(tar, out, folder, size, uuid, progress):
    """The tar archive as an ext2 file system; owners and device files need root or fakeroot."""
    progress.show("making the file system", True)
    tree = os.path.join(folder, "tree")
    os.mkdir(tree)
    script = f"""set -e
cd "$1"
tar -xpf "$2" --numeric-owner
{FINISH}
find . -newermt @{EPOCH} -exec touch -h -d @{EPOCH} {{}} +
mke2fs -q -t ext2 -L quire -U "$5" -E hash_seed="$5" -d . "$3" "$4"
rm -rf "$1"
"""
    command = ["sh", "-c", script, "sh", tree, tar, out, f"{size >> 10}K", uuid]
    if os.geteuid():
        command = ["fakeroot"] + command
    env = dict(os.environ, PATH="/usr/local/sbin:/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin"),
               E2FSPROGS_FAKE_TIME=EPOCH, LC_ALL="C.UTF-8")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
    if done.returncode:
        progress.end()
        lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
        raise Failure(f"the image could not be made: {lines[-1]}")


def build(packages, key, path):
    packages_needed = ["mmdebstrap", "e2fsprogs"] + ([] if os.geteuid() == 0 else ["uidmap", "fakeroot"])
    need(packages_needed)
    say(f"making the Debian image, once: {' '.join(packages)}")
    progress = Progress("Debian image")
    uuid = "-".join((key[:8], key[8:12], "4" + key[13:16], "8" + key[17:20], key[20:32]))
    with tempfile.TemporaryDirectory(prefix="debian-", dir=CACHE) as folder:
        os.chmod(folder, 0o755)
        tar, made = os.path.join(folder, "debian.tar"), os.path.join(folder, "image")
        bootstrap(packages, tar, folder, progress)
        file_system(tar, made, folder, SIZE, uuid, progress)
        os.rename(made, path)
    progress.end()
    say(f"the Debian image is ready after {time.monotonic() - progress.began:.0f} s: {os.stat(path).st_blocks >> 11} MiB on this disk, "
        f"{SIZE >> 30} GiB inside")


# ---- keeping it ----

@contextlib.contextmanager
def locked():
    """Two commands at once make an image once."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "debian.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another command that makes a Debian image")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prune(path):
    """Removes the least recently used images, but none that is in use."""
    images = sorted(glob.glob(os.path.join(CACHE, "debian-*.img")), key=os.path.getatime, reverse=True)
    for old in images[MAX_IMAGES:]:
        if old == path:
            continue
        with open(old, "rb") as f, contextlib.suppress(OSError):
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(old)


def names(more):
    for name in more:
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?", name):
            raise Failure(f"--package {name}: no name of a Debian package")
    return sorted(set(PACKAGES) | set(more))


def key_of(packages):
    return hashlib.sha256(json.dumps([RECIPE, SIZE, packages, host_sources()]).encode()).hexdigest()


def pristine(more=()):
    """The image with PACKAGES and more, as it was made; made now when it is not there."""
    packages = names(more)
    key = key_of(packages)
    path = os.path.join(CACHE, f"debian-{key[:16]}.img")
    if not os.path.exists(path):
        with locked():
            if not os.path.exists(path):
                build(packages, key, path)
                prune(path)
    os.utime(path, (time.time(), os.path.getmtime(path)))  # used now, not changed
    return path


def copy(source, target):
    """A sparse copy, whole or not at all."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target + ".new"], check=True)
    os.rename(target + ".new", target)


def image(more=(), keep=False):
    """The image for a run: the copy that earlier runs with --keep changed, when there is one or shall be one."""
    base = pristine(more)
    kept = os.path.join(BUILD, "image", os.path.basename(base))
    with locked():
        if keep and not os.path.exists(kept):
            copy(base, kept)
    return kept if os.path.exists(kept) else base


def used_bytes(path):
    """Of the file system in an image."""
    with open(path, "rb") as f:
        f.seek(1024)
        blocks, _, free, _, _, log_size = struct.unpack_from("<6I", f.read(64), 4)
    return (blocks - free) << (10 + log_size)


def small(path):
    """A copy of an image with little free room, for RAM."""
    out = os.path.join(BUILD, "image", os.path.basename(path).replace(".img", "-small.img"))
    with locked():
        if os.path.exists(out) and os.path.getmtime(out) >= os.path.getmtime(path):
            return out
        copy(path, out)
        env = dict(os.environ, PATH="/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin"), E2FSPROGS_FAKE_TIME=EPOCH)
        used = used_bytes(path)
        size = (used + used // 4 + (64 << 20)) >> 20
        for command in (["e2fsck", "-fp", out], ["resize2fs", out, f"{size}M"]):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
            if done.returncode not in (0, 1):
                os.unlink(out)
                raise Failure(f"{command[0]} {out}: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}")
        os.truncate(out, size << 20)
    return out

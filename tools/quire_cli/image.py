# SPDX-License-Identifier: MIT
"""Initial RAM disks: the default image (busybox), the small one that mounts a disk, and what a run adds.

Archives are newc cpio; the kernel unpacks several that follow each other, so a run's additions are a
second archive behind the cached first. When the root is on a disk, init copies them there from ADDED
and, where the disk does not have them, from LIBRARIES.
"""
import os
import shutil
import stat
import subprocess

from .common import BUILD, Failure, make

DIRECTORIES = ["bin", "dev", "etc", "lib", "lib64", "mnt", "proc", "root", "run", "sbin", "sys", "tmp", "usr",
               "usr/bin", "usr/sbin", "usr/lib", "var", "var/log", "home"]
ADDED, LIBRARIES = "added", "libraries"  # guest/root.c has the same names
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/hostname": "quire\n",
    "etc/profile": "export PS1='\\w \\$ '\nalias ll='ls -l'\n",
    "etc/issue": "Quire\n",
}


class Archive:
    """Writes newc entries. Source: cpio(5)."""

    def __init__(self, out):
        self.out = out
        self.ino = 1
        self.seen = set()

    def entry(self, name, mode, data=b"", nlink=1, ino=None, rdev=(0, 0), mtime=0, uid=0, gid=0):
        if ino is None:
            ino = self.ino
            self.ino += 1
        raw = name.encode("utf-8", "surrogateescape") + b"\0"
        fields = (ino, mode, uid, gid, nlink, mtime, len(data), 0, 0, rdev[0], rdev[1], len(raw), 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + raw
        self.out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    def directory(self, name, mode=0o755):
        if name and name not in self.seen:
            self.directory(os.path.dirname(name))
            self.seen.add(name)
            self.entry(name, stat.S_IFDIR | mode, nlink=2)

    def file(self, name, data, mode=0o644):
        self.directory(os.path.dirname(name))
        self.entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.directory(os.path.dirname(name))
        self.entry(name, stat.S_IFLNK | 0o777, target.encode("utf-8", "surrogateescape"))

    def node(self, name, mode, major, minor):
        self.directory(os.path.dirname(name))
        self.entry(name, mode, rdev=(major, minor))

    def tree(self, source, name, links=None):
        """A host file or directory as `name`, with modes, symbolic and hard links."""
        links = {} if links is None else links
        st = os.lstat(source)
        if stat.S_ISDIR(st.st_mode):
            self.directory(name, stat.S_IMODE(st.st_mode))
            for child in sorted(os.listdir(source)):
                self.tree(os.path.join(source, child), f"{name}/{child}" if name else child, links)
        elif stat.S_ISLNK(st.st_mode):
            self.link(name, os.readlink(source))
        elif stat.S_ISREG(st.st_mode):
            self.directory(os.path.dirname(name))
            key = (st.st_dev, st.st_ino)
            known = links.get(key) if st.st_nlink > 1 else None
            with open(source, "rb") as f:
                data = f.read()
            if st.st_nlink > 1 and known is None:
                links[key] = self.ino
            # Hard links share a number; each name carries the content, the last one counts.
            self.entry(name, st.st_mode, data, nlink=st.st_nlink, ino=known, mtime=int(st.st_mtime))
        elif stat.S_ISFIFO(st.st_mode):
            self.node(name, st.st_mode, 0, 0)
        else:
            raise Failure(f"--add {source}: neither file, directory, link nor FIFO")

    def end(self):
        self.entry("TRAILER!!!", 0)


def default_image():
    """build/busybox.cpio, made anew when what it consists of is newer."""
    init, busybox = os.path.join(BUILD, "guest/init"), shutil.which("busybox") or "/bin/busybox"
    out = os.path.join(BUILD, "busybox.cpio")
    make("guest")
    sources = [init, busybox, os.path.abspath(__file__)]
    if os.path.exists(out) and all(os.path.getmtime(out) >= os.path.getmtime(s) for s in sources):
        return out
    applets = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, check=True).stdout.split()
    with open(out + ".new", "wb") as f:
        a = Archive(f)
        for d in DIRECTORIES:
            a.directory(d, 0o1777 if d == "tmp" else 0o755)
        a.node("dev/console", stat.S_IFCHR | 0o600, 5, 1)
        a.node("dev/null", stat.S_IFCHR | 0o666, 1, 3)
        for name, text in FILES.items():
            a.file(name, text.encode())
        with open(init, "rb") as source:
            a.file("init", source.read(), 0o755)
        with open(busybox, "rb") as source:
            a.file("bin/busybox", source.read(), 0o755)
        for applet in applets:
            if applet != "bin/busybox" and applet not in ("init", "sbin/init", "linuxrc"):
                a.link(applet, "/bin/busybox")
        a.end()
    os.rename(out + ".new", out)
    return out


def disk_initrd():
    """build/disk.cpio: init alone."""
    init, out = os.path.join(BUILD, "guest/init"), os.path.join(BUILD, "disk.cpio")
    make("guest")
    if not os.path.exists(out) or any(os.path.getmtime(out) < os.path.getmtime(s) for s in (init, os.path.abspath(__file__))):
        with open(out + ".new", "wb") as f:
            a = Archive(f)
            for d in ("dev", "proc", "sys", "root"):
                a.directory(d)
            a.node("dev/console", stat.S_IFCHR | 0o600, 5, 1)
            a.node("dev/null", stat.S_IFCHR | 0o666, 1, 3)
            with open(init, "rb") as source:
                a.file("init", source.read(), 0o755)
            a.end()
        os.rename(out + ".new", out)
    return out


def is_elf(path):
    try:
        with open(path, "rb") as f:
            return f.read(4) == b"\x7fELF"
    except OSError:
        return False


def libraries(path):
    """The interpreter and libraries of a dynamic program, as absolute host paths."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True)
    found = []
    for line in done.stdout.splitlines():
        words = line.split()
        if "=>" in words and len(words) > 2 and words[2].startswith("/"):
            found.append(words[2])
        elif words and words[0].startswith("/"):
            found.append(words[0])
    return found


def add_program_libraries(archive, path, have, below):
    for lib in libraries(path):
        if lib not in have:
            have.add(lib)
            with open(lib, "rb") as f:
                archive.file(os.path.join(below, lib.lstrip("/")), f.read(), 0o755)


def additions(path, adds, modules=(), to_disk=False):
    """Writes the second archive: [(host path, guest path)] and Linux modules, in loading order."""
    have = set()
    added, below = (ADDED, LIBRARIES) if to_disk else ("", "")
    with open(path, "wb") as f:
        a = Archive(f)
        a.seen.update(["", "dev", "root"] if to_disk else ["", *DIRECTORIES])
        for host, guest in adds:
            if not os.path.lexists(host):
                raise Failure(f"--add {host}: there is no such file")
            a.tree(host, os.path.join(added, guest.strip("/")))
            if os.path.isdir(host):
                for folder, _, names in os.walk(host):
                    for name in names:
                        if is_elf(os.path.join(folder, name)):
                            add_program_libraries(a, os.path.join(folder, name), have, below)
            elif is_elf(host):
                add_program_libraries(a, host, have, below)
        if modules:
            a.file("lib/modules/order", "".join(os.path.basename(m) + "\n" for m in modules).encode())
            for m in modules:
                with open(m, "rb") as source:
                    a.file("lib/modules/" + os.path.basename(m), source.read())
        a.end()


def is_archive(path):
    """A newc cpio archive, plain or gzip."""
    with open(path, "rb") as f:
        magic = f.read(6)
    return magic in (b"070701", b"070702") or magic[:2] == b"\x1f\x8b"

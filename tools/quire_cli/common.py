# SPDX-License-Identifier: MIT
"""Where things are, what has to be installed, how the build is called."""
import fcntl
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
CACHE = os.path.join(BUILD, "cache")

# Package: (a file that shows it is there, why it is needed)
PACKAGES = {
    "procps": ("/usr/bin/pmap", "a program that tests run inside"),
    "util-linux": ("/usr/bin/taskset", "the labs use it on the host"),
    "sysstat": ("/usr/bin/sar", "the labs watch the host with it"),
    "libpython3.11-stdlib": ("/usr/lib/python3.11/lib-dynload/mmap.cpython-311-x86_64-linux-gnu.so", "what tests run inside uses it"),
    "gcc": ("/usr/bin/gcc", "compiles the kernel"),
    "libc6-dev": ("/usr/include/x86_64-linux-gnu/asm/unistd.h", "Linux's interface headers, static C library"),
    "make": ("/usr/bin/make", "runs the build"),
    "gawk": ("/usr/bin/awk", "makes the table of function names"),
    "musl-tools": ("/usr/bin/musl-gcc", "compiles what runs inside"),
    "busybox-static": ("/bin/busybox", "the guest's default programs"),
    "qemu-system-x86": ("/usr/bin/qemu-system-x86_64", "the machine"),
    "cpio": ("/usr/bin/cpio", "packs initial RAM disks"),
    "libcmocka-dev": ("/usr/include/cmocka.h", "unit tests"),
    "gdb": ("/usr/bin/gdb", "debugging"),
    "clang": ("/usr/bin/clang", "fuzzing"),
    "libclang-rt-14-dev": ("/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a", "fuzzing"),
    "grub-pc-bin": ("/usr/lib/grub/i386-pc/kernel.img", "BIOS boot image"),
    "grub-efi-amd64-bin": ("/usr/lib/grub/x86_64-efi/kernel.img", "UEFI boot image"),
    "grub-common": ("/usr/bin/grub-mkrescue", "boot images"),
    "xorriso": ("/usr/bin/xorriso", "boot images"),
    "mtools": ("/usr/bin/mformat", "boot images"),
    "mmdebstrap": ("/usr/bin/mmdebstrap", "takes Debian's packages for the Debian image"),
    "e2fsprogs": ("/sbin/mke2fs", "makes and checks ext2 file systems"),
    "uidmap": ("/usr/bin/newuidmap", "lets mmdebstrap work without root"),
    "fakeroot": ("/usr/bin/fakeroot", "keeps the files' owners without root"),
    "qemu-utils": ("/usr/bin/qemu-img", "test images"),
    "fdisk": ("/sbin/sfdisk", "test images"),
    "golang-go": ("/usr/bin/go", "compiles the Go programs of the labs"),
    "libjs-chart.js": ("/usr/share/javascript/chart.js/chart.min.js", "draws the plots of quire report"),
    "chromium": ("/usr/bin/chromium", "the test of quire report opens its page"),
    "chromium-driver": ("/usr/bin/chromedriver", "the test of quire report opens its page"),
    "python3-selenium": ("/usr/lib/python3/dist-packages/selenium/__init__.py", "the test of quire report opens its page"),
    "openjdk-17-jdk-headless": ("/usr/bin/javac", "compiles a test's Java program"),
    "python3-pyte": ("/usr/lib/python3/dist-packages/pyte/__init__.py", "tests read the screens of programs with it"),
    "ovmf": ("/usr/share/OVMF/OVMF_CODE.fd", "UEFI firmware"),
}
RUN_PACKAGES = ["gcc", "libc6-dev", "make", "gawk", "musl-tools", "busybox-static", "qemu-system-x86"]
TEST_PACKAGES = RUN_PACKAGES + ["cpio", "libcmocka-dev"]
ISO_PACKAGES = ["grub-pc-bin", "grub-efi-amd64-bin", "grub-common", "xorriso", "mtools", "ovmf"]


class Failure(Exception):
    """Something the user has to know, in one line; status 125."""


def say(text):
    sys.stderr.write(f"quire: {text}\n")
    sys.stderr.flush()


def need(packages):
    """Installs what is missing, when that is allowed; else says the line to paste."""
    missing = [p for p in packages if not os.path.exists(PACKAGES[p][0])]
    if not missing:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends"] + missing
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise Failure("missing packages; as root: apt-get update && " + " ".join(install))
        install = ["sudo"] + install
    for p in missing:
        say(f"installing {p}: {PACKAGES[p][1]}")
    log = os.path.join(BUILD, "log", "install.log")
    os.makedirs(os.path.dirname(log), exist_ok=True)
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with open(log, "wb") as out:
        update = (["sudo"] if install[0] == "sudo" else []) + ["apt-get", "update"]
        subprocess.run(update, stdout=out, stderr=out, env=env)
        if subprocess.run(install, stdout=out, stderr=out, env=env).returncode:
            raise Failure(f"apt-get failed (see {log}); by hand: apt-get update && {' '.join(install)}")


IN_BUILD = "QUIRE_IN_BUILD"


def make(*targets, quiet=True):
    """Builds targets; prints one line of progress for each thing that is made."""
    os.makedirs(BUILD, exist_ok=True)
    if IN_BUILD in os.environ:  # a recipe's command: who runs make holds the lock
        return make_locked(targets, quiet)
    with open(os.path.join(BUILD, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two commands at once build one after the other
        make_locked(targets, quiet)


def make_locked(targets, quiet):
    command = ["make", "-C", ROOT, "--no-print-directory", f"-j{os.cpu_count() or 1}", *targets]
    tty = sys.stderr.isatty()
    done = 0
    tail = []
    env = {**os.environ, IN_BUILD: "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=env)
    for line in process.stdout:
        tail = (tail + [line])[-60:]
        if line.startswith("  ") and line[2:3].isupper():
            done += 1
            if tty:
                sys.stderr.write(f"\r\033[Kquire: building: {done:4} {line.strip()[:60]}")
                sys.stderr.flush()
            elif done % 40 == 1:
                say(f"building: {line.strip()}")
        elif not quiet:
            sys.stderr.write(line)
    if tty and done:
        sys.stderr.write("\r\033[K")
    if process.wait():
        sys.stderr.write("".join(tail))
        raise Failure(f"the build failed: make {' '.join(targets)}")


def kernel_path():
    return os.path.join(BUILD, "quire-kernel")


def parse_size(text):
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    number, unit = (text[:-1], units[text[-1].upper()]) if text and text[-1].upper() in units else (text, 1 << 20)
    if not number.isdigit() or not int(number):
        raise Failure(f"'{text}' is no size; write for example 256M")
    return int(number) * unit

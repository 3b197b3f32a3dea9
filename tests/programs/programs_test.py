#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unmodified Debian programs, brought in from this machine or on the Debian image, and a Go program: what they print
in Quire is what they print under Linux.

    programs_test.py [NAME...]     bash, python, pmap, net, database, libc, locks, many
"""
import difflib
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
QUIRE = os.path.join(ROOT, "quire")

COREUTILS = ("cat cp cut dd diff echo env find grep head ls ln md5sum mkdir mv od printf rm seq sleep sort split stat tail tee timeout "
             "touch tr true truncate uniq wc xargs yes cmp chmod").split()
PMAP = r"""
sleep 100 & pid=$!
until grep -q ^230 /proc/$pid/syscall; do :; done # clock_nanosleep: its libraries are there
for flags in "" -x -p -d; do
	echo "== pmap $flags"
	pmap $flags $pid | grep -E 'sleep|lib.*\.so' | sed -e "s/^$pid:/PID:/" -e 's/^[0-9a-f]\{16\}/ADDRESS/' -e 's/ 000:0000[1-9] / DEVICE /' |
		awk -v x="$flags" '{ if (x == "-x" && NF > 5) { $3 = $4 = "n" } gsub(/ +/, " "); print }'
done
pmap $$ 2>&1 | tail -1 | sed 's/[0-9]\+K/nK/'
pmap 99999; echo "status $?"
kill $pid
"""


# On the Debian image, with its python3.
SCRIPTS = {"database": "database.py", "libc": "shared_libc.py", "locks": "record_locks.py", "many": "python_many.py"}


def find(program):
    path = next((p for p in (f"/usr/bin/{program}", f"/bin/{program}") if os.path.exists(p)), None)
    return os.path.realpath(path) if path else None


def python_tree(folder):
    """The standard library that python3-minimal brings, and the module for mappings."""
    name = os.path.basename(os.path.realpath("/usr/bin/python3"))
    tree = os.path.join(folder, name)
    listed = subprocess.run(["dpkg", "-L", f"lib{name}-minimal"], stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")
    prefix = f"/usr/lib/{name}/"
    dynamic = [prefix + "lib-dynload/" + f for f in os.listdir(prefix + "lib-dynload") if f.startswith("mmap.")]
    for path in [p for p in listed if p.startswith(prefix) and os.path.isfile(p)] + dynamic:
        to = os.path.join(tree, path[len(prefix):])
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy2(path, to)
    return tree, f"/usr/lib/{name}"


def words_for(name, folder):
    """(what is brought in, the program and its arguments)"""
    if name in SCRIPTS:
        return [(os.path.join(HERE, SCRIPTS[name]), "/root/" + SCRIPTS[name])], ["python3", "/root/" + SCRIPTS[name]]
    if name == "net":
        built = os.path.join(folder, "unix_net")
        subprocess.run(["go", "build", "-trimpath", "-o", built, os.path.join(HERE, "unix_net.go")], check=True, cwd=folder,
                       env=dict(os.environ, CGO_ENABLED="0", GOFLAGS="-mod=mod", GO111MODULE="off"))
        return [(built, "/unix_net")], ["/unix_net"]
    add = [("/usr/bin/bash", "/bin/bash")] + [(find(p), f"/usr/bin/{p}") for p in COREUTILS if find(p)]
    if name == "bash":
        return add + [(os.path.join(HERE, "shell.sh"), "/shell.sh")], ["bash", "/shell.sh"]
    if name == "python":
        tree = python_tree(folder)
        add += [(os.path.realpath("/usr/bin/python3"), "/usr/bin/python3"), tree, (os.path.join(HERE, "python.py"), "/python.py")]
        return add, ["python3", "-I", "-S", "/python.py"]
    return add + [(find("pmap"), "/usr/bin/pmap")], ["bash", "-c", PMAP]


def run(kernel, add, program, image):
    words = [w for host, guest in add for w in ("--add", f"{host}:{guest}")]
    done = subprocess.run([QUIRE, "run", "--kernel", kernel, "--image", image, "--cpus", "2", "--timeout", "900", "--env", "LC_ALL=C", *words, "--", *program],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    return done.stdout.decode(errors="replace").split("\n") + [f"(status {done.returncode})"]


def main():
    passed = failed = 0
    for name in sys.argv[1:] or ["bash", "python", "pmap", "net", *SCRIPTS]:
        with tempfile.TemporaryDirectory() as folder:
            add, program = words_for(name, folder)
            image = "debian" if name in SCRIPTS else "busybox"
            want, got = run("linux", add, program, image), run("quire", add, program, image)
        lines = list(difflib.unified_diff(want, got, "linux", "quire", lineterm="", n=1))
        good = not lines and want[-1] == "(status 0)" and len(want) > 5
        passed += good
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name} ({len(want)} lines)", flush=True)
        for line in lines or ([] if good else want[-15:]):
            print("     " + line)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

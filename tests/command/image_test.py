#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks and images of the quire command: the Debian image, files as images, what is kept, what is refused.

    image_test.py [--kernel linux] [NAME...]
"""
import os
import random
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import command_test
from command_test import KERNEL, QUIRE, ROOT, run

sys.path.insert(0, os.path.join(ROOT, "tools"))
from quire_cli import debian, disk  # noqa: E402
from quire_cli.common import Failure  # noqa: E402

BUSYBOX = "/bin/busybox"
SBIN = dict(os.environ, PATH="/usr/sbin:/sbin:" + os.environ["PATH"])
GPT_START = 2048 * 512


def host(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, env=SBIN, **options).stdout.decode()


def busybox_tree(where):
    for name in ("bin", "etc", "root", "usr/lib", "data"):
        os.makedirs(os.path.join(where, name))
    os.symlink("usr/lib", os.path.join(where, "lib"))
    os.symlink("/usr/lib", os.path.join(where, "lib64"))
    host("cp", BUSYBOX, os.path.join(where, "bin/busybox"))
    for name in host(BUSYBOX, "--list").split():
        if name != "busybox":
            os.symlink("busybox", os.path.join(where, "bin", name))
    with open(os.path.join(where, "etc/passwd"), "w") as f:
        f.write("root:x:0:0:root:/root:/bin/ash\n")
    os.chmod(os.path.join(where, "data"), 0o1770)


def is_clean(path, offset=0):
    """What e2fsck says about an image, changing nothing; None: it is clean."""
    done = subprocess.run(["e2fsck", "-fn", f"{path}?offset={offset}"], capture_output=True, text=True, env=SBIN)
    return None if done.returncode == 0 else done.stdout + done.stderr


class Folder(unittest.TestCase):
    """Tests with a directory of their own and small disks with busybox on them."""

    @classmethod
    def setUpClass(cls):
        cls.common = tempfile.TemporaryDirectory(prefix="quire-image-")
        tree = os.path.join(cls.common.name, "tree")
        busybox_tree(tree)
        cls.small = os.path.join(cls.common.name, "small.img")
        host("mke2fs", "-q", "-t", "ext2", "-E", "root_owner=0:0", "-d", tree, cls.small, "32M")

    @classmethod
    def tearDownClass(cls):
        cls.common.cleanup()

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="quire-image-")
        self.addCleanup(self.temporary.cleanup)

    def path(self, name):
        return os.path.join(self.temporary.name, name)

    def disk(self, name="disk.img"):
        host("cp", "--sparse=always", self.small, self.path(name))
        return self.path(name)

    def gpt(self, name="gpt.img"):
        """A disk whose second partition is the small file system."""
        path = self.path(name)
        with open(path, "wb") as f:
            f.truncate(64 << 20)
        host("sfdisk", "-q", path, input=b"label: gpt\nstart=34816, size=2048\nstart=40960, size=65536, type=linux\n")
        host("dd", f"if={self.small}", f"of={path}", "bs=1M", "seek=20", "conv=notrunc,sparse")
        return path

    def ok(self, *words, **options):
        status, out, err = run(*words, **options)
        self.assertEqual((status, err), (0, b""), err)
        return out.decode()


class Files(Folder):
    def test_a_whole_disk_is_the_root(self):
        out = self.ok("--image", self.disk(), "--", "sh", "-c", "grep ' / ' /proc/mounts; ls -d /init /added /tmp 2>/dev/null; pwd; stat -c %a /data")
        self.assertRegex(out, r"^/dev/vda / ext2 rw[^\n]*\n/\n1770\n$")

    def test_a_partition_is_the_root(self):
        path = self.gpt()
        self.assertTrue(self.ok("--image", path, "--keep", "--", "sh", "-c", "grep ' / ' /proc/mounts; echo x > /root/x").startswith("/dev/vda2 / "))
        self.assertIsNone(is_clean(path, 20 << 20))

    def test_a_logical_partition_of_an_mbr_is_the_root(self):
        path = self.path("mbr.img")
        with open(path, "wb") as f:
            f.truncate(64 << 20)
        host("sfdisk", "-q", path, input=b"label: dos\nstart=2048, size=2048\nstart=10240, size=120832, type=5\nstart=12288, size=4096\nstart=40960, size=65536\n")
        host("dd", f"if={self.small}", f"of={path}", "bs=1M", "seek=20", "conv=notrunc,sparse")
        self.assertTrue(self.ok("--image", path, "--keep", "--", "sh", "-c", "grep ' / ' /proc/mounts; echo x > /root/x").startswith("/dev/vda6 / "))
        self.assertIsNone(is_clean(path, 20 << 20))

    def test_qcow2_is_read_and_kept(self):
        raw, base, over = self.disk(), self.path("base.qcow2"), self.path("over.qcow2")
        host("qemu-img", "convert", "-c", "-O", "qcow2", raw, base)
        host("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", over)
        self.ok("--image", over, "--keep", "--", "sh", "-c", "echo kept > /root/kept")
        self.assertEqual(self.ok("--image", over, "--", "cat", "/root/kept"), "kept\n")
        self.assertEqual(run("--image", base, "--", "cat", "/root/kept")[0], 1)

    def test_changes_are_thrown_away(self):
        path = self.disk()
        before = host("sha256sum", path)
        self.ok("--image", path, "--", "sh", "-c", "echo x > /root/x; sync")
        self.assertEqual(host("sha256sum", path), before)

    def test_kept_changes_are_whole(self):
        """Large, many and half-deleted files, a process that ends for nothing: all is there and the disk is clean."""
        path = self.disk()
        self.ok("--image", path, "--keep", "--", "sh", "-c",
                "head -c 8000000 /dev/urandom > /root/big; sha256sum /root/big > /root/sum; mkdir /root/d; for i in $(seq 300); do echo $i > /root/d/$i; done;"
                "echo gone > /root/gone; (trap '' TERM HUP; exec 5< /root/gone; rm /root/gone; while :; do sleep 100; done) & sleep 1000 >> /root/open & mkfifo /root/fifo;"
                "until [ -e /root/open ] && ! [ -e /root/gone ]; do :; done")
        self.assertIsNone(is_clean(path))
        out = self.ok("--image", path, "--", "sh", "-c", "sha256sum -c /root/sum; ls /root/d | wc -l; cat /root/d/300; ls /root; test -p /root/fifo && echo fifo")
        self.assertEqual(out, "/root/big: OK\n300\n300\nbig\nd\nfifo\nopen\nsum\nfifo\n")

    def test_two_at_once_do_not_disturb_each_other(self):
        path = self.disk()
        script = "echo {0} > /root/mine; sync; sleep 2; cat /root/mine"
        both = [subprocess.Popen([QUIRE, "run", *KERNEL, "--image", path, "--", "sh", "-c", script.format(n)], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, cwd=ROOT) for n in "ab"]
        self.assertEqual([p.communicate(timeout=command_test.HANG)[0] for p in both], [b"a\n", b"b\n"])

    def test_keeping_wants_the_file_alone(self):
        path = self.disk()
        p = subprocess.Popen([QUIRE, "run", *KERNEL, "--image", path, "--", "sh", "-c", "echo up; cat"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, cwd=ROOT)
        self.assertEqual(p.stdout.readline(), b"up\n")
        status, out, err = run("--image", path, "--keep", "--", "true")
        p.communicate(timeout=command_test.HANG)
        self.assertEqual((status, out, err.count(b"\n")), (125, b"", 1), err)
        self.assertIn(b"in use", err)

    def test_further_disks(self):
        """Each option's disk is what it says: read-only, thrown away, or kept."""
        data, other = self.path("data,with comma"), self.path("other")
        for path, byte in ((data, b"d"), (other, b"o")):
            with open(path, "wb") as f:
                f.write(byte * (1 << 20))
        write = "echo X | dd of=/dev/{} conv=notrunc 2>/dev/null && sync && echo written || echo refused"
        out = self.ok("--disk", data + ",ro", "--disk", other, "--", "sh", "-c",
                      "head -c 3 /dev/vda; head -c 3 /dev/vdb; echo; wc -c < /dev/vda;" + write.format("vda") + ";" + write.format("vdb"))
        self.assertEqual(out, "dddooo\n1048576\nrefused\nwritten\n")
        with open(other, "rb") as f:
            self.assertEqual(f.read(2), b"oo")
        self.ok("--disk", other, "--keep", "--", "sh", "-c", write.format("vda"))
        with open(other, "rb") as f:
            self.assertEqual(f.read(3), b"X\no")

    def test_a_further_file_system_is_left_clean(self):
        path = self.disk()
        self.ok("--disk", path, "--keep", "--", "sh", "-c", "mount -t ext2 /dev/vda /mnt && echo new > /mnt/new && cd /mnt && (sleep 1000 &)")
        self.assertIsNone(is_clean(path))
        self.assertEqual(host("debugfs", "-R", "cat new", path), "new\n")

    def test_the_login_shell_is_the_users(self):
        self.assertEqual(self.ok("--image", self.disk(), data=b"echo $0; pwd\n"), "-ash\n/root\n")

    def test_add_goes_through_the_disks_links(self):
        tree = self.path("tree")
        os.makedirs(os.path.join(tree, "sub"))
        with open(os.path.join(tree, "sub/file"), "w") as f:
            f.write("content")
        os.chmod(os.path.join(tree, "sub/file"), 0o640)
        os.link(os.path.join(tree, "sub/file"), os.path.join(tree, "hard"))
        os.symlink("sub/file", os.path.join(tree, "soft"))
        out = self.ok("--image", self.disk(), "--add", f"{tree}:/lib/x", "--add", f"{tree}:/lib64/y", "--add", f"{tree}/soft:/etc/passwd",
                      "--add", f"{tree}/hard:/data/f", "--", "sh", "-c",
                      "stat -c '%a %h' /usr/lib/x/sub/file /usr/lib/y/hard; cat /usr/lib/y/soft; readlink /etc/passwd; stat -c %a /data /lib/")
        self.assertEqual(out, "640 2\n640 2\ncontentsub/file\n1770\n755\n")

    def test_libraries_come_where_there_are_none(self):
        with open(self.path("p.c"), "w") as f:
            f.write('#include <stdio.h>\nint main(void) { puts("dynamic"); return 3; }\n')
        host("gcc", "-o", self.path("p"), self.path("p.c"))
        self.assertEqual(run("--image", self.disk(), "--", "./p", cwd=self.temporary.name), (3, b"dynamic\n", b""))

    def test_in_ram(self):
        """--icount: the same disks as regions of RAM."""
        data = self.path("data")
        with open(data, "wb") as f:
            f.write(b"second" + bytes((1 << 20) - 6))
        out = self.ok("--icount", "--image", self.gpt(), "--disk", data, "--", "sh", "-c", "grep ' / ' /proc/mounts; head -c 6 /dev/pmem1; echo x > /root/x; cat /root/x")
        self.assertRegex(out, r"^/dev/pmem0p2 / ext2 rw[^\n]*\nsecondx\n$")


class Refused(Folder):
    def refused(self, *words):
        """The one line of a run that Quire refuses."""
        status, out, err = run(*words, "--", "true")
        self.assertEqual((status, out, err.count(b"\n")), (125, b"", 1), err)
        return err.decode()

    def test_images_that_are_none(self):
        zeros, short, text, ext4, mbr, empty_gpt = (self.path(n) for n in ("zeros", "short", "text", "ext4", "mbr", "empty"))
        for path, size in ((zeros, 1 << 20), (short, 100), (ext4, 16 << 20), (mbr, 16 << 20), (empty_gpt, 16 << 20)):
            with open(path, "wb") as f:
                f.truncate(size)
        with open(text, "w") as f:
            f.write("no disk\n" * 1000)
        host("mke2fs", "-q", "-t", "ext4", ext4)
        host("sfdisk", "-q", mbr, input=b"label: dos\nstart=2048\n")
        host("sfdisk", "-q", empty_gpt, input=b"label: gpt\nstart=2048\n")
        for path, word in ((zeros, "neither"), (short, "neither"), (text, "neither"), (ext4, "ext4 file system"), (mbr, "none of its partitions"), (empty_gpt, "none of its partitions"),
                           (self.path("missing"), "no such file"), (self.temporary.name, "no such file")):
            self.assertIn(word, self.refused("--image", path), path)

    def test_an_ext4_partition_and_a_qcow2_of_ext4(self):
        path, ext4, qcow2 = self.gpt(), self.path("ext4"), self.path("q.qcow2")
        with open(ext4, "wb") as f:
            f.truncate(16 << 20)
        host("mke2fs", "-q", "-t", "ext4", ext4)
        host("dd", f"if={ext4}", f"of={path}", "bs=1M", "seek=20", "conv=notrunc")
        host("qemu-img", "convert", "-O", "qcow2", ext4, qcow2)
        for bad in (path, qcow2):
            self.assertIn("ext4", self.refused("--image", bad))

    def test_words_that_do_not_go_together(self):
        for words in (("--package", "less"), ("--keep",), ("--icount", "--keep", "--image", self.disk()), ("--disk", self.path("missing")),
                      ("--image", "debian", "--package", "not a name")):
            self.refused(*words)

    def test_a_disk_that_the_kernel_cannot_mount_ends_the_run(self):
        """What only looks like ext2."""
        path = self.disk()
        with open(path, "r+b") as f:
            f.seek(1024 + 40)
            f.write(b"\xff" * 4)  # inodes per group
        status, out, err = run("--image", path, "--timeout", str(command_test.HANG), "--", "true")
        self.assertEqual((status, out), (125, b""))
        self.assertIn(b"/dev/vda", err)


class Formats(Folder):
    """The reader of qcow2 against qemu-img."""

    def test_qcow2_as_qemu_img_reads_it(self):
        rng = random.Random(3)
        raw = self.path("raw")
        with open(raw, "wb") as f:
            f.truncate(5_000_192)
            for _ in range(40):
                f.seek(rng.randrange(4_900_000))
                f.write(rng.randbytes(rng.randrange(1, 60_000)) if rng.random() < .5 else b"text " * rng.randrange(1, 9000))
            f.truncate(5_000_192)
        with open(raw, "rb") as f:
            data = f.read()
        for number, words in enumerate((["-c"], ["-o", "compat=0.10"], ["-o", "cluster_size=4k"], ["-c", "-o", "cluster_size=1M"])):
            path, over, copy = (self.path(f"{n}{number}") for n in ("base", "over", "copy"))
            host("qemu-img", "convert", "-O", "qcow2", *words, raw, path)
            host("qemu-img", "create", "-q", "-f", "qcow2", "-b", path, "-F", "qcow2", over)
            host("qemu-io", "-f", "qcow2", "-c", "write -P 7 1000000 70000", "-c", "write -z 2000000 70000", over)
            changed = bytearray(data)
            changed[1000000:1070000] = b"\7" * 70000
            changed[2000000:2070000] = bytes(70000)
            for image, expected in ((path, data), (over, bytes(changed))):
                reader = disk.opened(image)
                self.assertEqual(reader.read(0, reader.size), expected, (words, image))
                reader.write_raw(copy)
                with open(copy, "rb") as f:
                    self.assertEqual(f.read(), expected, (words, image))

    def test_root_partition(self):
        self.assertEqual((disk.root_partition(self.small), disk.root_partition(self.gpt())), (0, 2))


class Sources(unittest.TestCase):
    """Which of the host's package sources are Debian 12's."""

    def test_one_line(self):
        text = ("# deb http://a bookworm main\ndeb http://b bookworm main contrib # mine\ndeb-src http://c bookworm main\n"
                "deb [arch=amd64 signed-by=/k] http://d bookworm-security main\ndeb http://e trixie main\ndeb http://f bookworm stable\n")
        self.assertEqual(debian.one_line_sources(text), ["deb http://b bookworm main contrib", "deb [arch=amd64 signed-by=/k] http://d bookworm-security main"])

    def test_stanzas(self):
        text = ("Types: deb deb-src\n# a comment\nURIs: http://a\nSuites: bookworm trixie bookworm-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n AbC=\n\n"
                "Types: deb\nURIs: http://b\nSuites: nodistro\nComponents: main\n\nEnabled: no\nTypes: deb\nURIs: http://c\nSuites: bookworm\nComponents: main\n")
        self.assertEqual(debian.stanza_sources(text),
                         ["Types: deb\nURIs: http://a\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n AbC="])

    def test_without_any(self):
        with tempfile.TemporaryDirectory() as d:
            self.assertEqual(debian.host_sources(d), (debian.DEFAULT_SOURCE, ""))

    def test_the_list_decides(self):
        keys = [debian.key_of(debian.names(more)) for more in ((), ("less",), ("less", "less", "bash"), ("sqlite3", "less"))]
        self.assertEqual((keys[1], len(set(keys))), (keys[2], 3))

    def test_kept_changes_are_a_copy(self):
        with tempfile.TemporaryDirectory() as d, mock.patch.object(debian, "CACHE", os.path.join(d, "cache")), \
                mock.patch.object(debian, "BUILD", d), mock.patch.object(debian, "build", lambda _packages, _key, path: open(path, "w").close()):
            base = debian.image()
            kept = debian.image(keep=True)
            self.assertNotEqual(base, kept)
            self.assertEqual((debian.image(), debian.pristine(), debian.image(("less",)) == kept), (kept, base, False))
            for n in range(2 * debian.MAX_IMAGES):
                debian.pristine((f"package{n}",))
            self.assertLessEqual(len([n for n in os.listdir(debian.CACHE) if n.endswith(".img")]), debian.MAX_IMAGES)


class Debian(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = debian.pristine()

    def ok(self, *words, **options):
        status, out, err = run("--image", self.image, *words, **options)
        self.assertEqual((status, err), (0, b""), err)
        return out.decode()

    def test_the_packages_are_there(self):
        out = self.ok("--", "dpkg-query", "-W", "-f", "${Package} ${Status}\n")
        installed = dict(line.split(" ", 1) for line in out.splitlines())
        self.assertEqual([p for p in debian.PACKAGES if installed.get(p) != "install ok installed"], [])
        self.assertEqual({s for s in installed.values()}, {"install ok installed"})

    def test_it_is_ext2_with_room_and_clean(self):
        self.assertIsNone(is_clean(self.image))
        self.assertEqual(disk.ext_kind(disk.opened(self.image)), ("ext2", []))
        kind, free = self.ok("--", "stat", "-f", "-c", "%T %a", "/").split()
        self.assertIn("ext2", kind)
        self.assertGreater(int(free) * 4096, 3 << 30)

    def test_programs_read_what_the_image_holds(self):
        """Large files through the page cache, byte for byte as the host sees them in the image."""
        with tempfile.NamedTemporaryFile() as f:
            for name in ("/usr/bin/python3.11", "/usr/bin/bash", "/usr/lib/x86_64-linux-gnu/libc.so.6"):
                host("debugfs", "-R", f"dump {name} {f.name}", self.image)
                self.assertEqual(self.ok("--", "sha256sum", name).split()[0], host("sha256sum", f.name).split()[0], name)

    def test_shell_and_python(self):
        out = self.ok("--cwd", "/root", "--", "bash", "-c",
                      "set -e; echo one two | awk '{ print $2 }'; python3 -c 'import json, subprocess; print(json.dumps(subprocess.check_output([\"echo\", \"x\"]).decode()))';"
                      "find /etc -name hostname | xargs cat; mountpoint -q /proc && findmnt -n -o FSTYPE /; ls /proc/1/exe > /dev/null; sar -V | head -1 | grep -o sysstat")
        self.assertEqual(out, 'two\n"x\\n"\nquire\next2\nsysstat\n')

    def test_users(self):
        self.assertEqual(self.ok("--user", "nobody", "--", "id", "-un"), "nobody\n")
        self.assertRegex(self.ok(data=b"echo $0 $SHELL; pwd\n"), r"^-bash /bin/bash\n/root\n$")

    def test_the_hosts_programs_use_the_images_libraries(self):
        with tempfile.TemporaryDirectory() as d:
            with open(os.path.join(d, "p.c"), "w") as f:
                f.write("int main(void) { return 5; }\n")
            host("gcc", "-o", os.path.join(d, "p"), os.path.join(d, "p.c"))
            self.assertEqual(run("--image", self.image, "--", "./p", cwd=d), (5, b"", b""))

    def test_the_second_time_nothing_is_made(self):
        before = os.stat(self.image)
        status, out, err = run("--image", "debian", "--", "true")
        self.assertEqual((status, out, err), (0, b"", b""))
        after = os.stat(self.image)
        self.assertEqual((before.st_ino, before.st_mtime), (after.st_ino, after.st_mtime))

    def test_in_ram(self):
        out = self.ok("--icount", "--ram", "192M", "--", "bash", "-c", "findmnt -n -o SOURCE,FSTYPE /") if self.small_image() else ""
        self.assertEqual(out.split(), ["/dev/pmem0", "ext2"])

    def small_image(self):
        with tempfile.TemporaryDirectory() as d, mock.patch.object(debian, "BUILD", d):
            small = debian.small(self.image)
            self.assertIsNone(is_clean(small))
            self.assertLess(os.path.getsize(small), 1 << 30)
            host("mv", small, os.path.join(ROOT, "build", "image-test-small.img"))
        self.image = os.path.join(ROOT, "build", "image-test-small.img")
        self.addCleanup(os.unlink, self.image)
        return self.image


if __name__ == "__main__":
    sys.exit(command_test.main())

# SPDX-License-Identifier: MIT
import hashlib
import os
import subprocess
import tempfile

import lab

NUMBER, FROM = 19, ["system/1"]
TITLE = "dirty pages: written back later, by sync and at the end; never dropped"
TEACHES = "write() ends in memory; the disk follows by age, by sync, by shutdown, and dropping caches loses nothing"
NOT_ON_HOST = "it drops the machine's caches and changes when they are written back"

SIZE_KB = 16 << 10


def the_end_loses_nothing():
    lab.step("written, then powered off")
    folder = os.path.join(lab.ROOT, "build/labs/dirty")
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as d:
        disk, copy = os.path.join(d, "disk.img"), os.path.join(d, "last")
        subprocess.run(["cp", "--sparse=always", lab.debian()[1], disk], check=True)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "last.sh")
        text, _ = lab.shown([*lab.RUN, "--image", disk, "--keep", "--add", f"{script}:/root/last.sh", "--", "bash", "/root/last.sh"], lab.ROOT, 0)
        env = dict(os.environ, PATH="/usr/sbin:/sbin:" + os.environ["PATH"])
        done = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True, env=env)
        lab.check(done.returncode == 0, f"the disk is not clean: {done.stdout}")
        subprocess.run(["debugfs", "-R", f"dump /root/last {copy}", disk], check=True, capture_output=True, env=env)
        with open(copy, "rb") as f:
            lab.check(hashlib.sha256(f.read()).hexdigest() == text.split()[0], "the disk lacks what was written last")
    lab.say("on the disk, read by the host: the same; e2fsck: clean")


def run():
    seen = lab.values(lab.script(__file__, "dirty.sh"))
    n = {k: int(v) for k, v in seen.items() if v.lstrip("-").isdigit()}
    lab.near(n["Dirty after 16 MiB were written"], SIZE_KB, 512, "Dirty after the write")
    lab.check(n["MemAvailable lost"] < SIZE_KB // 4, "dirty pages are not available")
    lab.check(n["kB that went to the disk"] < 1024, "written at once")
    lab.near(n["Dirty after drop_caches 3"], SIZE_KB, 512, "Dirty after drop_caches")
    lab.check(seen["contents after drop_caches 3 are"] == "the same", "drop_caches dropped dirty pages")
    lab.check(n["Dirty after sync"] < 64, "dirty after sync")
    lab.check(n["kB that went to the disk with sync"] >= SIZE_KB, "sync wrote less than was dirty")
    lab.check(seen["contents read from the disk are"] == "the same", "the disk has other contents")
    lab.check(n["Dirty when nobody called sync, some time later"] < 64, "old dirty pages are not written back")
    the_end_loses_nothing()
    lab.say("\nWhere the document differs: dirty pages of files are part of available (they are on the file lists, and can be\n"
            "written back and dropped).")

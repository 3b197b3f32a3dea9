# SPDX-License-Identifier: MIT
"""openjdk-17-jre-headless: a program with threads, a heap that is collected, and its sizes as the tools see them."""
import os
import re
import subprocess
import tempfile

import guest
from guest import between, same

SOURCE = """
import java.util.*;
import java.util.concurrent.*;
public class Work {
	static volatile Object kept;
	public static void main(String[] args) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(4);
		List<Future<Long>> sums = new ArrayList<>();
		for (int n = 0; n < 4; n++) {
			final int id = n;
			sums.add(pool.submit(() -> {
				long sum = 0;
				for (int i = 0; i < 200; i++) { // garbage, several heaps full in all
					int[] block = new int[1 << 16];
					Arrays.fill(block, id + i);
					for (int v : block) sum += v;
				}
				return sum;
			}));
		}
		for (Future<Long> sum : sums) System.out.println("sum " + sum.get());
		pool.shutdown();
		List<byte[]> live = new ArrayList<>();
		for (int i = 0; i < 24; i++) {
			byte[] block = new byte[1 << 20];
			Arrays.fill(block, (byte) 1);
			live.add(block);
		}
		kept = live;
		System.out.println("collections " + (java.lang.management.ManagementFactory.getGarbageCollectorMXBeans().stream()
			.mapToLong(b -> b.getCollectionCount()).sum() > 0));
		System.out.println("processors " + Runtime.getRuntime().availableProcessors());
		try {
			byte[][] all = new byte[1024][];
			for (int i = 0; i < 1024; i++) all[i] = new byte[1 << 20];
			System.out.println("too much room");
		} catch (OutOfMemoryError e) {
			System.out.println("OutOfMemoryError");
		}
		System.out.println("ready");
		System.in.read();
	}
}
"""

SCRIPT = r"""
java -version 2>&1 | sed -n 1p > /tmp/version; try version cat /tmp/version
mkfifo /tmp/in /tmp/out
java -Xmx64m -XX:+UseSerialGC -cp /root/classes Work < /tmp/in > /tmp/out 2>&1 & J=$!
exec 5> /tmp/in
show work; while read -r line; do echo "$line"; [ "$line" = ready ] && break; done < /tmp/out
try status cat /proc/$J/status
try ps ps -o rss=,nlwp= -p $J
try smem smem -H -c 'pid rss uss' -P '^java'
show pid; echo $J
show names; cat /proc/$J/task/*/comm | sort -u
echo >&5; wait $J; was=$?
show status-of-java; echo $was
"""


def compile_source(folder):
    with open(os.path.join(folder, "Work.java"), "w") as f:
        f.write(SOURCE)
    subprocess.run(["javac", "--release", "17", "-d", os.path.join(folder, "classes"), os.path.join(folder, "Work.java")], check=True)
    return os.path.join(folder, "classes")


def boot(kernel):
    with tempfile.TemporaryDirectory(prefix="quire-java-") as folder:
        return guest.boot(kernel, SCRIPT, "--ram", "512M", "--package", "openjdk-17-jre-headless", "--add", compile_source(folder) + ":/root/classes",
                          timeout=600)


def compare_work(linux, quire):
    """a Java program: four threads compute, garbage is collected, a heap of 64 MiB is full at some point"""
    same("work", quire["work"], linux["work"])
    assert linux["work"][-3:] == ["processors 2", "OutOfMemoryError", "ready"] and "collections true" in linux["work"], linux["work"]
    same("version", quire["version"], linux["version"])


def check_sizes(o):
    """its live heap is in memory, ps and smem agree, threads have Java's names"""
    rss, threads = map(int, o["ps"][0].split())
    between("rss", rss, 24 << 10, 200 << 10)
    row = next(line.split() for line in o["smem"] if line.split()[:1] == o["pid"])
    between("RSS of smem", int(row[1]), rss - 4096, rss + 4096)
    between("threads", threads, 8, 60)
    assert any(re.match("(VM Thread|GC Thread|C2 Compiler)", name) for name in o["names"]), o["names"]
    same("end", o["status-of-java"], ["0"])

# SPDX-License-Identifier: MIT
"""What Python programs do: subprocesses, threads, mappings, signals, sockets. Prints nothing that differs from run to run."""
import mmap
import os
import select
import selectors
import signal
import subprocess
import sys
import threading
import time


def section(name):
    print("==", name, flush=True)


section("subprocess")
print(subprocess.run(["echo", "hello"], stdout=subprocess.PIPE).stdout)
p = subprocess.Popen(["sort", "-n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
out, _ = p.communicate("".join(f"{n * 7 % 1000}\n" for n in range(1000)).encode())
print(len(out), out.split()[:3], p.returncode)
print(subprocess.run("exit 9", shell=True).returncode, subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
try:
    subprocess.run(["sleep", "10"], timeout=0.2)
except subprocess.TimeoutExpired:
    print("timed out")
try:
    subprocess.run(["/no/such/program"])
except FileNotFoundError as e:
    print(e.errno)
first = subprocess.Popen(["seq", "100"], stdout=subprocess.PIPE)
second = subprocess.Popen(["wc", "-l"], stdin=first.stdout, stdout=subprocess.PIPE)
first.stdout.close()
print(second.communicate()[0].split(), first.wait())
data = bytes(range(256)) * 4096
print(subprocess.run(["cat"], input=data, stdout=subprocess.PIPE).stdout == data)

section("threading")
total, lock = 0, threading.Lock()


def add():
    global total
    for _ in range(2000):
        with lock:
            total += 1


threads = [threading.Thread(target=add) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(total)
items, changed, seen = [], threading.Condition(), []


def consume():
    while True:
        with changed:
            while not items:
                changed.wait()
            item = items.pop(0)
        if item is None:
            return
        seen.append(item)


consumer = threading.Thread(target=consume)
consumer.start()
for item in [*range(50), None]:
    with changed:
        items.append(item)
        changed.notify()
consumer.join()
print(seen == list(range(50)))
barrier, order = threading.Barrier(4), []
waiters = [threading.Thread(target=lambda: order.append(barrier.wait() >= 0)) for _ in range(4)]
for t in waiters:
    t.start()
for t in waiters:
    t.join()
print(order)
done = threading.Event()
timer = threading.Timer(0.05, done.set)
timer.start()
print(done.wait(30), threading.active_count() <= 2)

section("mmap")
m = mmap.mmap(-1, 1 << 20)
m[:5] = b"first"
if os.fork() == 0:
    m[5:11] = b"second"
    os._exit(0)
os.wait()
print(m[:11], m.find(b"second"))
m.madvise(mmap.MADV_DONTNEED, 4096, 4096)
m.resize(1 << 21)
print(len(m), m[:5])
m.close()
with open("/tmp/mapped", "w+b") as f:
    f.truncate(10000)
    shared = mmap.mmap(f.fileno(), 0)
    private = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
    shared[9990:10000] = b"0123456789"
    private[0:4] = b"mine"
    shared.flush()
    f.seek(9990)
    print(f.read(), shared[:4], private[:4], private[9990:])
    try:
        mmap.mmap(f.fileno(), 100000, access=mmap.ACCESS_READ)
    except ValueError as e:
        print(e)
    read_only = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        read_only[0] = 1
    except TypeError:
        print("read only")

section("signals")
got = []
signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda number, frame: got.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.02)
while len(got) < 2:
    time.sleep(0.01)
print(got == [signal.SIGUSR1, signal.SIGALRM])
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending() == {signal.SIGUSR2}, signal.sigwait({signal.SIGUSR2}) == signal.SIGUSR2)

section("processes and files")
r, w = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(r)
    os.write(w, b"from the child")
    os._exit(3)
os.close(w)
print(os.read(r, 100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
readable, _, _ = select.select([r], [], [], 0)
print(readable == [r], os.read(r, 1))
with selectors.DefaultSelector() as s:
    a, b = os.pipe()
    s.register(a, selectors.EVENT_READ, "a pipe")
    os.write(b, b"x")
    print([key.data for key, _ in s.select(10)], type(s).__name__)
os.makedirs("/tmp/py/deep", exist_ok=True)
for n in range(20):
    with open(f"/tmp/py/deep/{n}", "w") as f:
        f.write("x" * n)
print(sorted(os.listdir("/tmp/py/deep"), key=int)[-3:], sum(e.stat().st_size for e in os.scandir("/tmp/py/deep")))
print([len(files) for _, _, files in os.walk("/tmp/py")])
print(os.sched_getaffinity(0) == {0}, os.cpu_count(), sys.platform, os.uname().sysname)
print(len(os.urandom(1 << 16)), len({os.urandom(16) for _ in range(1000)}))

section("memory")
blocks = [bytearray(100000) for _ in range(100)]
for n, block in enumerate(blocks):
    block[n] = n
print(sum(map(sum, blocks)))
del blocks
words = {f"key{n}": n for n in range(50000)}
print(len(words), words["key49999"], sum(words.values()))

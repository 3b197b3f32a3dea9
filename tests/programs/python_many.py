# SPDX-License-Identifier: MIT
"""Python's own ways to be many at once: subprocess, threads, multiprocessing by fork and spawn, shared memory, mmap."""
import concurrent.futures
import hashlib
import mmap
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing import shared_memory


def square(n):
    return n * n


def fill(name, first, step):
    memory = shared_memory.SharedMemory(name)
    for at in range(first, memory.size, step):
        memory.buf[at] = at * 7 % 251
    memory.close()


def count(value, lock, times):
    for _ in range(times):
        with lock:
            value.value += 1


def relay(incoming, outgoing):
    for item in iter(incoming.get, None):
        outgoing.put((item, hashlib.sha256(item).hexdigest()))
    outgoing.put(None)


def subprocesses():
    text = b"line\n" * 100000
    done = subprocess.run(["sh", "-c", "tee /dev/stderr | sha256sum; exit 7"], input=text, capture_output=True)
    print("run:", done.returncode, done.stdout.decode().split()[0] == hashlib.sha256(text).hexdigest(), done.stderr == text)
    first = subprocess.Popen(["seq", "100000"], stdout=subprocess.PIPE)
    last = subprocess.Popen(["awk", "{ s += $1 } END { print s }"], stdin=first.stdout, stdout=subprocess.PIPE)
    first.stdout.close()
    print("pipeline:", last.communicate()[0], first.wait())
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        sleeper.wait(timeout=0.05)
    except subprocess.TimeoutExpired:
        print("timeout: expired")
    sleeper.send_signal(signal.SIGTERM)
    print("signal:", sleeper.wait())
    many = [subprocess.Popen(["sh", "-c", f"exit {n}"]) for n in range(20)]
    print("many:", sum(p.wait() for p in many))
    try:
        subprocess.run(["/no/such/program"])
    except OSError as e:
        print("missing:", type(e).__name__)
    print("descriptors:", subprocess.check_output(["ls", "/proc/self/fd"]).split(), "cwd", subprocess.check_output(["pwd"], cwd="/usr").strip(),
          "session", subprocess.check_output(["sh", "-c", "set -- $(cat /proc/self/stat); [ $6 = $$ ] && echo own || echo shared"], start_new_session=True))


def threads():
    total, lock, barrier, seen = [0], threading.Lock(), threading.Barrier(8), []

    def add(n):
        barrier.wait()
        for _ in range(2000):
            with lock:
                total[0] += n
        seen.append(n)

    all_threads = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    for t in all_threads:
        t.start()
    for t in all_threads:
        t.join()
    print("threads:", total[0], sorted(seen))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        print("pool of threads:", sum(pool.map(lambda n: int(subprocess.check_output(["echo", str(n)])), range(30))))
    event, told = threading.Event(), []
    waiter = threading.Thread(target=lambda: told.append(event.wait(60)))
    waiter.start()
    threading.Timer(0.02, event.set).start()
    waiter.join()
    local, condition = threading.local(), threading.Condition()
    local.x = 1
    with condition:
        start = time.monotonic()
        print("event:", told, "condition times out:", not condition.wait(0.02) and time.monotonic() - start >= 0.02)


def processes(how):
    context = multiprocessing.get_context(how)
    with context.Pool(3) as pool:
        print(how, "pool:", sum(pool.map(square, range(2000), chunksize=50)), pool.apply_async(square, (12,)).get())
    value, lock = context.Value("q", 0), context.Lock()
    counters = [context.Process(target=count, args=(value, lock, 500)) for _ in range(4)]
    for p in counters:
        p.start()
    for p in counters:
        p.join()
    print(how, "value:", value.value, [p.exitcode for p in counters])
    incoming, outgoing = context.Queue(), context.Queue()
    worker = context.Process(target=relay, args=(incoming, outgoing))
    worker.start()
    items = [os.urandom(n * 997 % 70000) for n in range(30)]
    for item in [*items, None]:
        incoming.put(item)
    back = list(iter(outgoing.get, None))
    worker.join()
    print(how, "queue:", [b[0] for b in back] == items, all(hashlib.sha256(i).hexdigest() == h for i, h in back))
    memory = shared_memory.SharedMemory(create=True, size=300000)
    fillers = [context.Process(target=fill, args=(memory.name, n, 3)) for n in range(3)]
    for p in fillers:
        p.start()
    for p in fillers:
        p.join()
    print(how, "shared memory:", all(memory.buf[at] == at * 7 % 251 for at in range(300000)))
    memory.close()
    memory.unlink()
    one, other = context.Pipe()
    killed = context.Process(target=time.sleep, args=(1000,))
    killed.start()
    killed.kill()
    killed.join()
    one.send({"a": [1, 2]})
    print(how, "killed:", killed.exitcode, "pipe:", other.recv())


def mappings():
    with tempfile.TemporaryFile() as f:
        f.truncate(1 << 20)
        shared, private = mmap.mmap(f.fileno(), 1 << 20), mmap.mmap(f.fileno(), 1 << 20, flags=mmap.MAP_PRIVATE)
        pid = os.fork()
        if not pid:
            shared[5000:5005] = b"child"
            private[6000:6005] = b"child"
            os._exit(0)
        os.waitpid(pid, 0)
        print("mmap:", shared[5000:5005], private[5000:5005], private[6000:6005], os.pread(f.fileno(), 5, 5000))
        os.pwrite(f.fileno(), b"by write", 9000)
        print("mmap:", shared[9000:9008], shared.find(b"write"), shared.rfind(b"child"))
        shared.flush()
        shared.resize(1 << 21)
        shared[-1] = 7
        shared.madvise(mmap.MADV_DONTNEED)
        print("resized:", len(shared), os.fstat(f.fileno()).st_size, shared[-1], shared[5000:5005])
    anonymous = mmap.mmap(-1, 1 << 22)
    anonymous[:] = bytes(range(256)) * (1 << 14)
    anonymous.move(100, 0, 1000)
    print("anonymous:", hashlib.sha256(anonymous).hexdigest()[:16])


if __name__ == "__main__":
    for part in (subprocesses, threads, lambda: processes("fork"), lambda: processes("spawn"), mappings):
        part()
        sys.stdout.flush()

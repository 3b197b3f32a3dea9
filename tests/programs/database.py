# SPDX-License-Identifier: MIT
"""sqlite in WAL mode with mapped files: two processes write, one reads, all at once. The outcome does not depend
on their order."""
import os
import sqlite3
import sys

PATH = "/root/test.db"
ROWS, ROUNDS = 100, 15


def opened():
    db = sqlite3.connect(PATH, timeout=120, isolation_level=None)
    db.execute("pragma mmap_size=67108864")
    db.execute("pragma synchronous=full")
    return db


def write(who):
    db = opened()
    for number in range(ROUNDS):
        db.execute("begin immediate")
        db.executemany("insert into t(who, number, data) values(?, ?, ?)", [(who, number * ROWS + i, bytes([who, i]) * 300) for i in range(ROWS)])
        db.execute("update total set n = n + ?", (ROWS,))
        db.execute("rollback" if number % 5 == 4 else "commit")
    db.close()


def read():
    """Each look is at one state of both tables, and nothing goes back."""
    db, last, bad = opened(), 0, 0
    for _ in range(60):
        db.execute("begin")
        rows, = db.execute("select count(*) from t").fetchone()
        total, = db.execute("select n from total").fetchone()
        db.execute("commit")
        bad += rows != total or rows < last or rows % ROWS != 0
        last = rows
    db.close()
    os._exit(bad != 0)


def child(work, *words):
    pid = os.fork()
    if not pid:
        work(*words)
        os._exit(0)
    return pid


print("journal", sqlite3.connect(PATH).execute("pragma journal_mode=wal").fetchone()[0])
first = opened()
first.execute("create table t(id integer primary key, who int, number int, data blob)")
first.execute("create table total(n int)")
first.execute("insert into total values(0)")
first.close()
sys.stdout.flush()
children = [child(write, 1), child(write, 2), child(read)]
print("children", [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
db = opened()
print("mmap_size", db.execute("pragma mmap_size").fetchone()[0])
print("rows", db.execute("select who, count(*), sum(number), sum(length(data)) from t group by who order by who").fetchall())
print("total", db.execute("select n from total").fetchone())
maps = [line.split() for line in open("/proc/self/maps")]
print("mapped", sorted({(m[1], m[5]) for m in maps if len(m) > 5 and m[5].startswith(PATH)}))
print("integrity", db.execute("pragma integrity_check").fetchone()[0])
busy, _, _ = db.execute("pragma wal_checkpoint(truncate)").fetchone()
print("checkpoint", busy, os.path.getsize(PATH + "-wal"))
db.execute("create index by_number on t(who, number)")
print("by index", db.execute("select sum(number) from t indexed by by_number where who = 2 and number between 300 and 420").fetchone())
db.execute("delete from t where who = 1")
db.execute("vacuum")
print("after vacuum", db.execute("select count(*), max(number) from t").fetchone(), db.execute("pragma integrity_check").fetchone()[0])
db.close()
print("left", sorted(os.listdir("/root")))

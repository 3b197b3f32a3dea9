# SPDX-License-Identifier: MIT
import re

import lab

NUMBER, FROM = 26, ["system/2", "guide/3"]
TITLE = "memory runs out: the five steps, and which of four processes goes first"
TEACHES = "the killer comes when nothing is left to reclaim; the highest badness dies, by arithmetic and not by chance"
NOT_ON_HOST = "it uses up all memory, and processes are killed"

OPTIONS = ("--ram", "512M")


def report_of(text):
    return [line for line in text.splitlines() if re.search("oom", line, re.I)]


def one_grows(program):
    lab.step("one process grows")
    text, _ = lab.output(program, options=[*lab.debian(), *OPTIONS])
    seen = lab.values(text)
    rows = [[int(w) for w in line.split()] for line in text.splitlines() if re.fullmatch(r" *\d+ +\d+ +\d+ +\d+", line)]
    total = rows[0][0] + rows[0][1] + rows[0][2]
    lab.say("\n    taken" + " " * 14 + "free (.), cached (c) and taken (#)")
    for taken, free, cached, _ in rows:
        lab.say(f"{taken:9} kB |{lab.bar(taken, total)}{'c' * round(cached * 50 / total)}{'.' * round(free * 50 / total)}")
    before, after = ({k: int(seen[f"{when}, {k}"]) for k in ("MemFree", "Cached", "MemAvailable")} for when in ("before", "after"))
    lab.check(len(rows) >= 6, "the grower did not get far")
    lab.check(rows[-1][3] < rows[0][3] // 4, "memory was available when the killer came")
    lab.check(rows[-1][2] < before["Cached"] // 2, "the cache was still there when the killer came")
    lab.check(seen["the grower ended by signal"] == "9", "it was not killed")
    lab.check(after["MemAvailable"] > before["MemAvailable"] * 3 // 4, "its memory did not come back")
    log = report_of(text)
    killed = next((m for m in (re.search(r"Out of memory: Killed process (\d+) \((.*?)\) total-vm:(\d+)kB, anon-rss:(\d+)kB", line) for line in log) if m), None)
    lab.check(killed and killed[1] == seen["the grower's number"] and killed[2] == "grower", "the log does not name the grower")
    lab.near(int(killed[4]), rows[-1][0], 16384 + 4096, "anon-rss in the log")
    lab.check(any(line.startswith("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom") for line in log), "no oom-kill line")
    lab.say("\nThe five steps: memory gets short; free memory goes first, then the cache, until nothing is available; the kernel adds\n"
            "up what each process's end would free; the largest is the victim; it is killed, and its memory is free again.")


def among_four(program):
    lab.step("four processes and a hungry fifth")
    text, _ = lab.output(program, "four", options=[*lab.debian(), *OPTIONS])
    seen = lab.values(text)
    names = ("ssh-daemon", "python-server", "db-backup", "browser")
    lab.say("\nprocess          MiB  oom_score_adj  oom_score")
    for name in names:
        lab.say(f"{name:14}{seen[name + ': MiB']:>6}{seen[name + ': oom_score_adj']:>15}{seen[name + ': oom_score']:>11}")
    score = {name: int(seen[name + ": oom_score"]) for name in names}
    lab.check(score["ssh-daemon"] == 0, "the protected one has a score")
    by_score = sorted(names[1:], key=lambda name: -score[name])
    killed = [seen.get(f"killed {i}") for i in (1, 2, 3)]
    lab.check(killed == by_score == ["db-backup", "browser", "python-server"], f"died in the order {killed}, by score {by_score}")
    lab.check(seen["the ssh-daemon lives"] == "1", "the protected one was killed")
    lab.say(f"\nDied: {', '.join(killed)}. The ssh-daemon lives.\n\n"
            "Where the document differs: the score is no probability; the highest one dies, each time. +500 is not 'fairly\n"
            "high': it counts as half of all memory and swap, so the middling backup goes before the large ones. The browser\n"
            "goes before the server, whoever has the user's focus: the kernel knows of none. What counts is resident memory,\n"
            "swap and page tables; root is not spared, and sshd only because it sets -1000 itself.")


def run():
    program = lab.build(__file__, "oom.c")
    one_grows(program)
    among_four(program)

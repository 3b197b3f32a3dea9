# SPDX-License-Identifier: MIT
"""strace, gdb, cron and tmux: programs that trace, wait for a time, and hold terminals."""
import re

import guest
from guest import between, same

SCRIPT = r"""
show strace; strace -f -e trace=openat,execve,clone,vfork,exit_group sh -c 'cat /etc/hostname; true' 2>&1 | sed 's/0x[0-9a-f]*/ADDRESS/g; s/pid *[0-9]*/pid N/; s/= [0-9][0-9]*$/= N/; s/child_tidptr=ADDRESS//'
try 'strace -c' strace -c -o /dev/stdout /root/load anon=1 once
show 'strace -p'; sleep 1000 & S=$!
until grep -q ^230 /proc/$S/syscall; do :; done # clock_nanosleep
strace -o /tmp/attached -p $S 2> /tmp/said & T=$!
until grep -q attached /tmp/said; do :; done
kill -TERM $S; wait $T; grep -c SIGTERM /tmp/attached
cat > /tmp/commands << END
set pagination off
break main
run
info registers rip
info proc
info threads
bt
next
info line
print argc
continue
END
try gdb gdb -q -batch -x /tmp/commands --args /root/load anon=1 once
hold name=tool_traced threads=2; P=$held
try 'gdb -p' gdb -q -batch -p $P -ex 'info threads' -ex 'print latest_len' -ex 'thread 1' -ex 'bt 1' -ex detach
show state; grep State /proc/$P/status; grep TracerPid /proc/$P/status
# cron looks at its tables each minute.
mkdir -p /var/spool/cron/crontabs
echo '* * * * * /root/load name=tool_cron anon=3 > /tmp/cron.$(id -u).$(pwd | tr / _)' | crontab -
try 'crontab -l' crontab -l
date -s @$(($(date +%s) / 60 * 60 + 55)) > /dev/null # it sleeps until the minute is full
cron
show 'cron runs'; pgrep -x cron | wc -l
until grep -qs ready /tmp/cron.*; do sleep 0.2; done # it has all its memory then
show cron; ls /tmp/cron.*; ps -o rss= -C tool_cron; ps -o comm= -p $(ps -o ppid= -C tool_cron)
pkill -x tool_cron; pkill -x cron
# Two windows, keys sent into one, what it shows; the server outlives its client.
export LC_ALL=C.UTF-8
tmux -f /dev/null new-session -d -x 80 -y 24 -s work 'PS1="prompt> " bash --norc'
tmux new-window -t work -n second 'cat'
show windows; tmux list-windows -t work -F '#{window_index} #{window_name} #{window_width}x#{window_height}'
screen() { tmux capture-pane -p -t work:$1; }
until screen 0 | grep -q prompt; do :; done
tmux send-keys -t work:0 'stty size; echo $((6 * 7))' Enter
until screen 0 | grep . | tail -2 | paste -s | grep -q '^42.prompt>$'; do :; done # and no longer
show pane; screen 0 | grep .
tmux send-keys -t work:1 'typed' Enter
until [ $(screen 1 | grep -c typed) = 2 ]; do :; done
tmux split-window -h -t work:0 'cat'; tmux resize-pane -t work:0.0 -x 30
show sizes; tmux list-panes -t work:0 -F '#{pane_width}x#{pane_height}'
tmux send-keys -t work:0.0 'until stty size | grep "^24 3"0; do :; done' Enter # the terminal learns of it a little later
until screen 0.0 | grep -q '24 30'; do :; done
show end-of-tmux; tmux kill-server; echo $?
until ! pgrep -x tmux > /dev/null; do :; done
"""


def boot(kernel):
    return guest.boot(kernel, SCRIPT)


def compare_strace(linux, quire):
    """strace -f: the calls of a shell and its children"""
    def calls(o):
        text = "\n".join(o["strace"])
        return sorted(re.findall(r'(?:execve|openat)\((?:AT_FDCWD, )?"[^"]*"', text)), len(re.findall(r"(?:clone|vfork)\(", text)), text.count("exited with 0")
    same("calls", list(calls(quire)), list(calls(linux)))
    same("a child, two ends", list(calls(quire))[1:], [1, 2])


def check_strace(o):
    """strace -c counts, -p attaches and sees the end"""
    table = {line.split()[-1]: int(line.split()[3]) for line in o["strace -c"] if re.match(r" *[\d.]+ +[\d.]+ +\d+ +\d+", line)}
    same("execve", table["execve"], 1)
    between("mmap", table.get("mmap", 0), 1, 20)
    same("total", table["total"], sum(n for name, n in table.items() if name != "total"))
    same("SIGTERM seen", o["strace -p"][-1], "2")


def compare_gdb(linux, quire):
    """gdb: breakpoint, registers, step, print, exit"""
    def said(o):
        lines = [line for line in o["gdb"] if not re.match(r"(process|exe|cwd|rip|\* 1|\[Thread|Using)", line)]
        lines = [re.sub(r" +", " ", line).strip() for line in lines]
        return [re.sub(r"0x[0-9a-f]+|process \d+|LWP \d+|Inferior 1 \(.*?\)", "N", line) for line in lines]
    assert any("Breakpoint 1, main (argc=3" in line for line in linux["gdb"]), linux["gdb"]
    same("gdb", said(quire), said(linux))


def check_gdb_attached(o):
    """gdb -p: threads and memory of a running process, which goes on afterwards"""
    text = "\n".join(o["gdb -p"])
    same("threads", len(set(re.findall(r"LWP (\d+)", text))), 3)
    assert re.search(r"\$1 = \d+", text), text
    same("state", o["state"], ["State:\tS (sleeping)", "TracerPid:\t0"])


def check_cron(o):
    """cron starts a job at the turn of the minute, as root in its home"""
    same("crontab", o["crontab -l"], ["* * * * * /root/load name=tool_cron anon=3 > /tmp/cron.$(id -u).$(pwd | tr / _)"])
    same("cron", o["cron runs"], ["1"])
    same("job", o["cron"][0], "/tmp/cron.0._root")
    between("rss", int(o["cron"][1]), 3 << 10, 4 << 10)


def compare_tmux(linux, quire):
    """tmux: windows, panes and their sizes, keys, what a pane shows"""
    for name in ("windows", "pane", "sizes", "end-of-tmux"):
        same(name, quire[name], linux[name])
    same("window", linux["windows"][1].split()[1:], ["second", "80x24"])
    assert "42" in linux["pane"] and "24 80" in linux["pane"], linux["pane"]

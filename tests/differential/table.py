#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks table.txt: every call has rows, every row a case of that call that exists in its program, or a reason."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST = os.path.join(HERE, "../guest")

CALLS = """mmap munmap mprotect mremap brk madvise mincore msync mlock mlock2 munlock mlockall munlockall memfd_create
shmget shmat shmdt shmctl fork vfork clone clone3 execve execveat wait4 waitid exit setsid getsid setpgid getpgid futex
set_robust_list get_robust_list set_tid_address arch_prctl getrlimit setrlimit prlimit64 sched_setaffinity sched_getaffinity
sched_yield sched_setscheduler sched_getscheduler setpriority getpriority setuid setgid setreuid setresuid setresgid setgroups
getgroups capget capset personality prctl pidfd_open pidfd_send_signal getrusage getcpu uname getrandom rt_sigaction
rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo kill tkill tgkill sigaltstack
pause signalfd alarm getitimer setitimer timer_create timer_settime timer_gettime timer_delete timer_getoverrun timerfd_create
timerfd_settime nanosleep clock_nanosleep clock_gettime clock_getres
open openat openat2 creat read pread64 readv preadv preadv2 write pwrite64 writev pwritev pwritev2 lseek truncate
ftruncate fallocate fadvise64 readahead sync_file_range fsync fdatasync syncfs sync link linkat unlink unlinkat
symlink symlinkat readlink readlinkat rename renameat renameat2 mkdir mkdirat rmdir mknod mknodat getdents64 fcntl
flock sendfile splice tee vmsplice copy_file_range stat lstat fstat newfstatat statx statfs fstatfs chmod fchmod
fchmodat chown lchown fchown fchownat access faccessat faccessat2 utimensat setxattr lsetxattr fsetxattr getxattr
lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr inotify_init1
inotify_add_watch swapon swapoff""".split()


# Whose cases may stand for a call's: what the C library calls them, or calls that are one and the same inside the kernel.
FAMILY = {
    "wait4": "wait waitpid clone", "waitid": "wait4", "clone3": "clone", "mlock2": "mlock", "prlimit64": "setrlimit getrlimit",
    "pread64": "pread", "pwrite64": "pwrite", "newfstatat": "fstatat", "rt_sigaction": "sigaction SA_ wait4 poll",
    "rt_sigprocmask": "sigprocmask", "rt_sigpending": "sigpending", "rt_sigsuspend": "sigsuspend",
    "rt_sigtimedwait": "sigtimedwait sigwaitinfo", "rt_sigqueueinfo": "sigqueue", "timerfd_create": "timerfd_settime read ioctl",
    "futex": "set_robust_list", "lsetxattr": "setxattr",
}


def rows(path):
    """(line number, [call, item, program, case])."""
    return [(number, [w.strip() for w in line.split(" | ")])
            for number, line in enumerate(open(path), 1) if line.strip() and not line.startswith("#")]


def main():
    found = rows(os.path.join(HERE, "table.txt"))
    sources, wrong, covered = {}, [], 0
    for number, row in found:
        if len(row) != 4 or not all(row):
            wrong.append("line %d: not four fields" % number)
            continue
        call, item, program, case = row
        if program == "-":
            if len(case.split()) < 3:
                wrong.append("line %d: %s %s has neither a case nor a reason" % (number, call, item))
            continue
        path = os.path.join(GUEST, program + ".c")
        if path not in sources:
            sources[path] = open(path).read() if os.path.exists(path) else ""
        if '"%s"' % case not in sources[path]:
            wrong.append("line %d: %s has no case \"%s\"" % (number, program, case))
        if not case.startswith((call, *FAMILY.get(call, "").split())):
            wrong.append("line %d: \"%s\" is no case of %s" % (number, case, call))
        covered += 1
    have = {row[0] for _, row in found if len(row) == 4 and row[2] != "-"}
    wrong += ["no row with a case for %s" % c for c in CALLS if c not in have]
    for w in wrong:
        print("table: " + w)
    print("table: %d rows, %d with a case, %d calls" % (len(found), covered, len(CALLS)))
    print("%d passed, %d failed" % (len(found) - len(wrong), len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

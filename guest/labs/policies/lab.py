# SPDX-License-Identifier: MIT
import subprocess

import lab

NUMBER, FROM = 24, ["guide/4"]
TITLE = "which page goes? The same references under every policy, and the best that can be"
TEACHES = "no policy is best for all programs; what is known of use (accessed bits) decides; more memory may even mean more faults"
NOT_ON_HOST = NOT_ON_LINUX = "Linux has one policy to choose from; Quire has many"
PATTERNS = {"loop": "a loop a little larger than memory", "zipf": "few pages often, many seldom", "scan+hot": "60 pages always, once through the others",
            "phases": "other pages every 1,000 references"}
TEXTBOOK = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]


def fifo(references, frames):
    """Faults when the page goes that came first."""
    queue, faults = [], 0
    for page in references:
        if page not in queue:
            faults += 1
            queue = (queue + [page])[-frames:]
    return faults


def lru(references, frames):
    """Faults when the page goes that was used longest ago."""
    stack, faults = [], 0
    for page in references:
        faults += page not in stack
        stack = ([p for p in stack if p != page] + [page])[-frames:]
    return faults


def optimum(references, frames):
    """Faults when the page goes that is needed last: Belady's bound, which needs to know the future."""
    later = {}
    for at in range(len(references) - 1, -1, -1):
        later.setdefault(references[at], []).append(at)
    resident, faults = set(), 0
    for page in references:
        later[page].pop()
        if page not in resident:
            faults += 1
            if len(resident) == frames:
                resident.remove(max(resident, key=lambda p: later[p][-1] if later[p] else 1 << 60))
            resident.add(page)
    return faults


def table(seen, policies, best):
    lab.say("\nfaults".ljust(13) + "".join(f"{p:>11}" for p in policies) + f"{'OPT':>11}")
    for pattern, meaning in PATTERNS.items():
        lab.say(f"{pattern:12}" + "".join(f"{seen[pattern, p]:11}" for p in policies) + f"{best[pattern]:11}   {meaning}")


def run():
    program = lab.build(__file__, "policies.c", "-static")
    lab.step("four reference strings under every policy")
    found = lab.run(program, options=["--ram", "64M", "--swap", "16M"])
    seen = {tuple(name.split()): int(value) for name, value in found.items() if not name.startswith("room")}
    policies = list(dict.fromkeys(policy for _, policy in seen))
    best = {}
    for pattern in PATTERNS:
        references = [int(n) for n in subprocess.run([program, pattern], stdout=subprocess.PIPE, check=True, text=True).stdout.split()]
        room = max(int(found[f"room {pattern} {p}"]) for p in policies)
        first = len(set(references))  # these may be in memory already
        best[pattern] = optimum(references, room) - first
    table(seen, policies, best)
    for (pattern, policy), faults in seen.items():
        lab.check(faults >= best[pattern], f"{policy} on {pattern}: {faults} faults, fewer than the optimum of {best[pattern]}")
    lab.check(best["loop"] < 2000, "the optimum keeps most of a loop")
    for policy in "fifo", "lru-exact":
        lab.check(seen["loop", policy] > 5000, f"{policy} loses every page of a loop just before it is needed")
    for policy in "lru", "lru-exact", "lfu", "mglru", "s3fifo", "nur":
        lab.check(seen["zipf", policy] < seen["zipf", "fifo"], f"{policy} sees which pages are used, fifo does not")
    for policy in "lru", "lfu", "s3fifo":
        lab.check(seen["scan+hot", policy] < seen["scan+hot", "fifo"], f"{policy} keeps the hot pages while others pass by")
    lab.step("more memory, more faults")
    lab.say(f"The textbook's string {' '.join(map(str, TEXTBOOK))}, by hand:")
    for frames in 3, 4:
        lab.say(f"  {frames} frames: FIFO {fifo(TEXTBOOK, frames):2} faults, LRU {lru(TEXTBOOK, frames):2}")
    lab.check((fifo(TEXTBOOK, 3), fifo(TEXTBOOK, 4)) == (9, 10), "Belady's anomaly")
    lab.say("FIFO has more faults with more memory (Belady's anomaly); LRU cannot, since what it keeps in 3 frames it keeps in 4. The unit\n"
            "tests get the same figures from Quire's own fifo and lru-exact.")

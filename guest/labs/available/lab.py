# SPDX-License-Identifier: MIT
import lab

NUMBER, FROM = 21, ["system/1", "guide/2", "guide/3"]
TITLE = "available against free and cache, and the idle machine where it is smaller than free"
TEACHES = "available is an estimate: free, less what is kept in reserve, plus the part of the caches that can go"
NOT_ON_HOST = "it takes nearly all memory there is and drops the machine's caches"


def by_formula(n):
    """MemAvailable as Linux computes it, from the other figures."""
    part = n["file cache"] - min(n["file cache"] // 2, n["low"])
    part += n["reclaimable slab"] - min(n["reclaimable slab"] // 2, n["low"])
    return n["free"] - n["reserve"] + part


def run():
    program = lab.build(__file__, "available.c")
    text = lab.script(__file__, "available.sh", files=[program], ram="1G")
    seen = {k: int(v) for k, v in lab.values(text).items() if v.isdigit()}

    def at(when):
        return {k.partition(", ")[2]: v for k, v in seen.items() if k.startswith(when + ", ")}

    idle, filled, after = at("idle"), at("with a file"), at("after")
    lab.say("")
    for when, n in (("idle", idle), ("with a file", filled)):
        computed = by_formula(n)
        lab.say(f"{when:12} free {n['free']:7} + cache {n['cache']:7} = {n['free'] + n['cache']:7} kB, available {n['available']:7}, "
                f"by the formula {computed:7}")
        lab.near(n["available"], computed, 1024, f"available, {when}")
        lab.check(n["available"] < n["free"] + n["cache"], f"{when}: available is not below free + cache")
    lab.check(idle["available"] < idle["free"], "idle: the reserve is not taken off")
    lab.check(filled["available"] > filled["free"] + 40 * 1024, "with a file: the cache does not count")
    lab.near(filled["available"], idle["available"], 16 * 1024 + filled["low"], "available with a file, against idle")
    lab.check(seen["touched"] > filled["free"], "no more was taken than was free anyway")
    lab.check(seen["while it is held, Cached"] < filled["file cache"] // 2, "the cache has not made room")
    lab.near(after["available"], filled["available"], 16 * 1024 + filled["low"], "available after it was taken and given back")
    lab.say("\n95 % of what was called available was taken, more than was free: the cache made room for it, without swap.\n"
            "Where the documents differ: available is not free + buff/cache. What tmpfs holds does not count, the reserve for\n"
            "the kernel's own needs (the high watermarks) is taken off free, and the low watermarks off the cache: on a machine\n"
            "with little cache, idle or not, available is smaller than free.")

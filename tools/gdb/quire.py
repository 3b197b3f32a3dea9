# SPDX-License-Identifier: MIT
"""Quire in gdb: what the kernel's structures say, in words. Loaded by `./quire debug`, or by hand:

    gdb build/quire-kernel -ex 'target remote :1234' -ex 'source tools/gdb/quire.py'

    q tasks             every task: tid, state, CPU, name, where it sleeps
    q current           what each CPU runs
    q bt TID            the backtrace of a task that is not running
    q space [TID]       the regions of a task's address space and its page counts
    q walk ADDR [TID]   the page-table walk down, level by level; the frame's number is $pfn then
    q back PFN          the walk back: who maps this frame, and at which addresses
    q frame PFN|PTR     one frame descriptor
    q buddy             free blocks of each order, per-CPU lists
    q slab              caches: objects, slabs
    q log [N]           the last N messages of the kernel log (default: all)
"""
import gdb

DIRECT_MAP = 0xFFFF800000000000
FRAMES = 0xFFFFE00000000000
STATES = "RSDTZX"
FRAME_KINDS = ("reserved free free-tail pcp kernel stack slab slab-tail table companion anon cache special").split()
REGION_LETTERS = ((1, "r"), (2, "w"), (4, "x"))


def value(expression):
    return gdb.parse_and_eval(expression)


def list_entries(head, type_name, member):
    """The objects of a kernel list; head: the struct list_head."""
    kind = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    node = head["next"]
    while int(node) != int(head.address):
        yield (node.cast(gdb.lookup_type("unsigned long")) - offset).cast(kind.pointer()).dereference()
        node = node["next"]


def tree_entries(node, type_name, member):
    """The objects of a red-black tree, in order."""
    if int(node) == 0:
        return
    kind = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    yield from tree_entries(node["left"], type_name, member)
    yield (node.cast(gdb.lookup_type("unsigned long")) - offset).cast(kind.pointer()).dereference()
    yield from tree_entries(node["right"], type_name, member)


def root_node(root):
    """The first field of struct rb_root, whatever its name."""
    return root[root.type.strip_typedefs().fields()[0].name]


def text(array):
    return array.string(errors="replace") if int(array.address) else "?"


def read_u64(paddr):
    return int.from_bytes(gdb.selected_inferior().read_memory(DIRECT_MAP + paddr, 8).tobytes(), "little")


def tasks():
    return list_entries(value("all_tasks"), "struct task", "all_link")


def find_task(argument):
    if not argument:
        task = value("cpu_blocks[0].current") if gdb.selected_thread() is None else current_of(cpu_of_thread())
        return task.dereference()
    for task in tasks():
        if int(task["tid"]) == int(argument, 0):
            return task
    raise gdb.GdbError("no task %s" % argument)


def cpu_of_thread():
    return gdb.selected_thread().num - 1


def current_of(cpu):
    return value("cpu_blocks[%d].current" % cpu).cast(gdb.lookup_type("struct task").pointer())


def show_tasks(_):
    print("%6s %6s %s %3s  %-16s %s" % ("tid", "pid", "S", "cpu", "name", "waits in"))
    for t in tasks():
        state = int(t["state"])
        wait = t["wait_name"].string() if int(t["wait_name"]) else ""
        pid = int(t["process"]["pid"]) if int(t["process"]) else 0
        running = "*" if t["on_cpu"] else " "
        print("%6d %6d %s%s%3d  %-16s %s" % (t["tid"], pid, STATES[state], running, t["cpu"], text(t["comm"]), wait))


def show_current(_):
    for cpu in range(int(value("hal_cpu_count"))):
        task = current_of(cpu)
        if int(task) == 0:
            print("CPU %d: nothing yet" % cpu)
            continue
        print("CPU %d: tid %d %s, root %#x" % (cpu, task["tid"], text(task["comm"]), value("cpu_blocks[%d].root" % cpu)))


def symbol(address):
    info = gdb.execute("info symbol %#x" % address, to_string=True).split(" in section")[0]
    return info.strip()


def show_backtrace(argument):
    task = find_task(argument)
    if task["on_cpu"]:
        raise gdb.GdbError("tid %d is running: choose its CPU with `thread` and use `bt`" % task["tid"])
    inferior = gdb.selected_inferior()

    def word(at):
        return int.from_bytes(inferior.read_memory(at, 8).tobytes(), "little")

    sp = int(task["ctx"]["kernel_sp"])
    top = int(task["ctx"]["stack_top"])
    frame, ip = word(sp + 32), word(sp + 48)  # the switch frame: r15 r14 r13 r12 rbp rbx rip
    for depth in range(40):
        print("#%-2d %#018x %s" % (depth, ip, symbol(ip)))
        if not sp <= frame < top - 8:
            break
        frame, ip = word(frame), word(frame + 8)


def space_of(argument):
    task = find_task(argument)
    if int(task["space"]) == 0:
        raise gdb.GdbError("tid %d is a kernel thread: it has no space" % task["tid"])
    return task["space"].dereference()


def show_space(argument):
    space = space_of(argument)
    print("root frame %#x, %d regions, %d page tables, CPUs %#x" % (space["root_pfn"], space["nr_regions"], space["nr_tables"], space["cpus"]))
    print("pages: %d mapped; resident %d anonymous, %d file, %d shared" % (space["total_pages"], space["rss"][0], space["rss"][1], space["rss"][2]))
    for r in tree_entries(root_node(space["regions"]), "struct region", "node"):
        flags = int(r["flags"])
        letters = "".join(c if flags & bit else "-" for bit, c in REGION_LETTERS) + ("s" if flags & 8 else "p")
        what = r["name"].string() if int(r["name"]) else "file %#x" % int(r["file"]) if int(r["file"]) else ""
        print("%012x-%012x %s %8d KiB pgoff %#x %s" % (r["start"], r["end"], letters, (int(r["end"]) - int(r["start"])) >> 10, r["pgoff"], what))


def entry_words(e, level):
    if e == 0:
        return "empty"
    bits = [n for bit, n in ((0, "P"), (1, "W"), (2, "U"), (5, "A"), (6, "D"), (9, "special"), (63, "NX")) if e >> bit & 1]
    if level > 1 and e & 1 and not e & 2:
        bits.append("(table shared)")
    if not e & 1 and e & 0x100:
        bits.append("(no access)")
    if level > 1 and e >> 7 & 1:
        bits.append("large")
    return "frame %#x %s" % ((e & 0x000FFFFFFFFFF000) >> 12, " ".join(bits))


def show_walk(argument):
    words = argument.split()
    if not words:
        raise gdb.GdbError("q walk ADDR [TID]")
    addr = int(value(words[0]).cast(gdb.lookup_type("unsigned long")))
    if addr >> 47:
        table = int(value("kernel_root"))
    else:
        table = int(space_of(words[1] if len(words) > 1 else "")["root_pfn"]) << 12
    for level in (4, 3, 2, 1):
        index = addr >> (12 + 9 * (level - 1)) & 511
        e = read_u64(table + 8 * index)
        print("level %d, table %#x, entry %3d: %016x %s" % (level, table >> 12, index, e, entry_words(e, level)))
        if not e & 1 or (level > 1 and e >> 7 & 1):
            return
        table = e & 0x000FFFFFFFFFF000
    gdb.set_convenience_variable("pfn", table >> 12)
    print("address %#x: physical %#x" % (addr, table | (addr & 0xFFF)))


def frame_at(pfn):
    return (gdb.Value(FRAMES).cast(gdb.lookup_type("struct frame").pointer()) + pfn).dereference()


def pfn_of(argument):
    number = int(value(argument).cast(gdb.lookup_type("unsigned long")))
    if number >= FRAMES and number < 0xFFFFFFFF80000000:
        return (number - FRAMES) // gdb.lookup_type("struct frame").sizeof
    if number >= DIRECT_MAP and number < FRAMES:
        return (number - DIRECT_MAP) >> 12
    return number


def show_frame(argument):
    pfn = pfn_of(argument)
    f = frame_at(pfn)
    print("frame %#x: %s, order %d, node %d, flags %#x, %d references, %d slots" % (
        pfn, FRAME_KINDS[int(f["kind"])], f["order"], f["node"], f["flags"], f["refs"], f["nr_slots"]))
    if int(f["kind"]) == FRAME_KINDS.index("table"):
        print("  level %d, number %d, %d entries, companion %#x, rss %s" % (f["table_level"], f["table_nr"], f["nr_entries"], f["companion_pfn"],
                                                                          [int(f["rss"][i]) for i in range(4)]))
    if int(f["kind"]) == FRAME_KINDS.index("cache"):
        print("  page %d of mapping %#x" % (f["index"], int(f["mapping"])))


def table_by_number(number):
    chunks = value("table_chunks")
    return int(chunks[number >> 10][number & 1023])


def slots_of(frame):
    """(table pfn, index) of each entry that maps the frame."""
    slot, left = int(frame["slot"]), int(frame["nr_slots"])
    while slot and left:
        table, index = table_by_number(slot & 0x3FFFFF), slot >> 22 & 511
        yield table, index
        left -= 1
        companion = int(frame_at(table)["companion_pfn"])
        if not companion or not left:
            return
        slot = read_u64((companion << 12) + 8 * index) & 0xFFFFFFFF


def climb(frame, addr):
    """(space, address) of each way from the frame up to a root."""
    for table, index in slots_of(frame):
        t = frame_at(table)
        level = int(t["table_level"])
        here = addr + (index << (12 + 9 * (level - 1)))
        if level == 4:
            yield int(t["space"]), here
        else:
            yield from climb(t, here)


def show_back(argument):
    pfn = pfn_of(argument)
    frame = frame_at(pfn)
    names = {}
    for t in tasks():
        names.setdefault(int(t["space"]), "tid %d %s" % (t["tid"], text(t["comm"])))
    print("frame %#x (%s) has %d slots" % (pfn, FRAME_KINDS[int(frame["kind"])], frame["nr_slots"]))
    for space, addr in climb(frame, 0):
        print("  %#014x in space %#x (%s)" % (addr, space, names.get(space, "no task")))


def show_buddy(_):
    blocks = value("frame_nodes[0].nr_blocks").type  # [kind of page block][order]
    kinds, orders = blocks.range()[1] + 1, blocks.target().range()[1] + 1
    print("node  managed     free  " + " ".join("%6s" % ("2^%d" % o) for o in range(orders)))
    for n in range(int(value("frame_node_count"))):
        node = value("frame_nodes[%d]" % n)
        print("%4d %8d %8d  %s" % (n, node["managed"], node["free_pages"], " ".join("%6d" % sum(int(node["nr_blocks"][k][o]) for k in range(kinds)) for o in range(orders))))
    for cpu in range(int(value("hal_cpu_count"))):
        print("CPU %d keeps %d single frames" % (cpu, sum(int(value("frame_pcps[%d].of[%d].nr" % (cpu, k))) for k in range(kinds))))


def show_slab(_):
    print("%-24s %7s %7s %7s %6s %7s" % ("cache", "size", "in use", "slabs", "empty", "full"))
    cpus = int(value("hal_cpu_count"))
    for c in list_entries(value("all_caches"), "struct slab_cache", "link"):
        used = sum(int(c["nr_out"][i]) for i in range(cpus))
        print("%-24s %7d %7d %7d %6d %7d" % (c["name"].string(), c["object_size"], used, c["nr_slabs"], c["nr_empty"], c["nr_full"]))


def show_log(argument):
    ring = value("ring")
    size = ring.type.sizeof
    data = gdb.selected_inferior().read_memory(int(ring.address), size).tobytes()
    header = 24  # struct header of kernel/log/ring.c
    pos, head, lines = int(value("'ring.c'::tail")), int(value("'ring.c'::head")), []
    while pos < head:
        at = pos % size
        rest = size - at
        length = int.from_bytes(data[at + 16:at + 18], "little") if rest >= header else 0xFFFF
        if length == 0xFFFF:
            pos += rest
            continue
        ns = int.from_bytes(data[at + 8:at + 16], "little")
        lines.append("[%5d.%06d] %s" % (ns // 10**9, ns % 10**9 // 1000, data[at + header:at + header + length].decode(errors="replace")))
        pos += (header + length + 7) & ~7
    print("\n".join(lines[-int(argument):] if argument else lines))


COMMANDS = {
    "tasks": show_tasks, "current": show_current, "bt": show_backtrace, "space": show_space, "walk": show_walk,
    "back": show_back, "frame": show_frame, "buddy": show_buddy, "slab": show_slab, "log": show_log,
}


class Quire(gdb.Command):
    __doc__ = __doc__

    def __init__(self):
        super().__init__("q", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        words = argument.split(None, 1)
        if not words or words[0] not in COMMANDS:
            print(__doc__)
            return
        COMMANDS[words[0]](words[1] if len(words) > 1 else "")

    def complete(self, text_so_far, word):
        return [c for c in COMMANDS if c.startswith(text_so_far)]


Quire()

# SPDX-License-Identifier: MIT
"""A run whose decisions are recorded: what `quire trace` and `quire report` have in common. guest/tracer.c runs the program
and passes the record on through a port of its own."""
import os
import queue
import socket
import threading

from . import batch, run_command
from .common import BUILD, RUN_PACKAGES, Failure, make, need
from .disks import Disks
from .record import Decoder

TRACER = os.path.join(BUILD, "guest/tracer")
RECORD_SIZE = 64 << 20  # under --icount
RING = 16384  # records for each CPU: 768 KiB


def parser(name, description, epilog):
    p = run_command.parser()
    p.prog, p.description, p.epilog = f"quire {name}", description, epilog
    p.add_argument("--ring", type=int, default=RING, metavar="RECORDS", help=f"room for each CPU, a power of two from 1024 to 65536 (default {RING})")
    return p


def prepare(o, argv):
    """Checks the options, brings what has to be in the guest. A result, if it ends here."""
    if not argv:
        raise Failure("a program is missing: ... -- PROGRAM ARGS")
    if o.kernel != "quire":
        raise Failure("--kernel linux keeps no record; it is Quire's")
    if not 1024 <= o.ring <= 65536 or o.ring & o.ring - 1:
        raise Failure("--ring: a power of two from 1024 to 65536")
    run_command.check(o)
    need(RUN_PACKAGES)
    refused = run_command.bring_program(o, argv)
    if not refused:
        make("guest")
        o.add.append((TRACER, "/host/tracer"))
    return refused


def run(o, argv, events, reader, sample_ms=0, regions_ms=0, limit=0, quiet=False):
    """Runs the program, in a memory group of `limit` bytes (0: in none); the record goes to the reader: event(event, decoder), sample(sample, decoder), regions(regions, decoder). Its status,
    and the decoder."""
    words = ["/host/tracer", "-s", str(o.ring), "-i", str(sample_ms), "-r", str(regions_ms), "-m", str(limit), *(["-q"] if quiet else []),
             "-e", " ".join(events)]
    decoder = Decoder(lambda e: reader.event(e, decoder), reader.sample, reader.regions)
    if o.icount:
        status, (data,) = batch.run(o, lambda device: [*words, "-d", "-o", device, "--", *argv], [RECORD_SIZE])
        decoder.feed(data)
        if decoder.status is None:
            raise Failure(f"the record is larger than {RECORD_SIZE >> 20} MiB, or the program never began: fewer --events")
        return status, decoder
    ours, theirs = socket.socketpair()
    os.set_inheritable(theirs.fileno(), True)
    o.trace_fd = theirs.fileno()
    trouble, pieces = [], queue.SimpleQueue()

    def read():
        """Never lets the guest wait for what is done with the record: its rings would overflow."""
        while data := ours.recv(1 << 18):
            pieces.put(data)
        pieces.put(b"")

    def decode():
        try:
            while data := pieces.get():
                decoder.feed(data)
        except Exception as e:  # shown when the run has ended
            trouble.append(e)

    threads = [threading.Thread(target=work) for work in (read, decode)]
    words += ["--", *argv]
    runner = run_command.Runner(o, words, Disks(o))
    for thread in threads:
        thread.start()
    try:
        status = runner.run()
    finally:
        theirs.close()
        ours.shutdown(socket.SHUT_WR)
        for thread in threads:
            thread.join()
        ours.close()
    decoder.flush(None)  # it may have ended before the program did
    if trouble:
        raise trouble[0]
    return status, decoder

# SPDX-License-Identifier: MIT
"""A run that repeats to the byte: one CPU, instructions for time, the image in RAM, and nothing that comes from outside while
it goes on. What the program prints is shown when it has ended; its standard input is empty."""
import os
import signal
import subprocess
import tempfile

from . import protocol as P
from .common import Failure
from .disks import Disks
from .guest import Guest
from .session import Session, default_env, program_name, report

FRAMES_SIZE = 16 << 20
DEFAULT_SEED = 1


def frames_in(data):
    """The frames that init wrote, up to the zeros behind them."""
    at = 0
    while at + P.HEADER.size <= len(data):
        length, kind, channel, _ = P.HEADER.unpack_from(data, at)
        if not kind:
            return
        yield kind, channel, data[at + P.HEADER.size:at + P.HEADER.size + length]
        at += P.HEADER.size + length


def run(o, words_of, output_sizes):
    """Runs words_of(the device of the first further output, ...); its status, and the bytes of the further outputs."""
    o.icount = o.batch = True
    o.seed = DEFAULT_SEED if o.seed is None else o.seed
    o.outputs = [FRAMES_SIZE, *output_sizes]
    with tempfile.NamedTemporaryFile(prefix="quire-request-") as request:
        o.add.append((request.name, "/quire-request"))
        disks = Disks(o)
        argv = words_of(*(disks.output_name(1 + i) for i in range(len(output_sizes))))
        request.write(P.run_request(argv, default_env(False) + o.env, o.cwd, o.user, 0, (24, 80)))
        request.flush()
        os.utime(request.name, (0, 0))  # the kernel reads it from the archive's header, and a digit takes longer than another
        guest = Guest(o, disks)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda n, _: (_ for _ in ()).throw(KeyboardInterrupt))
        try:
            guest.start()
            try:
                guest.process.wait(o.timeout or None)
            except subprocess.TimeoutExpired:
                raise Failure(f"--timeout: ended after {o.timeout:g} s; what the program printed is not known")
            return finish(guest, disks, argv), [disks.output(1 + i) for i in range(len(output_sizes))]
        finally:
            if guest.process and guest.process.poll() is None:
                guest.process.kill()
                guest.process.wait()
            guest.temporary.cleanup()
            o.add.pop()


def finish(guest, disks, argv):
    session = Session(lambda *_: None, 0)
    for kind, _, payload in frames_in(disks.output(0)):
        session.handle(kind, payload, program_name(argv))
    if session.result is None:
        raise Failure(guest.failure())
    return report(session.result)

# SPDX-License-Identifier: MIT
"""Sorts the words after `quire` to the module that handles them."""
import importlib
import os
import sys

from .common import Failure, say

COMMANDS = {
    "run": "boot a guest and run a program or a shell in it",
    "exec": "run a further program in the guest that is running",
    "attach": "open a further terminal in the guest that is running",
    "stop": "end the guest that is running",
    "test": "run the tests; the last line counts them",
    "lab": "run an experiment that explains and checks itself",
    "trace": "run a program and print what the memory manager decides, and why",
    "report": "run a program and write a page that shows its memory",
    "bench": "count instructions beside Debian's kernel",
    "debug": "boot under gdb",
}

USAGE = """usage: ./quire COMMAND [OPTIONS]

{}
  ./quire COMMAND --help says more, with an example.

example: ./quire run -- uname -a
"""


def main():
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE.format("".join(f"  {name:8}{text}\n" for name, text in COMMANDS.items())))
        return 0 if words else 2
    name = words[0]
    if name not in COMMANDS:
        say(f"no command '{name}'; there are: {', '.join(COMMANDS)}")
        return 125
    module = importlib.import_module(f"quire_cli.{name}_command")
    try:
        status = module.main(words[1:])
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who read the output has gone, as with | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except Failure as e:
        say(str(e))
    except OSError as e:
        say(f"{e.filename}: {e.strerror}" if e.filename else str(e))
    return 125


sys.exit(main())

# SPDX-License-Identifier: MIT
"""In the guest: runs Walk.java and looks at its object from outside, by address."""
import re
import struct
import subprocess
import sys

MAGIC = 0x517569726551756B
java = subprocess.Popen(["java", "-XX:-UseCompressedOops", "-XX:+UseSerialGC", "-Xmx64m", "/root/Walk.java"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
lines = []
for line in java.stdout:
    lines.append(line.rstrip("\n"))
    if lines[-1] == "ready":
        break
print("\n".join(lines))
said = dict(line.split(None, 1) for line in lines[:3])
address = int(said["address"], 16)
with open(f"/proc/{said['pid']}/mem", "rb") as memory:
    memory.seek(address)
    seen = struct.unpack("<1000Q", memory.read(8000))
print("object", "as it was filled" if seen == tuple(MAGIC + i for i in range(1000)) else "something else")
text = "\n".join(lines)
frame = re.search(r"^physical 0x([0-9a-f]+)", text, re.M)
print("frame", "as pagemap has it" if frame and int(frame[1], 16) >> 12 == int(said["pagemap"], 16) else "another one")
java.stdin.write("\n")
java.stdin.close()
print(java.stdout.read().strip())
sys.exit(java.wait())

# SPDX-License-Identifier: MIT
# Writes, and leaves it to the end of the machine.
echo 0 > /proc/sys/vm/dirty_writeback_centisecs
dd if=/dev/urandom of=/root/last bs=1M count=8 2> /dev/null
sha256sum < /root/last

# SPDX-License-Identifier: MIT
# A clean file in the cache, then memory is taken until there is none.
set -e
. ./step.sh
step "a clean file in the cache"
dd if=/dev/zero of=file bs=1M count=64 2> /dev/null
sync
echo 3 > /proc/sys/vm/drop_caches
cat file > /dev/null
awk '/^(MemFree|Cached|SwapFree)/' /proc/meminfo
step "memory is taken, 4 MiB at a time"
total=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
echo "columns: taken, free, file cache, swap in use (kB)"
./fill $((total * 12 / 10 / 4096))

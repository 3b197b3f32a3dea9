# SPDX-License-Identifier: MIT
# Dirty pages: written back later, by age, by sync; never dropped.
set -e
. ./step.sh
field() { awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo; }
counter() { awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat; }
cd /proc/sys/vm
echo 0 > dirty_writeback_centisecs # no flusher by time
cd - > /dev/null
sync
step "written: it is in memory"
start=$(field Dirty) available=$(field MemAvailable) out=$(counter pgpgout)
dd if=/dev/urandom of=file bs=1M count=16 2> /dev/null
echo "Dirty after 16 MiB were written = $(($(field Dirty) - start))"
echo "MemAvailable lost = $((available - $(field MemAvailable)))"
echo "kB that went to the disk = $(($(counter pgpgout) - out))"
step "dropped? no"
sum=$(sha256sum < file)
echo 3 > /proc/sys/vm/drop_caches
echo "Dirty after drop_caches 3 = $(($(field Dirty) - start))"
echo "contents after drop_caches 3 are = $([ "$sum" = "$(sha256sum < file)" ] && echo the same)"
step "sync"
out=$(counter pgpgout)
sync
echo "Dirty after sync = $(field Dirty)"
echo "kB that went to the disk with sync = $(($(counter pgpgout) - out))"
echo 3 > /proc/sys/vm/drop_caches
echo "contents read from the disk are = $([ "$sum" = "$(sha256sum < file)" ] && echo the same)"

step "by age, without a call"
echo 100 > /proc/sys/vm/dirty_expire_centisecs
echo 50 > /proc/sys/vm/dirty_writeback_centisecs
dd if=/dev/urandom of=second bs=1M count=4 2> /dev/null
for i in $(seq 300); do
	[ "$(field Dirty)" -lt 64 ] && break
	sleep 0.1
done
echo "Dirty when nobody called sync, some time later = $(field Dirty)"

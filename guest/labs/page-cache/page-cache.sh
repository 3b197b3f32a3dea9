# SPDX-License-Identifier: MIT
# A file of 1 GiB in the page cache, gone with rm; what is read twice; what drop_caches drops; Buffers.
set -e
. ./step.sh
field() { awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo; }
counter() { awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat; }
drop() { sync; echo "$1" > /proc/sys/vm/drop_caches; }

step "before the file"
free
step "with a file of 1 GiB"
dd if=/dev/zero of=testfile bs=1M count=1024 2> /dev/null
free
step "after rm"
rm testfile
free

step "read twice; drop_caches 1, 2, 3"
dd if=/dev/zero of=small bs=1M count=64 2> /dev/null
drop 1
read_kb() { local from=$(counter pgpgin); cat small > /dev/null; echo "$1 = $(($(counter pgpgin) - from))"; }
read_kb "kB from the disk, first read of 64 MiB"
read_kb "kB from the disk, second read"
cached=$(field Cached)
drop 1
echo "Cached that drop_caches 1 gave back = $((cached - $(field Cached)))"

find / -xdev > /dev/null
buffers=$(field Buffers) slab=$(field SReclaimable)
drop 2
echo "SReclaimable after find = $slab"
echo "SReclaimable that drop_caches 2 gave back = $((slab - $(field SReclaimable)))"
drop 3
step "Buffers against Cached"
echo "Buffers after find = $buffers"
before=$(field Buffers) cached=$(field Cached)
dd if="$(findmnt -n -o SOURCE /)" of=/dev/null bs=1M count=32 2> /dev/null
echo "Buffers, 32 MiB of the device itself read = $(($(field Buffers) - before))"
echo "Cached, 32 MiB of the device itself read = $(($(field Cached) - cached))"

step "what is not yet written"
echo again > dirty
echo 3 > /proc/sys/vm/drop_caches
echo "what was not yet written, after drop_caches 3 = $(cat dirty)"

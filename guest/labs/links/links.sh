# SPDX-License-Identifier: MIT
# Names of files: hard and symbolic links, special files; and, unless it is called with "names", when the cache of a removed
# file goes.
set -e
. ./step.sh
field() { awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo; }
mkdir work && cd work

step "names"
echo first > a
ln a b
ln -s a s
echo "number of names = $(stat -c %h a)"
echo "same inode under both names = $([ "$(stat -c %i a)" = "$(stat -c %i b)" ] && echo yes)"
echo "the symbolic link has an inode of its own = $([ "$(stat -c %i s)" != "$(stat -c %i a)" ] && echo yes)"
echo "size of the symbolic link = $(stat -c %s s)"
echo second >> b
echo "lines through the other name = $(wc -l < a)"
rm a
echo "after rm of a, b still reads = $(head -1 b)"
echo "after rm of a, s reads = $(cat s 2>&1 | sed 's/.*: //')"

step "special files"
mkfifo fifo
mknod null c 1 3
mknod disk b 254 0
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
for f in fifo null disk socket s . b; do echo "type of $f = $(stat -c %F $f)"; done
echo "size of a null device after a write = $(echo lost > null; stat -c %s null)"
(echo through > fifo &)
echo "read from the FIFO = $(cat fifo)"

[ "$1" != names ] || exit 0
step "the cache of a file that is removed"
sync
start=$(field Cached)
show() { echo "Cached, $1 = $(($(field Cached) - start))"; }
dd if=/dev/zero of=big bs=1M count=64 2> /dev/null
show "64 MiB written"
ln big other
rm big
show "first of two names removed"
exec 7< other
rm other
show "last name removed, still open"
exec 7<&-
show "closed"

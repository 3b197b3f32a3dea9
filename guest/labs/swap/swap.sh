# SPDX-License-Identifier: MIT
# More memory than there is, with vmstat beside it.
set -e
. ./step.sh
in_use() { awk '/^SwapTotal/ { t = $2 } /^SwapFree/ { print t - $2 }' /proc/meminfo; }
step "the swap area"
cat /proc/swaps
step "one and a half times the memory is filled and read again"
vmstat -n 1 > vmstat.log &
watcher=$!
until [ "$(wc -l < vmstat.log)" -ge 3 ]; do sleep 0.1; done # it looks
./swap
kill $watcher
wait $watcher || true
echo "swap in use after the end = $(in_use)"
step "what vmstat saw"
cat vmstat.log
awk 'NR > 3 { si += $7; so += $8 } END { print "vmstat, si in all =", si; print "vmstat, so in all =", so }' vmstat.log
step "swapoff"
swapoff "$(awk 'NR == 2 { print $1 }' /proc/swaps)"
echo "areas after swapoff = $(($(wc -l < /proc/swaps) - 1))"

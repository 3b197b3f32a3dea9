# SPDX-License-Identifier: MIT
# taskset's own ways: start a program on a CPU, ask, move one that runs, lists.
set -e
. ./step.sh
step "taskset"
echo "started with -c 0, allowed on = $(taskset -c 0 sh -c 'awk "/^Cpus_allowed_list/ { print \$2 }" /proc/self/status')"
sleep 1000 &
pid=$!
taskset -p $pid
taskset -cp $pid
taskset -cp 1 $pid
echo "moved with -cp 1, allowed on = $(awk '/^Cpus_allowed_list/ { print $2 }' /proc/$pid/status)"
taskset -cp 0,1 $pid
echo "list 0,1, allowed on = $(awk '/^Cpus_allowed_list/ { print $2 }' /proc/$pid/status)"
taskset -cp 0-1 $pid > /dev/null
echo "list 0-1, allowed on = $(awk '/^Cpus_allowed_list/ { print $2 }' /proc/$pid/status)"
taskset -p 1 $pid > /dev/null
echo "mask 1, allowed on = $(awk '/^Cpus_allowed_list/ { print $2 }' /proc/$pid/status)"
kill $pid
step "pinned, and beside a busy loop"
exec ./affinity

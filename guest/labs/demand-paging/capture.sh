# SPDX-License-Identifier: MIT
# What ps shows of a process after each so many seconds, as long as it lives.
pid=$1
while line=$(ps -o vsz=,rss=,min_flt=,maj_flt= -p "$pid"); do
	echo "$(date +%T) $line"
	sleep "$2"
done

# SPDX-License-Identifier: MIT
# What ps shows of a process each second, as long as it lives.
pid=$(pgrep -f 'python3 -u demand-paging.py')
while line=$(ps -o vsz=,rss=,min_flt=,maj_flt= -p "$pid"); do
	echo "$(date +%T) $line"
	sleep 1
done

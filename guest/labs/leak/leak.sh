# SPDX-License-Identifier: MIT
# A leaking server under 400 requests: first left alone, then restarted after each 100.
set -e
. ./step.sh
start() {
	coproc SERVER { exec ./leak; }
	pid=$SERVER_PID in=${SERVER[1]} out=${SERVER[0]}
}
stop() {
	eval "exec $in>&-"
	wait "$pid"
}
request() {
	echo "request $1" >&"$in"
	read -r answer <&"$out"
	[ "$answer" = "answer to request $1" ]
}
sample() { echo "$1, $2 requests = $(ps -o rss= -p "$pid")"; }

serve() { # name, requests after which it is restarted
	start
	for n in $(seq 400); do
		request "$n"
		[ $((n % 50)) != 0 ] || sample "$1" "$n"
		if [ $((n % $2)) = 0 ] && [ "$n" != 400 ]; then
			stop
			start
		fi
	done
	stop
}
used() { awk '/^MemTotal/ { t = $2 } /^MemAvailable/ { print t - $2 }' /proc/meminfo; }
before=$(used)
step "left alone"
serve "left alone" 1000
step "restarted after each 100 requests"
serve "restarted" 100
echo "used at the end, more than before = $(($(used) - before))"

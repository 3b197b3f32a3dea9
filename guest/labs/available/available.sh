# SPDX-License-Identifier: MIT
# MemAvailable against free and cache: idle, with a cached file, and taken at its word.
set -e
. ./step.sh
step "idle"
figures() { # when: what the formula needs, from the same two files that the kernel shows
	awk -v when="$1" '
		FILENAME ~ /meminfo/ && /^(MemFree|MemAvailable|Buffers|Cached|Shmem|SReclaimable):/ { v[$1] = $2 }
		FILENAME ~ /zoneinfo/ && $1 == "low" { low += $2 * 4 }
		FILENAME ~ /zoneinfo/ && $1 == "high" { high = $2 * 4 }
		FILENAME ~ /zoneinfo/ && $1 == "managed" { managed = $2 * 4 }
		FILENAME ~ /zoneinfo/ && $1 == "protection:" {
			gsub(/[(),]/, " ")
			most = 0
			for (i = 2; i <= NF; i++)
				if ($i * 4 > most)
					most = $i * 4
			reserve += most + high < managed ? most + high : managed
		}
		END {
			cache = v["Buffers:"] + v["Cached:"] - v["Shmem:"]
			print when ", free =", v["MemFree:"]
			print when ", cache =", v["Buffers:"] + v["Cached:"] + v["SReclaimable:"]
			print when ", file cache =", cache
			print when ", reclaimable slab =", v["SReclaimable:"]
			print when ", reserve =", reserve
			print when ", low =", low
			print when ", available =", v["MemAvailable:"]
		}' /proc/meminfo /proc/zoneinfo
}
sync
echo 3 > /proc/sys/vm/drop_caches
free
figures idle
step "with a cached file of 300 MiB"
dd if=/dev/zero of=file bs=1M count=300 2> /dev/null
sync
free
figures "with a file"
step "taken at its word: 95 % of it"
available=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
./available $((available * 95 / 100))
figures after

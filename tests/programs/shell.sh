# SPDX-License-Identifier: MIT
# What scripts do all day, in bash with coreutils. Prints nothing that differs from run to run.
set -u
cd /tmp

echo "== pipes"
seq 1 1000 | sort -rn | head -3 | tr '\n' ' '; echo
seq 1 20 | grep 1 | wc -l
printf '%s\n' pear apple fig apple | sort | uniq -c | sort -rn | head -1 | tr -s ' '
yes | head -100000 | wc -c
set -o pipefail; false | true; echo "pipefail $?"; set +o pipefail
seq 3 | while read -r n; do echo "line $n"; done
echo "${PIPESTATUS[@]}"
(exit 3) | (exit 4) | (exit 0); echo "${PIPESTATUS[@]}"

echo "== here-documents"
name=world
cat <<EOF
hello $name $((6 * 7))
EOF
cat <<'EOF' | tr a-z A-Z
quoted $name
EOF
cat <<-EOF
	tabs go
	EOF
read -r first second <<<"one two"; echo "$second $first"
big=$(printf 'x%.0s' {1..70000}); cat <<EOF | wc -c
$big
EOF

echo "== arrays"
a=(one two "three four"); a+=(five); echo "${#a[@]} ${a[2]} ${a[-1]} ${!a[*]}"
declare -A m=([x]=1 [y]=2); m[z]=3; for k in $(printf '%s\n' "${!m[@]}" | sort); do echo -n "$k=${m[$k]} "; done; echo
mapfile -t lines < <(seq 1 5); echo "${lines[@]:1:3}"
unset 'a[1]'; echo "${a[@]}"

echo "== expansions"
path=/usr/lib/file.tar.gz; echo "${path##*/} ${path%%.*} ${path/lib/share} ${#path} ${path^^}"
echo {a..c}{1,2}; printf '%05d %x %q\n' 42 255 "a b"
echo $(( (1 << 40) + 3 % 2 )); [[ abc =~ ^a(.)c$ ]] && echo "matched ${BASH_REMATCH[1]}"

echo "== job control"
set -m
sleep 100 & jobs | tr -s ' '; kill %1; wait %1 2>/dev/null; echo "job $?"
(exit 7) & wait $!; echo "job $?"
sleep 100 & kill -STOP $!; until jobs -l | grep -q -i stopped; do :; done; echo stopped; kill -CONT $!; until jobs -l | grep -q -i running; do :; done; kill $!; wait $! 2>/dev/null; echo "job $?"
for i in 1 2 3; do (exit $i) & pids[$i]=$!; done; for i in 1 2 3; do wait "${pids[$i]}"; echo -n "$? "; done; echo
set +m

echo "== traps and signals"
trap 'echo got USR1' USR1; kill -USR1 $$; trap - USR1
bash -c 'trap "echo bye" EXIT; exit 5'; echo "exit $?"
{ bash -c 'kill -SEGV $$'; } 2>/dev/null; echo "status $?"
bash -c 'trap "" TERM; kill $$; echo survived'
timeout 0.2 sleep 10; echo "timeout $?"

echo "== coprocess and process substitution"
coproc CO { while read -r l; do echo "<$l>"; done; }
echo ping >&"${CO[1]}"; read -r answer <&"${CO[0]}"; echo "$answer"
diff <(seq 1 3) <(seq 2 4) | tr '\n' ' '; echo
seq 1 5 | tee >(wc -l > /tmp/count) > /dev/null; until [ -s /tmp/count ]; do :; done; cat /tmp/count

echo "== files"
mkdir -p d/e; echo data > d/e/f; ln d/e/f d/hard; ln -s e/f d/soft; stat -c '%n %h %s %F' d/e/f d/soft; cat d/soft
cp -a d copy; diff -r d copy && echo same; mv copy/e/f copy/g; ls copy copy/e; find d -type f | sort
dd if=/dev/zero of=z bs=1k count=300 2>/dev/null; truncate -s 1000 z; wc -c < z; split -b 300 z part; ls part*; cat part* | cmp - z && echo whole
md5sum < z; od -An -tx1 -N 4 /dev/zero; chmod 640 z; stat -c %a z; touch -d '2001-02-03 04:05:06 UTC' z; stat -c %Y z
seq 1 30 | xargs -n 10 echo | cut -d' ' -f 2,4; rm -rf d copy part* z; ls

echo "== functions and limits"
f() { local x=$1; ((x <= 1)) && { echo 1; return; }; echo $((x * $(f $((x - 1))))); }; f 10
(ulimit -n 20; ulimit -n); { (ulimit -v 100; true; /bin/echo x); } 2>/dev/null; echo "status $?"
exec 5<>/tmp/fifo_or_file; echo through >&5; exec 5>&-; cat /tmp/fifo_or_file

#!/bin/sh
# SPDX-License-Identifier: MIT
# Initial RAM disks of every shape: plain, gzip, several in a row, hard links, devices, times; and broken ones,
# which have to end in one clear line, never in a fault of the kernel.
#   tests/initramfs/initramfs_test.sh [BUILD-FOLDER]
# Prints one line for each check and "N passed, N failed"; status 1 when one failed.

build=$(realpath "${1:-build}")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0

check() { # NAME COMMAND...
	name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok   $name"
	else
		failed=$((failed + 1))
		echo "FAIL $name: $*"
		sed 's/^/     | /' "$dir/out" | tail -20
	fi
}

says() { grep -qF -- "$1" "$dir/out"; }

boot() { # IMAGE
	timeout 600 qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 128M -nographic -no-reboot -net none -monitor none \
		-kernel "$build/quire-kernel" -initrd "$1" -append "console=ttyS0 panic=-1" </dev/null 2>&1 | tr -d '\r' >"$dir/out"
}

pack() { (cd "$1" && find . | sort | cpio --quiet -o -H newc); }

# The tree: a file with three names, one of them in another directory; every type; odd modes and times.
tree=$dir/tree
mkdir -p "$tree/d/sub" "$tree/dev" "$dir/more/d"
cp "$build/initramfs/init" "$tree/init"
echo three >"$tree/d/one"
ln "$tree/d/one" "$tree/d/two"
ln "$tree/d/one" "$tree/d/sub/three"
chmod 4751 "$tree/d/one"
: >"$tree/d/empty"
chmod 600 "$tree/d/empty"
ln -s ../some/where "$tree/d/link"
mkfifo -m 640 "$tree/d/fifo"
touch -d '2001-02-03 04:05:06 UTC' "$tree/d/one" "$tree/d/sub"
pack "$tree" >"$dir/plain"
gzip -9 <"$dir/plain" >"$dir/gz"
gzip -1 <"$dir/plain" >"$dir/gz1"
echo more >"$dir/more/extra"
echo late >"$dir/more/d/late"
pack "$dir/more" >"$dir/more.cpio"
sum=$("$build/initramfs/init" "$tree/init")

for kind in plain gz gz1; do
	boot "$dir/$kind"
	check "$kind-ends" says END
	check "$kind-bytes" says "$sum"
	check "$kind-hard-link" says "TREE /d/one 104751 links 3 "
	check "$kind-hard-link-elsewhere" says "TREE /d/sub/three 104751 links 3 "
	check "$kind-content" says 'size 6 "three"'
	check "$kind-directory-time" says "TREE /d/sub 40755 links 2 owner $(id -u):$(id -g) mtime 981173106"
	check "$kind-empty-file" says "TREE /d/empty 100600 links 1 "
	check "$kind-symbolic-link" says "-> ../some/where"
	check "$kind-fifo" says "TREE /d/fifo 10640 "
done

cat "$dir/gz" "$dir/more.cpio" >"$dir/gz-plain"
(cat "$dir/more.cpio" && head -c 512 /dev/zero && cat "$dir/gz") >"$dir/plain-gz"
for kind in gz-plain plain-gz; do
	boot "$dir/$kind"
	check "$kind-first-and-second" says 'size 5 "more"'
	check "$kind-into-a-directory-that-exists" says 'TREE /d/late '
	check "$kind-bytes" says "$sum"
done

broken() { # NAME LINE: one line of the log, and the panic that follows from there being no init
	boot "$dir/$1"
	check "$1-named" says "$2"
	check "$1-no-fault" sh -c "! grep -q 'page fault in the kernel\|assertion\|protection' '$dir/out'"
}

size=$(stat -c %s "$dir/plain")
head -c $((size / 2)) "$dir/plain" >"$dir/cut"
broken cut "initramfs: the archive ends early"
head -c $(($(stat -c %s "$dir/gz") / 2)) "$dir/gz" >"$dir/cut-gz"
broken cut-gz "initramfs: the archive is damaged"
head -c 100000 /dev/urandom | tr '\000\037' '\001\001' >"$dir/noise"
broken noise "initramfs: no cpio header"
(printf '\037\213\010\000\000\000\000\000\000\000' && head -c 50000 /dev/urandom) >"$dir/noise-gz"
broken noise-gz "initramfs: the archive is damaged"
(printf '070701%s%s' 00000001 000081a4 && printf '0%.0s' $(seq 24) && printf '00000000ffffffff' && printf '0%.0s' $(seq 32) &&
	printf '0000000200000000a\000' && head -c 1000 /dev/zero) >"$dir/huge"
broken huge "initramfs: the archive ends early"
(printf '070701%s%s' 00000001 000081a4 && printf '0%.0s' $(seq 72) && printf 'ffffffff00000000') >"$dir/long-name"
broken long-name "initramfs: a name of 4294967295 bytes"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

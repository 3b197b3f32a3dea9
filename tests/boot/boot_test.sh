#!/bin/sh
# SPDX-License-Identifier: MIT
# Boots the kernel in QEMU and reads what it says: the machine's protections, each violation for real, the
# panic report, and the ISO image by BIOS and by UEFI.
#   tests/boot/boot_test.sh [-v] [BUILD-FOLDER]
# Prints one line for each check and "N passed, N failed"; status 1 when one failed.

verbose=
[ "$1" = -v ] && verbose=1 && shift
build=${1:-build}
ovmf=/usr/share/OVMF/OVMF_CODE.fd
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
hang=600 # seconds after which a machine is ended; it decides nothing else

# machine ARGS...: what it prints goes to $dir/out, QEMU's status to $status
machine() {
	{
		timeout $hang qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 128M -display none -serial stdio \
			-monitor none -net none -no-reboot -device isa-debug-exit,iobase=0x501,iosize=4 "$@" </dev/null 2>"$dir/err"
		echo $? >"$dir/status"
	} | tr -d '\r' >"$dir/out"
	status=$(cat "$dir/status")
	[ -z "$verbose" ] || cat "$dir/out"
}

# boot APPEND [ARGS...]
boot() {
	append=$1
	shift
	machine -kernel "$build/quire-kernel" -append "console=ttyS0 $append" "$@"
}

check() { # NAME COMMAND...: passes when the command succeeds
	name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok   $name"
	else
		failed=$((failed + 1))
		echo "FAIL $name (status $status): $*"
		sed 's/^/     | /' "$dir/out" | tail -30
		sed 's/^/     ! /' "$dir/err" | tail -5
	fi
}

says() { grep -q -- "$1" "$dir/out"; }
counts() { [ "$(grep -c -- "$2" "$dir/out")" -eq "$1" ]; }
ends_with() { [ "$status" -eq "$1" ]; }

# Every protection, by the machine's own tests.
boot quire.selftest=arch
check selftest-all-pass says 'selftest: 34 passed, 0 failed'
check selftest-each-named counts 34 'selftest: ok '
check selftest-ends ends_with 0
for bit in wp nxe smep smap umip; do
	check "bit-$bit" says "selftest: ok bit-$bit"
done

# The contracts of mm/, as on the host.
boot quire.selftest=conformance
check conformance-all-pass says 'selftest: 22 passed, 0 failed'
check conformance-ends ends_with 0
boot quire.selftest=conformance -smp 3
check conformance-other-cpus says 'selftest: 22 passed, 0 failed'

# Each violation, uncaught: a panic that names its cause and ends the run.
violation() { # NAME CAUSE
	boot "quire.selftest=$1"
	check "panic-$1" says "Kernel panic on CPU 0: .*$2"
	check "panic-$1-ends" ends_with 125
}
violation smep 'executing user memory (SMEP)'
violation smap-read 'touching user memory outside a user copy (SMAP)'
violation smap-write 'touching user memory outside a user copy (SMAP)'
violation execute-data 'executing data (NX)'
violation write-text 'writing read-only memory'
violation write-constant 'writing read-only memory'
violation reserved-bit 'reserved bit in a page-table entry'
violation null 'null pointer'
violation stack-guard "a kernel stack's guard page"
violation noncanonical 'general protection in the kernel'
violation overflow 'double fault in the kernel: stack overflow'
check overflow-names-function says '\] selftest_overflow'

# The report: cause, registers, names of functions, in order.
violation panic 'selftest: asked for'
check panic-registers says '^RIP ffffffff8'
check panic-backtrace says '\] selftest_panic_inner'
check panic-backtrace-caller says '\] selftest_panic_outer'
check panic-backtrace-root says '\] x86_start'
check panic-end says 'end of panic'

# With other CPUs running: one report, and the run ends.
boot 'rdinit=/bin/true' -smp 4 -initrd "$build/busybox.cpio"
check panic-smp counts 1 'Kernel panic on CPU [0-3]: Attempted to kill init'
check panic-smp-end counts 1 'end of panic'
check panic-smp-ends ends_with 125

# A shell on the serial line: types commands at its prompt, and the machine goes off by them.
type_at_prompt() {
	until grep -q '# ' "$dir/raw" || [ -e "$dir/over" ]; do sleep 0.2; done
	echo 'echo cpus=$(nproc) product=$((6 * 7)) $(uname -s)'
	echo 'date +year=%Y; poweroff -f'
	until [ -e "$dir/over" ]; do sleep 0.2; done # the line stays open
}
shell() { # NAME ARGS...
	how=$1
	shift
	: >"$dir/raw"
	rm -f "$dir/over"
	type_at_prompt | {
		timeout $hang qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 128M -smp 2 -display none -serial stdio \
			-monitor none -net none -no-reboot "$@" >"$dir/raw" 2>"$dir/err"
		echo $? >"$dir/status"
		: >"$dir/over"
	}
	status=$(cat "$dir/status")
	tr -d '\r' <"$dir/raw" >"$dir/out"
	[ -z "$verbose" ] || cat "$dir/out"
	check "$how-shell" says '^cpus=2 product=42 Linux'
	check "$how-date" says "^year=$(date -u +%Y)"
	check "$how-power-off" ends_with 0
}
for image in selftest quire; do
	[ -f "$build/$image.iso" ] || make -s B="$build" "$build/$image.iso" >"$dir/err" 2>&1
done
shell kernel -kernel "$build/quire-kernel" -append 'console=ttyS0' -initrd "$build/busybox.cpio"
shell iso-bios -cdrom "$build/quire.iso"
shell iso-uefi -cdrom "$build/quire.iso" -drive "if=pflash,format=raw,readonly=on,file=$ovmf"

shell small -kernel "$build/quire-kernel" -append 'console=ttyS0' -initrd "$build/busybox.cpio" -m 8M

# The cost of starting, counted: init's first instruction comes after at most 16 M instructions, with at
# most 16 MiB of 512 MiB used.
timeout $hang qemu-system-x86_64 -machine q35 -accel tcg -cpu qemu64 -m 512M -icount shift=0,sleep=off -display none \
	-serial stdio -monitor none -net none -no-reboot -device isa-debug-exit,iobase=0x501,iosize=4 \
	-kernel "$build/quire-kernel" -append 'console=ttyS0 rdinit=/bin/true' -initrd "$build/busybox.cpio" \
	</dev/null 2>"$dir/err" | tr -d '\r' >"$dir/out"
ms=$(sed -n 's/.*\] \([0-9]*\) ms to init.*/\1/p' "$dir/out")
free=$(sed -n 's/.* ms to init, \([0-9]*\)K free.*/\1/p' "$dir/out")
check "boot-instructions-${ms}M" [ "${ms:-99}" -lt 16 ]
check "boot-memory-$((524288 - ${free:-0}))K" [ $((524288 - ${free:-0})) -le 16384 ]

# The protections hold behind the other loaders too.
machine -cdrom "$build/selftest.iso"
check iso-bios says 'selftest: 34 passed, 0 failed'
machine -cdrom "$build/selftest.iso" -drive "if=pflash,format=raw,readonly=on,file=$ovmf"
check iso-uefi says 'selftest: 34 passed, 0 failed'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

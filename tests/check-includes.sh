#!/bin/sh
# SPDX-License-Identifier: MIT
# Imports run downwards only: mm/ sees lib/, include/{hal,mm,lib} and UAPI headers; lib/ sees no mm/.
# (The host and kernel sides may see everything.) Exits 1 naming each line that does otherwise.
bad=$(grep -nE '^#[[:space:]]*include' -r mm include/mm lib include/lib include/hal |
	grep -vE '<(hal|lib|machine|asm|linux|asm-generic)/|<std(bool|def|int|arg)\.h>' |
	grep -vE '^(mm|include/mm)/[^:]*:[0-9]+:#include <mm/|^mm/[^:]*:[0-9]+:#include "' |
	grep -vE '^include/hal/[^:]*:[0-9]+:#include <(asm|linux)/' |
	grep -vE '^lib/[a-z]+\.c:[0-9]+:#include "')
up=$(grep -nE '#[[:space:]]*include.*(arch|kernel|fs|drivers|tools)/' -r mm lib include/mm include/lib include/hal)
[ -z "$bad$up" ] && exit 0
echo "forbidden includes:"
printf '%s\n' "$bad" "$up" | grep .
exit 1

# SPDX-License-Identifier: MIT
# A lab's step: its heading, then a line of input is waited for (step.h says from whom).
step() {
	printf '\n== %s ==\n' "$1"
	read -r _ || true
}

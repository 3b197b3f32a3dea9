# SPDX-License-Identifier: MIT
set -e
. ./step.sh
step "C: malloc"
./carve
step "Python"
python3 carve.py
step "Go"
./gocarve

# SPDX-License-Identifier: MIT
set -e
. ./step.sh
step "C: malloc"
./carve
./count C ./carve
step "Python"
python3 carve.py
./count Python python3 carve.py
step "Go"
./gocarve
./count Go ./gocarve

# SPDX-License-Identifier: MIT
set -e
./carve
python3 carve.py
./gocarve

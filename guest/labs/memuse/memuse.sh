# SPDX-License-Identifier: MIT
. ./step.sh
python3 memuse.py
step "after the process has ended"
free

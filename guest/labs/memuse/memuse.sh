# SPDX-License-Identifier: MIT
python3 memuse.py
echo "after the process has ended:"
free

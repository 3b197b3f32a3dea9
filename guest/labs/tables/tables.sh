# SPDX-License-Identifier: MIT
# sar's kbpgtbl, without and with many page tables.
set -e
before=$(sh kbpgtbl.sh)
./tables 'echo "kbpgtbl with them = $(sh kbpgtbl.sh)"'
echo "kbpgtbl before = $before"

# SPDX-License-Identifier: MIT
# The kbpgtbl column of sar.
LC_ALL=C S_TIME_FORMAT=ISO sar -r ALL 1 1 | awk '/kbpgtbl/ { for (i = 1; i <= NF; i++) if ($i == "kbpgtbl") column = i } /^Average/ { print $column }'

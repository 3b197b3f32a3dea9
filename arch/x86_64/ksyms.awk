# SPDX-License-Identifier: MIT
# From `nm -n` to the assembly of .ksyms (read by ksyms.c): count, addresses, name offsets, names.
# Addresses are kept as their low 32 bits: the image lies in the top 2 GiB.
BEGIN { n = 0 }
$2 ~ /^[tT]$/ && $3 !~ /^\./ && $1 ~ /^ffffffff8/ {
	address[n] = substr($1, 9)
	name[n] = $3
	at[n] = bytes + 0
	bytes += length($3) + 1
	n++
}
END {
	print "\t.section .ksyms, \"a\""
	print "\t.align 8"
	print "\t.long " (n + 0)
	for (i = 0; i < n; i++)
		print "\t.long 0x" address[i]
	for (i = 0; i < n; i++)
		print "\t.long " at[i]
	for (i = 0; i < n; i++)
		print "\t.asciz \"" name[i] "\""
	print "\t.section .note.GNU-stack, \"\", @progbits"
}

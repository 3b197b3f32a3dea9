# make check-initramfs: initial RAM disks, whole and broken, in QEMU.
.PHONY: check-initramfs
check-initramfs: $(B)/quire-kernel $(B)/initramfs/init
	@tests/initramfs/initramfs_test.sh $(B)

$(B)/initramfs/init: tests/initramfs/init.c
	@mkdir -p $(@D)
	@echo "  GUEST   $<"
	@$(CC) -std=gnu11 -O1 -g -static -Wall -o $@ $<

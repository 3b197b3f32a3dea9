# make check-boot: the kernel in QEMU, from -kernel and from the ISO image, and its protections.
.PHONY: check-boot
check-boot: $(B)/quire-kernel $(B)/selftest.iso $(B)/quire.iso
	@tests/boot/boot_test.sh $(B)

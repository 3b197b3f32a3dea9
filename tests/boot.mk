# make check-boot: the kernel in QEMU, from -kernel and from the ISO image, its protections, its consoles.
.PHONY: check-boot
check-boot: $(B)/quire-kernel $(B)/selftest.iso $(B)/quire.iso
	@tests/boot/boot_test.sh $(B); a=$$?; tests/boot/console_test.py $(B) && exit $$a

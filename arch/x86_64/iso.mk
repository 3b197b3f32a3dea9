# build/quire.iso: GRUB starts the kernel by multiboot2, from BIOS and from UEFI alike.
#   make iso [INITRD=FILE] [ISO_APPEND="KERNEL ARGS"]
# Needs grub-mkrescue with the i386-pc and x86_64-efi platforms, xorriso and mtools.

INITRD     ?= $(wildcard $(B)/initrd.cpio.gz)
ISO_APPEND ?= console=ttyS0

.PHONY: iso
iso: $(B)/quire.iso

$(B)/quire.iso: $(B)/quire-kernel $(INITRD) arch/x86_64/grub.cfg
	@echo "  ISO     $@"
	@rm -rf $(B)/iso
	@mkdir -p $(B)/iso/boot/grub
	@objcopy --strip-debug $< $(B)/iso/boot/quire-kernel
	@sed 's|@APPEND@|$(ISO_APPEND)|; $(if $(INITRD),,/@INITRD@/d;) s|@INITRD@|/boot/initrd|' arch/x86_64/grub.cfg >$(B)/iso/boot/grub/grub.cfg
	@$(if $(INITRD),cp $(INITRD) $(B)/iso/boot/initrd)
	@grub-mkrescue -o $@ --fonts= --themes= --locales= $(B)/iso >$(B)/iso.log 2>&1 || { cat $(B)/iso.log >&2; rm -f $@; exit 1; }
	@rm -rf $(B)/iso

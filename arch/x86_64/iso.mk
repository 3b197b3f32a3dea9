# build/quire.iso: GRUB starts the kernel by multiboot2, from BIOS and from UEFI alike.
#   make iso [INITRD=FILE] [ISO_APPEND="KERNEL ARGS"]
# Needs grub-mkrescue with the i386-pc and x86_64-efi platforms, xorriso and mtools.

INITRD     ?= $(B)/busybox.cpio
ISO_APPEND ?= console=ttyS0

.PHONY: iso
iso: $(B)/quire.iso

# $(call make-iso,IMAGE,INITRD,KERNEL ARGS)
define make-iso
	@echo "  ISO     $(1)"
	@rm -rf $(1).dir
	@mkdir -p $(1).dir/boot/grub
	@objcopy --strip-debug $(B)/quire-kernel $(1).dir/boot/quire-kernel
	@sed '$(if $(2),,/@INITRD@/d;) s|@INITRD@|/boot/initrd|; s|@APPEND@|$(3)|' arch/x86_64/grub.cfg >$(1).dir/boot/grub/grub.cfg
	@$(if $(2),cp $(2) $(1).dir/boot/initrd)
	@grub-mkrescue -o $(1) --fonts= --themes= --locales= $(1).dir >$(1).log 2>&1 || { cat $(1).log >&2; rm -f $(1); exit 1; }
	@rm -rf $(1).dir $(1).log
endef

# The default image, as `./quire run` makes it.
$(B)/busybox.cpio: $(B)/guest/init tools/quire_cli/image.py
	@PYTHONPATH=tools PYTHONDONTWRITEBYTECODE=1 python3 -c 'from quire_cli.image import default_image; default_image()'

$(B)/quire.iso: $(B)/quire-kernel $(INITRD) arch/x86_64/grub.cfg
	$(call make-iso,$@,$(INITRD),$(ISO_APPEND))

# Starts the machine's self-tests instead of a program.
$(B)/selftest.iso: $(B)/quire-kernel arch/x86_64/grub.cfg
	$(call make-iso,$@,,console=ttyS0 quire.selftest=arch)

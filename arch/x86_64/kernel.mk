# build/quire-kernel: one ELF64 that QEMU boots with -kernel (PVH note) and GRUB by multiboot2. It is
# linked twice: the second time with the table of its own function names, for backtraces.

KLD := $(CC) $(KLDFLAGS) -Wl,-T,arch/x86_64/kernel.ld -Wl,--no-warn-rwx-segments

$(B)/quire-kernel: $(KOBJ) arch/x86_64/kernel.ld arch/x86_64/ksyms.awk
	@echo "  LD      $@"
	@$(KLD) -o $@.nosyms $(KOBJ)
	@nm -n $@.nosyms | awk -f arch/x86_64/ksyms.awk >$(B)/ksyms.S
	@$(CC) -c -o $(B)/ksyms.o $(B)/ksyms.S
	@$(KLD) -o $@.new $(KOBJ) $(B)/ksyms.o
	@rm -f $@.nosyms
	@mv $@.new $@

$(B)/config.gz: kernel/config.txt
	@mkdir -p $(@D)
	@gzip -9nc $< >$@

$(B)/kernel/fs/proc/config_image.S.o: KCFLAGS += -DCONFIG_IMAGE='"$(B)/config.gz"'
$(B)/kernel/fs/proc/config_image.S.o: $(B)/config.gz

# The vDSO: a small shared object of its own, embedded in the kernel by vdso_image.S.

VDSO_CFLAGS := -std=gnu11 -O2 -fPIC -ffreestanding -fno-stack-protector -fno-builtin -fasynchronous-unwind-tables \
	-fcf-protection=none -mno-sse -mno-red-zone -Wall -Wextra -Wno-unused-parameter $(addprefix -isystem ,$(UAPI))
VDSO_LDFLAGS := -shared -nostdlib -Wl,-T,arch/x86_64/vdso/vdso.ld -Wl,-soname,linux-vdso.so.1 -Wl,--hash-style=both \
	-Wl,--build-id=sha1 -Wl,-Bsymbolic -Wl,--eh-frame-hdr -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack

$(B)/vdso/vdso.so: arch/x86_64/vdso/vdso.c arch/x86_64/vdso/vdso.ld arch/x86_64/vvar.h
	@mkdir -p $(@D)
	@echo "  VDSO    $@"
	@$(CC) $(VDSO_CFLAGS) $(VDSO_LDFLAGS) -o $@.debug $<
	@objcopy -S $@.debug $@

$(B)/kernel/arch/x86_64/vdso_image.S.o: KCFLAGS += -DVDSO_IMAGE='"$(B)/vdso/vdso.so"'
$(B)/kernel/arch/x86_64/vdso_image.S.o: $(B)/vdso/vdso.so

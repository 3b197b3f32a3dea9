# Quire: the kernel (x86-64) and the host port, from one list of mm/ sources.
#
#   make kernel     build/quire-kernel
#   make check      host unit tests under ASan and UBSan
#   make guest      programs that run inside (build/guest/)
# `./quire` calls these; see docs/testing.md for more targets.

CC     := gcc
B      := build
UAPI   := /usr/include /usr/include/x86_64-linux-gnu

MM_SRC     := $(sort $(shell find mm lib -name '*.c'))
KERNEL_SRC := $(MM_SRC) $(sort $(shell find kernel fs drivers arch/x86_64 tests/conformance -name '*.c' -o -name '*.S' | grep -v '/vdso/'))

WARN   := -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror=implicit-function-declaration -Werror=incompatible-pointer-types -Werror=int-conversion
COMMON := -std=gnu11 -g $(WARN) -fno-strict-aliasing -fno-common -MMD -MP

KCFLAGS := $(COMMON) -O2 -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) $(addprefix -isystem ,$(UAPI)) \
	-mno-red-zone -mgeneral-regs-only -mcmodel=kernel -fno-pic -fno-pie -fno-stack-protector -fno-omit-frame-pointer \
	-fno-asynchronous-unwind-tables -fcf-protection=none -mno-sse -fno-delete-null-pointer-checks \
	-Iinclude -Iarch/x86_64/include
KLDFLAGS := -nostdlib -static -no-pie -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--build-id=none

KOBJ := $(patsubst %,$(B)/kernel/%.o,$(KERNEL_SRC))

.PHONY: kernel check guest clean
kernel: $(B)/quire-kernel

include $(wildcard arch/x86_64/*.mk arch/host/*.mk guest/*.mk tests/*.mk bench/*.mk tools/*.mk)

$(B)/kernel/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(KCFLAGS) -c -o $@ $<

$(B)/kernel/%.S.o: %.S
	@mkdir -p $(@D)
	@echo "  AS      $<"
	@$(CC) $(KCFLAGS) -D__ASSEMBLY__ -c -o $@ $<

clean:
	rm -rf $(B)

-include $(KOBJ:.o=.d)

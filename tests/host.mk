# Host builds of mm/ and lib/ with arch/host: unit tests under sanitizers, and a plain fast library.
#   make check        unit tests under ASan and UBSan
#   make check-tsan   CPUs as free-running threads under TSan

HCC       := gcc
HOST_INC  := -Iinclude -Iarch/host/include
HOST_SRC  := $(MM_SRC) $(sort $(wildcard arch/host/*.c))
HOST_WARN := -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-format
HOST_COMMON := -std=gnu11 -g $(HOST_WARN) -fno-strict-aliasing -fno-common -MMD -MP $(HOST_INC) -pthread
UNIT_SRC  := $(sort $(wildcard tests/unit/*.c))

HCFLAGS_check := $(HOST_COMMON) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
HCFLAGS_tsan  := $(HOST_COMMON) -O1 -fsanitize=thread
HCFLAGS_fast  := $(HOST_COMMON) -O2

define host_build
$(B)/host-$(1)/%.c.o: %.c
	@mkdir -p $$(@D)
	@echo "  HOSTCC  $$< ($(1))"
	@$(HCC) $$(HCFLAGS_$(1)) -c -o $$@ $$<
-include $$(patsubst %,$(B)/host-$(1)/%.d,$$(HOST_SRC) $$(UNIT_SRC))
endef
$(eval $(call host_build,check))
$(eval $(call host_build,tsan))
$(eval $(call host_build,fast))

$(B)/unit: $(patsubst %,$(B)/host-check/%.o,$(HOST_SRC) $(UNIT_SRC))
	@$(HCC) $(HCFLAGS_check) -o $@ $^ -lcmocka
$(B)/unit-fast: $(patsubst %,$(B)/host-fast/%.o,$(HOST_SRC) $(UNIT_SRC))
	@$(HCC) $(HCFLAGS_fast) -o $@ $^ -lcmocka
$(B)/unit-tsan: $(patsubst %,$(B)/host-tsan/%.o,$(HOST_SRC) $(UNIT_SRC))
	@$(HCC) $(HCFLAGS_tsan) -o $@ $^ -lcmocka

.PHONY: check check-tsan
check: $(B)/unit
	@$(B)/unit
check-tsan: $(B)/unit-tsan
	@$(B)/unit-tsan threads

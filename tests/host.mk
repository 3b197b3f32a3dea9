# Host builds of mm/ and lib/ with arch/host: unit tests under sanitizers, a fuzz target, and a plain
# fast library.
#   make check        unit tests under ASan and UBSan, also with small page tables, and the check of includes
#   make check-turns  CPUs in turns: QUIRE_TURNS orders from QUIRE_SEED on, with usual and small page tables
#   make check-tsan   CPUs as free-running threads under TSan
#   make fuzz         libFuzzer over memory calls; FUZZ_ARGS are libFuzzer's (clang, libclang-rt-14-dev)
#   make fuzz-gpt     libFuzzer over partition tables
#   make host-lib     $(B)/host-fast/libquire-mm.a: mm/, lib/ and arch/host, optimised

HCC       := gcc
FUZZ_CC   := clang
HOST_INC  := -Iinclude -Iarch/host/include
HOST_SRC  := $(MM_SRC) $(sort $(wildcard arch/host/*.c))
HOST_WARN := -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-format -Werror=implicit-function-declaration
HOST_COMMON := -std=gnu11 -g $(HOST_WARN) -fno-strict-aliasing -fno-common -MMD -MP $(HOST_INC) -pthread
UNIT_SRC  := $(sort $(wildcard tests/unit/*.c) $(wildcard tests/conformance/*.c))
FUZZ_HELP := tests/unit/fixture.c tests/unit/sequence.c
FUZZ_SRC  := tests/fuzz/space_fuzz.c $(FUZZ_HELP)

HCFLAGS_check := $(HOST_COMMON) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
HCFLAGS_small := -Iarch/host/small $(HCFLAGS_check)
HCFLAGS_tsan  := $(HOST_COMMON) -O1 -fsanitize=thread
HCFLAGS_fast  := $(HOST_COMMON) -O2
HCFLAGS_fuzz  := $(HOST_COMMON) -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Wno-gnu -Wno-unknown-warning-option

HCC_check := $(HCC)
HCC_small := $(HCC)
HCC_tsan  := $(HCC)
HCC_fast  := $(HCC)
HCC_fuzz  := $(FUZZ_CC)

define host_build
$(B)/host-$(1)/%.c.o: %.c
	@mkdir -p $$(@D)
	@echo "  HOSTCC  $$< ($(1))"
	@$(HCC_$(1)) $$(HCFLAGS_$(1)) -c -o $$@ $$<
-include $$(patsubst %,$(B)/host-$(1)/%.d,$$(HOST_SRC) $(sort $(UNIT_SRC) $(wildcard tests/fuzz/*.c tests/sequence/*.c)))
endef
$(foreach v,check small tsan fast fuzz,$(eval $(call host_build,$(v))))

host_objects = $(patsubst %,$(B)/host-$(1)/%.o,$(HOST_SRC) $(2))

$(B)/unit: $(call host_objects,check,$(UNIT_SRC))
	@$(HCC) $(HCFLAGS_check) -o $@ $^ -lcmocka
$(B)/unit-small: $(call host_objects,small,$(UNIT_SRC))
	@$(HCC) $(HCFLAGS_small) -o $@ $^ -lcmocka
$(B)/unit-fast: $(call host_objects,fast,$(UNIT_SRC))
	@$(HCC) $(HCFLAGS_fast) -o $@ $^ -lcmocka
$(B)/unit-tsan: $(call host_objects,tsan,$(UNIT_SRC))
	@$(HCC) $(HCFLAGS_tsan) -o $@ $^ -lcmocka
$(B)/fuzz: $(call host_objects,fuzz,$(FUZZ_SRC))
	@$(FUZZ_CC) $(HCFLAGS_fuzz) -o $@ $^ -lcmocka
$(B)/fuzz-%: $(call host_objects,fuzz,$(FUZZ_HELP)) $(B)/host-fuzz/tests/fuzz/%_fuzz.c.o
	@$(FUZZ_CC) $(HCFLAGS_fuzz) -o $@ $^ -lcmocka
$(B)/host-fast/libquire-mm.a: $(call host_objects,fast)
	@rm -f $@
	@ar rcs $@ $^

.PHONY: check check-turns check-turns-unit check-turns-unit-small check-tsan fuzz host-lib
check: $(B)/unit $(B)/unit-small
	@tests/house/imports
	@$(B)/unit
	@$(B)/unit-small
check-turns: check-turns-unit check-turns-unit-small
check-turns-unit check-turns-unit-small: check-turns-%: $(B)/%
	@QUIRE_TURNS=$${QUIRE_TURNS:-5000} $< turns
check-tsan: $(B)/unit-tsan $(B)/ext2-tsan
	@$(B)/unit-tsan threads conformance block flush
	@$(B)/ext2-tsan
FUZZ_ARGS ?= -max_total_time=60 -seed=$(or $(QUIRE_SEED),0)
fuzz: $(B)/fuzz
	@mkdir -p $(B)/fuzz-corpus
	@$(B)/fuzz $(B)/fuzz-corpus -max_len=512 -timeout=30 -artifact_prefix=$(B)/ $(FUZZ_ARGS)
.PHONY: fuzz-gpt
fuzz-gpt: $(B)/fuzz-gpt
	@mkdir -p $(B)/fuzz-gpt-corpus
	@$(B)/fuzz-gpt $(B)/fuzz-gpt-corpus -max_len=1024 -close_fd_mask=2 -timeout=30 -artifact_prefix=$(B)/ $(FUZZ_ARGS)
host-lib: $(B)/host-fast/libquire-mm.a

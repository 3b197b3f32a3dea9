# Static programs that run unchanged under Linux and in Quire.
#   make guest-tests      build/guest/tests/*, build/guest/driver
#   make suite-programs   those of a suite each: leak, exhaust, countdown, disk, swap_check, switch, load, thrash, steps

GT_SRC   := $(sort $(filter-out tests/guest/driver.c,$(wildcard tests/guest/*.c)))
GT_BIN   := $(patsubst tests/guest/%.c,$(B)/guest/tests/%,$(GT_SRC))
GT_FLAGS := -std=gnu11 -O1 -g -static -pthread -Wall -Wno-unused -Wno-stringop-overflow -Wno-stringop-overread -Wno-infinite-recursion -Wno-nonnull

.PHONY: guest-tests
guest-tests: $(GT_BIN) $(B)/guest/driver

$(B)/guest/tests/%: tests/guest/%.c tests/guest/check.h $(wildcard tests/guest/*.h)
	@mkdir -p $(@D)
	@echo "  GUEST   $<"
	@$(CC) $(GT_FLAGS) -o $@ $<

$(B)/guest/driver: tests/guest/driver.c
	@mkdir -p $(@D)
	@echo "  GUEST   $<"
	@$(CC) $(GT_FLAGS) -o $@ $<

# Programs that a suite boots on their own, each with figures of its own to print.
ONE_SRC := tests/leak/leak.c tests/oom/exhaust.c tests/countdown/countdown.c tests/disk/disk.c tests/swap/swap_check.c \
           tests/reclaim/switch.c tests/reclaim/major_faults.c guest/labs/thrashing/thrash.c tests/tools/load.c \
           tests/record/steps.c
define one_program
$(B)/guest/$(basename $(notdir $(1))): $(1) $(wildcard $(dir $(1))*.h)
	@mkdir -p $$(@D)
	@echo "  GUEST   $$<"
	@$$(CC) $$(GT_FLAGS) -o $$@ $$<
endef
$(foreach f,$(ONE_SRC),$(eval $(call one_program,$(f))))
.PHONY: suite-programs
suite-programs: $(foreach f,$(ONE_SRC),$(B)/guest/$(basename $(notdir $(f))))

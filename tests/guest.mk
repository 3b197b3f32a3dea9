# Static programs that run unchanged under Linux and in Quire.
#   make guest-tests    build/guest/tests/*, build/guest/driver

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

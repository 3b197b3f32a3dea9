# Static programs that work on files of a disk in the guest.
#   make file-tests    build/guest/files/*

FT_BIN := $(patsubst tests/files/%.c,$(B)/guest/files/%,$(sort $(wildcard tests/files/*.c)))

.PHONY: file-tests
file-tests: $(FT_BIN) $(B)/guest/files/fsx

FT_FLAGS := -std=gnu11 -O1 -g -static -pthread -Wall -Wextra -Wno-unused-result

$(B)/guest/files/fsx: $(wildcard tests/fsx/*.[ch])
	@mkdir -p $(@D)
	@echo "  GUEST   $@"
	@$(CC) $(FT_FLAGS) -o $@ $(filter %.c,$^)

$(B)/guest/files/%: tests/files/%.c $(wildcard tests/files/*.h)
	@mkdir -p $(@D)
	@echo "  GUEST   $<"
	@$(CC) $(FT_FLAGS) -o $@ $<

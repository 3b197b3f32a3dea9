# Programs that run inside: built with musl, so that they are small and need nothing.

GUEST_CC := musl-gcc
GUEST_FLAGS := -std=gnu11 -Os -static -s -Wall -Wextra -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu

.PHONY: guest
guest: $(B)/guest/init $(B)/guest/tracer

INIT_SRC := guest/init.c guest/session.c guest/root.c guest/leave.c

$(B)/guest/init: $(INIT_SRC) guest/session.h guest/protocol.h guest/root.h
	@mkdir -p $(@D)
	@echo "  GUEST   $@"
	@$(GUEST_CC) $(GUEST_FLAGS) -o $@ $(INIT_SRC)

$(B)/guest/tracer: guest/tracer.c
	@mkdir -p $(@D)
	@echo "  GUEST   $@"
	@$(GUEST_CC) $(GUEST_FLAGS) -o $@ $<

# Programs that run inside: built with musl, so that they are small and need nothing.

GUEST_CC := musl-gcc

.PHONY: guest
guest: $(B)/guest/init

INIT_SRC := guest/init.c guest/session.c guest/root.c guest/leave.c

$(B)/guest/init: $(INIT_SRC) guest/session.h guest/protocol.h guest/root.h
	@mkdir -p $(@D)
	@echo "  GUEST   $@"
	@$(GUEST_CC) -std=gnu11 -Os -static -s -Wall -Wextra -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu -o $@ $(INIT_SRC)

# Reclaim: the same references in the guest and on the host (tests/reclaim).
#   make reclaim-tests    build/guest/identity (static), build/identity-host (ASan, UBSan)

.PHONY: reclaim-tests
reclaim-tests: $(B)/guest/identity $(B)/identity-host

$(B)/guest/identity: tests/reclaim/identity_guest.c guest/labs/policies/references.h guest/labs/policies/replay.h
	@mkdir -p $(@D)
	@echo "  GUEST   $@"
	@$(CC) -std=gnu11 -O1 -g -static -Wall -o $@ $<

$(B)/identity-host: $(call host_objects,check,tests/reclaim/identity_host.c)
	@$(HCC) $(HCFLAGS_check) -o $@ $^

-include $(B)/host-check/tests/reclaim/identity_host.d

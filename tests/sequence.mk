# Random sequences of memory calls (tests/sequence).
#   make sequence-guest    build/guest/sequence: a static program for Linux and Quire
#   make sequence-host     build/sequence-host (ASan, UBSan) and build/sequence-host-fast

SEQ_CORE := tests/sequence/gen.c tests/sequence/run.c

#   make check-sequences   SEEDS (default 1-1000000) on the host, validators after every operation

.PHONY: sequence-guest sequence-host check-sequences
SEEDS ?= 1-1000000
check-sequences: $(B)/sequence-host-fast
	@tests/sequence/compare.py --machines host --fast --seeds $(SEEDS)
sequence-guest: $(B)/guest/sequence
sequence-host: $(B)/sequence-host $(B)/sequence-host-fast

$(B)/guest/sequence: $(SEQ_CORE) tests/sequence/real.c tests/sequence/sequence.h
	@mkdir -p $(@D)
	@echo "  GUEST   $@"
	@$(CC) -std=gnu11 -O1 -g -static -Wall -o $@ $(SEQ_CORE) tests/sequence/real.c

$(B)/sequence-host: $(call host_objects,check,$(SEQ_CORE) tests/sequence/host.c)
	@$(HCC) $(HCFLAGS_check) -o $@ $^
$(B)/sequence-host-fast: $(call host_objects,fast,$(SEQ_CORE) tests/sequence/host.c)
	@$(HCC) $(HCFLAGS_fast) -o $@ $^

-include $(foreach v,check fast,$(patsubst %,$(B)/host-$(v)/%.d,$(SEQ_CORE) tests/sequence/host.c))

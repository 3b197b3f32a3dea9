# ext2 on the host: the sources of fs/ext2 with mm/ and the disk in memory, under ASan and UBSan.
#   make check-ext2   model, attributes, crashes (needs e2fsprogs)
#   make check-ext2-tsan   threads that use one file system, under TSan
#   make fuzz-ext2    libFuzzer over broken images; FUZZ_ARGS are libFuzzer's (clang, libclang-rt-14-dev)

EXT2_FS_SRC   := $(sort $(filter-out fs/ext2/register.c,$(wildcard fs/ext2/*.c))) fs/inode.c fs/icache.c fs/iov.c
EXT2_GLUE     := tests/ext2/host_fs.c
EXT2_TEST_SRC := $(sort $(filter-out $(EXT2_GLUE) tests/ext2/fuzz.c tests/ext2/threads.c,$(wildcard tests/ext2/*.c)))
EXT2_TSAN_SRC := tests/ext2/image.c tests/ext2/threads.c
# Kernel sources see no C library.
EXT2_FREESTANDING := $(EXT2_FS_SRC) $(EXT2_GLUE)
$(foreach v,check fuzz fast tsan,$(eval $(patsubst %,$(B)/host-$(v)/%.o,$(EXT2_FREESTANDING)): HCFLAGS_$(v) += -ffreestanding))

$(B)/ext2-test: $(call host_objects,check,$(EXT2_FREESTANDING) $(EXT2_TEST_SRC))
	@$(HCC) $(HCFLAGS_check) -o $@ $^ -lcmocka
-include $(patsubst %,$(B)/host-check/%.d,$(EXT2_FREESTANDING) $(EXT2_TEST_SRC))

$(B)/fuzz-ext2: $(call host_objects,fuzz,$(EXT2_FREESTANDING) tests/ext2/fuzz.c)
	@$(FUZZ_CC) $(HCFLAGS_fuzz) -o $@ $^
-include $(patsubst %,$(B)/host-fuzz/%.d,$(EXT2_FREESTANDING) tests/ext2/fuzz.c)

$(B)/ext2-tsan: $(call host_objects,tsan,$(EXT2_FREESTANDING) $(EXT2_TSAN_SRC))
	@$(HCC) $(HCFLAGS_tsan) -o $@ $^ -lcmocka
-include $(patsubst %,$(B)/host-tsan/%.d,$(EXT2_FREESTANDING) $(EXT2_TSAN_SRC))

.PHONY: check-ext2 check-ext2-tsan fuzz-ext2
check-ext2-tsan: $(B)/ext2-tsan
	@$(B)/ext2-tsan
fuzz-ext2: $(B)/fuzz-ext2
	@mkdir -p $(B)/fuzz-ext2-corpus
	@$(B)/fuzz-ext2 $(B)/fuzz-ext2-corpus -max_len=200 -timeout=60 -artifact_prefix=$(B)/ $(FUZZ_ARGS) 2>$(B)/fuzz-ext2.log || { tail -30 $(B)/fuzz-ext2.log; exit 1; }
check-ext2: $(B)/ext2-test
	@$(B)/ext2-test

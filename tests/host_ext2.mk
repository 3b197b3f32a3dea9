# ext2 on the host: the sources of fs/ext2 with mm/ and the disk in memory, under ASan and UBSan.
#   make check-ext2   model, crashes, bad images (needs e2fsprogs)

EXT2_FS_SRC   := $(sort $(filter-out fs/ext2/register.c,$(wildcard fs/ext2/*.c))) fs/inode.c fs/icache.c fs/iov.c
EXT2_GLUE     := tests/ext2/host_fs.c
EXT2_TEST_SRC := $(sort $(filter-out $(EXT2_GLUE) tests/ext2/fuzz.c,$(wildcard tests/ext2/*.c)))
# Kernel sources see no C library.
EXT2_FREESTANDING := $(EXT2_FS_SRC) $(EXT2_GLUE)
$(foreach v,check fuzz fast,$(eval $(patsubst %,$(B)/host-$(v)/%.o,$(EXT2_FREESTANDING)): HCFLAGS_$(v) += -ffreestanding))

$(B)/ext2-test: $(call host_objects,check,$(EXT2_FREESTANDING) $(EXT2_TEST_SRC))
	@$(HCC) $(HCFLAGS_check) -o $@ $^ -lcmocka
-include $(patsubst %,$(B)/host-check/%.d,$(EXT2_FREESTANDING) $(EXT2_TEST_SRC))

.PHONY: check-ext2
check-ext2: $(B)/ext2-test
	@$(B)/ext2-test

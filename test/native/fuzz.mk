# Fuzz targets, included by native/layer.mk. `make -C native fuzz` runs each for FUZZ_SECONDS with gcc's sanitizers;
# `make -C native libfuzzer` builds them for libFuzzer where clang has it.
FUZZ = ../test/native/fuzz
FUZZ_SECONDS ?= 20
FUZZ_TARGETS = tar inflate stream dns syn unpack json
FUZZ_SOURCES = tar.c tar_pax.c inflate.c stream.c sha256.c err.c util.c net/dns_message.c net/resolv.c net/syn.c net/address.c
FUZZ_FLAGS = -std=gnu11 -O1 -g $(FEATURES) -Wall -Wextra -Werror -I. -I$(FUZZ) -fno-omit-frame-pointer
FUZZ_LIBS = -lz $(LAYER_LIBS)

.PHONY: fuzz libfuzzer
fuzz: $(FUZZ_TARGETS:%=$(O)/fuzz/%)
	for target in $(FUZZ_TARGETS); do (cd $(O)/fuzz && ./$$target $(FUZZ_SECONDS)) || exit 1; done

libfuzzer: $(FUZZ_TARGETS:%=$(O)/fuzz/lib-%)

# It works on files. Of what these lean on the verbs are left out again, with all that they need.
FUZZ_UNPACK = unpack.c unpack_meta.c unpack_whiteout.c path.c tree.c hashset.c pack.c tar_write.c sink.c feed.c
$(O)/fuzz/unpack $(O)/fuzz/lib-unpack: FUZZ_LIBS += -ljansson -ffunction-sections -Wl,--gc-sections
$(O)/fuzz/unpack $(O)/fuzz/lib-unpack: $(FUZZ_UNPACK)

$(O)/fuzz/json $(O)/fuzz/lib-json: FUZZ_LIBS += -ljansson -ffunction-sections -Wl,--gc-sections
$(O)/fuzz/json $(O)/fuzz/lib-json: request.c preserve.c logs_record.c net/plan.c

$(O)/fuzz/%: $(FUZZ)/fuzz_%.c $(FUZZ)/main.c $(FUZZ)/fuzz.h $(FUZZ_SOURCES)
	mkdir -p $(@D)
	$(CC) $(FUZZ_FLAGS) -fsanitize=address,undefined -fno-sanitize-recover=undefined -o $@ $(filter %.c,$^) $(FUZZ_LIBS)

$(O)/fuzz/lib-%: $(FUZZ)/fuzz_%.c $(FUZZ)/fuzz.h $(FUZZ_SOURCES)
	mkdir -p $(@D)
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -o $@ $(filter %.c,$^) $(FUZZ_LIBS)

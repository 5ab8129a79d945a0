# What layers need: SHA-256, zstd, CRC-32 (the deflate decoder is our own, see inflate.h).
LAYER_LIBS = -lcrypto -lzstd -ldeflate -lpthread
-include ../test/native/fuzz.mk

/* Compressed bytes of any kind through the thread and the ring: an end or an error, never a crash or a wait for ever. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "fuzz.h"
#include "stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream *stream;
	struct err err;
	char digest[SHA256_TEXT];
	uint64_t total;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (stream_open(fd, STREAM_AUTO, &stream, &err) == 0) {
		const uint8_t *at;
		if (size % 5) /* else it is left while it works */
			stream_drain(stream, digest, &total, &err);
		else
			stream_peek(stream, 1000, &at, &err);
		stream_close(stream);
	}
	close(fd);
	return 0;
}

static size_t gzip(const uint8_t *plain, size_t size, uint8_t *out, size_t room)
{
	z_stream stream = { .next_in = (uint8_t *)(uintptr_t)plain, .avail_in = (unsigned int)size, .next_out = out, .avail_out = (unsigned int)room };

	deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	gz_header header = { .name = (uint8_t *)(uintptr_t)"name", .comment = (uint8_t *)(uintptr_t)"comment", .hcrc = 1,
		.extra = (uint8_t *)(uintptr_t)"ab\2\0cd", .extra_len = 6 };
	deflateSetHeader(&stream, &header);
	deflate(&stream, Z_FINISH);
	size_t made = room - stream.avail_out;
	deflateEnd(&stream);
	return made;
}

size_t fuzz_seed(unsigned int n, uint8_t *out)
{
	static uint8_t plain[3000000];

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i >> 9 ^ i % 11);
	switch (n) {
	case 0:
		return gzip(plain, 2000, out, FUZZ_SIZE);
	case 1: { /* two members and padding */
		size_t size = gzip(plain, sizeof(plain), out, FUZZ_SIZE - 2000);
		size += gzip(plain, 1000, out + size, 1000);
		memset(out + size, 0, 512);
		return size + 512;
	}
	case 2:
		return ZSTD_compress(out, FUZZ_SIZE, plain, 5000, 3);
	case 3: {
		size_t size = ZSTD_compress(out, FUZZ_SIZE / 2, plain, sizeof(plain), 1);
		memcpy(out + size, "\x50\x2a\x4d\x18\4\0\0\0skip", 12);
		size += 12;
		return size + ZSTD_compress(out + size, FUZZ_SIZE / 4, plain, 100, 1);
	}
	case 4:
		memcpy(out, plain, 5000);
		return 5000;
	default:
		return 0;
	}
}

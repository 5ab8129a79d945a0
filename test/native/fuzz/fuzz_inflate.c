/* The deflate decoder gives what zlib gives, byte by byte, however its input and output are cut; where zlib refuses, it refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "inflate.h"

#define OUTPUT (64 << 10)

static int reference(const uint8_t *data, size_t size, uint8_t *out, size_t *n, size_t *used)
{
	z_stream stream = { .next_in = (uint8_t *)(uintptr_t)data, .avail_in = (unsigned int)size, .next_out = out, .avail_out = OUTPUT };

	inflateInit2(&stream, -15);
	int status = inflate(&stream, Z_NO_FLUSH);
	*n = OUTPUT - stream.avail_out;
	*used = size - stream.avail_in;
	inflateEnd(&stream);
	return status;
}

static int could_go_on(const uint8_t *data, size_t size)
{
	static const uint8_t tails[] = { 0x00, 0xff, 0x55, 0xaa, 0x33, 0x92 };
	static uint8_t longer[FUZZ_SIZE + 64], out[OUTPUT];
	size_t n, used;
	int possible = 0;

	for (size_t i = 0; i < sizeof(tails); i++) {
		memcpy(longer, data, size);
		memset(longer + size, tails[i], 64);
		possible |= reference(longer, size + 64, out, &n, &used) != Z_DATA_ERROR;
	}
	return possible;
}

static void check(const uint8_t *data, size_t size, size_t in_step, size_t out_step, int expected, const uint8_t *wanted, size_t n,
		  size_t used)
{
	uint8_t *memory = malloc(INFLATE_WINDOW + OUTPUT), *out = memory + INFLATE_WINDOW, *start = out;
	const uint8_t *in = data, *end = data;
	struct inflate *state = inflate_new();
	enum inflate_status status = INFLATE_INPUT;

	memset(memory, 0xee, INFLATE_WINDOW);
	for (;;) {
		if (status == INFLATE_INPUT) {
			if (in != end)
				abort();
			if (end == data + size)
				break;
			end = (size_t)(data + size - end) < in_step ? data + size : end + in_step;
		}
		size_t room = (size_t)(memory + INFLATE_WINDOW + OUTPUT - out);
		if (!room && status == INFLATE_SPACE)
			break;
		status = inflate_run(state, &in, end, &out, out + (room < out_step ? room : out_step));
		if (status == INFLATE_END || status == INFLATE_BAD)
			break;
	}
	size_t made = (size_t)(out - start);
	if (expected == Z_STREAM_END ? status != INFLATE_END || made != n || (size_t)(in - data) != used
				     : expected == Z_DATA_ERROR && made < OUTPUT && status != INFLATE_BAD &&
					       /* ours may want to see two more bytes before it is sure */
					       !(status == INFLATE_INPUT && used + 2 >= size)) {
		fprintf(stderr, "zlib %d after %zu of %zu bytes, ours %d (%s) after %zu, steps %zu %zu\n", expected, n, used, status,
			inflate_reason(state), made, in_step, out_step);
		abort();
	}
	/* Where the input ends early, zlib may not have looked at its last bits yet; then no bytes behind it can make it right. */
	if (expected != Z_DATA_ERROR && status == INFLATE_BAD && made < OUTPUT && could_go_on(data, size)) {
		fprintf(stderr, "zlib %d, ours: %s\n", expected, inflate_reason(state));
		abort();
	}
	if (memcmp(start, wanted, made < n ? made : n))
		abort();
	inflate_free(state);
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[][2] = { { 1 << 20, 1 << 20 }, { 1, 1 << 20 }, { 7, 1 }, { 100, 321 }, { 41, 400 } };
	static uint8_t wanted[OUTPUT];
	size_t n, used;
	int expected = reference(data, size, wanted, &n, &used);

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		check(data, size, steps[i][0], steps[i][1], expected, wanted, n, used);
	return 0;
}

size_t fuzz_seed(unsigned int n, uint8_t *out)
{
	static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE };
	static uint8_t plain[60000];
	unsigned int kind = n / 8, content = n % 8;
	size_t size = content & 1 ? sizeof(plain) : 3000;

	if (kind >= 12)
		return 0;
	srand(n);
	for (size_t i = 0; i < size; i++)
		plain[i] = content < 2 ? 0 : content < 4 ? (uint8_t)(rand() % 7) : content < 6 ? (uint8_t)(i * i >> 5)
			 : (uint8_t)(rand() % 100 < 70 && i > 1000 ? plain[i - 1 - (size_t)rand() % (i < 32768 ? i : 32768)] : 'a' + rand() % 26);
	z_stream stream = { .next_in = plain, .avail_in = (unsigned int)size, .next_out = out, .avail_out = FUZZ_SIZE };
	deflateInit2(&stream, kind / 4 == 0 ? 0 : kind / 4 == 1 ? 1 : 9, Z_DEFLATED, -15, 9, strategies[kind % 4]);
	deflate(&stream, Z_FINISH);
	size_t made = FUZZ_SIZE - stream.avail_out;
	deflateEnd(&stream);
	return made;
}

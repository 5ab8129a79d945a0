/*
 * inflate: a streaming decoder of raw deflate (RFC 1951).
 *
 * Written for the one shape that layers need: output goes to memory that already holds the 32 KiB before it (stream.c maps
 * its ring twice in a row), so there is no window to copy. Measured on a 139 MB layer: zlib 1.54 s, this 0.6 to 0.7 s, ISA-L 0.70 s,
 * which Debian has as a shared library only; libdeflate is as fast but wants the whole layer in memory.
 */
#ifndef PROA_INFLATE_H
#define PROA_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INFLATE_WINDOW 32768 /* bytes that must be readable before the output, RFC 1951 section 2 */

enum inflate_status {
	INFLATE_INPUT, /* all input is taken and more is needed */
	INFLATE_SPACE, /* the output is full */
	INFLATE_END,   /* the last block has ended; IN points behind the stream */
	INFLATE_BAD,   /* the input is not deflate; see inflate_reason() */
};

struct inflate;

struct inflate *inflate_new(void);
void inflate_free(struct inflate *state);

/* Begin a new deflate stream. */
void inflate_reset(struct inflate *state);

/*
 * Decode from *IN up to IN_END into *OUT up to OUT_END, advancing both. The bytes before *OUT are those made before it: of one stream at least
 * the last INFLATE_WINDOW must be readable there, whatever they are. Nothing is written behind OUT_END.
 * Return: why it stopped. After INFLATE_BAD only inflate_reset() may follow.
 */
enum inflate_status inflate_run(struct inflate *state, const uint8_t **in, const uint8_t *in_end,
				uint8_t **out, uint8_t *out_end);

/* What was wrong, in words, after INFLATE_BAD. */
const char *inflate_reason(const struct inflate *state);

#endif

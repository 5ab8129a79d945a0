/*
 * The decoder keeps up to 63 bits in BITS and looks codes up in tables of 32-bit entries:
 *
 *   literal      ENTRY_LITERAL | byte << 16                     | bits of the code
 *   length       base << 16             | extra bits << 8       | bits of the code + extra bits
 *   distance     base << 16             | extra bits << 8       | bits of the code + extra bits
 *   end of block ENTRY_SPECIAL | ENTRY_END                      | bits of the code
 *   longer code  ENTRY_SPECIAL | ENTRY_SUBTABLE | start << 16 | bits of the second look << 8 | bits of the first look
 *   no such code ENTRY_SPECIAL
 *
 * A table has a first part, indexed by the next *_BITS bits, and behind it second parts for the codes that are longer.
 * A whole pair of length and distance has at most 15 + 5 + 15 + 13 = 48 bits, so that one refill to 56 bits or more is enough for it.
 *
 * There are two loops. The fast one runs while input and output have room for the largest step, and checks nothing else. The
 * careful one does one symbol at a time, and where the input ends within a symbol it puts the bits back: state only changes
 * between symbols. No step reads a byte before it knows that it needs it (the fast loop gives back what it read ahead), so
 * that fewer than 8 bits are left over after each step, and no byte ever has to be given back to an earlier buffer.
 */
#include "inflate.h"

#include <assert.h>
#include <string.h>

#include "util.h"

#define LITLEN_BITS 11 /* first look; most codes are shorter, and the table stays in the L1 cache */
#define DIST_BITS 8
#define CODELEN_BITS 7 /* the longest code of the code lengths */
#define LITLEN_ENTRIES 2560 /* 2048 of the first part; the second parts of 288 codes need at most 342 more */
#define DIST_ENTRIES 512    /* 256 and at most 402 - 256 more for 32 codes of 15 bits */
#define MAX_CODE_BITS 15

#define ENTRY_LITERAL 0x80000000u
#define ENTRY_SPECIAL 0x8000u
#define ENTRY_SUBTABLE 0x4000u
#define ENTRY_END 0x2000u

#define MAX_MATCH 258
#define FAST_INPUT 32  /* bytes of input a turn of the fast loop may look at */
#define FAST_OUTPUT (MAX_MATCH + 64) /* bytes of output a turn of the fast loop may touch */

enum step {
	STEP_HEADER,        /* the three bits before a block */
	STEP_STORED,        /* length and its complement */
	STEP_STORED_COPY,
	STEP_DYNAMIC,       /* the three counts */
	STEP_CODE_LENGTHS,  /* lengths of the code that the lengths are written in */
	STEP_LENGTHS,
	STEP_SYMBOLS,
	STEP_END,
};

struct inflate {
	uint64_t bits;
	unsigned int count;   /* of bits */
	enum step step;
	bool last;            /* the block is the stream's last */
	bool bad;
	const char *reason;
	uint64_t made;        /* bytes of output of this stream */
	unsigned int stored;  /* bytes left of a stored block */
	unsigned int match_length, match_distance;
	unsigned int n_litlen, n_dist, n_codelen, have; /* of a dynamic block's header */
	uint8_t lengths[288 + 32 + 138]; /* a repeat may run over the end before it is noticed */
	uint32_t codelen[1 << CODELEN_BITS];
	uint32_t litlen[LITLEN_ENTRIES];
	uint32_t dist[DIST_ENTRIES];
};

static const uint16_t length_base[] = {
	3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
};
static const uint8_t length_extra[] = {
	0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
};
static const uint16_t dist_base[] = {
	1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
	8193, 12289, 16385, 24577,
};
static const uint8_t dist_extra[] = {
	0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
};

struct inflate *inflate_new(void)
{
	struct inflate *state = xcalloc(1, sizeof(*state));

	inflate_reset(state);
	return state;
}

void inflate_free(struct inflate *state)
{
	free(state);
}

void inflate_reset(struct inflate *state)
{
	state->bits = 0;
	state->count = 0;
	state->step = STEP_HEADER;
	state->last = false;
	state->reason = "";
	state->made = 0;
}

const char *inflate_reason(const struct inflate *state)
{
	return state->reason;
}

static uint32_t litlen_entry(unsigned int symbol)
{
	if (symbol < 256)
		return ENTRY_LITERAL | symbol << 16;
	if (symbol == 256)
		return ENTRY_SPECIAL | ENTRY_END;
	symbol -= 257;
	if (symbol >= sizeof(length_extra)) /* 286 and 287 exist in the fixed code only, and mean nothing */
		return ENTRY_SPECIAL;
	return (uint32_t)length_base[symbol] << 16 | (uint32_t)length_extra[symbol] << 8 | length_extra[symbol];
}

static uint32_t dist_entry(unsigned int symbol)
{
	if (symbol >= sizeof(dist_extra))
		return ENTRY_SPECIAL;
	return (uint32_t)dist_base[symbol] << 16 | (uint32_t)dist_extra[symbol] << 8 | dist_extra[symbol];
}

static uint32_t codelen_entry(unsigned int symbol)
{
	return symbol << 16;
}

static unsigned int reverse(unsigned int code, unsigned int bits)
{
	unsigned int reversed = 0;

	for (; bits; bits--, code >>= 1)
		reversed = reversed << 1 | (code & 1);
	return reversed;
}

/*
 * Build a table of the canonical code (RFC 1951 section 3.2.2) that LENGTHS of N symbols describe.
 * A code that is not complete is refused unless it has no codes, or a single one of one bit, which are permitted
 * for distances (section 3.2.7) and which zlib, and so every reader of layers, takes for literals too.
 * Return: false where the lengths make no such code.
 */
static bool build_table(uint32_t *table, size_t n_table, unsigned int first_bits, const uint8_t *lengths, unsigned int n,
			uint32_t (*entry_of)(unsigned int), bool incomplete_ok)
{
	unsigned int counts[MAX_CODE_BITS + 1] = {0}, next[MAX_CODE_BITS + 2] = {0};
	unsigned int used = 1u << first_bits, codes = 0;
	int left = 1;

	for (unsigned int i = 0; i < n; i++)
		counts[lengths[i]]++;
	codes = n - counts[0];
	counts[0] = 0;
	for (unsigned int bits = 1; bits <= MAX_CODE_BITS; bits++) {
		left = left * 2 - (int)counts[bits];
		if (left < 0)
			return false;
		next[bits + 1] = (next[bits] + counts[bits]) << 1;
	}
	if (left > 0 && (!incomplete_ok || codes > 1 || (codes == 1 && counts[1] != 1)))
		return false;
	for (unsigned int i = 0; i < used; i++)
		table[i] = ENTRY_SPECIAL;

	/* How long the second part behind each first look must be: the longest of its codes. */
	uint8_t deepest[1 << LITLEN_BITS] = {0};
	unsigned int scan[MAX_CODE_BITS + 2];

	memcpy(scan, next, sizeof(scan));
	for (unsigned int i = 0; i < n; i++) {
		unsigned int bits = lengths[i];
		if (bits <= first_bits) {
			if (bits)
				scan[bits]++;
			continue;
		}
		unsigned int low = reverse(scan[bits]++, bits) & ((1u << first_bits) - 1);
		if (deepest[low] < bits - first_bits)
			deepest[low] = (uint8_t)(bits - first_bits);
	}

	for (unsigned int i = 0; i < n; i++) {
		unsigned int bits = lengths[i];
		if (!bits)
			continue;
		unsigned int code = reverse(next[bits]++, bits);
		uint32_t entry = entry_of(i);
		if (bits <= first_bits) {
			for (unsigned int at = code; at < 1u << first_bits; at += 1u << bits)
				table[at] = entry + bits;
			continue;
		}
		unsigned int low = code & ((1u << first_bits) - 1), depth = deepest[low];
		if (!(table[low] & ENTRY_SUBTABLE)) {
			if (used + (1u << depth) > n_table)
				return false;
			table[low] = ENTRY_SPECIAL | ENTRY_SUBTABLE | used << 16 | depth << 8 | first_bits;
			for (unsigned int at = 0; at < 1u << depth; at++)
				table[used + at] = ENTRY_SPECIAL;
			used += 1u << depth;
		}
		uint32_t *second = table + (table[low] >> 16 & 0xfff);
		for (unsigned int at = code >> first_bits; at < 1u << depth; at += 1u << (bits - first_bits))
			second[at] = entry + bits - first_bits;
	}
	return true;
}

static bool build_fixed(struct inflate *state)
{
	uint8_t *lengths = state->lengths;

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	memset(lengths + 288, 5, 32);
	return build_table(state->litlen, LITLEN_ENTRIES, LITLEN_BITS, lengths, 288, litlen_entry, false) &&
	       build_table(state->dist, DIST_ENTRIES, DIST_BITS, lengths + 288, 32, dist_entry, false);
}

static inline uint64_t load64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value; /* little endian, asserted below */
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bits are loaded as words");

/* Fill BITS bytewise to WANT bits. Return: false where the input ends before that. */
static inline bool need(struct inflate *state, const uint8_t **in, const uint8_t *in_end, unsigned int want)
{
	while (state->count < want) {
		if (*in == in_end)
			return false;
		state->bits |= (uint64_t)*(*in)++ << state->count;
		state->count += 8;
	}
	return true;
}

static inline unsigned int take(struct inflate *state, unsigned int n)
{
	unsigned int value = (unsigned int)(state->bits & ((1u << n) - 1));

	state->bits >>= n;
	state->count -= n;
	return value;
}

static enum inflate_status bad(struct inflate *state, const char *reason)
{
	state->reason = reason;
	return INFLATE_BAD;
}

/* Copy LENGTH bytes from DISTANCE before OUT; up to 32 bytes behind OUT + LENGTH may be touched. */
static inline void copy_match(uint8_t *out, unsigned int distance, unsigned int length)
{
	const uint8_t *from = out - distance;
	uint8_t *end = out + length;

	if (distance >= 16) {
		do { /* the second may read what the first has written */
			memcpy(out, from, 16);
			memcpy(out + 16, from + 16, 16);
			out += 32;
			from += 32;
		} while (out < end);
	} else if (distance == 1) {
		uint64_t eight = 0x0101010101010101u * *from;
		do {
			memcpy(out, &eight, 8);
			memcpy(out + 8, &eight, 8);
			out += 16;
		} while (out < end);
	} else if (distance >= 8) {
		do {
			memcpy(out, from, 8);
			out += 8;
			from += 8;
		} while (out < end);
	} else {
		/* Of each word the first DISTANCE bytes are right; the next step writes over the others. */
		do {
			uint64_t word = load64(from);
			memcpy(out, &word, 8);
			out += distance;
			from += distance;
		} while (out < end);
	}
}

/*
 * The fast loop. Before each turn there are FAST_INPUT bytes of input and FAST_OUTPUT bytes of room, and at the refill
 * BITS gets at least 56 bits. Return: INFLATE_SPACE when a margin is reached, INFLATE_END at the end of the block, INFLATE_BAD.
 */
static enum inflate_status run_fast(struct inflate *state, const uint8_t **in_at, const uint8_t *in_end, uint8_t **out_at,
				    uint8_t *out_end)
{
	const uint8_t *in = *in_at, *in_safe = in_end - FAST_INPUT;
	uint8_t *out = *out_at, *out_safe = out_end - FAST_OUTPUT;
	const uint8_t *start = out - (state->made < INFLATE_WINDOW ? state->made : INFLATE_WINDOW);
	bool short_history = state->made < INFLATE_WINDOW;
	uint64_t bits = state->bits;
	unsigned int count = state->count;
	const uint32_t *litlen = state->litlen, *dist = state->dist;
	enum inflate_status status = INFLATE_SPACE;

#define REFILL() do { \
		bits |= load64(in) << count; \
		in += (63 - count) >> 3; \
		count |= 56; \
	} while (0)
#define DROP(n) do { bits >>= (n); count -= (n); } while (0)

	while (in <= in_safe && out <= out_safe) {
		REFILL();
		uint32_t entry = litlen[bits & ((1u << LITLEN_BITS) - 1)];
		if (entry & ENTRY_LITERAL) {
			DROP(entry & 0xff);
			*out++ = (uint8_t)(entry >> 16);
			entry = litlen[bits & ((1u << LITLEN_BITS) - 1)];
			if (entry & ENTRY_LITERAL) {
				DROP(entry & 0xff);
				*out++ = (uint8_t)(entry >> 16);
				entry = litlen[bits & ((1u << LITLEN_BITS) - 1)];
				if (entry & ENTRY_LITERAL) {
					DROP(entry & 0xff);
					*out++ = (uint8_t)(entry >> 16);
					continue;
				}
			}
			REFILL(); /* up to 22 bits went: a pair needs 48 */
		}
		if (__builtin_expect(entry & ENTRY_SPECIAL, 0)) {
			if (entry & ENTRY_SUBTABLE) {
				DROP(LITLEN_BITS);
				entry = litlen[(entry >> 16 & 0xfff) + (bits & ((1u << (entry >> 8 & 0xf)) - 1))];
				if (entry & ENTRY_LITERAL) {
					DROP(entry & 0xff);
					*out++ = (uint8_t)(entry >> 16);
					continue;
				}
			}
			if (entry & ENTRY_SPECIAL) {
				if (entry & ENTRY_END) {
					DROP(entry & 0xff);
					status = INFLATE_END;
				} else {
					status = bad(state, "a code that does not exist");
				}
				break;
			}
		}
		uint64_t saved = bits;
		unsigned int all = entry & 0xff, extra = entry >> 8 & 0xff;
		DROP(all);
		unsigned int length = (entry >> 16) + (unsigned int)(saved >> (all - extra) & ((1u << extra) - 1));

		entry = dist[bits & ((1u << DIST_BITS) - 1)];
		if (__builtin_expect(entry & ENTRY_SPECIAL, 0)) {
			if (entry & ENTRY_SUBTABLE) {
				DROP(DIST_BITS);
				entry = dist[(entry >> 16 & 0xfff) + (bits & ((1u << (entry >> 8 & 0xf)) - 1))];
			}
			if (entry & ENTRY_SPECIAL) {
				status = bad(state, "a distance that does not exist");
				break;
			}
		}
		saved = bits;
		all = entry & 0xff;
		extra = entry >> 8 & 0xff;
		DROP(all);
		unsigned int distance = (entry >> 16) + (unsigned int)(saved >> (all - extra) & ((1u << extra) - 1));
		if (short_history && distance > (size_t)(out - start)) {
			status = bad(state, "a distance before the beginning");
			break;
		}
		copy_match(out, distance, length);
		out += length;
	}
#undef REFILL
#undef DROP

	/* Give back the whole bytes that were looked at but not used; what the refill left above COUNT must go too. */
	in -= count >> 3;
	count &= 7;
	state->bits = bits & ((1u << count) - 1);
	state->count = count;
	state->made += (uint64_t)(out - *out_at);
	*in_at = in;
	*out_at = out;
	return status;
}

/*
 * One code by TABLE, with its extra bits when EXTRAS. Bits are taken only if all of them are there.
 * Return: false where the input ends first.
 */
static bool next_symbol(struct inflate *state, const uint32_t *table, unsigned int first_bits, const uint8_t **in,
			const uint8_t *in_end, uint32_t *entry_out, unsigned int *value)
{
	for (;;) {
		unsigned int before = 0;
		uint32_t entry = table[state->bits & ((1u << first_bits) - 1)];
		if (entry & ENTRY_SUBTABLE) {
			before = first_bits;
			entry = table[(entry >> 16 & 0xfff) + (state->bits >> before & ((1u << (entry >> 8 & 0xf)) - 1))];
		}
		unsigned int all = entry & 0xff;
		bool special = entry & ENTRY_SPECIAL;
		/* "No such code" has no length: it is certain only once the longest code's bits are there. */
		unsigned int wanted = special && !(entry & ENTRY_END) ? MAX_CODE_BITS : before + all;
		if (wanted <= state->count) {
			unsigned int extra = special || entry & ENTRY_LITERAL ? 0 : entry >> 8 & 0xff;
			unsigned int skip = before + all - extra;
			*value = (entry >> 16 & 0x7fff) +
				 (unsigned int)(state->bits >> skip & ((1u << extra) - 1));
			state->bits >>= before + all;
			state->count -= before + all;
			*entry_out = entry;
			return true;
		}
		if (*in == in_end)
			return false;
		state->bits |= (uint64_t)*(*in)++ << state->count;
		state->count += 8;
	}
}

/* Copy of the pending match what fits. */
static void continue_match(struct inflate *state, uint8_t **out, uint8_t *out_end)
{
	uint8_t *to = *out;
	size_t n = (size_t)(out_end - to) < state->match_length ? (size_t)(out_end - to) : state->match_length;

	for (size_t i = 0; i < n; i++)
		to[i] = to[(ptrdiff_t)i - (ptrdiff_t)state->match_distance];
	*out += n;
	state->made += n;
	state->match_length -= (unsigned int)n;
}

/* The careful loop: one symbol, or part of a pending match. Return: as run_fast(), INFLATE_SPACE only when there is none. */
static enum inflate_status run_careful(struct inflate *state, const uint8_t **in, const uint8_t *in_end, uint8_t **out,
				       uint8_t *out_end)
{
	uint32_t entry;
	unsigned int length, distance;

	if (*out == out_end)
		return INFLATE_SPACE;
	uint64_t saved_bits = state->bits;
	unsigned int saved_count = state->count;
	const uint8_t *saved_in = *in;

	if (!next_symbol(state, state->litlen, LITLEN_BITS, in, in_end, &entry, &length))
		return INFLATE_INPUT;
	if (entry & ENTRY_LITERAL) {
		*(*out)++ = (uint8_t)(entry >> 16);
		state->made++;
		return INFLATE_SPACE;
	}
	if (entry & ENTRY_SPECIAL)
		return entry & ENTRY_END ? INFLATE_END : bad(state, "a code that does not exist");
	if (!next_symbol(state, state->dist, DIST_BITS, in, in_end, &entry, &distance)) {
		/* Begin the pair again when there is more: what of it is already read stays in BITS (at most 48 + 7 of its 64). */
		unsigned int added = (unsigned int)(*in - saved_in);
		for (unsigned int i = 0; i < added; i++)
			saved_bits |= (uint64_t)saved_in[i] << (saved_count + 8 * i);
		state->bits = saved_bits;
		state->count = saved_count + 8 * added;
		return INFLATE_INPUT;
	}
	if (entry & ENTRY_SPECIAL)
		return bad(state, "a distance that does not exist");
	if (distance > state->made)
		return bad(state, "a distance before the beginning");
	state->match_length = length;
	state->match_distance = distance;
	continue_match(state, out, out_end);
	return INFLATE_SPACE;
}

/* Symbols until the end of the block. Return: INFLATE_END at that end, otherwise why it stopped. */
static enum inflate_status run_symbols(struct inflate *state, const uint8_t **in, const uint8_t *in_end, uint8_t **out,
				       uint8_t *out_end)
{
	for (;;) {
		enum inflate_status status;
		if (state->match_length) {
			if (*out == out_end)
				return INFLATE_SPACE;
			continue_match(state, out, out_end);
			continue;
		}
		if (in_end - *in >= FAST_INPUT && out_end - *out >= FAST_OUTPUT)
			status = run_fast(state, in, in_end, out, out_end);
		else
			status = run_careful(state, in, in_end, out, out_end);
		if (status != INFLATE_SPACE || (*out == out_end && !state->match_length))
			return status;
	}
}

/* The lengths of both codes (RFC 1951 section 3.2.7). Return: INFLATE_SPACE when they are complete. */
static enum inflate_status read_lengths(struct inflate *state, const uint8_t **in, const uint8_t *in_end)
{
	unsigned int total = state->n_litlen + state->n_dist;

	while (state->have < total) {
		uint32_t entry = state->codelen[state->bits & ((1u << CODELEN_BITS) - 1)];
		if (entry & ENTRY_SPECIAL) {
			if (!need(state, in, in_end, CODELEN_BITS))
				return INFLATE_INPUT;
			entry = state->codelen[state->bits & ((1u << CODELEN_BITS) - 1)];
			if (entry & ENTRY_SPECIAL)
				return bad(state, "a code length that does not exist");
		}
		unsigned int symbol = entry >> 16, bits = entry & 0xff;
		static const uint8_t repeat_bits[] = { 2, 3, 7 }, repeat_base[] = { 3, 3, 11 };
		unsigned int extra = symbol >= 16 ? repeat_bits[symbol - 16] : 0;
		if (state->count < bits + extra) {
			/* More bits may also show that the code is another one: look again. */
			if (!need(state, in, in_end, state->count + 1))
				return INFLATE_INPUT;
			continue;
		}
		take(state, bits);
		if (symbol < 16) {
			state->lengths[state->have++] = (uint8_t)symbol;
			continue;
		}
		if (symbol == 16 && state->have == 0)
			return bad(state, "a repeat of nothing");
		uint8_t value = symbol == 16 ? state->lengths[state->have - 1] : 0;
		unsigned int n = repeat_base[symbol - 16] + take(state, extra);
		memset(state->lengths + state->have, value, n);
		state->have += n;
	}
	if (state->have > total)
		return bad(state, "a repeat beyond the last code");
	if (state->lengths[256] == 0)
		return bad(state, "a block without an end");
	if (!build_table(state->litlen, LITLEN_ENTRIES, LITLEN_BITS, state->lengths, state->n_litlen, litlen_entry, true))
		return bad(state, "literal codes that overlap or are missing");
	if (!build_table(state->dist, DIST_ENTRIES, DIST_BITS, state->lengths + state->n_litlen, state->n_dist, dist_entry, true))
		return bad(state, "distance codes that overlap or are missing");
	return INFLATE_SPACE;
}

static enum inflate_status read_code_lengths(struct inflate *state, const uint8_t **in, const uint8_t *in_end)
{
	static const uint8_t order[] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };

	for (; state->have < state->n_codelen; state->have++) {
		if (!need(state, in, in_end, 3))
			return INFLATE_INPUT;
		state->lengths[order[state->have]] = (uint8_t)take(state, 3);
	}
	for (; state->have < sizeof(order); state->have++)
		state->lengths[order[state->have]] = 0;
	if (!build_table(state->codelen, 1 << CODELEN_BITS, CODELEN_BITS, state->lengths, sizeof(order), codelen_entry, false))
		return bad(state, "codes of code lengths that overlap or are missing");
	return INFLATE_SPACE;
}

static enum inflate_status copy_stored(struct inflate *state, const uint8_t **in, const uint8_t *in_end, uint8_t **out,
				       uint8_t *out_end)
{
	assert(state->count == 0);
	size_t n = state->stored;
	if (n > (size_t)(in_end - *in))
		n = (size_t)(in_end - *in);
	if (n > (size_t)(out_end - *out))
		n = (size_t)(out_end - *out);
	memcpy(*out, *in, n);
	*in += n;
	*out += n;
	state->made += n;
	state->stored -= (unsigned int)n;
	if (!state->stored)
		return INFLATE_END;
	return *out == out_end ? INFLATE_SPACE : INFLATE_INPUT;
}

static enum inflate_status read_header(struct inflate *state, const uint8_t **in, const uint8_t *in_end)
{
	if (!need(state, in, in_end, 3))
		return INFLATE_INPUT;
	state->last = take(state, 1);
	switch (take(state, 2)) {
	case 0:
		take(state, state->count & 7);
		state->step = STEP_STORED;
		return INFLATE_SPACE;
	case 1:
		build_fixed(state);
		state->match_length = 0;
		state->step = STEP_SYMBOLS;
		return INFLATE_SPACE;
	case 2:
		state->step = STEP_DYNAMIC;
		return INFLATE_SPACE;
	default:
		return bad(state, "a block of unknown kind");
	}
}

static enum inflate_status read_stored(struct inflate *state, const uint8_t **in, const uint8_t *in_end)
{
	if (!need(state, in, in_end, 32))
		return INFLATE_INPUT;
	unsigned int length = take(state, 16), complement = take(state, 16);
	if (length != (~complement & 0xffff))
		return bad(state, "a stored block's length differs from its complement");
	state->stored = length;
	state->step = STEP_STORED_COPY;
	return INFLATE_SPACE;
}

static enum inflate_status read_dynamic(struct inflate *state, const uint8_t **in, const uint8_t *in_end)
{
	if (!need(state, in, in_end, 14))
		return INFLATE_INPUT;
	state->n_litlen = take(state, 5) + 257;
	state->n_dist = take(state, 5) + 1;
	state->n_codelen = take(state, 4) + 4;
	state->have = 0;
	state->step = STEP_CODE_LENGTHS;
	if (state->n_litlen > 286 || state->n_dist > 30)
		return bad(state, "more codes than there are symbols");
	return INFLATE_SPACE;
}

enum inflate_status inflate_run(struct inflate *state, const uint8_t **in, const uint8_t *in_end, uint8_t **out,
				uint8_t *out_end)
{
	enum inflate_status status = INFLATE_SPACE;

	for (;;) {
		switch (state->step) {
		case STEP_HEADER:
			status = read_header(state, in, in_end);
			break;
		case STEP_STORED:
			status = read_stored(state, in, in_end);
			break;
		case STEP_DYNAMIC:
			status = read_dynamic(state, in, in_end);
			break;
		case STEP_CODE_LENGTHS:
			status = read_code_lengths(state, in, in_end);
			if (status == INFLATE_SPACE) {
				state->have = 0;
				state->step = STEP_LENGTHS;
			}
			break;
		case STEP_LENGTHS:
			status = read_lengths(state, in, in_end);
			if (status == INFLATE_SPACE) {
				state->match_length = 0;
				state->step = STEP_SYMBOLS;
			}
			break;
		case STEP_STORED_COPY:
		case STEP_SYMBOLS:
			status = state->step == STEP_SYMBOLS ? run_symbols(state, in, in_end, out, out_end)
							     : copy_stored(state, in, in_end, out, out_end);
			if (status == INFLATE_SPACE)
				return status;
			if (status == INFLATE_END) {
				state->step = state->last ? STEP_END : STEP_HEADER;
				status = INFLATE_SPACE;
			}
			break;
		case STEP_END:
			assert(state->count < 8); /* so *IN is right for whoever comes next */
			return INFLATE_END;
		}
		if (status != INFLATE_SPACE)
			return status;
	}
}

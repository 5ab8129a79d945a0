/* logs_record: one line of a log file. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "logs.h"

#define SECONDS_MOST 9000000000 /* from the epoch: until the year 2255 in 64 bits of nanoseconds */
#define START "{\"log\":\""
#define START_BYTES (sizeof(START) - 1)

/* The first quote or backslash of [AT, END), or END: sixteen at a time, since that is nearly all that reading a log does. */
static const char *special(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

	for (; end - at >= 16; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
		if (found)
			return at + __builtin_ctz((unsigned)found);
	}
#endif
	while (at < end && *at != '"' && *at != '\\')
		at++;
	return at;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hexadecimal digits at AT, or -1. */
static int hex_number(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(at[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static char *put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* \uXXXX with its digits at *AT, and the second half of a pair behind it. */
static char *put_unicode(char *out, const char **at, const char *end)
{
	int c = hex_number(*at, end);

	if (c < 0) { /* no escape: two bytes, for which U+FFFD would be one too long */
		*out++ = '?';
		return out;
	}
	*at += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
		int low = hex_number(*at + 2, end);
		if (low >= 0xdc00 && low < 0xe000) {
			*at += 6;
			return put_utf8(out, 0x10000u + ((unsigned)(c - 0xd800) << 10) + (unsigned)(low - 0xdc00));
		}
	}
	return put_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : (unsigned)c);
}

char *logs_decode(char *out, const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	for (;;) {
		const char *next = special(at, end);
		memcpy(out, at, (size_t)(next - at));
		out += next - at;
		if (end - next < 2)
			return out;
		char c = next[1];
		at = next + 2;
		switch (c) {
		case 'n': *out++ = '\n'; break;
		case 't': *out++ = '\t'; break;
		case 'r': *out++ = '\r'; break;
		case 'b': *out++ = '\b'; break;
		case 'f': *out++ = '\f'; break;
		case 'u': out = put_unicode(out, &at, end); break;
		default: *out++ = c;
		}
	}
}

/* A number of N digits at AT, or -1. */
static int number(const char *at, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (at[i] < '0' || at[i] > '9')
			return -1;
		value = value * 10 + (at[i] - '0');
	}
	return value;
}

/* Days since the epoch of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t logs_time(const char *text, size_t len)
{
	if (len < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
		return LOGS_NO_TIME;
	int year = number(text, 4), month = number(text + 5, 2), day = number(text + 8, 2);
	int hour = number(text + 11, 2), minute = number(text + 14, 2), second = number(text + 17, 2);
	if (year < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || minute < 0 || second < 0)
		return LOGS_NO_TIME;
	int64_t nanoseconds = 0, unit = 100000000, offset = 0;
	size_t at = 19;
	if (text[at] == '.')
		for (at++; at < len && text[at] >= '0' && text[at] <= '9'; at++, unit /= 10)
			nanoseconds += (text[at] - '0') * unit;
	if (at + 6 == len && (text[at] == '+' || text[at] == '-') && text[at + 3] == ':') {
		int hours = number(text + at + 1, 2), minutes = number(text + at + 4, 2);
		if (hours < 0 || minutes < 0)
			return LOGS_NO_TIME;
		offset = (text[at] == '+' ? 60 : -60) * (int64_t)(hours * 60 + minutes);
	} else if (at + 1 != len || text[at] != 'Z') {
		return LOGS_NO_TIME;
	}
	int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
	if (seconds < -SECONDS_MOST || seconds > SECONDS_MOST)
		return LOGS_NO_TIME;
	return seconds * 1000000000 + nanoseconds;
}

static bool parse_stream(const char *text, size_t len, enum log_stream *out)
{
	if (len != 6 || memcmp(text, "std", 3) != 0)
		return false;
	*out = memcmp(text + 3, "err", 3) == 0 ? LOG_STDERR : LOG_STDOUT;
	return *out == LOG_STDERR || memcmp(text + 3, "out", 3) == 0;
}

/* Does [TEXT, TEXT + LEN) end in \n, where the backslash is not itself escaped? */
static bool ends_in_newline(const char *text, size_t len)
{
	size_t backslashes = 0;

	if (len < 2 || text[len - 1] != 'n')
		return false;
	while (backslashes < len - 1 && text[len - 2 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 == 1;
}

#define STREAM ",\"stream\":\""
#define ATTRS ",\"attrs\":{"
#define TIME ",\"time\":\""

static bool parse_json_file(const char *line, size_t len, struct logs_record *out)
{
	const char *end = line + len, *at;

	if (len < START_BYTES + 40 || memcmp(line, START, START_BYTES) != 0 || end[-1] != '}' || end[-2] != '"')
		return false;
	out->text = line + START_BYTES;
	for (at = special(out->text, end); at < end && *at == '\\'; at = special(at + 2, end))
		if (end - at < 2)
			return false;
	if (at >= end)
		return false;
	out->text_len = (size_t)(at - out->text);
	out->is_escaped = true;
	out->ends = ends_in_newline(out->text, out->text_len);
	at++;
	if (end - at < 40 || memcmp(at, STREAM, sizeof(STREAM) - 1) != 0)
		return false;
	at += sizeof(STREAM) - 1;
	if (!parse_stream(at, 6, &out->stream) || at[6] != '"')
		return false;
	at += 7;
	const char *time = memrchr(at, '"', (size_t)(end - 2 - at));
	if (!time || time + 1 - at < (ptrdiff_t)sizeof(TIME) - 1 || memcmp(time + 1 - (sizeof(TIME) - 1), TIME, sizeof(TIME) - 1) != 0)
		return false;
	out->time = time + 1;
	out->time_len = (size_t)(end - 2 - out->time);
	const char *rest_end = time + 1 - (sizeof(TIME) - 1);
	if (rest_end - at > (ptrdiff_t)sizeof(ATTRS) && memcmp(at, ATTRS, sizeof(ATTRS) - 1) == 0) {
		out->attributes = at + sizeof(ATTRS) - 2; /* with its brace */
		out->attributes_len = (size_t)(rest_end - out->attributes);
	}
	return true;
}

/* TIME SP STREAM SP TAGS SP TEXT: tags are P or F, and whatever Kubernetes may add behind a colon. */
static bool parse_k8s_file(const char *line, size_t len, struct logs_record *out)
{
	const char *end = line + len;
	const char *stream = memchr(line, ' ', len);
	const char *tags = stream ? memchr(stream + 1, ' ', (size_t)(end - stream - 1)) : NULL;
	const char *text = tags ? memchr(tags + 1, ' ', (size_t)(end - tags - 1)) : NULL;

	if (!text || (tags[1] != 'F' && tags[1] != 'P') || !parse_stream(stream + 1, (size_t)(tags - stream - 1), &out->stream))
		return false;
	out->time = line;
	out->time_len = (size_t)(stream - line);
	out->text = text + 1;
	out->text_len = (size_t)(end - text - 1);
	out->ends = tags[1] == 'F';
	return out->time_len >= 20;
}

bool logs_parse(enum log_driver driver, const char *line, size_t len, struct logs_record *out)
{
	out->is_escaped = false;
	out->attributes = NULL;
	return driver == LOG_K8S_FILE ? parse_k8s_file(line, len, out) : parse_json_file(line, len, out);
}

const char *logs_resume(enum log_driver driver, const char *line, size_t len)
{
	const char *found = NULL, *end = line + len;

	if (driver != LOG_JSON_FILE)
		return NULL;
	for (const char *at = line + 1; at < end && (at = memmem(at, (size_t)(end - at), START, START_BYTES)) != NULL; at++)
		found = at;
	return found;
}

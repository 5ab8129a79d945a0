#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

static void fill(struct err *err, int code, const char *step, const char *object)
{
	err->code = code;
	err->exit = 0;
	err->detail[0] = '\0';
	snprintf(err->step, sizeof(err->step), "%s", step);
	snprintf(err->object, sizeof(err->object), "%s", object ? object : "");
}

int err_set(struct err *err, int code, const char *step, const char *object)
{
	if (err)
		fill(err, code, step, object);
	return code ? -code : -EINVAL;
}

int err_setf(struct err *err, int code, const char *step, const char *object, const char *format, ...)
{
	if (err) {
		va_list args;

		fill(err, code, step, object);
		va_start(args, format);
		vsnprintf(err->detail, sizeof(err->detail), format, args);
		va_end(args);
	}
	return code ? -code : -EINVAL;
}

const char *err_name(int code)
{
	const char *name = code > 0 ? strerrorname_np(code) : NULL;

	return name ? name : "";
}

/*
 * Length of the well-formed UTF-8 sequence at S (Unicode 15, table 3-7), 0 when there is none. The NUL at the end of the
 * string is no continuation byte, so nothing behind it is read.
 */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return length;
}

static void write_string(const char *text, FILE *out)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s) {
		size_t length = utf8_length(s);

		if (length == 0) {
			fputs("\xef\xbf\xbd", out);
			length = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(out, "\\%c", *s);
		} else if (*s < 0x20) {
			fprintf(out, "\\u%04x", *s);
		} else {
			fwrite(s, 1, length, out);
		}
		s += length;
	}
	fputc('"', out);
}

void err_write_json(const struct err *err, FILE *out)
{
	fputs("{\"step\":", out);
	write_string(err->step, out);
	fputs(",\"object\":", out);
	write_string(err->object, out);
	fprintf(out, ",\"errno\":\"%s\",\"detail\":", err_name(err->code));
	write_string(err->detail, out);
	fprintf(out, ",\"exit\":%d}", err->exit ? err->exit : 125);
}

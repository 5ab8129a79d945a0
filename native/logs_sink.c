/* logs_sink: from records to the lines that people see. */
#include "logs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

#define FLUSH_BYTES (256 << 10)
#define OUT_BYTES (FLUSH_BYTES + LOGS_BUFFER_BYTES + (256 << 10)) /* the longest line, its attributes and what else stands before it */
#define FRAME_BYTES 8                                             /* the Docker Engine API's: stream, three zeros, length */

bool logs_sink_open(struct logs_sink *sink)
{
	sink->out = mmap(NULL, OUT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sink->second = INT64_MIN;
	return sink->out != MAP_FAILED;
}

void logs_sink_close(struct logs_sink *sink)
{
	munmap(sink->out, OUT_BYTES);
	free(sink->attributes);
	free(sink->shown);
}

void logs_sink_flush(struct logs_sink *sink)
{
	int fd = sink->stream == LOG_STDERR && !sink->multiplexed ? STDERR_FILENO : STDOUT_FILENO;

	if (sink->len > 0 && sink->error == 0) {
		int r = write_all(fd, sink->out, sink->len);
		/* of a terminal or pipe that somebody has made non-blocking */
		sink->error = r < 0 ? -r : 0;
	}
	sink->len = 0;
}

bool logs_sink_wants(const struct logs_sink *sink, const struct logs_record *record)
{
	if (!sink->wanted[record->stream])
		return false;
	if (sink->since == INT64_MIN && sink->until == INT64_MAX)
		return true; /* the time of each line of a long log is not read for nothing */
	int64_t time = logs_time(record->time, record->time_len);
	return time != LOGS_NO_TIME && time >= sink->since && time <= sink->until;
}

/* The time with nine digits behind the point, and a space. */
static char *put_time(struct logs_sink *sink, char *out, const struct logs_record *record)
{
	int64_t time = logs_time(record->time, record->time_len);
	if (time == LOGS_NO_TIME)
		time = 0;
	int64_t second = time / 1000000000, nanoseconds = time % 1000000000;

	if (nanoseconds < 0) {
		second--;
		nanoseconds += 1000000000;
	}
	if (second != sink->second) {
		time_t seconds = (time_t)second;
		struct tm tm;
		gmtime_r(&seconds, &tm);
		strftime(sink->time, sizeof(sink->time), "%Y-%m-%dT%H:%M:%S", &tm);
		sink->second = second;
	}
	out = stpcpy(out, sink->time);
	*out++ = '.';
	for (int i = 8; i >= 0; i--, nanoseconds /= 10)
		out[i] = (char)('0' + nanoseconds % 10);
	out += 9;
	*out++ = 'Z';
	*out++ = ' ';
	return out;
}

/* TEXT as it stands in the query of a URL, which is how Docker shows attributes. */
static void put_query(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-_.~", c))
			fputc(c, out);
		else if (c == ' ')
			fputc('+', out);
		else
			fprintf(out, "%%%02X", c);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* `key=value,key=value`, in the order of the keys. */
static char *show_attributes(const char *text, size_t len)
{
	char *shown = NULL;
	size_t size, n = 0;
	json_t *object = json_loadb(text, len, 0, NULL), *value;
	FILE *out = open_memstream(&shown, &size);
	const char *name;

	if (!out) {
		json_decref(object);
		return xstrdup("");
	}
	autofree const char **names = xcalloc(json_object_size(object) + 1, sizeof(*names));
	json_object_foreach(object, name, value) {
		names[n++] = name;
	}
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++) {
		const char *each = json_string_value(json_object_get(object, names[i]));
		if (i > 0)
			fputc(',', out);
		put_query(out, names[i]);
		fputc('=', out);
		put_query(out, each ? each : "");
	}
	fclose(out);
	json_decref(object);
	return shown;
}

/* A container's records all have the same ones. */
static const char *shown_attributes(struct logs_sink *sink, const struct logs_record *record)
{
	if (!record->attributes)
		return "";
	if (!sink->attributes || sink->attributes_len != record->attributes_len ||
	    memcmp(sink->attributes, record->attributes, record->attributes_len) != 0) {
		free(sink->attributes);
		free(sink->shown);
		sink->attributes = xmalloc(record->attributes_len + 1);
		memcpy(sink->attributes, record->attributes, record->attributes_len);
		sink->attributes_len = record->attributes_len;
		sink->shown = show_attributes(sink->attributes, sink->attributes_len);
	}
	return sink->shown;
}

void logs_sink_add(struct logs_sink *sink, struct logs_source *source, const struct logs_record *record)
{
	if (!logs_sink_wants(sink, record))
		return;
	const char *attributes = sink->details ? shown_attributes(sink, record) : "";
	size_t need = record->text_len + strlen(source->prefix) + strlen(attributes) + 128;

	if (sink->len > 0 && (record->stream != sink->stream || sink->len > FLUSH_BYTES || OUT_BYTES - sink->len < need))
		logs_sink_flush(sink);
	if (OUT_BYTES < need)
		return;
	sink->stream = record->stream;
	char *start = sink->out + sink->len;
	char *out = start + (sink->multiplexed ? FRAME_BYTES : 0);
	if (!source->inside[record->stream]) {
		out = stpcpy(out, source->prefix);
		if (sink->timestamps)
			out = put_time(sink, out, record);
		if (sink->details) {
			out = stpcpy(out, attributes);
			*out++ = ' ';
		}
	}
	if (record->is_escaped) {
		out = logs_decode(out, record->text, record->text_len);
	} else {
		memcpy(out, record->text, record->text_len);
		out += record->text_len;
		if (record->ends)
			*out++ = '\n';
	}
	source->inside[record->stream] = !record->ends;
	if (sink->multiplexed) {
		size_t len = (size_t)(out - start) - FRAME_BYTES;
		memset(start, 0, 4);
		start[0] = record->stream == LOG_STDERR ? 2 : 1;
		for (int i = 0; i < 4; i++)
			start[4 + i] = (char)(len >> (24 - 8 * i) & 0xff);
	}
	sink->len = (size_t)(out - sink->out);
}

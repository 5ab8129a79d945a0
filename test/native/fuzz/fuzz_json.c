/* The records of JSON that the helper takes: id maps, descriptors, networks' plans, and lines of log files. No crash, nothing left, nothing read beyond the end. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fuzz.h"
#include "logs.h"
#include "net/plan.h"
#include "preserve.h"
#include "request.h"

static volatile unsigned int sum; /* every byte handed out is read */

static void read_bytes(const char *at, size_t n)
{
	for (size_t i = 0; at && i < n; i++)
		sum += (unsigned char)at[i];
}

static void read_log_line(const char *line, size_t n)
{
	for (int driver = LOG_JSON_FILE; driver <= LOG_K8S_FILE; driver++) {
		struct logs_record record;
		const char *again = logs_resume((enum log_driver)driver, line, n);

		if (again && (again < line || again >= line + n))
			abort();
		if (!logs_parse((enum log_driver)driver, line, n, &record))
			continue;
		read_bytes(record.text, record.text_len);
		read_bytes(record.attributes, record.attributes_len);
		sum += (unsigned int)logs_time(record.time, record.time_len);
		if (record.is_escaped) {
			char *out = malloc(record.text_len + 1), *end = logs_decode(out, record.text, record.text_len);

			if (end < out || end > out + record.text_len)
				abort();
			read_bytes(out, (size_t)(end - out));
			free(out);
		}
	}
}

static void read_object(json_t *object)
{
	struct err err = { 0 };
	struct id_maps maps = { 0 };
	struct preserved preserved;
	struct plan *plan = NULL;
	struct range *ranges = NULL;
	size_t n = 0;
	json_t *list = json_object_get(object, "list");

	request_mappings(json_object_get(object, "mappings"), &maps, &err);
	id_maps_free(&maps);
	if (preserve_parse(list, &preserved, &err) < 0)
		preserved.n = 0;
	free(preserved.fds); /* they are nobody's: not closed */
	if (list && plan_ranges(list, "list", &ranges, &n, &err) == 0)
		read_bytes((const char *)ranges, n * sizeof(*ranges));
	free(ranges);
	if (plan_parse(object, &plan, &err) == 0)
		plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1); /* its end is the sanitizer's */
	json_t *object;

	memcpy(copy, data, size);
	read_log_line(copy, size);
	object = json_loadb(copy, size, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(object))
		read_object(object);
	json_decref(object);
	free(copy);
	return 0;
}

size_t fuzz_seed(unsigned int n, uint8_t *out)
{
	static const char *const seeds[] = {
		"{\"mappings\":{\"uid\":[{\"containerID\":0,\"hostID\":1000,\"size\":1},{\"containerID\":1,\"hostID\":100000,\"size\":65536}],"
		"\"gid\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}]},\"list\":[3,7,4096]}",
		"{\"list\":[\"10.0.0.0/8\",\"fd00::/8\",\"127.0.0.1\"]}",
		"{\"container\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"name\":\"web\",\"networks\":[{\"id\""
		":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\"name\":\"proa\",\"bridge\":\"proa0\",\"gateways\":"
		"[{\"address\":\"10.88.0.1\",\"prefix\":16},{\"address\":\"fd00:88::1\",\"prefix\":64}],\"mtu\":1500,\"internal\":false,\"isolat"
		"ed\":false,\"names\":true,\"resolvers\":[\"1.1.1.1\"]}],\"endpoints\":[{\"network\":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\"interface\":\"eth0\",\"mac\":\"02:42:0a:88:00:02\",\"ipv4\":{\"address\":\"10.88.0.2\",\"pref"
		"ix\":16},\"ipv6\":{\"address\":\"fd00:88::2\",\"prefix\":64},\"gateway4\":\"10.88.0.1\",\"gateway6\":null,\"hostLoopback\":true"
		",\"names\":[\"web\",\"db\"],\"routes\":[{\"destination\":\"10.1.0.0/16\",\"gateway\":\"10.88.0.9\"}]}],\"ports\":[{\"protocol\":\"t"
		"cp\",\"hostAddress\":\"127.0.0.1\",\"hostFirst\":8080,\"hostLast\":8090,\"containerPort\":80}],\"resolvers\":[\"fd00::1\"]}",
		"{\"log\":\"a line \\u00e9\\ud83d\\ude00 \\\"quoted\\\"\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-02T03:04:05.123456789Z\"}",
		"{\"log\":\"torn\",\"str{\"log\":\"whole\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\"},\"time\":\"2024-01-02T03:04:05+01:00\"}",
		"{\"log\":\"\\u\\u\\u\\u12\",\"stream\":\"stdout\",\"time\":\"2024-01-02T03:04:05Z\"}",
		"2024-01-02T03:04:05.123456789+00:00 stdout F a line of k8s-file",
		"2024-01-02T03:04:05.1Z stderr P half of one",
	};
	size_t length;

	if (n >= sizeof(seeds) / sizeof(*seeds))
		return 0;
	length = strlen(seeds[n]);
	memcpy(out, seeds[n], length);
	return length;
}

/*
 * limits_probe: native/cgroup_limits.c on a directory of plain files, for cgroup-limits.test.ts. A line of stdin is
 *
 *     {"path":"/…"} or {"paths":{"memory":"/…"}}, "runs":false, "strict":false, "resources":{…}, "files":{…}
 *
 * and the answer {"code":0,"error":{…}|null,"missing":[[object,detail],…],"enabled":["io"]}.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup_limits.h"

static json_t *without, *enabled;

static int missing(void *data, const struct err *facts)
{
	(void)data;
	json_array_append_new(without, json_pack("[s,s]", facts->object, facts->detail));
	return 0;
}

static bool enable(void *data, const char *controller)
{
	(void)data;
	json_array_append_new(enabled, json_string(controller));
	return false;
}

int main(void)
{
	json_t *line = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, NULL);
	struct err err = { 0 };
	struct limits limits = {
		.path = json_string_value(json_object_get(line, "path")), .paths = json_object_get(line, "paths"),
		.runs = json_is_true(json_object_get(line, "runs")), .enable = enable,
		.missing = json_is_true(json_object_get(line, "strict")) ? NULL : missing,
	};

	without = json_array();
	enabled = json_array();
	int r = limits_write(&limits, json_object_get(line, "resources"), &err);
	if (r == 0)
		r = limits_write_files(&limits, json_object_get(line, "files"), &err);
	json_t *answer = json_pack("{s:i,s:o,s:o,s:o}", "code", r, "error",
		r < 0 ? json_pack("{s:s,s:s,s:s,s:s}", "step", err.step, "object", err.object, "errno", err_name(err.code), "detail", err.detail)
		      : json_null(),
		"missing", without, "enabled", enabled);
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
	json_decref(line);
	return 0;
}

#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util.h"

static int bad(struct err *err, const char *dir, const char *why)
{
	return err_setf(err, 0, "read bundle", dir, "%s", why);
}

static int read_mappings(json_t *linux_config, struct id_maps *maps, struct err *err)
{
	json_t *uid = json_object_get(linux_config, "uidMappings"), *gid = json_object_get(linux_config, "gidMappings");
	json_t *both;
	int r;

	if (!uid && !gid)
		return 0;
	both = json_pack("{s:O?,s:O?}", "uid", uid, "gid", gid);
	r = request_mappings(both, maps, err);
	json_decref(both);
	return r;
}

/* consoleSize and terminal; everything else in `process` is read where it is applied. */
static void read_terminal(struct bundle *bundle)
{
	json_t *size = json_object_get(bundle->process, "consoleSize");
	json_int_t rows = json_integer_value(json_object_get(size, "height"));
	json_int_t columns = json_integer_value(json_object_get(size, "width"));

	bundle->terminal = json_is_true(json_object_get(bundle->process, "terminal"));
	if (rows > 0 && rows <= UINT16_MAX && columns > 0 && columns <= UINT16_MAX) {
		bundle->rows = (int)rows;
		bundle->columns = (int)columns;
	}
}

static int fill(struct bundle *bundle, struct err *err)
{
	json_t *root = json_object_get(bundle->config, "root"), *linux_config = json_object_get(bundle->config, "linux");
	const char *version = json_string_value(json_object_get(bundle->config, "ociVersion"));
	const char *path = json_string_value(json_object_get(root, "path"));

	if (!version || strncmp(version, "1.", 2) != 0)
		return bad(err, bundle->dir, "ociVersion is not 1.x");
	if (!path || !*path)
		return bad(err, bundle->dir, "root.path is missing");
	bundle->process = json_object_get(bundle->config, "process");
	if (!json_is_object(bundle->process))
		return bad(err, bundle->dir, "process is missing");
	if (json_array_size(json_object_get(bundle->process, "args")) == 0)
		return bad(err, bundle->dir, "process.args is empty");
	if (json_object_size(json_object_get(bundle->config, "hooks")) > 0)
		return bad(err, bundle->dir, "hooks are not supported");
	bundle->root = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", bundle->dir, path);
	bundle->root_readonly = json_is_true(json_object_get(root, "readonly"));
	read_terminal(bundle);
	return read_mappings(linux_config, &bundle->maps, err);
}

int bundle_load(const char *dir, struct bundle **out, struct err *err)
{
	autofree char *file = xasprintf("%s/config.json", dir), *text = NULL;
	ssize_t length = read_file_at(AT_FDCWD, file, &text, REQUEST_LIMIT);
	struct bundle *bundle;
	json_error_t why;
	int r;

	if (dir[0] != '/')
		return bad(err, dir, "not an absolute path");
	if (length < 0)
		return err_set(err, (int)-length, "read bundle", file);
	bundle = xcalloc(1, sizeof(*bundle));
	bundle->dir = xstrdup(dir);
	bundle->config = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(bundle->config))
		r = err_setf(err, 0, "read bundle", file, "%s", bundle->config ? "not an object" : why.text);
	else
		r = fill(bundle, err);
	if (r < 0) {
		bundle_free(bundle);
		return r;
	}
	*out = bundle;
	return 0;
}

void bundle_free(struct bundle *bundle)
{
	if (!bundle)
		return;
	json_decref(bundle->config);
	id_maps_free(&bundle->maps);
	free(bundle->dir);
	free(bundle->root);
	free(bundle);
}

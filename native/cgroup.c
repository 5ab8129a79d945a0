#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "bus.h"
#include "cgroup_group.h"
#include "cgroup_internal.h"
#include "cgroup_limits.h"
#include "netclient.h"
#include "request.h"
#include "util.h"

#define MAKE_STEP "make control group"
#define SWEEPS 20     /* of processes that are forked while SCOPE is being emptied */
#define WARNINGS 16
#define DEFAULT_PIDS 2048 /* src/container/cgroup-limits.ts: what every container has, so it is no limit of the user's */
#define GROUPS 100        /* of one scope that could not be removed */

/* Controllers that every container has: what figures are shown of, and what is limited by default. Others come when something is limited by them. */
static const char *const usual[] = { "cpu", "io", "memory", "pids" };

/* What a group of systemd's and one in a directory have in common. Return: 0. */
static int take_common(struct cgroup *cgroup, int split, int required, int alone, json_t *conf)
{
	cgroup->split = split;
	cgroup->required = required;
	cgroup->alone = alone;
	cgroup->conf = json_is_object(conf) ? json_incref(conf) : NULL;
	return 0;
}

static int parse_systemd(json_t *object, struct cgroup *cgroup, struct err *err)
{
	const char *manager, *bus, *scope, *slice = "";
	int split = 0, required = 0, alone = 0, patience = BUS_PATIENCE_MS;
	json_t *conf = NULL;
	int r = request_unpack(object, err, "cgroup", "{s:s,s:s,s:s,s?s,s?i,s?b,s?o,s?b,s?b!}", "manager", &manager, "bus", &bus, "scope", &scope,
			       "slice", &slice, "patienceMs", &patience, "split", &split, "conf", &conf, "required", &required, "alone", &alone);

	if (r < 0)
		return r;
	cgroup->manager = split ? CGROUP_DIRECTORY : CGROUP_SYSTEMD;
	if (patience < 1)
		return err_setf(err, 0, "read request", "cgroup", "patienceMs is out of range");
	cgroup->patience_ms = patience;
	cgroup->bus_path = xstrdup(bus);
	cgroup->name = xstrdup(scope);
	cgroup->slice = xstrdup(slice);
	return take_common(cgroup, split, required, alone, conf);
}

static int parse_directory(json_t *object, struct cgroup *cgroup, struct err *err)
{
	const char *manager, *parent, *name;
	int split = 0, required = 0, alone = 0;
	json_t *conf = NULL;
	int r = request_unpack(object, err, "cgroup", "{s:s,s:s,s:s,s?b,s?o,s?b,s?b!}", "manager", &manager, "parent", &parent, "name", &name, "split",
			       &split, "conf", &conf, "required", &required, "alone", &alone);

	if (r < 0)
		return r;
	if (parent[0] != '/' || !*name || strchr(name, '/') || name[0] == '.')
		return err_setf(err, 0, "read request", "cgroup", "no absolute path, or no name");
	cgroup->manager = CGROUP_DIRECTORY;
	cgroup->parent = xstrdup(parent);
	cgroup->name = xstrdup(name);
	return take_common(cgroup, split, required, alone, conf);
}

static int parse_v1(json_t *object, struct cgroup *cgroup, struct err *err)
{
	const char *manager, *name, *controller;
	int required = 0;
	json_t *parents, *conf = NULL, *parent;
	int r = request_unpack(object, err, "cgroup", "{s:s,s:o,s:s,s?b,s?o!}", "manager", &manager, "parents", &parents, "name", &name, "required",
			       &required, "conf", &conf);

	if (r < 0)
		return r;
	if (!json_is_object(parents) || !*name || strchr(name, '/') || name[0] == '.')
		return err_setf(err, 0, "read request", "cgroup", "no directories, or no name");
	json_object_foreach(parents, controller, parent) {
		if (!json_is_string(parent) || json_string_value(parent)[0] != '/')
			return err_setf(err, 0, "read request", "cgroup", "no absolute path of \"%s\"", controller);
	}
	cgroup->manager = CGROUP_V1;
	cgroup->parents = json_incref(parents);
	cgroup->name = xstrdup(name);
	cgroup->required = required;
	cgroup->conf = json_is_object(conf) ? json_incref(conf) : NULL;
	return 0;
}

int cgroup_parse(json_t *object, const char *id, struct cgroup **out, struct err *err)
{
	const char *manager = json_string_value(json_object_get(object, "manager"));
	struct cgroup *cgroup;
	int r;

	*out = NULL;
	if (!object || json_is_null(object))
		return 0;
	cgroup = xcalloc(1, sizeof(*cgroup));
	cgroup->guest.fd = cgroup->oom_fd = -1;
	cgroup->id = xstrdup(id);
	if (manager && strcmp(manager, "systemd") == 0)
		r = parse_systemd(object, cgroup, err);
	else if (manager && strcmp(manager, "cgroupfs") == 0)
		r = parse_directory(object, cgroup, err);
	else if (manager && strcmp(manager, "v1") == 0)
		r = parse_v1(object, cgroup, err);
	else
		r = err_setf(err, 0, "read request", "cgroup", "unknown manager");
	if (r < 0)
		cgroup_free(cgroup);
	else
		*out = cgroup;
	return r;
}

void cgroup_free(struct cgroup *cgroup)
{
	if (!cgroup)
		return;
	cgroup_hasten_reap(cgroup);
	bus_close(cgroup->bus);
	close_fd(&cgroup->guest.fd);
	close_fd(&cgroup->oom_fd);
	json_decref(cgroup->conf);
	json_decref(cgroup->parents);
	json_decref(cgroup->paths);
	json_decref(cgroup->updates);
	json_decref(cgroup->warnings);
	free(cgroup->id);
	free(cgroup->bus_path);
	free(cgroup->name);
	free(cgroup->plan_name);
	free(cgroup->slice);
	free(cgroup->parent);
	free(cgroup->origin);
	free(cgroup->top);
	free(cgroup->path);
	free(cgroup->state);
	free(cgroup);
}

/* ---- warnings ---- */

static void warn(struct cgroup *cgroup, const struct err *facts)
{
	autofree char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (!cgroup->warnings)
		cgroup->warnings = json_array();
	if (json_array_size(cgroup->warnings) >= WARNINGS)
		return;
	out = open_memstream(&text, &len);
	if (!out)
		return;
	err_write_json(facts, out);
	fclose(out);
	json_array_append_new(cgroup->warnings, json_loadb(text, len, 0, NULL));
}

/* A limit that is not to be had. */
static int do_without(void *data, const struct err *facts)
{
	warn(data, facts);
	return 0;
}

char *cgroup_warnings(struct cgroup *cgroup)
{
	char *text = NULL;

	if (!cgroup || !cgroup->warnings)
		return NULL;
	text = json_dumps(cgroup->warnings, JSON_COMPACT);
	json_decref(cgroup->warnings);
	cgroup->warnings = NULL;
	return text;
}

/* ---- the manager ---- */

/* Systemd has to make SCOPE for this life: it is gone when it has no processes. */
static bool needs_systemd(const struct cgroup *cgroup)
{
	return cgroup->manager == CGROUP_SYSTEMD && (!cgroup->top || cgroup->alone);
}

void cgroup_begin(struct cgroup *cgroup, int control)
{
	if (!cgroup)
		return;
	if (cgroup->unsure) { /* once more, because of that: without asking again */
		cgroup->unsure = false;
		return;
	}
	cgroup->failed = (struct err){ 0 };
	if (needs_systemd(cgroup) && bus_open(cgroup->bus_path, cgroup->patience_ms, &cgroup->bus, &cgroup->failed) == 0 && control >= 0)
		bus_heed(cgroup->bus, control, netclient_interruption);
	if (cgroup->bus || cgroup->manager == CGROUP_V1)
		cgroup_hasten(cgroup);
}

static int ask(struct cgroup *cgroup, pid_t pid)
{
	const pid_t pids[] = { pid, getpid() };
	autofree char *description = xasprintf("container %.12s", cgroup->id);
	const struct bus_scope scope = { .name = cgroup->name, .slice = cgroup->slice, .description = description, .pids = pids,
					 .n_pids = cgroup->alone ? 1 : 2 };

	return bus_start_scope(cgroup->bus, &scope, &cgroup->failed);
}

void cgroup_ask(struct cgroup *cgroup, pid_t pid)
{
	if (cgroup && cgroup->bus && ask(cgroup, pid) < 0) {
		bus_close(cgroup->bus);
		cgroup->bus = NULL;
	}
}

/*
 * Another name: ours is that of a scope which is still going away, since its supervisor has a client to serve, or of somebody else's.
 */
static void rename_scope(struct cgroup *cgroup)
{
	const char *base, *end;
	char number[16] = "";
	bool suffixed;

	if (!cgroup->plan_name)
		cgroup->plan_name = xstrdup(cgroup->name);
	base = cgroup->plan_name; /* a life of many would make a name of names too long */
	end = strrchr(base, '.');
	suffixed = end && strcmp(end, ".scope") == 0;
	if (++cgroup->renamed > 1)
		snprintf(number, sizeof(number), "-%u", cgroup->renamed);
	free(cgroup->name);
	cgroup->name = xasprintf("%.*s-%d%s%s", (int)(suffixed ? end - base : (ptrdiff_t)strlen(base)), base, (int)getpid(), number,
				 suffixed ? ".scope" : "");
}

/* Until systemd has made SCOPE. Return: 0 with cgroup->top, or -errno with ERR. */
static int await_systemd(struct cgroup *cgroup, pid_t pid, struct err *err)
{
	size_t len;
	int r;

	if (!cgroup->bus) {
		*err = cgroup->failed;
		return cgroup->failed.code ? -cgroup->failed.code : -EINVAL;
	}
	r = bus_await_scope(cgroup->bus, cgroup->name, err);
	if (r == -EEXIST) {
		rename_scope(cgroup);
		*err = (struct err){ 0 };
		r = ask(cgroup, pid);
		if (r < 0)
			*err = cgroup->failed;
		else
			r = bus_await_scope(cgroup->bus, cgroup->name, err);
	}
	/* No answer at all: what was asked may still be done. */
	cgroup->unsure = r == -ETIMEDOUT || r == -ECONNRESET || r == -EPROTO;
	if (r < 0)
		return r;
	free(cgroup->top);
	cgroup->top = group_of(pid, GROUP_ROOT);
	len = strlen(cgroup->name);
	if (!cgroup->top || strlen(cgroup->top) <= len || strcmp(cgroup->top + strlen(cgroup->top) - len, cgroup->name) != 0) {
		r = err_setf(err, 0, MAKE_STEP, cgroup->name, "the process is in \"%s\"", cgroup->top ? cgroup->top : "");
		free(cgroup->top);
		cgroup->top = NULL;
		return r;
	}
	return 0;
}

/* The controllers of the parent, for ours to have them: those that are there and that nothing prevents. */
static void pass_on_usual(const char *path)
{
	char all[80] = "";
	autofree char *file = xasprintf("%s/cgroup.controllers", path), *text = NULL;
	char *rest = NULL;

	if (read_file_at(AT_FDCWD, file, &text, 4096) < 0)
		return;
	for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
			if (strcmp(word, usual[i]) == 0)
				snprintf(all + strlen(all), sizeof(all) - strlen(all), " +%s", word);
	if (!all[0] || group_write(path, "cgroup.subtree_control", all + 1) == 0)
		return;
	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
		char one[16];

		snprintf(one, sizeof(one), "+%s", usual[i]);
		group_write(path, "cgroup.subtree_control", one);
	}
}

/* Have CONTROLLER in the container's group. */
static bool enable(void *data, const char *controller)
{
	struct cgroup *cgroup = data;
	char text[40];

	if (!cgroup->top || cgroup->manager == CGROUP_V1)
		return false;
	snprintf(text, sizeof(text), "+%s", controller);
	if (cgroup->manager == CGROUP_DIRECTORY && !cgroup->split)
		group_write(cgroup->parent, "cgroup.subtree_control", text);
	return group_write(cgroup->top, "cgroup.subtree_control", text) == 0;
}

static int make(const char *path, struct err *err)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? err_set(err, errno, MAKE_STEP, path) : 0;
}

/* SCOPE as a directory. Return: 0 with cgroup->top, or -errno with ERR. */
static int make_directory(struct cgroup *cgroup, struct err *err)
{
	if (cgroup->top)
		return 0;
	free(cgroup->origin);
	cgroup->origin = group_of(getpid(), "");
	if (cgroup->split) {
		cgroup->top = group_of(getpid(), GROUP_ROOT);
		return cgroup->top ? 0 : err_setf(err, 0, MAKE_STEP, "/proc/self/cgroup", "no control group of version 2");
	}
	cgroup->top = xasprintf("%s/%s", cgroup->parent, cgroup->name);
	/* Of a supervisor that was killed; where it cannot be removed, of one that is still at its end. */
	if (mkdir(cgroup->top, 0755) < 0 && (errno != EEXIST || group_remove(cgroup->top, -1) < 0 || mkdir(cgroup->top, 0755) < 0)) {
		int code = errno;

		free(cgroup->top);
		cgroup->top = NULL;
		if (access(cgroup->parent, W_OK) < 0)
			return err_set(err, errno, MAKE_STEP, cgroup->parent);
		if (code != EEXIST && code != EBUSY && code != ENOTEMPTY)
			return err_set(err, code, MAKE_STEP, cgroup->parent);
		rename_scope(cgroup);
		cgroup->top = xasprintf("%s/%s", cgroup->parent, cgroup->name);
		if (mkdir(cgroup->top, 0755) < 0) {
			int r = err_set(err, errno, MAKE_STEP, cgroup->top);

			free(cgroup->top);
			cgroup->top = NULL;
			return r;
		}
	}
	pass_on_usual(cgroup->parent);
	return 0;
}

/*
 * A group for this life's figures and limits alone, so never one that is there: of a life before, or of a supervisor that was killed, which is removed, or
 * where it cannot be (a process that does not die) left behind. Return: 0 with cgroup->path, or -errno with ERR.
 */
static int make_container(struct cgroup *cgroup, struct err *err)
{
	char depth[16];

	for (int i = 1; i <= GROUPS; i++) {
		char *path = i == 1 ? xasprintf("%s/container", cgroup->top) : xasprintf("%s/container-%d", cgroup->top, i);

		free(cgroup->path);
		cgroup->path = path;
		group_remove(path, -1);
		if (mkdir(path, 0755) == 0) {
			/* Deeper ones could not be removed. The file stays the user's also where the group becomes the container's. */
			snprintf(depth, sizeof(depth), "%d", GROUP_DEPTH);
			group_write(path, "cgroup.max.depth", depth);
			return 0;
		}
		if (errno != EEXIST)
			return err_set(err, errno, MAKE_STEP, path);
	}
	return err_set(err, EEXIST, MAKE_STEP, cgroup->path);
}

/* The two groups of SCOPE, and everybody in theirs. Return: 0 with cgroup->path, or -errno with ERR. */
static int make_v2(struct cgroup *cgroup, pid_t pid, struct err *err)
{
	const bool fresh = !cgroup->top || cgroup->alone;
	autofree char *ours = NULL;
	int r;

	r = needs_systemd(cgroup) ? await_systemd(cgroup, pid, err) : cgroup->manager == CGROUP_DIRECTORY ? make_directory(cgroup, err) : 0;
	if (r < 0)
		return r;
	ours = xasprintf("%s/supervisor", cgroup->top);
	if (!cgroup->alone && fresh)
		r = make(ours, err);
	if (r == 0)
		r = make_container(cgroup, err);
	if (r == 0) {
		r = group_move(cgroup->path, pid);
		if (r < 0)
			return err_set(err, -r, MAKE_STEP, cgroup->path);
	}
	if (r < 0 || !fresh)
		return r;
	if (!cgroup->alone) {
		/* Who stays keeps SCOPE from passing its controllers on, and so every limit is told to be missing. */
		group_move(ours, getpid());
		for (int i = 0; i < SWEEPS && group_move_all(cgroup->top, ours) < 0; i++)
			;
	}
	pass_on_usual(cgroup->top);
	return 0;
}

/* The directory of one controller of version 1, with PID in it. Return: 0, or -errno with ERR and without a directory. */
static int make_v1_one(struct cgroup *cgroup, const char *controller, const char *parent, pid_t pid, struct err *err)
{
	autofree char *path = xasprintf("%s/%s", parent, cgroup->name);
	int r;

	rmdir(path);
	r = make(path, err);
	if (r < 0)
		return r;
	if (strcmp(controller, "cpuset") == 0)
		group_inherit_cpuset(parent, path);
	r = group_move(path, pid);
	if (r < 0) {
		r = err_set(err, -r, MAKE_STEP, path);
		rmdir(path);
		return r;
	}
	json_object_set_new(cgroup->paths, controller, json_string(path));
	return 0;
}

/* Those controllers that are to be had, or with STRICT all of them: one that fails is no reason to leave the others, which have PID by then. */
static int make_v1(struct cgroup *cgroup, pid_t pid, bool strict, struct err *err)
{
	const char *controller;
	json_t *parent;
	int r = 0;

	cgroup->paths = json_object();
	json_object_foreach(cgroup->parents, controller, parent) {
		int one = make_v1_one(cgroup, controller, json_string_value(parent), pid, err);

		r = one < 0 ? one : r;
		if (one < 0 && strict)
			return r;
		if (one < 0)
			warn(cgroup, err);
	}
	if (json_object_size(cgroup->paths) > 0)
		return 0;
	json_decref(cgroup->warnings); /* the caller has the last one, which says it all */
	cgroup->warnings = NULL;
	return r;
}

static void describe(struct cgroup *cgroup)
{
	json_t *state = json_object();
	char *text;

	const char *path = json_string_value(json_object_get(cgroup->paths, "memory"));

	if (!path) /* any, as far as there is one */
		path = json_string_value(json_object_iter_value(json_object_iter(cgroup->paths)));
	if (!path)
		path = cgroup->path ? cgroup->path : "";
	json_object_set_new(state, "cgroup", json_string(path));
	if (cgroup->path && cgroup->bus_path && cgroup->manager == CGROUP_SYSTEMD)
		json_object_set_new(state, "bus", json_string(cgroup->bus_path));
	if (cgroup->paths)
		json_object_set(state, "cgroups", cgroup->paths);
	text = json_dumps(state, JSON_COMPACT);
	json_decref(state);
	free(cgroup->state);
	/* Members, to be put among others. A path that is no text is none. */
	cgroup->state = text && strlen(text) > 2 ? xasprintf("%.*s", (int)strlen(text) - 2, text + 1) : NULL;
	free(text);
}

const char *cgroup_state(const struct cgroup *cgroup)
{
	return cgroup && cgroup->state ? cgroup->state : "\"cgroup\":\"\"";
}

/* There is no group for this life any more. Whoever is in it stays, and so does the directory then. */
static void forget(struct cgroup *cgroup, int userns_fd)
{
	const char *controller;
	json_t *path;

	if (cgroup->path)
		group_remove(cgroup->path, userns_fd);
	json_object_foreach(cgroup->paths, controller, path) {
		rmdir(json_string_value(path));
	}
	json_decref(cgroup->paths);
	cgroup->paths = NULL;
	free(cgroup->path);
	cgroup->path = NULL;
	free(cgroup->state);
	cgroup->state = NULL;
}

static struct limits limits_of(struct cgroup *cgroup, bool runs)
{
	return (struct limits){ .path = cgroup->path, .paths = cgroup->paths, .runs = runs, .enable = enable, .missing = runs ? NULL : do_without,
				.data = cgroup };
}

/* Whether the user has set limits: others than what every container has. */
static bool is_limited(const struct cgroup *cgroup, json_t *resources)
{
	const char *key;
	json_t *value;

	if (json_object_size(cgroup->conf) > 0 || json_object_size(cgroup->updates) > 0)
		return true;
	json_object_foreach(resources, key, value) {
		if (strcmp(key, "devices") == 0 || json_object_size(value) == 0)
			continue;
		if (strcmp(key, "pids") != 0 || json_integer_value(json_object_get(value, "limit")) != DEFAULT_PIDS)
			return true;
	}
	return false;
}

static uint64_t oom_kills(const struct cgroup *cgroup)
{
	const char *memory = json_string_value(json_object_get(cgroup->paths, "memory"));

	if (memory)
		return group_number(memory, "memory.oom_control", "oom_kill");
	return cgroup->path ? group_number(cgroup->path, "memory.events", "oom_kill") : 0;
}

int cgroup_enter(struct cgroup *cgroup, pid_t pid, json_t *resources, struct err *err)
{
	struct err facts = { 0 };
	struct limits limits;
	bool strict;
	int r;

	if (!cgroup)
		return 0;
	strict = cgroup->required || (cgroup->had && is_limited(cgroup, resources));
	r = cgroup->manager == CGROUP_V1 ? make_v1(cgroup, pid, strict, &facts) : make_v2(cgroup, pid, &facts);
	cgroup_hasten_no_more(cgroup);
	bus_close(cgroup->bus);
	cgroup->bus = NULL;
	cgroup->unsure = cgroup->unsure && r < 0 && !strict;
	if (cgroup->unsure)
		cgroup->failed = facts;
	if (r == -EINTR || (r < 0 && strict) || cgroup->unsure) {
		if (err)
			*err = facts;
		return r;
	}
	/* Nobody hears the warnings of a further life. */
	cgroup->lost = r < 0 && cgroup->had;
	if (r < 0) {
		warn(cgroup, &facts);
		forget(cgroup, -1);
		cgroup->failed = facts;
	} else {
		cgroup->had = true;
	}
	cgroup->oom_kills = cgroup->oom_before = oom_kills(cgroup);
	cgroup->lives = true;
	limits = limits_of(cgroup, false);
	r = limits_write(&limits, resources, err);
	if (r == 0)
		r = limits_write_files(&limits, cgroup->conf, err);
	if (r == 0)
		r = limits_write(&limits, cgroup->updates, err);
	describe(cgroup);
	return r;
}

bool cgroup_unsure(const struct cgroup *cgroup, bool *with_us)
{
	if (!cgroup || !cgroup->unsure)
		return false;
	*with_us = !cgroup->alone;
	return true;
}

ino_t cgroup_mark(const struct cgroup *cgroup)
{
	struct stat st;

	return cgroup && cgroup->path && stat(cgroup->path, &st) == 0 ? st.st_ino : 0;
}

void cgroup_explain(struct cgroup *cgroup, struct err *err)
{
	autofree char *file = cgroup && cgroup->path ? xasprintf("%s/memory.max", cgroup->path) : NULL, *most = NULL;

	if (!file || !err || oom_kills(cgroup) <= cgroup->oom_before)
		return;
	if (read_file_at(AT_FDCWD, file, &most, 64) > 0)
		most[strcspn(most, "\n")] = '\0';
	err_setf(err, ENOMEM, LIMITS_STEP, "memory.max", "%s: too little to start the container's process in", most ? most : "");
}

int cgroup_update(struct cgroup *cgroup, json_t *resources, struct err *err)
{
	if (!json_is_object(resources))
		return err_setf(err, 0, "update", "resources", "no object");
	if (!cgroup || (cgroup->lives && !cgroup->path && !cgroup->paths))
		return err_setf(err, 0, "update", "", "the container has no control group");
	if (cgroup->lives) {
		struct limits limits = limits_of(cgroup, true);
		int r = limits_write(&limits, resources, err);

		if (r < 0)
			return r;
	}
	if (!cgroup->updates)
		cgroup->updates = json_deep_copy(resources);
	else
		json_object_update_recursive(cgroup->updates, resources);
	return 0;
}

/* ---- out of memory ---- */

/* Something has changed in memory.events: often only that a limit was met. */
static void look(struct cgroup *cgroup)
{
	uint64_t kills = oom_kills(cgroup);

	if (kills <= cgroup->oom_kills) /* less: the controller was taken away */
		return;
	cgroup->oom_kills = kills;
	journal_write(cgroup->journal, "container", "oom", (char *)NULL);
}

static void ready(struct relay_guest *guest)
{
	char events[sizeof(struct inotify_event) * 8];

	while (read(guest->fd, events, sizeof(events)) > 0)
		;
	look((struct cgroup *)((char *)guest - offsetof(struct cgroup, guest)));
}

void cgroup_watch(struct cgroup *cgroup, struct relay *relay, const struct journal *journal)
{
	autofree char *file = NULL;
	const char *memory;

	if (!cgroup)
		return;
	cgroup_hasten_reap(cgroup);
	cgroup->journal = journal;
	cgroup->guest.ready = ready;
	if (cgroup->lost)
		journal_write(journal, "container", "cgroup_lost", "step", cgroup->failed.step, "object", cgroup->failed.object, "errno",
			      cgroup->failed.code ? err_name(cgroup->failed.code) : "", "detail", cgroup->failed.detail, (char *)NULL);
	memory = json_string_value(json_object_get(cgroup->paths, "memory"));
	if (memory) {
		cgroup->guest.fd = group_oom_events(memory, &cgroup->oom_fd);
	} else if (cgroup->path) {
		file = xasprintf("%s/memory.events", cgroup->path);
		cgroup->guest.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (cgroup->guest.fd >= 0 && inotify_add_watch(cgroup->guest.fd, file, IN_MODIFY) < 0)
			close_fd(&cgroup->guest.fd);
	}
	if (cgroup->guest.fd < 0)
		return;
	relay_add_guest(relay, &cgroup->guest);
	look(cgroup); /* since the process was let go */
}

/* ---- its processes ---- */

bool cgroup_can_freeze(const struct cgroup *cgroup)
{
	return cgroup && (cgroup->path || json_object_get(cgroup->paths, "freezer"));
}

int cgroup_freeze(struct cgroup *cgroup, bool frozen, struct err *err)
{
	const char *freezer = json_string_value(json_object_get(cgroup->paths, "freezer"));
	int r = freezer ? group_freeze_v1(freezer, frozen) : group_freeze(cgroup->path, frozen);

	return r < 0 ? err_set(err, -r, frozen ? "pause" : "unpause", freezer ? freezer : cgroup->path) : 0;
}

bool cgroup_end(struct cgroup *cgroup, int userns_fd)
{
	bool killed;

	if (!cgroup)
		return false;
	cgroup_hasten_reap(cgroup);
	if (cgroup->path && access(cgroup->path, F_OK) == 0)
		group_kill(cgroup->path);
	if (cgroup->paths)
		group_kill_v1(cgroup->paths);
	/* The kernel tells of changes some milliseconds after them at most, which may be too late for the loop. */
	look(cgroup);
	killed = cgroup->oom_kills > cgroup->oom_before;
	cgroup->lives = false;
	close_fd(&cgroup->guest.fd);
	close_fd(&cgroup->oom_fd);
	cgroup->journal = NULL;
	cgroup->oom_kills = cgroup->oom_before = 0;
	forget(cgroup, userns_fd);
	return killed;
}

void cgroup_leave(struct cgroup *cgroup)
{
	autofree char *ours = NULL, *back = NULL;

	if (!cgroup || cgroup->manager != CGROUP_DIRECTORY || !cgroup->top)
		return;
	ours = xasprintf("%s/supervisor", cgroup->top);
	/* Controllers that are passed on would keep us from SCOPE itself, where those who share it with us came from. */
	if (cgroup->split) {
		for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
			char off[16];

			snprintf(off, sizeof(off), "-%s", usual[i]);
			group_write(cgroup->top, "cgroup.subtree_control", off);
		}
		group_move_all(ours, cgroup->top);
		rmdir(ours);
		return;
	}
	/* The mount that SCOPE lies in is the one that we came from, as far as its path says so. */
	if (cgroup->origin) {
		const char *below = strstr(cgroup->top, "/unified/");
		const char *mount = below && strncmp(cgroup->top, GROUP_ROOT "/unified/", strlen(GROUP_ROOT "/unified/")) == 0 ?
			GROUP_ROOT "/unified" : GROUP_ROOT;

		back = xasprintf("%s%s", mount, cgroup->origin);
		group_move_all(ours, back);
	}
	group_remove(cgroup->top, -1);
}

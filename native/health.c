#include "health.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "notify.h"
#include "probe.h"
#include "request.h"
#include "title.h"
#include "util.h"

#define GRACE_MS 5000          /* a probe that has not ended so long after its timeout is killed from here */
#define CANCEL_MS 500          /* and one that was cancelled, after this */
#define FILE_LIMIT (32 << 20)  /* of health.json, where no number of entries is set */
#define OUTPUT_MOST (1 << 20)  /* bytes of one output, where none is set */

enum action { ACT_NONE, ACT_KILL, ACT_RESTART, ACT_STOP };

struct check {
	char *process;             /* the program, as JSON; NULL: there is no such check */
	json_int_t interval_ms;    /* 0: only when it is asked for */
	json_int_t timeout_ms;
	json_int_t tries;          /* failures in a row that make it unhealthy; of a startup check 0: it has any number of them */
	json_int_t successes;      /* of a startup check */
};

/* What a probe changes; it comes back through a pipe from the process that has judged it. */
struct state {
	enum live_health status;
	unsigned streak, successes;
	bool starting_up;          /* the startup check has not succeeded yet */
	bool counts, failed;       /* the last probe; the container is to be started again after too many */
	bool exhausted;
};

struct health {
	struct relay_guest guest;
	struct relay *relay;
	struct live *live;
	struct life *life;
	const struct journal *journal;
	char *id, *bundle, *run_dir, *seccomp_cache;
	char *notify_socket;       /* of the service manager that is told when it is well, or NULL: it knows, or there is none */
	char *log_file;            /* a further place for health.json, or NULL */
	struct check regular, startup;
	json_int_t start_period_ms, start_interval_ms, stop_ms, log_count, log_size;
	enum action action;
	int stop_signal;
	bool log_events;
	pid_t pid, prober;         /* the container's first process; the probe under way, or 0 */
	int pidfd;
	struct state state;
	bool paused, cancelled, asked;
	bool acted;                /* it is being ended for its health: what dies is not checked on */
	int64_t began_ms;          /* of this life, monotonic */
	int64_t due_ms, late_ms;   /* next check, 0: none; when the probe under way is too late */
	int64_t kill_ms;           /* the container was told to stop, and is killed then; 0: not */
};

static const char *const action_names[] = {
	[ACT_NONE] = "none", [ACT_KILL] = "kill", [ACT_RESTART] = "restart", [ACT_STOP] = "stop",
};

static int parse_check(json_t *process, struct check *check, struct err *err)
{
	if (!json_is_object(process) || check->interval_ms < 0 || check->timeout_ms < 1 || check->tries < 0 || check->successes < 0)
		return err_setf(err, 0, "read request", "health", "out of range");
	check->process = json_dumps(process, JSON_COMPACT);
	return check->process ? 0 : err_set(err, ENOMEM, "read request", "health");
}

static int parse_startup(json_t *object, struct check *check, struct err *err)
{
	json_t *process;

	if (!object || json_is_null(object))
		return 0;
	int r = request_unpack(object, err, "health.startup", "{s:o,s:I,s:I,s:I,s:I!}", "process", &process, "intervalMs", &check->interval_ms,
			       "timeoutMs", &check->timeout_ms, "retries", &check->tries, "successes", &check->successes);
	return r < 0 ? r : parse_check(process, check, err);
}

static int parse_action(const char *name, enum action *out, struct err *err)
{
	for (size_t i = 0; i < sizeof(action_names) / sizeof(*action_names); i++) {
		if (strcmp(name, action_names[i]) == 0) {
			*out = (enum action)i;
			return 0;
		}
	}
	return err_setf(err, 0, "read request", "health", "unknown action \"%s\"", name);
}

static int parse(json_t *object, struct health *health, struct err *err)
{
	json_t *process, *startup = NULL;
	const char *action, *log_file = NULL, *notify_socket = NULL;
	int events = 0;
	int r = request_unpack(object, err, "health",
			       "{s:o,s:I,s:I,s:I,s:I,s:I,s:s,s:i,s:I,s:I,s:I,s?s,s?b,s?s,s?o!}", "process", &process, "intervalMs",
			       &health->regular.interval_ms, "timeoutMs", &health->regular.timeout_ms, "retries", &health->regular.tries,
			       "startPeriodMs", &health->start_period_ms, "startIntervalMs", &health->start_interval_ms, "onFailure", &action,
			       "stopSignal", &health->stop_signal, "stopTimeoutMs", &health->stop_ms, "logCount", &health->log_count,
			       "logSizeBytes", &health->log_size, "logFile", &log_file, "logEvents", &events, "notifySocket", &notify_socket,
			       "startup", &startup);

	if (r == 0)
		r = parse_check(process, &health->regular, err);
	if (r == 0)
		r = parse_startup(startup, &health->startup, err);
	if (r == 0)
		r = parse_action(action, &health->action, err);
	if (r < 0)
		return r;
	if (health->start_period_ms < 0 || health->start_interval_ms < 1 || health->stop_signal < 1 || health->stop_signal > 64 ||
	    health->log_count < 0 || health->log_size < 0)
		return err_setf(err, 0, "read request", "health", "out of range");
	if (health->log_size == 0 || health->log_size > OUTPUT_MOST)
		health->log_size = OUTPUT_MOST;
	health->log_events = events;
	if (log_file)
		health->log_file = xstrdup(log_file);
	if (notify_socket)
		health->notify_socket = xstrdup(notify_socket);
	return 0;
}

int health_parse(json_t *object, const struct health_place *place, struct health **out, struct err *err)
{
	struct health *health;
	int r;

	*out = NULL;
	if (!object || json_is_null(object))
		return 0;
	health = xcalloc(1, sizeof(*health));
	r = parse(object, health, err);
	if (r < 0) {
		health_free(health);
		return r;
	}
	health->id = xstrdup(place->id);
	health->bundle = xstrdup(place->bundle);
	health->run_dir = xstrdup(place->run_dir);
	health->seccomp_cache = place->seccomp_cache ? xstrdup(place->seccomp_cache) : NULL;
	health->journal = place->journal;
	*out = health;
	return 0;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	free(health->regular.process);
	free(health->startup.process);
	free(health->log_file);
	free(health->notify_socket);
	free(health->id);
	free(health->bundle);
	free(health->run_dir);
	free(health->seccomp_cache);
	free(health);
}

/* The rules. AT_MS: the monotonic time at which the probe began. */
static void judge(const struct health *health, struct state *state, bool success, int64_t at_ms)
{
	state->failed = !success;
	state->exhausted = false;
	if (state->starting_up) {
		state->successes = success ? state->successes + 1 : 0;
		state->streak = success ? 0 : state->streak + 1;
		if (success && state->successes >= (unsigned)health->startup.successes)
			state->starting_up = false;
		state->exhausted = !success && health->startup.tries > 0 && state->streak >= (unsigned)health->startup.tries;
	} else if (success) {
		state->status = LIVE_HEALTHY;
		state->streak = 0;
	} else if (state->status != LIVE_STARTING || at_ms - health->began_ms >= health->start_period_ms) {
		state->streak++;
		if (state->streak >= (unsigned)health->regular.tries)
			state->status = LIVE_UNHEALTHY;
	}
}

/* What of TEXT is UTF-8; the rest becomes U+FFFD. */
static json_t *text_of(const char *text, size_t length)
{
	char *out = NULL;
	size_t n = 0;
	FILE *clean = open_memstream(&out, &n);

	for (size_t i = 0; clean && i < length;) {
		const unsigned char *at = (const unsigned char *)text + i;
		size_t size = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
			: at[0] >= 0xf0 && at[0] < 0xf5 ? 4 : 0;
		json_t *probe = size && size <= length - i ? json_stringn(text + i, size) : NULL;

		if (probe)
			fwrite(text + i, 1, size, clean);
		else
			fputs("\xef\xbf\xbd", clean);
		i += probe ? size : 1;
		json_decref(probe);
	}
	if (clean)
		fclose(clean);
	json_t *string = json_stringn_nocheck(out ? out : "", n);
	free(out);
	return string;
}

static json_t *time_of(const struct timespec *time)
{
	char text[64];
	struct tm parts;

	gmtime_r(&time->tv_sec, &parts);
	size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + n, sizeof(text) - n, ".%09ldZ", time->tv_nsec);
	return json_string(text);
}

/* The entries that are there, as far as they are to be kept beside a further one; a new list where there are none. */
static json_t *kept_entries(const struct health *health)
{
	autofree char *path = xasprintf("%s/" HEALTH_FILE, health->run_dir), *text = NULL;
	ssize_t length = read_file_at(AT_FDCWD, path, &text, FILE_LIMIT);
	json_t *before = length > 0 ? json_loadb(text, (size_t)length, JSON_ALLOW_NUL, NULL) : NULL;
	json_t *list = json_incref(json_object_get(before, "Log"));

	json_decref(before);
	if (!json_is_array(list)) {
		json_decref(list);
		list = json_array();
	}
	size_t n = json_array_size(list), most = n;
	if (health->log_count > 0)
		most = (size_t)health->log_count - 1;
	else if (length > FILE_LIMIT / 2)
		most = n / 2;
	for (; n > most; n--)
		json_array_remove(list, 0);
	return list;
}

/* Write health.json with ENTRIES (stolen), and where it is wanted beside. On a full disk it is as it was. */
static void write_file(const struct health *health, const struct state *state, json_t *entries)
{
	json_t *object = json_pack("{s:s,s:i,s:o}", "Status", live_health_name(state->status), "FailingStreak", (int)state->streak, "Log",
				   entries);
	autofree char *path = xasprintf("%s/" HEALTH_FILE, health->run_dir);
	autofree char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text)
		return;
	write_file_atomically(AT_FDCWD, path, text, strlen(text), false);
	if (health->log_file)
		write_file_atomically(AT_FDCWD, health->log_file, text, strlen(text), false);
}

static void record(const struct health *health, const struct state *state, const struct probe_outcome *outcome)
{
	json_t *entries = kept_entries(health), *text = text_of(outcome->output, outcome->length);

	if (health->log_events) {
		autofree char *streak = xasprintf("%u", state->streak);

		journal_write(health->journal, "container", "health_status", "health_status", live_health_name(state->status),
			      "health_failing_streak", streak, "health_log", json_string_value(text), (char *)NULL);
	}
	json_array_append_new(entries, json_pack("{s:o,s:o,s:i,s:o}", "Start", time_of(&outcome->start), "End", time_of(&outcome->end),
						 "ExitCode", outcome->exit_code, "Output", text));
	write_file(health, state, entries);
}

/* The process of one probe. It tells its parent the new state through FD. */
static void __attribute__((noreturn)) probe(struct health *health, int fd, int64_t at_ms)
{
	const int keep[] = { fd, health->pidfd, -1 };
	const struct check *check = health->state.starting_up ? &health->startup : &health->regular;
	const struct probe_plan plan = {
		.process = check->process, .bundle = health->bundle, .run_dir = health->run_dir, .seccomp_cache = health->seccomp_cache,
		.pid = health->pid, .pidfd = health->pidfd, .timeout_ms = check->timeout_ms, .output_limit = (size_t)health->log_size,
	};
	struct probe_outcome outcome;

	probe_separate(keep);
	prctl(PR_SET_NAME, "proa-health");
	title_set("proa-health", health->id);
	probe_run(&plan, &outcome);
	health->state.counts = outcome.counts;
	if (outcome.counts) {
		judge(health, &health->state, outcome.exit_code == 0, at_ms);
		record(health, &health->state, &outcome);
	}
	write_all(fd, &health->state, sizeof(health->state));
	_exit(0);
}

/* The earliest of what is to come. */
static void set_timer(struct health *health)
{
	const int64_t times[] = { health->prober ? health->late_ms : health->due_ms, health->kill_ms };
	int64_t first = 0;

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
		if (times[i] && (first == 0 || times[i] < first))
			first = times[i];
	health->guest.wake_ms = first;
}

static void plan_next(struct health *health)
{
	const struct check *check = health->state.starting_up ? &health->startup : &health->regular;
	const int64_t now = monotonic_ms();
	int64_t wait = check->interval_ms;

	if (wait > 0 && !health->state.starting_up && health->state.status == LIVE_STARTING &&
	    now - health->began_ms < health->start_period_ms)
		wait = health->start_interval_ms;
	health->due_ms = health->paused || health->acted || wait == 0 ? 0 : now + wait;
	set_timer(health);
}

static void start_probe(struct health *health)
{
	const struct check *check = health->state.starting_up ? &health->startup : &health->regular;
	int ends[2];
	const int64_t now = monotonic_ms();

	health->due_ms = 0;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		plan_next(health);
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		probe(health, ends[1], now);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		plan_next(health);
		return;
	}
	health->prober = pid;
	health->guest.fd = ends[0];
	health->late_ms = now + check->timeout_ms + GRACE_MS;
	health->asked = false;
	relay_check_begins(health->relay);
	set_timer(health);
}

static void reap(struct health *health)
{
	while (waitpid(health->prober, NULL, 0) < 0 && errno == EINTR)
		;
	health->prober = 0;
	close_fd(&health->guest.fd);
}

static void act(struct health *health)
{
	enum action action = health->state.exhausted ? ACT_RESTART
		: health->state.status == LIVE_UNHEALTHY && health->state.failed ? health->action : ACT_NONE;

	if (action == ACT_NONE || health->acted)
		return;
	health->acted = true;
	if (action == ACT_RESTART)
		life_restart(health->life);
	if (action == ACT_STOP)
		health->life->rules.policy = LIFE_NO; /* as an end that a user asks for */
	syscall(SYS_pidfd_send_signal, health->pidfd, action == ACT_KILL ? SIGKILL : health->stop_signal, NULL, 0);
	if (action != ACT_KILL)
		health->kill_ms = monotonic_ms() + health->stop_ms;
}

/* Make what the probe has found the container's state. */
static void adopt(struct health *health, const struct state *found)
{
	enum live_health before = health->live->health;
	bool began = health->state.starting_up && !found->starting_up;

	health->state = *found;
	if (found->status != before || found->streak != health->live->failing_streak) {
		health->live->health = found->status;
		health->live->failing_streak = found->streak;
		live_write(health->live, NULL);
	}
	if (found->status != before) {
		autofree char *what = xasprintf("health_status: %s", live_health_name(found->status));

		journal_write(health->journal, "container", what, (char *)NULL);
	}
	if (found->status == LIVE_HEALTHY && health->notify_socket) {
		notify_manager(health->notify_socket, true);
		free(health->notify_socket);
		health->notify_socket = NULL;
	}
	act(health);
	plan_next(health);
	if (began && !health->paused)
		health->due_ms = monotonic_ms(); /* nobody knows of the check proper yet */
	set_timer(health);
}

/* The probe's process has told what it found, or ended without. */
static void finish_probe(struct health *health)
{
	struct state found;
	bool told = read_all(health->guest.fd, &found, sizeof(found)) == sizeof(found);
	bool cancelled = health->cancelled, more;
	unsigned char outcome;

	reap(health);
	health->cancelled = false;
	if (!told && !cancelled) { /* killed from outside: it has failed, and nobody knows what it said */
		found = health->state;
		found.counts = true;
		judge(health, &found, false, monotonic_ms());
	}
	if (cancelled || !found.counts)
		plan_next(health);
	else
		adopt(health, &found);
	outcome = !cancelled && found.counts && !found.failed ? 0 : health->state.starting_up ? 2 : 1;
	more = relay_checked(health->relay, outcome);
	if ((more || health->asked) && !health->paused)
		start_probe(health);
}

static void ready(struct relay_guest *guest)
{
	struct health *health = (struct health *)guest;
	const int64_t now = monotonic_ms();
	struct pollfd told = { .fd = guest->fd, .events = POLLIN };

	if (health->prober && poll(&told, 1, 0) > 0) {
		finish_probe(health);
	} else if (health->prober && now >= health->late_ms) {
		kill(-health->prober, SIGKILL); /* with what it has not handed to the container yet */
		kill(health->prober, SIGKILL);
		finish_probe(health);
	}
	if (health->kill_ms && now >= health->kill_ms) {
		syscall(SYS_pidfd_send_signal, health->pidfd, SIGKILL, NULL, 0);
		health->kill_ms = 0;
		set_timer(health);
	}
	if (!health->prober && health->due_ms && now >= health->due_ms)
		start_probe(health);
}

/* A client has asked for a check: now, or after the one under way. */
static int check(struct relay_guest *guest, struct err *err)
{
	struct health *health = (struct health *)guest;

	if (health->paused)
		return err_setf(err, 0, "check health", "container", "it is paused");
	health->asked = true;
	if (!health->prober)
		start_probe(health);
	return 0;
}

void health_begin(struct health *health, struct relay *relay, struct live *live, struct life *life, pid_t pid, int pidfd)
{
	if (!health)
		return;
	health->relay = relay;
	health->live = live;
	health->life = life;
	health->pid = pid;
	health->pidfd = pidfd;
	health->state = (struct state){ .status = LIVE_STARTING, .starting_up = health->startup.process != NULL };
	health->paused = health->cancelled = health->asked = health->acted = false;
	health->kill_ms = health->late_ms = 0;
	health->began_ms = monotonic_ms();
	health->guest = (struct relay_guest){ .fd = -1, .ready = ready, .check = check };
	live->health = LIVE_STARTING;
	live->failing_streak = 0;
	write_file(health, &health->state, json_array());
	relay_add_guest(relay, &health->guest);
	plan_next(health);
}

static void cancel(struct health *health)
{
	if (!health->prober)
		return;
	health->cancelled = true;
	kill(health->prober, SIGTERM);
}

void health_end(struct health *health)
{
	struct pollfd ended;

	if (!health || !health->relay)
		return;
	relay_remove_guest(health->relay, &health->guest);
	cancel(health);
	if (health->prober) {
		ended = (struct pollfd){ .fd = health->guest.fd, .events = POLLIN };
		if (poll(&ended, 1, CANCEL_MS) <= 0) {
			kill(-health->prober, SIGKILL);
			kill(health->prober, SIGKILL);
		}
		reap(health);
	}
}

void health_pause(struct health *health, bool paused)
{
	if (!health)
		return;
	health->paused = paused;
	if (paused)
		cancel(health);
	if (!health->prober)
		plan_next(health);
}

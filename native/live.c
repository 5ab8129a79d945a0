#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "util.h"

#define STATE_LIMIT (64 << 10) /* bytes of state.json */

const char *live_health_name(enum live_health health)
{
	static const char *const names[] = {
		[LIVE_HEALTH_NONE] = "none", [LIVE_STARTING] = "starting", [LIVE_HEALTHY] = "healthy", [LIVE_UNHEALTHY] = "unhealthy",
	};

	return names[health];
}

void live_health_json(const struct live *live, char text[LIVE_HEALTH_BYTES])
{
	if (live->health == LIVE_HEALTH_NONE)
		snprintf(text, LIVE_HEALTH_BYTES, "null");
	else
		snprintf(text, LIVE_HEALTH_BYTES, "{\"status\":\"%s\",\"failingStreak\":%u}", live_health_name(live->health),
			 live->failing_streak);
}

int live_write(const struct live *live, struct err *err)
{
	const char *status = live->restarting ? "restarting" : live->paused ? "paused" : "running";
	char health[LIVE_HEALTH_BYTES], last[80] = "";
	autofree char *text = NULL, *bundle = NULL;
	json_t *path = json_string(live->bundle);
	int r;

	live_health_json(live, health);
	if (live->restarting)
		snprintf(last, sizeof(last), ",\"exitCode\":%d,\"finishedMs\":%lld", live->exit_code, (long long)live->finished_ms);
	bundle = path ? json_dumps(path, JSON_ENCODE_ANY) : NULL;
	json_decref(path);
	if (!bundle)
		return err_setf(err, 0, "write state", live->bundle, "not UTF-8");
	text = xasprintf("{\"ociVersion\":\"1.2.0\",\"id\":\"%s\",\"status\":\"%s\",\"pid\":%d,\"bundle\":%s,\"startedMs\":%lld,"
			 "\"restartCount\":%u,\"health\":%s,%s%s}",
			 live->id, status, (int)live->pid, bundle, (long long)live->started_ms, live->restart_count, health,
			 live->cgroup ? live->cgroup : "\"cgroup\":\"\"", last);
	r = write_file_atomically(live->run_dir_fd, LIVE_FILE, text, strlen(text), false);
	return r < 0 ? err_set(err, -r, "write state", live->bundle) : 0;
}

json_t *live_read(int run_dir_fd, int *why)
{
	autofree char *text = NULL;
	ssize_t len = read_file_at(run_dir_fd, LIVE_FILE, &text, STATE_LIMIT);

	if (why)
		*why = len < 0 ? (int)len : 0;
	return len < 0 ? NULL : json_loadb(text, (size_t)len, 0, NULL);
}

static int none(const char *run_dir, struct err *err)
{
	err_setf(err, 0, "find container", run_dir, "it is not running");
	return -ESRCH;
}

/* The pid in state.json and the start that it is of. Return: 0, or -errno with ERR. */
static int read_pid(int dir, const char *run_dir, pid_t *pid, int64_t *started_ms, struct err *err)
{
	int r;
	json_t *state = live_read(dir, &r);

	if (r == -ENOENT)
		return none(run_dir, err);
	if (r < 0)
		return err_set(err, -r, "read state of container", run_dir);
	*pid = (pid_t)json_integer_value(json_object_get(state, "pid"));
	*started_ms = json_integer_value(json_object_get(state, "startedMs"));
	json_decref(state);
	return *pid > 0 ? 0 : none(run_dir, err);
}

/*
 * The pid on disk counts only when afterwards the lock is held and the file still names it: the supervisor writes another state, or gives up its
 * lock, before it reaps that process, so that nobody else can have had the pid when the pidfd was opened.
 */
int live_find(int run_dir_fd, const char *run_dir, pid_t *pid, int *pidfd, struct err *err)
{
	int64_t started_ms, again_ms;
	pid_t again;
	int r = read_pid(run_dir_fd, run_dir, pid, &started_ms, err);

	if (r < 0)
		return r;
	autoclose int fd = (int)syscall(SYS_pidfd_open, *pid, 0);
	if (fd < 0)
		return errno == ESRCH ? none(run_dir, err) : err_set(err, errno, "open process", run_dir);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	r = read_pid(run_dir_fd, run_dir, &again, &again_ms, err);
	if (r < 0)
		return r;
	if (again != *pid || again_ms != started_ms)
		return none(run_dir, err);
	if (flock(run_dir_fd, LOCK_SH | LOCK_NB) == 0) {
		flock(run_dir_fd, LOCK_UN);
		return none(run_dir, err);
	}
	if (errno != EWOULDBLOCK)
		return err_set(err, errno, "check lock of container", run_dir);
	*pidfd = steal_fd(&fd);
	return 0;
}

bool live_is_paused(int run_dir_fd)
{
	json_t *state = live_read(run_dir_fd, NULL);
	const char *status = json_string_value(json_object_get(state, "status"));
	bool paused = status && strcmp(status, "paused") == 0;

	json_decref(state);
	return paused;
}

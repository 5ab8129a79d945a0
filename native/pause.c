#include "pause.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "family.h"
#include "life.h"
#include "namespaces.h"
#include "util.h"

#define INSIDE_MS 500 /* a process of ours inside that takes longer was stopped by those that it is to stop */
#define TRY_MS 3000   /* against processes that kill every newcomer */

static int signal_first(const struct pause *pause, int number)
{
	return syscall(SYS_pidfd_send_signal, pause->pidfd, number, NULL, 0) < 0 ? -errno : 0;
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* In a child: NUMBER for all processes of the pid namespace but its first. Return: 0 or errno. */
static int signal_inside(const struct pause *pause, int number)
{
	/* Not for the processes in there to look into: they see us, for a moment. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (setns(pause->pidfd, (pause->owns_users ? CLONE_NEWUSER : 0) | CLONE_NEWPID) < 0)
		return errno;
	pid_t pid = fork();
	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(kill(-1, number) < 0 && errno != ESRCH ? errno : 0);
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	if (poll(&ended, 1, INSIDE_MS) == 0)
		kill(pid, SIGKILL);
	return reap(pid);
}

/* Return: 0, EINTR where the processes in question have killed ours, or another errno. */
static int try_others(const struct pause *pause, int number)
{
	pid_t first = pause->live->pid, pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pause->owns_pids)
			_exit(signal_inside(pause, number));
		family_signal(first, FAMILY_CONTAINER, true, number);
		_exit(0);
	}
	return reap(pid);
}

/* All processes of the container but its first. Return: 0, or -errno with ERR. */
static int signal_others(const struct pause *pause, int number, const char *what, struct err *err)
{
	const int64_t end = monotonic_ms() + TRY_MS;
	int code;

	do
		code = try_others(pause, number);
	while (code == EINTR && monotonic_ms() < end);
	return code ? err_set(err, code, what, "processes of the container") : 0;
}

/* Until it stands: who asked finds no CPU time being used. It may end, or sleep in the kernel, instead. */
static void await_stop(const struct pause *pause)
{
	siginfo_t info;

	for (int i = 0; i < 100; i++) {
		info.si_pid = 0;
		if (waitid(P_PIDFD, (id_t)pause->pidfd, &info, WSTOPPED | WEXITED | WNOWAIT | WNOHANG) < 0 || info.si_pid != 0)
			return;
		usleep(1000);
	}
}

static int go_on(struct pause *pause, struct err *err)
{
	int r = pause->cgroup ? cgroup_freeze(pause->cgroup, false, err) : signal_others(pause, SIGCONT, "unpause", err);

	if (!pause->cgroup)
		signal_first(pause, SIGCONT);
	life_wake_on_term = NULL;
	pause->guest.wake_ms = 0;
	pause->live->paused = false;
	live_write(pause->live, NULL);
	if (pause->health)
		health_pause(pause->health, false);
	return r;
}

static int stand_still(struct pause *pause, struct err *err)
{
	struct err ignored;
	int r;

	if (pause->health)
		health_pause(pause->health, true);
	pause->live->paused = true;
	life_wake_on_term = &pause->guest.wake_ms;
	r = live_write(pause->live, err);
	if (r == 0 && pause->cgroup) {
		r = cgroup_freeze(pause->cgroup, true, err);
		if (r < 0)
			go_on(pause, &ignored);
		return r;
	}
	if (r == 0) {
		r = signal_first(pause, SIGSTOP);
		if (r < 0)
			err_set(err, -r, "pause", "first process");
	}
	if (r == 0) {
		await_stop(pause);
		r = signal_others(pause, SIGSTOP, "pause", err);
	}
	if (r < 0)
		go_on(pause, &ignored);
	return r;
}

static int set(struct relay_guest *guest, bool paused, struct err *err)
{
	struct pause *pause = (struct pause *)guest;
	const char *what = paused ? "pause" : "unpause";

	if (pause->live->paused == paused)
		return err_setf(err, 0, what, "container", paused ? "it is already paused" : "it is not paused");
	return paused ? stand_still(pause, err) : go_on(pause, err);
}

/* The supervisor was told to end: the container is to hear it. */
static void ready(struct relay_guest *guest)
{
	struct err ignored;

	go_on((struct pause *)guest, &ignored);
}

void pause_begin(struct pause *pause, struct relay *relay, const struct bundle *bundle, struct live *live, int pidfd,
		 struct health *health, struct cgroup *cgroup)
{
	struct namespaces namespaces;
	bool known = namespaces_parse(bundle, &namespaces, NULL) == 0;

	*pause = (struct pause){
		.guest = { .fd = -1, .ready = ready, .pause = set }, .live = live, .health = health, .pidfd = pidfd,
		.cgroup = cgroup_can_freeze(cgroup) ? cgroup : NULL,
		.owns_pids = known && (namespaces.fresh & CLONE_NEWPID),
		.owns_users = known && ((namespaces.fresh | namespaces.joined) & CLONE_NEWUSER),
	};
	relay_add_guest(relay, &pause->guest);
}

void pause_end(struct pause *pause, struct relay *relay)
{
	life_wake_on_term = NULL;
	relay_remove_guest(relay, &pause->guest);
	if (pause->live)
		pause->live->paused = false;
}

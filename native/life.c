#include "life.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "request.h"
#include "util.h"

#define BACK_OFF_FIRST_MS 100
#define BACK_OFF_MOST_MS 60000
#define LONG_LIFE_MS 10000 /* after one of these the back-off begins anew */

static volatile sig_atomic_t first_process = -1; /* its pidfd, for the handler; -1: there is none */
static volatile sig_atomic_t asked_to_end;       /* SIGTERM has come */

int64_t *volatile life_wake_on_term;

static const char *const policy_names[] = {
	[LIFE_NO] = "no", [LIFE_ALWAYS] = "always", [LIFE_UNLESS_STOPPED] = "unless-stopped", [LIFE_ON_FAILURE] = "on-failure",
};

static int parse_policy(json_t *restart, struct life_rules *rules, struct err *err)
{
	const char *name;
	json_int_t maximum = 0;
	int r;

	rules->policy = LIFE_NO;
	rules->maximum = 0;
	if (!restart || json_is_null(restart))
		return 0;
	r = request_unpack(restart, err, "restart", "{s:s,s?I!}", "policy", &name, "maximum", &maximum);
	if (r < 0)
		return r;
	if (maximum < 0 || maximum > INT32_MAX)
		return err_setf(err, 0, "read request", "restart", "maximum is out of range");
	rules->maximum = (unsigned)maximum;
	for (size_t i = 0; i < sizeof(policy_names) / sizeof(*policy_names); i++) {
		if (strcmp(name, policy_names[i]) == 0) {
			rules->policy = (enum life_policy)i;
			return 0;
		}
	}
	return err_setf(err, 0, "read request", "restart", "unknown policy \"%s\"", name);
}

int life_parse(json_t *restart, json_t *limit, struct life_rules *rules, struct err *err)
{
	json_int_t after, grace;
	int r = parse_policy(restart, rules, err);

	if (r < 0 || !limit || json_is_null(limit))
		return r;
	r = request_unpack(limit, err, "timeLimit", "{s:I,s:I,s:i!}", "afterMs", &after, "graceMs", &grace, "signal", &rules->limit_signal);
	if (r < 0)
		return r;
	if (after < 1 || grace < 0 || rules->limit_signal < 1 || rules->limit_signal > 64)
		return err_setf(err, 0, "read request", "timeLimit", "out of range");
	rules->limit_ms = after;
	rules->grace_ms = grace;
	return 0;
}

static struct life *life_of(struct relay_guest *guest)
{
	return (struct life *)((char *)guest - offsetof(struct life, guest));
}

/* The limit's clock while it lives, the back-off's or SIGTERM while it rests. */
static void ready(struct relay_guest *guest)
{
	struct life *life = life_of(guest);

	if (life->pidfd < 0) {
		relay_wake(life->relay); /* whether by SIGTERM is seen when that is let in again */
		return;
	}
	syscall(SYS_pidfd_send_signal, life->pidfd, life->signalled ? SIGKILL : life->rules.limit_signal, NULL, 0);
	life->timed_out = true;
	guest->wake_ms = life->signalled ? 0 : monotonic_ms() + life->rules.grace_ms;
	life->signalled = true;
}

/* A user's `restart` of what cannot be started by another supervisor. Return: 0, or -errno with ERR. */
static int live_again(struct life *life, struct err *err)
{
	if (life->last || life->pidfd < 0)
		return err_setf(err, 0, "restart", "", life->last ? "its end was asked for" : "it has just ended");
	life->again = life->by_user = true;
	return 0;
}

static int update(struct relay_guest *guest, const char *text, size_t len, struct err *err)
{
	struct life *life = life_of(guest);
	struct life_rules rules = life->rules;
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *restart = NULL, *resources = NULL;
	int again = 0, r = request_unpack(object, err, "update", "{s?o,s?b,s?o!}", "restart", &restart, "again", &again, "resources", &resources);
	const bool has_policy = restart != NULL;

	if (r == 0 && again)
		r = restart || resources ? err_setf(err, 0, "update", "", "again, and more") : live_again(life, err);
	else if (r == 0 && !restart && !resources)
		r = err_setf(err, 0, "update", "", "nothing to update");
	if (r == 0 && restart)
		r = parse_policy(restart, &rules, err);
	if (r == 0 && resources)
		r = cgroup_update(life->cgroup, resources, err);
	json_decref(object);
	if (r < 0 || again || !has_policy)
		return r;
	life->rules = rules;
	if (rules.policy != LIFE_NO)
		return 0;
	life->again = life->by_user = false;
	life->last = true;
	if (life->pidfd < 0) {
		life->cancelled = true;
		relay_wake(life->relay);
	}
	return 0;
}

/* While resting: the plan is read at the next start. */
static void reload(struct relay_guest *guest)
{
	struct life *life = life_of(guest);

	relay_reload_begins(life->relay);
	relay_reloaded(life->relay, NULL);
}

void life_init(struct life *life, const struct life_rules *rules)
{
	*life = (struct life){ .rules = *rules, .pidfd = -1, .term_fd = -1, .guest = { .fd = -1, .ready = ready, .update = update } };
}

/* Who ends the supervisor (a logout, a shutdown) means the container; its end is then recorded as any other, and no life follows. */
static void pass_on(int number)
{
	int saved = errno;

	asked_to_end = 1;
	if (first_process >= 0)
		syscall(SYS_pidfd_send_signal, (int)first_process, number, NULL, 0);
	if (life_wake_on_term)
		*life_wake_on_term = 1;
	errno = saved;
}

static void disregard(int number)
{
	(void)number;
}

void life_handle_signals(void)
{
	static const int disregarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ, SIGTSTP, SIGUSR1, SIGUSR2 };
	struct sigaction action = { .sa_handler = disregard, .sa_flags = SA_RESTART };

	/* By a handler: what is ignored stays so across execve, and a next life begins in a process of ours. */
	for (size_t i = 0; i < sizeof(disregarded) / sizeof(*disregarded); i++)
		sigaction(disregarded[i], &action, NULL);
	action.sa_handler = pass_on;
	sigaction(SIGTERM, &action, NULL);
}

void life_begins(struct life *life, struct relay *relay, int pidfd)
{
	life->relay = relay;
	life->pidfd = pidfd;
	life->timed_out = life->signalled = life->again = life->by_user = life->last = false;
	life->guest.fd = -1;
	life->guest.reload = NULL;
	life->guest.wake_ms = life->rules.limit_ms ? monotonic_ms() + life->rules.limit_ms : 0;
	relay_add_guest(relay, &life->guest);
	first_process = pidfd;
	if (asked_to_end) /* while it was being started: then nobody has passed it on */
		syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
}

int life_ended(struct life *life, int status)
{
	first_process = -1;
	life->pidfd = -1;
	life->guest.wake_ms = 0;
	return life->timed_out ? LIFE_TIMED_OUT : status;
}

static bool policy_says(const struct life *life, int status)
{
	switch (life->rules.policy) {
	case LIFE_NO:
		return false;
	case LIFE_ON_FAILURE:
		return status != 0 && (life->rules.maximum == 0 || life->restarts < life->rules.maximum);
	case LIFE_ALWAYS:
	case LIFE_UNLESS_STOPPED:
		return true;
	}
	return false;
}

bool life_goes_on(struct life *life, int status, int64_t lived_ms)
{
	bool by_policy = policy_says(life, status);

	if (asked_to_end || !(by_policy || life->again))
		return false;
	if (life->by_user) {
		life->again = life->by_user = false;
		life->back_off_ms = 0;
		return true;
	}
	life->again = false; /* used */
	if (life->back_off_ms == 0 || lived_ms >= LONG_LIFE_MS)
		life->back_off_ms = BACK_OFF_FIRST_MS;
	else if ((life->back_off_ms *= 2) > BACK_OFF_MOST_MS)
		life->back_off_ms = BACK_OFF_MOST_MS;
	life->restarts++;
	return true;
}

bool life_rest(struct life *life, struct relay *relay)
{
	sigset_t term, before;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	life->relay = relay;
	life->cancelled = false;
	life->term_fd = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK); /* -1: it is heard when the wait is over */
	life->guest.fd = life->term_fd;
	life->guest.reload = reload;
	life->guest.wake_ms = monotonic_ms() + life->back_off_ms;
	relay_add_guest(relay, &life->guest);
	if (!asked_to_end) /* since the last life: from here on it is the descriptor that tells */
		relay_rest(relay);
	life->guest.wake_ms = 0;
	life->guest.fd = -1;
	close_fd(&life->term_fd);
	sigprocmask(SIG_SETMASK, &before, NULL); /* a SIGTERM that waits arrives here */
	return !life->cancelled && !asked_to_end;
}

void life_restart(struct life *life)
{
	life->again = !life->last;
}

void life_end(struct life *life)
{
	asked_to_end = 1;
	if (life->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, life->pidfd, SIGKILL, NULL, 0);
	else
		relay_wake(life->relay);
}

#include "splice.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <linux/sockios.h>

#include "../util.h"
#include "overflow.h"

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)
#define COPY_BYTES (64 << 10)   /* the shared buffer; a transfer that fills it is bulk */
#define CHUNK_BYTES (128 << 10) /* of one splice(2); measured: more than fits the cache is slower, less wakes the peer too often */
#define TURN_BYTES (1 << 20)    /* of one direction before the others have their turn */
#define PIPES 64                /* at most; two descriptors each */
#define PIPES_KEPT 4            /* empty ones that are not closed */
#define PIPE_BYTES (512 << 10)  /* of the first ones: a chunk of full segments (fs.pipe-user-pages-soft is 64 MiB a user) */
#define PIPES_LARGE 8
#define OTHERS 64               /* descriptors of netd that are always there; a quarter of the rest is for connections being opened */
#define PIPE_LEAST (64 << 10)   /* what is smaller is no use (a user beyond the soft limit gets 8 KiB) */

struct pipe {
	struct pipe *next; /* among the free ones */
	int in, out;
	size_t bytes;      /* that it holds when its buffers are full pages */
};

/* One socket, and the direction that it is the source of. */
struct side {
	struct watch watch;
	struct pipe *pipe;  /* with HELD bytes that the other side has not taken yet; NULL when there are none */
	size_t held;
	bool readable : 1;  /* there may be something to read */
	bool fresh : 1;     /* EPOLLIN was seen since the last receive: the mark is not right in front of us */
	bool last : 1;      /* an end was announced: read until it comes */
	bool broken : 1;    /* reset, timed out or failed to connect: its end of file is not one */
	bool eof : 1;       /* its end of file was read */
	bool shut : 1;      /* and passed on */
	bool full : 1;      /* it took nothing (as destination): wait for EPOLLOUT */
	bool bulk : 1;      /* what comes from it is worth a pipe */
	bool urgent : 1;    /* urgent data was seen: no splice(2) any more, which cannot pass a mark */
};

struct joined {
	struct side sides[2]; /* 0: the host's; 1: N's */
	struct joined *next, **link; /* of the share */
	struct tcp_share *share;
	splice_again *again;         /* until N's side has connected, or a second time */
	uint16_t port;               /* for it */
};

struct splice_room {
	struct pipe *free;
	size_t n_pipes, n_free;
	size_t connections;
	size_t most; /* of this process; further ones are given away */
	unsigned char buffer[COPY_BYTES];
};

/* What became of a step. */
enum step {
	GOES_ON,
	RESTS, /* nothing more to do until an edge */
	ENDS,  /* the connection is to be reset */
};

/* ---- pipes ---- */

static struct pipe *pipe_new(struct splice_room *room)
{
	struct pipe *made;
	int fds[2], bytes;

	if (room->n_pipes >= PIPES || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return NULL;
	if (room->n_pipes < PIPES_LARGE)
		fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* beyond the user's limit: it stays as it is */
	bytes = fcntl(fds[1], F_GETPIPE_SZ);
	if (bytes < PIPE_LEAST) {
		close(fds[0]);
		close(fds[1]);
		return NULL;
	}
	made = xcalloc(1, sizeof(*made));
	made->out = fds[0];
	made->in = fds[1];
	made->bytes = (size_t)bytes;
	room->n_pipes++;
	return made;
}

static struct pipe *pipe_take(struct splice_room *room)
{
	struct pipe *pipe = room->free;

	if (!pipe)
		return pipe_new(room);
	room->free = pipe->next;
	room->n_free--;
	return pipe;
}

static void pipe_close(struct splice_room *room, struct pipe *pipe)
{
	close(pipe->in);
	close(pipe->out);
	free(pipe);
	room->n_pipes--;
}

/* Give back an empty one. */
static void pipe_give(struct splice_room *room, struct pipe *pipe)
{
	if (room->n_free >= PIPES_KEPT) {
		pipe_close(room, pipe);
		return;
	}
	pipe->next = room->free;
	room->free = pipe;
	room->n_free++;
}

/* ---- a direction ---- */

static enum step took_nothing(struct side *to)
{
	if (errno == EAGAIN) {
		to->full = true;
		return RESTS;
	}
	/* What it has sent before it broke is still passed on, so the connection is ended by the other direction. */
	to->broken = to->readable = to->last = true;
	return RESTS;
}

static enum step gave_nothing(struct side *from)
{
	if (errno == EAGAIN) {
		from->readable = false;
		return RESTS;
	}
	from->broken = true;
	return ENDS;
}

static enum step came_to_end(struct side *from)
{
	if (from->broken)
		return ENDS;
	from->eof = true;
	return GOES_ON;
}

/* Write what lies in FROM's pipe to TO. */
static enum step drain(struct splice_room *room, struct side *from, struct side *to)
{
	ssize_t n = splice(from->pipe->out, NULL, to->watch.fd, NULL, from->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0)
		return took_nothing(to);
	from->held -= (size_t)n;
	if (from->held == 0) {
		pipe_give(room, from->pipe);
		from->pipe = NULL;
	}
	return GOES_ON;
}

/* Through a pipe. *MOVED grows. */
static enum step move(struct splice_room *room, struct side *from, struct side *to, size_t *moved)
{
	struct pipe *pipe = pipe_take(room);
	ssize_t n;

	if (!pipe) {
		from->bulk = false;
		return GOES_ON;
	}
	n = splice(from->watch.fd, NULL, pipe->in, NULL, CHUNK_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n <= 0) {
		enum step step = GOES_ON;

		if (n < 0)
			step = gave_nothing(from);
		else
			from->bulk = false; /* an end of file, or one behind a mark: recv(2) tells */
		pipe_give(room, pipe);
		return step;
	}
	from->pipe = pipe;
	from->held = (size_t)n;
	*moved += (size_t)n;
	return drain(room, from, to);
}

/* The urgent byte, if it is the next one of FROM. */
static enum step pass_urgent(struct side *from, struct side *to)
{
	char byte;
	ssize_t n = recv(from->watch.fd, &byte, 1, MSG_OOB | MSG_PEEK);

	if (n < 0 && errno == EINVAL)
		return GOES_ON; /* passed on before; the next receive skips it */
	if (n < 0)
		return gave_nothing(from); /* EAGAIN: announced, not here yet; EPOLLPRI comes */
	if (n > 0 && send(to->watch.fd, &byte, 1, MSG_OOB | MSG_NOSIGNAL) < 0)
		return took_nothing(to);
	recv(from->watch.fd, &byte, 1, MSG_OOB);
	return GOES_ON;
}

/* Keep LEN bytes of DATA that TO did not take. PIPE is a fresh one, which has room for COPY_BYTES. */
static enum step keep(struct side *from, struct pipe *pipe, const unsigned char *data, size_t len)
{
	if (write(pipe->in, data, len) != (ssize_t)len)
		return ENDS; /* cannot be */
	from->pipe = pipe;
	from->held = len;
	return RESTS;
}

/* Through the buffer. */
static enum step copy(struct splice_room *room, struct side *from, struct side *to, size_t *moved)
{
	int mark = 0, fd = from->watch.fd;
	struct pipe *pipe;
	enum step step = GOES_ON;
	ssize_t n, sent;

	if ((!from->fresh || from->urgent) && ioctl(fd, SIOCATMARK, &mark) == 0 && mark) {
		from->urgent = true;
		step = pass_urgent(from, to);
		if (step != GOES_ON)
			return step;
	}
	from->fresh = false;
	pipe = pipe_take(room); /* for what is not taken */
	n = recv(fd, room->buffer, COPY_BYTES, pipe ? 0 : MSG_PEEK);
	if (n <= 0) {
		step = n < 0 ? gave_nothing(from) : came_to_end(from);
		goto out;
	}
	/* A stream that gives less than was asked for has no more, unless it stopped at the mark or its end is behind. */
	if (n < COPY_BYTES && !from->last && !from->urgent)
		from->readable = false;
	if (n == COPY_BYTES)
		from->bulk = !from->urgent;
	sent = send(to->watch.fd, room->buffer, (size_t)n, MSG_NOSIGNAL);
	if (sent < 0) {
		step = took_nothing(to);
		sent = 0;
	}
	*moved += (size_t)sent;
	if (!pipe) {
		if (sent > 0 && recv(fd, NULL, (size_t)sent, MSG_TRUNC) != sent)
			return ENDS; /* cannot be */
		if (sent < n)
			from->readable = true;
	} else if (sent < n && !to->broken) {
		to->full = true;
		return keep(from, pipe, room->buffer + sent, (size_t)(n - sent));
	}
out:
	if (pipe)
		pipe_give(room, pipe);
	return step;
}

/* Move what there is from FROM to TO. */
static enum step pump(struct netd *netd, struct side *from, struct side *to)
{
	struct splice_room *room = netd->splice;
	size_t moved = 0;
	enum step step = GOES_ON;
	bool bulk = from->bulk;

	while (step == GOES_ON) {
		if (to->full || to->broken) {
			step = RESTS;
		} else if (from->held > 0) {
			step = drain(room, from, to);
		} else if (from->eof && from->broken) {
			step = ENDS;
		} else if (from->eof) {
			if (!from->shut && shutdown(to->watch.fd, SHUT_WR) < 0 && errno != ENOTCONN)
				to->broken = true;
			from->shut = true;
			step = RESTS;
		} else if (!from->readable) {
			step = RESTS;
		} else if (moved >= TURN_BYTES) {
			step = loop_change(netd, &from->watch, EDGES) < 0 ? ENDS : RESTS;
		} else if (from->bulk && !from->urgent) {
			step = move(room, from, to, &moved);
		} else {
			step = copy(room, from, to, &moved);
		}
	}
	if (bulk && moved < COPY_BYTES / 4)
		from->bulk = false;
	return step;
}

/* ---- a connection ---- */

static void end(struct netd *netd, struct joined *joined, bool reset)
{
	static const struct linger in_order = { .l_onoff = 0 }; /* what splice_options() has set resets */
	struct splice_room *room = netd->splice;

	for (int i = 0; i < 2; i++) {
		struct side *side = &joined->sides[i];

		if (side->pipe)
			pipe_close(room, side->pipe); /* with what is in it */
		loop_unwatch(netd, &side->watch);
		if (!reset)
			setsockopt(side->watch.fd, SOL_SOCKET, SO_LINGER, &in_order, sizeof(in_order));
		close(side->watch.fd);
	}
	*joined->link = joined->next;
	if (joined->next)
		joined->next->link = joined->link;
	joined->share->n_joined--;
	room->connections--;
	loop_free(netd, joined);
}

/* Both directions as far as they go. */
static void serve(struct netd *netd, struct joined *joined, int first)
{
	struct side *a = &joined->sides[first], *b = &joined->sides[!first];

	if (pump(netd, a, b) == ENDS || pump(netd, b, a) == ENDS) {
		end(netd, joined, true);
		return;
	}
	if (a->shut && b->shut) {
		end(netd, joined, false);
		return;
	}
	/* A side broke while something was sent to it: its own last bytes are passed on, then the other one is reset. */
	if ((a->broken && pump(netd, a, b) == ENDS) || (b->broken && pump(netd, b, a) == ENDS) || (a->broken && b->broken))
		end(netd, joined, true);
}

/* N's socket was not connected. Nothing has been read for it yet, so another one can take its place. Return: whether one does. */
static bool try_again(struct netd *netd, struct joined *joined)
{
	struct side *inner = &joined->sides[1];
	splice_again *again = joined->again;
	int error = 0, fd;
	socklen_t len = sizeof(error);

	joined->again = NULL;
	if (getsockopt(inner->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != ECONNREFUSED)
		return false;
	fd = again(netd, joined->share->endpoint, joined->sides[0].watch.fd, joined->port);
	if (fd < 0)
		return false;
	loop_unwatch(netd, &inner->watch);
	close(inner->watch.fd);
	inner->watch.fd = fd;
	return loop_watch(netd, &inner->watch, EDGES) == 0;
}

static void ready(struct netd *netd, struct joined *joined, int index, uint32_t events)
{
	struct side *side = &joined->sides[index];

	if (index == 1 && joined->again && events & EPOLLERR) {
		if (!try_again(netd, joined))
			end(netd, joined, true);
		return;
	}
	if (index == 1 && events & EPOLLOUT)
		joined->again = NULL;
	if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		side->readable = true;
	if (events & EPOLLIN)
		side->fresh = true;
	if (events & EPOLLPRI)
		side->urgent = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		side->last = true;
	if (events & EPOLLERR)
		side->broken = true;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		side->full = false;
	serve(netd, joined, index);
}

static void outer_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	ready(netd, container_of(watch, struct joined, sides[0].watch), 0, events);
}

static void inner_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	ready(netd, container_of(watch, struct joined, sides[1].watch), 1, events);
}

static int join(struct netd *netd, struct tcp_share *share, int outer, int inner, bool watched, splice_again *again, uint16_t port)
{
	struct splice_room *room = netd->splice;
	struct joined *joined;
	int error;

	if (room->connections >= room->most && overflow_join(netd, share, outer, inner, watched) == 0)
		return 0;
	joined = xcalloc(1, sizeof(*joined));
	joined->sides[0].watch = (struct watch){ .fd = outer, .ready = outer_ready };
	joined->sides[1].watch = (struct watch){ .fd = inner, .ready = inner_ready };
	/* Until the loop says that they take something: one that is still connecting must not even be shut down. */
	joined->sides[0].full = joined->sides[1].full = true;
	joined->again = again;
	joined->port = port;
	joined->share = share;
	joined->next = share->joined;
	joined->link = &share->joined;
	if (joined->next)
		joined->next->link = &joined->next;
	share->joined = joined;
	share->n_joined++;
	room->connections++;
	error = (watched ? loop_change : loop_watch)(netd, &joined->sides[0].watch, EDGES);
	if (!error)
		error = loop_watch(netd, &joined->sides[1].watch, EDGES);
	if (error)
		end(netd, joined, true);
	return error;
}

int splice_join(struct netd *netd, struct tcp_share *share, int outer, int inner)
{
	return join(netd, share, outer, inner, false, NULL, 0);
}

int splice_join_watched(struct netd *netd, struct tcp_share *share, int outer, int inner)
{
	return join(netd, share, outer, inner, true, NULL, 0);
}

int splice_join_trying(struct netd *netd, struct tcp_share *share, int outer, int inner, splice_again *again, uint16_t port)
{
	return join(netd, share, outer, inner, false, again, port);
}

/* ---- the rest ---- */

void splice_options(int fd, bool host)
{
	static const int one = 1, idle = 60, interval = 60 /* seconds */, probes = 120;
	static const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	setsockopt(fd, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (!host)
		return;
	setsockopt(fd, SOL_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, SOL_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, SOL_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

void splice_reset(int fd)
{
	static const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

struct tcp_share *splice_share(struct endpoint *endpoint)
{
	if (!endpoint->tcp) {
		endpoint->tcp = xcalloc(1, sizeof(*endpoint->tcp));
		endpoint->tcp->endpoint = endpoint;
	}
	return endpoint->tcp;
}

void splice_forget(struct netd *netd, struct endpoint *endpoint)
{
	while (endpoint->tcp && endpoint->tcp->joined)
		end(netd, endpoint->tcp->joined, true);
	if (endpoint->tcp)
		overflow_forget(netd, endpoint->tcp);
	free(endpoint->tcp);
	endpoint->tcp = NULL;
}

bool splice_room_left(const struct netd *netd)
{
	return netd->splice->connections < netd->splice->most || overflow_room_left(netd);
}

bool splice_share_left(const struct netd *netd, const struct tcp_share *share)
{
	return (size_t)share->n_joined + share->n_given + share->n_held < (netd->splice->most + overflow_capacity()) / 2;
}

int splice_begin(struct netd *netd, bool alone, struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_set(err, errno, "read limit", "RLIMIT_NOFILE");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_set(err, errno, "ignore signal", "SIGPIPE");
	netd->splice = xcalloc(1, sizeof(*netd->splice));
	netd->splice->most = alone ? SIZE_MAX : limit.rlim_cur / 4 * 3 > OTHERS ? (limit.rlim_cur / 4 * 3 - OTHERS) / 2 : 0;
	return 0;
}

/*
 * relay_internal: between relay.c and relay_guest.c.
 */
#ifndef PROA_RELAY_INTERNAL_H
#define PROA_RELAY_INTERNAL_H

#include <poll.h>

#include "relay.h"
#include "wire.h"

struct client {
	struct client *next;
	int fd;
	unsigned wants;              /* flags of ATTACH */
	struct wire_input in;
	unsigned char control[WIRE_CONTROL_BYTES];
	unsigned char *text;         /* payload of an UPDATE that has begun, or NULL */
	struct wire_queue out;
	bool blocked;                /* its STDIN waits for the process to read */
	bool full;                   /* output that could be spliced waits for its socket */
	bool gone;
	bool leaving;                /* it was told the end of its process, and gets what is queued, no more */
	enum { RELOAD_NONE, RELOAD_ASKED, RELOAD_UNDER_WAY } reload, check;
};

struct relay {
	int stdin_fd, out_fd[2];     /* pipes; -1 when closed or with a terminal */
	int console_fd, slave_fd;    /* terminal; the slave is held so that its last closing in the container is no end */
	int pidfd, listen_fd;
	bool input, stdin_once, started, ended, woken;
	unsigned char veof;          /* what the terminal was last seen to read as end of file */
	bool line_open;              /* typed bytes since the last newline */
	struct log *log;
	const struct journal *journal; /* see relay_tells() */
	const char *exec_id;
	struct client *clients;
	size_t n_clients;
	unsigned char *buffer;       /* mapped, BUFFER_BYTES */
	struct pollfd *poll;
	size_t poll_size;
	int listen_pause;            /* rounds without accept(2): descriptors ran out */
	struct relay_guest *guests[RELAY_GUESTS]; /* each NULL where there is none */
};

/* Slots of the poll array that come before the clients; a negative fd is skipped by poll(2). */
enum { SLOT_END, SLOT_LISTEN, SLOT_OUT, SLOT_ERR, SLOT_CONSOLE, SLOT_STDIN, SLOT_GUESTS, SLOT_CLIENTS = SLOT_GUESTS + RELAY_GUESTS };

/* The facts of ERR as a frame. */
void relay_send_facts(struct client *client, enum wire_type type, const struct err *err);

/* A client's RELOAD and NETNS. Return: 0, or -errno: it is dropped. */
int relay_ask_reload(struct relay *relay, struct client *client);
int relay_tell_netns(struct relay *relay, struct client *client);

/* A client's PAUSE, UNPAUSE and UPDATE: answered at once; CHECK: when the check has been made. Return: 0 */
int relay_ask_pause(struct relay *relay, struct client *client, bool paused);
int relay_ask_check(struct relay *relay, struct client *client);
int relay_ask_update(struct relay *relay, struct client *client, const char *text, size_t len);

/* Milliseconds until the first guest wants to be woken; -1: never. */
int relay_guest_patience(const struct relay *relay);

/* Before poll(2): the slots of the guests. */
void relay_poll_guests(struct relay *relay);

/* After poll(2). Return: true when a guest was served. */
bool relay_serve_guests(struct relay *relay);

#endif

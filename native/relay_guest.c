/* relay_guest: what the loop does for its guests, and for the clients that want something of it. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "relay_internal.h"
#include "util.h"

void relay_send_facts(struct client *client, enum wire_type type, const struct err *err)
{
	autofree char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	err_write_json(err, out);
	fclose(out);
	if (wire_send(client->fd, &client->out, type, text, len) < 0)
		client->gone = true;
}

void relay_add_guest(struct relay *relay, struct relay_guest *guest)
{
	size_t i = 0;

	while (i < RELAY_GUESTS && relay->guests[i] && relay->guests[i] != guest)
		i++;
	assert(i < RELAY_GUESTS); /* each is a part of the program, known beforehand */
	relay->guests[i] = guest;
	if (relay->poll)
		relay->poll[SLOT_GUESTS + i].revents = 0; /* of one that was there before */
}

void relay_remove_guest(struct relay *relay, struct relay_guest *guest)
{
	for (size_t i = 0; i < RELAY_GUESTS; i++)
		if (relay->guests[i] == guest)
			relay->guests[i] = NULL;
}

/* The first guest that has the function at OFFSET of struct relay_guest; NULL where there is none, or the process has ended. */
static struct relay_guest *guest_with(const struct relay *relay, size_t offset)
{
	for (size_t i = 0; !relay->ended && i < RELAY_GUESTS; i++) {
		void (*function)(void);

		if (!relay->guests[i])
			continue;
		memcpy(&function, (const char *)relay->guests[i] + offset, sizeof(function));
		if (function)
			return relay->guests[i];
	}
	return NULL;
}

#define GUEST_WITH(relay, function) guest_with(relay, offsetof(struct relay_guest, function))

void relay_reload_begins(struct relay *relay)
{
	for (struct client *client = relay->clients; client; client = client->next)
		if (client->reload == RELOAD_ASKED)
			client->reload = RELOAD_UNDER_WAY;
}

bool relay_reloaded(struct relay *relay, const struct err *err)
{
	bool more = false;

	for (struct client *client = relay->clients; client; client = client->next) {
		more = more || client->reload == RELOAD_ASKED;
		if (client->reload != RELOAD_UNDER_WAY)
			continue;
		client->reload = RELOAD_NONE;
		if (err)
			relay_send_facts(client, WIRE_REFUSED, err);
		else if (wire_send(client->fd, &client->out, WIRE_RELOADED, NULL, 0) < 0)
			client->gone = true;
	}
	return more;
}

int relay_ask_reload(struct relay *relay, struct client *client)
{
	struct relay_guest *guest = GUEST_WITH(relay, reload);
	struct err err;

	if (guest) {
		client->reload = RELOAD_ASKED;
		guest->reload(guest);
		return 0;
	}
	err_setf(&err, 0, "reload networks", "", "the container was started without networks of its own");
	relay_send_facts(client, WIRE_REFUSED, &err);
	return 0;
}

/* With a descriptor beside it, which cannot be queued: who does not read its answers gets none. */
int relay_tell_netns(struct relay *relay, struct client *client)
{
	unsigned char frame[WIRE_HEADER_BYTES + 1] = { WIRE_NETNS_IS };
	struct relay_guest *guest = GUEST_WITH(relay, netns);
	int fd = guest ? guest->netns(guest) : -1;

	wire_put32(frame + 4, 1);
	frame[WIRE_HEADER_BYTES] = fd >= 0;
	return wire_pending(&client->out) > 0 ? -EPROTO : wire_send_descriptor(client->fd, frame, sizeof(frame), fd);
}

/* DONE, or REFUSED with ERR where R is one. */
static int answer(struct client *client, int r, const struct err *err)
{
	if (r < 0)
		relay_send_facts(client, WIRE_REFUSED, err);
	else if (wire_send(client->fd, &client->out, WIRE_DONE, NULL, 0) < 0)
		client->gone = true;
	return 0;
}

int relay_ask_pause(struct relay *relay, struct client *client, bool paused)
{
	struct relay_guest *guest = GUEST_WITH(relay, pause);
	struct err err = { 0 };
	int r = guest ? guest->pause(guest, paused, &err)
		      : err_setf(&err, 0, paused ? "pause" : "unpause", "", "the container cannot be paused now");

	return answer(client, r, &err);
}

int relay_ask_check(struct relay *relay, struct client *client)
{
	struct relay_guest *guest = GUEST_WITH(relay, check);
	struct err err = { 0 };
	int r;

	client->check = RELOAD_ASKED;
	r = guest ? guest->check(guest, &err) : err_setf(&err, 0, "check health", "", "the container has no health check");
	if (r < 0) {
		client->check = RELOAD_NONE;
		relay_send_facts(client, WIRE_REFUSED, &err);
	}
	return 0;
}

void relay_check_begins(struct relay *relay)
{
	for (struct client *client = relay->clients; client; client = client->next)
		if (client->check == RELOAD_ASKED)
			client->check = RELOAD_UNDER_WAY;
}

bool relay_checked(struct relay *relay, unsigned char outcome)
{
	bool more = false;

	for (struct client *client = relay->clients; client; client = client->next) {
		more = more || client->check == RELOAD_ASKED;
		if (client->check != RELOAD_UNDER_WAY)
			continue;
		client->check = RELOAD_NONE;
		if (wire_send(client->fd, &client->out, WIRE_CHECKED, &outcome, 1) < 0)
			client->gone = true;
	}
	return more;
}

int relay_ask_update(struct relay *relay, struct client *client, const char *text, size_t len)
{
	struct relay_guest *guest = GUEST_WITH(relay, update);
	struct err err = { 0 };
	int r = guest ? guest->update(guest, text, len, &err) : err_setf(&err, 0, "update", "", "the container has ended");

	return answer(client, r, &err);
}

int relay_guest_patience(const struct relay *relay)
{
	int64_t first = 0, left;

	for (size_t i = 0; i < RELAY_GUESTS; i++) {
		int64_t wake = relay->guests[i] ? relay->guests[i]->wake_ms : 0;

		if (wake != 0 && (first == 0 || wake < first))
			first = wake;
	}
	if (first == 0)
		return -1;
	left = first - monotonic_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

void relay_poll_guests(struct relay *relay)
{
	for (size_t i = 0; i < RELAY_GUESTS; i++)
		relay->poll[SLOT_GUESTS + i] =
			(struct pollfd){ .fd = relay->guests[i] ? relay->guests[i]->fd : -1, .events = POLLIN };
}

bool relay_serve_guests(struct relay *relay)
{
	const int64_t now = monotonic_ms();
	bool served = false;

	for (size_t i = 0; i < RELAY_GUESTS; i++) {
		struct relay_guest *guest = relay->guests[i];

		if (!guest || (relay->poll[SLOT_GUESTS + i].revents == 0 && (guest->wake_ms == 0 || guest->wake_ms > now)))
			continue;
		guest->ready(guest);
		served = true;
	}
	return served;
}

/* relay_guest: what the loop does for its guest, and for the clients that want something of it. */
#include <errno.h>
#include <limits.h>
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
	relay->guest = guest;
}

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
	struct err err;

	if (relay->guest && !relay->ended) {
		client->reload = RELOAD_ASKED;
		relay->guest->reload(relay->guest);
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
	int fd = relay->guest && !relay->ended ? relay->guest->netns(relay->guest) : -1;

	wire_put32(frame + 4, 1);
	frame[WIRE_HEADER_BYTES] = fd >= 0;
	return wire_pending(&client->out) > 0 ? -EPROTO : wire_send_descriptor(client->fd, frame, sizeof(frame), fd);
}

int relay_guest_patience(const struct relay *relay)
{
	int64_t left;

	if (!relay->guest || relay->guest->wake_ms == 0)
		return -1;
	left = relay->guest->wake_ms - monotonic_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

bool relay_serve_guest(struct relay *relay)
{
	if (!relay->guest || (relay->poll[SLOT_GUEST].revents == 0 && relay_guest_patience(relay) != 0))
		return false;
	relay->guest->ready(relay->guest);
	return true;
}

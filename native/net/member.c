#include "member.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../util.h"

/* ---- networks that are in use ---- */

static struct network *network_in_use(struct netd *netd, const char *id)
{
	struct network *network = netd->networks;

	while (network && strcmp(network->id, id) != 0)
		network = network->next;
	return network;
}

/* Move PLANNED from PLAN to those in use and make it. Return: 0, or -errno with ERR; then it is the plan's still. */
static int network_begin(struct netd *netd, struct plan *plan, struct network *planned, struct err *err)
{
	struct network **at = &plan->networks;
	int r;

	for (struct network *other = netd->networks; other; other = other->next)
		if (strcmp(other->bridge, planned->bridge) == 0)
			return err_setf(err, EEXIST, "create bridge", planned->bridge, "network \"%s\" has it", other->name);
	r = bridge_add_network(netd, planned, err);
	if (r < 0)
		return r;
	while (*at != planned)
		at = &(*at)->next;
	*at = planned->next;
	planned->next = netd->networks;
	netd->networks = planned;
	r = names_add_network(netd, planned, err);
	if (r == 0)
		return 0;
	bridge_remove_network(netd, planned);
	netd->networks = planned->next;
	planned->next = plan->networks;
	plan->networks = planned;
	return r;
}

static void network_release(struct netd *netd, struct network *network)
{
	struct network **at = &netd->networks;

	if (--network->n_endpoints > 0)
		return;
	names_remove_network(netd, network);
	bridge_remove_network(netd, network);
	while (*at != network)
		at = &(*at)->next;
	*at = network->next;
	/* as network_free(), but a room may still look at it in this round */
	loop_free(netd, network->id);
	loop_free(netd, network->name);
	loop_free(netd, network->subnets);
	loop_free(netd, network->resolvers);
	loop_free(netd, network);
}

/* What may change of a network while it is in use. */
static void network_refresh(struct network *network, struct network *planned)
{
	struct address *resolvers = network->resolvers;
	size_t n = network->n_resolvers;

	network->resolvers = planned->resolvers;
	network->n_resolvers = planned->n_resolvers;
	planned->resolvers = resolvers;
	planned->n_resolvers = n;
}

/* ---- endpoints ---- */

static bool same_routes(const struct endpoint *a, const struct endpoint *b)
{
	if (a->n_routes != b->n_routes)
		return false;
	for (size_t i = 0; i < a->n_routes; i++)
		if (!address_equal(&a->routes[i].gateway, &b->routes[i].gateway) ||
		    !address_equal(&a->routes[i].destination.address, &b->routes[i].destination.address) ||
		    a->routes[i].destination.prefix != b->routes[i].destination.prefix)
			return false;
	return true;
}

/* Equal as far as the kernel knows of it. */
static bool same_link(const struct endpoint *a, const struct endpoint *b)
{
	return strcmp(a->network->id, b->network->id) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 && address_equal(&a->v4, &b->v4) && address_equal(&a->v6, &b->v6) &&
	       a->v4_prefix == b->v4_prefix && a->v6_prefix == b->v6_prefix && address_equal(&a->gateway4, &b->gateway4) &&
	       address_equal(&a->gateway6, &b->gateway6) && same_routes(a, b);
}

static bool shares_address(const struct endpoint *a, const struct endpoint *b)
{
	return (a->v4.family && address_equal(&a->v4, &b->v4)) || (a->v6.family && address_equal(&a->v6, &b->v6));
}

static int check_addresses(const struct netd *netd, const struct member *member, const struct endpoint *wanted, struct err *err)
{
	for (const struct member *other = netd->members; other; other = other->next) {
		if (other == member)
			continue;
		for (const struct endpoint *endpoint = other->endpoints; endpoint; endpoint = endpoint->next)
			if (shares_address(endpoint, wanted)) {
				char text[INET6_ADDRSTRLEN];
				bool v4 = endpoint->v4.family && address_equal(&endpoint->v4, &wanted->v4);

				address_print(v4 ? &wanted->v4 : &wanted->v6, text);
				return err_setf(err, EADDRINUSE, "give address", text, "container %.12s has it", other->id);
			}
	}
	return 0;
}

static bool has_default_route(const struct endpoint *endpoint)
{
	return endpoint->gateway4.family || endpoint->gateway6.family;
}

static int endpoint_begin(struct netd *netd, struct member *member, struct plan *plan, struct endpoint *endpoint, struct err *err)
{
	struct network *planned = endpoint->network, *network = network_in_use(netd, planned->id);
	int r = check_addresses(netd, member, endpoint, err);

	if (r == 0 && !network) {
		r = network_begin(netd, plan, planned, err);
		network = planned;
	}
	if (r < 0)
		return r;
	endpoint->member = member;
	endpoint->network = network;
	network->n_endpoints++;
	r = bridge_add_endpoint(netd, endpoint, has_default_route(endpoint), err);
	if (r < 0)
		network_release(netd, network);
	else
		names_changed(network);
	return r;
}

/* Take down what endpoint_begin() has made; the structure stays. */
static void endpoint_undo(struct netd *netd, struct endpoint *endpoint)
{
	bridge_remove_endpoint(netd, endpoint);
	network_release(netd, endpoint->network);
}

static void endpoint_discard(struct netd *netd, struct endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->n_names; i++)
		loop_free(netd, endpoint->names[i]);
	loop_free(netd, endpoint->names);
	loop_free(netd, endpoint->routes);
	loop_free(netd, endpoint);
}

/* ---- a change of plans ---- */

/* What becomes of one endpoint. */
struct step {
	struct endpoint *old;  /* in force now, or NULL */
	struct endpoint *next; /* the plan's, or NULL; where both are there they are equal, and OLD stays in force */
	bool taken_down;       /* OLD, before its time: it was in the way of another */
	bool made;             /* NEXT */
};

struct change {
	struct step *steps; /* those with NEXT first, in the plan's order */
	size_t n_next, n;
};

static struct change compare(struct member *member, struct plan *plan)
{
	struct change change = { 0 };
	size_t n = 0;

	for (struct endpoint *e = member->endpoints; e; e = e->next)
		n++;
	for (struct endpoint *e = plan->endpoints; e; e = e->next)
		n++;
	change.steps = xcalloc(n, sizeof(*change.steps));
	for (struct endpoint *e = plan->endpoints; e; e = e->next)
		change.steps[change.n++].next = e;
	change.n_next = change.n;
	for (struct endpoint *e = member->endpoints; e; e = e->next) {
		struct step *stays = NULL;

		for (size_t i = 0; i < change.n_next && !stays; i++)
			if (!change.steps[i].old && same_link(e, change.steps[i].next))
				stays = &change.steps[i];
		if (stays)
			stays->old = e;
		else
			change.steps[change.n++].old = e;
	}
	return change;
}

/* Goes, but not before what is new is there, unless it holds a name or an address that is needed. */
static bool is_in_the_way(const struct change *change, const struct endpoint *old)
{
	for (size_t i = 0; i < change->n_next; i++) {
		const struct step *step = &change->steps[i];

		if (!step->old && (strcmp(step->next->interface, old->interface) == 0 || shares_address(step->next, old)))
			return true;
	}
	return false;
}

static int make_new(struct netd *netd, struct member *member, struct plan *plan, struct change *change, struct err *err)
{
	for (size_t i = change->n_next; i < change->n; i++)
		if (is_in_the_way(change, change->steps[i].old)) {
			/* its network stays in use until it is sure that it is not needed to go back */
			bridge_remove_endpoint(netd, change->steps[i].old);
			change->steps[i].taken_down = true;
		}
	for (size_t i = 0; i < change->n_next; i++) {
		struct step *step = &change->steps[i];
		int r;

		if (step->old)
			continue;
		r = endpoint_begin(netd, member, plan, step->next, err);
		if (r < 0)
			return r;
		step->made = true;
	}
	return 0;
}

static void undo(struct netd *netd, struct change *change)
{
	for (size_t i = change->n; i-- > 0;)
		if (change->steps[i].made)
			endpoint_undo(netd, change->steps[i].next);
	for (size_t i = 0; i < change->n; i++)
		if (change->steps[i].taken_down)
			bridge_add_endpoint(netd, change->steps[i].old, has_default_route(change->steps[i].old), NULL);
}

/* The list of the member's endpoints when all has gone well. */
static void link_endpoints(struct member *member, const struct change *change)
{
	struct endpoint **tail = &member->endpoints;

	for (size_t i = 0; i < change->n_next; i++) {
		*tail = change->steps[i].old ? change->steps[i].old : change->steps[i].next;
		tail = &(*tail)->next;
	}
	*tail = NULL;
}

/* ---- ports ---- */

static bool same_ports(const struct member *member, const struct plan *plan)
{
	if (member->n_ports != plan->n_ports)
		return false;
	for (size_t i = 0; i < plan->n_ports; i++) {
		const struct port *a = &member->ports[i], *b = &plan->ports[i];

		if (a->protocol != b->protocol || !address_equal(&a->host, &b->host) || a->host_first != b->host_first ||
		    a->host_last != b->host_last || a->container != b->container)
			return false;
	}
	return true;
}

/* As publish_open(), at first with the ports that were held before. */
static int open_ports(struct netd *netd, struct member *member, const uint16_t *held, size_t n_held, struct err *err)
{
	autofree struct port *planned = NULL;
	bool narrowed = false;
	int r;

	if (!held || n_held != member->n_ports)
		return publish_open(netd, member, err);
	planned = xcalloc(member->n_ports, sizeof(*planned));
	memcpy(planned, member->ports, member->n_ports * sizeof(*planned));
	for (size_t i = 0; i < n_held; i++)
		if (held[i] && (planned[i].host_first == 0 || (planned[i].host_first <= held[i] && held[i] <= planned[i].host_last))) {
			member->ports[i].host_first = member->ports[i].host_last = held[i];
			narrowed = true;
		}
	r = publish_open(netd, member, narrowed ? NULL : err);
	/* The ranges are the plan's again, for later comparisons. */
	for (size_t i = 0; i < n_held; i++) {
		member->ports[i].host_first = planned[i].host_first;
		member->ports[i].host_last = planned[i].host_last;
	}
	return r < 0 && narrowed ? publish_open(netd, member, err) : r;
}

static void swap_ports(struct member *member, struct plan *plan)
{
	struct port *ports = member->ports;
	size_t n = member->n_ports;

	member->ports = plan->ports;
	member->n_ports = plan->n_ports;
	plan->ports = ports;
	plan->n_ports = n;
}

static int change_ports(struct netd *netd, struct member *member, struct plan *plan, const uint16_t *held, size_t n_held, struct err *err)
{
	autofree uint16_t *before = NULL;
	size_t n_before = member->n_ports;
	int r;

	if (same_ports(member, plan))
		return 0;
	before = xcalloc(n_before, sizeof(*before));
	for (size_t i = 0; i < n_before; i++)
		before[i] = member->ports[i].host_port;
	publish_close(netd, member);
	swap_ports(member, plan);
	r = open_ports(netd, member, held, n_held, err);
	if (r == 0)
		return 0;
	swap_ports(member, plan);
	open_ports(netd, member, before, n_before, NULL);
	return r;
}

json_t *member_ports(const struct member *member)
{
	json_t *list = json_array();

	for (size_t i = 0; i < member->n_ports; i++) {
		const struct port *port = &member->ports[i];
		char host[INET6_ADDRSTRLEN] = "";

		if (port->host.family)
			address_print(&port->host, host);
		json_array_append_new(list, json_pack("{s:s,s:s,s:i,s:i}", "protocol", port->protocol == IPPROTO_UDP ? "udp" : "tcp",
			"hostAddress", host, "hostPort", (int)port->host_port, "containerPort", (int)port->container));
	}
	return list;
}

/* ---- the member ---- */

struct member *member_new(struct netd *netd, const char *id, int netns_fd, int netlink_fd)
{
	struct member *member = xcalloc(1, sizeof(*member));

	snprintf(member->id, sizeof(member->id), "%s", id);
	member->name = xstrdup("");
	member->netns_fd = netns_fd;
	member->netlink_fd = netlink_fd;
	member->next = netd->members;
	netd->members = member;
	return member;
}

/* What the plan says beside links and ports takes effect at once. */
static void take_over(struct netd *netd, struct member *member, struct plan *plan, const struct change *change)
{
	struct address *resolvers = member->resolvers;

	loop_free(netd, member->name);
	member->name = plan->name;
	plan->name = NULL;
	member->resolvers = plan->resolvers;
	member->n_resolvers = plan->n_resolvers;
	plan->resolvers = resolvers;
	for (size_t i = 0; i < change->n_next; i++) {
		const struct step *step = &change->steps[i];

		if (!step->old)
			continue;
		char **names = step->old->names;
		size_t n = step->old->n_names;

		step->old->host_loopback = step->next->host_loopback;
		step->old->names = step->next->names;
		step->old->n_names = step->next->n_names;
		step->next->names = names;
		step->next->n_names = n;
		names_changed(step->old->network);
	}
	for (struct network *planned = plan->networks; planned; planned = planned->next) {
		struct network *network = network_in_use(netd, planned->id);

		if (network)
			network_refresh(network, planned);
	}
}

int member_apply(struct netd *netd, struct member *member, struct plan *plan, const uint16_t *held, size_t n_held, struct err *err)
{
	struct change change = compare(member, plan);
	struct endpoint *before = member->endpoints;
	autofree struct endpoint **chain = xcalloc(change.n, sizeof(*chain)); /* BEFORE as it is linked, to go back to */
	size_t n_chain = 0;
	int r;

	for (struct endpoint *e = before; e; e = e->next)
		chain[n_chain++] = e;
	r = make_new(netd, member, plan, &change, err);
	if (r == 0) {
		link_endpoints(member, &change);
		r = change_ports(netd, member, plan, held, n_held, err);
	}
	if (r < 0) {
		undo(netd, &change);
		member->endpoints = before;
		for (size_t i = 0; i < n_chain; i++)
			chain[i]->next = i + 1 < n_chain ? chain[i + 1] : NULL;
		/* nothing of the plan is in force; rooms may have seen its endpoints in this round */
		for (size_t i = 0; i < change.n_next; i++)
			endpoint_discard(netd, change.steps[i].next);
	} else {
		take_over(netd, member, plan, &change);
		for (size_t i = change.n_next; i < change.n; i++) {
			if (!change.steps[i].taken_down)
				bridge_remove_endpoint(netd, change.steps[i].old);
			network_release(netd, change.steps[i].old->network);
			endpoint_discard(netd, change.steps[i].old);
		}
		for (size_t i = 0; i < change.n_next; i++)
			if (change.steps[i].old)
				endpoint_discard(netd, change.steps[i].next);
	}
	plan->endpoints = NULL;
	plan_free(plan);
	free(change.steps);
	return r;
}

void member_remove(struct netd *netd, struct member *member)
{
	struct member **at = &netd->members;

	member->ended = true;
	publish_close(netd, member);
	while (member->endpoints) {
		struct endpoint *endpoint = member->endpoints;

		endpoint_undo(netd, endpoint);
		member->endpoints = endpoint->next;
		endpoint_discard(netd, endpoint);
	}
	while (*at != member)
		at = &(*at)->next;
	*at = member->next;
	if (member->netlink_fd >= 0)
		close(member->netlink_fd);
	if (member->netns_fd >= 0)
		close(member->netns_fd);
	loop_free(netd, member->name);
	loop_free(netd, member->ports);
	loop_free(netd, member->resolvers);
	loop_free(netd, member);
}

#include "plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../request.h"
#include "../util.h"

#define LIST_LIMIT 4096      /* entries of any list; a message of 128 KiB holds fewer */
#define ENDPOINT_LIMIT 64    /* of one container */

static int wrong(struct err *err, const char *what, const char *why)
{
	return err_setf(err, 0, "read network plan", what, "%s", why);
}

static int take_id(const char *text, const char *what, char out[static 65], struct err *err)
{
	if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)
		return wrong(err, what, "not 64 hexadecimal digits");
	memcpy(out, text, 65);
	return 0;
}

/* A link's name, as the kernel takes it and nothing in a path or a rule can misread. */
static int take_link(const char *text, const char *what, char out[static NET_BRIDGE_BYTES], struct err *err)
{
	size_t len = strlen(text);

	if (len == 0 || len >= NET_BRIDGE_BYTES || strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || strcmp(text, "lo") == 0)
		return wrong(err, what, "not a name for an interface");
	for (const char *c = text; *c; c++)
		if (!isgraph((unsigned char)*c) || strchr("/:%\"\\", *c))
			return wrong(err, what, "not a name for an interface");
	memcpy(out, text, len + 1);
	return 0;
}

static int take_address(const char *text, const char *what, struct address *out, struct err *err)
{
	return address_parse(text, out) ? 0 : wrong(err, what, "not an IP address");
}

static unsigned longest_prefix(sa_family_t family)
{
	return family == AF_INET ? 32 : 128;
}

/* {"address":…,"prefix":…}, or null for none. */
static int take_prefixed(json_t *json, const char *what, sa_family_t family, struct address *address, unsigned *prefix, struct err *err)
{
	const char *text;
	int length, r;

	address->family = 0;
	if (json_is_null(json))
		return 0;
	r = request_unpack(json, err, what, "{s:s,s:i!}", "address", &text, "prefix", &length);
	if (r == 0)
		r = take_address(text, what, address, err);
	if (r < 0)
		return r;
	if (family && address->family != family)
		return wrong(err, what, "an address of the other family");
	if (length < 0 || (unsigned)length > longest_prefix(address->family))
		return wrong(err, what, "prefix is out of range");
	*prefix = (unsigned)length;
	return 0;
}

static int check_list(json_t *json, const char *what, size_t limit, struct err *err)
{
	if (!json_is_array(json))
		return wrong(err, what, "not a list");
	return json_array_size(json) > limit ? wrong(err, what, "too long") : 0;
}

static int take_addresses(json_t *json, const char *what, struct address **out, size_t *n, struct err *err)
{
	json_t *item;
	size_t i;
	int r = check_list(json, what, LIST_LIMIT, err);

	if (r < 0)
		return r;
	*out = xcalloc(json_array_size(json), sizeof(**out));
	json_array_foreach(json, i, item) {
		const char *text = json_string_value(item);

		r = take_address(text ? text : "", what, &(*out)[i], err);
		if (r < 0)
			return r;
		*n = i + 1;
	}
	return 0;
}

static int take_range(const char *text, const char *what, struct range *out, struct err *err)
{
	autofree char *copy = xstrdup(text ? text : "");
	char *slash = strchr(copy, '/'), *end = NULL;
	unsigned long prefix = slash ? strtoul(slash + 1, &end, 10) : 999;

	if (!slash || end == slash + 1 || *end || !isdigit((unsigned char)slash[1]))
		return wrong(err, what, "not an address with a prefix");
	*slash = '\0';
	if (!address_parse(copy, &out->address) || prefix > longest_prefix(out->address.family))
		return wrong(err, what, "not an address with a prefix");
	out->prefix = (unsigned)prefix;
	return 0;
}

int plan_ranges(json_t *list, const char *what, struct range **out, size_t *n, struct err *err)
{
	json_t *item;
	size_t i;
	int r = check_list(list, what, LIST_LIMIT, err);

	if (r < 0)
		return r;
	*out = xcalloc(json_array_size(list), sizeof(**out));
	*n = json_array_size(list);
	json_array_foreach(list, i, item) {
		r = take_range(json_string_value(item), what, &(*out)[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_subnets(json_t *json, struct network *network, struct err *err)
{
	json_t *item;
	size_t i;
	int r = check_list(json, "gateways", 64, err);

	if (r < 0)
		return r;
	network->subnets = xcalloc(json_array_size(json), sizeof(*network->subnets));
	json_array_foreach(json, i, item) {
		struct subnet *subnet = &network->subnets[i];

		r = take_prefixed(item, "gateways", 0, &subnet->gateway, &subnet->prefix, err);
		if (r == 0 && subnet->gateway.family == 0)
			r = wrong(err, "gateways", "null");
		if (r < 0)
			return r;
		network->n_subnets = i + 1;
	}
	return 0;
}

void network_free(struct network *network)
{
	free(network->id);
	free(network->name);
	free(network->subnets);
	free(network->resolvers);
	free(network);
}

static int take_network(json_t *json, struct plan *plan, struct err *err)
{
	struct network *network = xcalloc(1, sizeof(*network)), **tail = &plan->networks;
	const char *id, *name, *bridge;
	json_t *gateways, *resolvers;
	int mtu, internal, isolated, names;
	char checked[65];
	int r = request_unpack(json, err, "networks", "{s:s,s:s,s:s,s:o,s:i,s:b,s:b,s:b,s:o!}", "id", &id, "name", &name, "bridge", &bridge,
			       "gateways", &gateways, "mtu", &mtu, "internal", &internal, "isolated", &isolated, "names", &names,
			       "resolvers", &resolvers);

	while (*tail)
		tail = &(*tail)->next;
	*tail = network; /* from here on freed with the plan */
	if (r == 0)
		r = take_id(id, "networks.id", checked, err);
	if (r < 0)
		return r;
	network->id = xstrdup(checked);
	network->name = xstrdup(name);
	network->internal = internal;
	network->isolated = isolated;
	network->names = names;
	network->mtu = (unsigned)mtu;
	if (mtu < 68 || mtu > 65535)
		return wrong(err, "mtu", "out of range");
	for (const struct network *other = plan->networks; other != network; other = other->next)
		if (strcmp(other->id, checked) == 0)
			return wrong(err, "networks", "the same one is there twice");
	r = take_link(bridge, "bridge", network->bridge, err);
	if (r == 0)
		r = take_subnets(gateways, network, err);
	return r == 0 ? take_addresses(resolvers, "resolvers", &network->resolvers, &network->n_resolvers, err) : r;
}

static int take_mac(const char *text, unsigned char out[static 6], struct err *err)
{
	unsigned int b[6];
	int used = 0;

	if (strlen(text) != 17 || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", b, b + 1, b + 2, b + 3, b + 4, b + 5, &used) != 6 || used != 17)
		return wrong(err, "mac", "not an Ethernet address");
	if (b[0] & 1)
		return wrong(err, "mac", "an address of a group");
	for (int i = 0; i < 6; i++)
		out[i] = (unsigned char)b[i];
	return 0;
}

static int take_names(json_t *json, struct endpoint *endpoint, struct err *err)
{
	json_t *item;
	size_t i;
	int r = check_list(json, "names", LIST_LIMIT, err);

	if (r < 0)
		return r;
	endpoint->names = xcalloc(json_array_size(json), sizeof(*endpoint->names));
	json_array_foreach(json, i, item) {
		const char *name = json_string_value(item);

		if (!name || !*name || strlen(name) >= NET_NAME_BYTES)
			return wrong(err, "names", "not a name");
		endpoint->names[i] = xstrdup(name);
		endpoint->n_names = i + 1;
		for (char *c = endpoint->names[i]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
	return 0;
}

static int take_routes(json_t *json, struct endpoint *endpoint, struct err *err)
{
	json_t *item;
	size_t i;
	int r = check_list(json, "routes", LIST_LIMIT, err);

	if (r < 0)
		return r;
	endpoint->routes = xcalloc(json_array_size(json), sizeof(*endpoint->routes));
	json_array_foreach(json, i, item) {
		struct route *route = &endpoint->routes[i];
		const char *destination, *gateway;

		r = request_unpack(item, err, "routes", "{s:s,s:s!}", "destination", &destination, "gateway", &gateway);
		if (r == 0)
			r = take_range(destination, "routes", &route->destination, err);
		if (r == 0)
			r = take_address(gateway, "routes", &route->gateway, err);
		if (r == 0 && route->gateway.family != route->destination.address.family)
			r = wrong(err, "routes", "gateway and destination are of different families");
		if (r < 0)
			return r;
		endpoint->n_routes = i + 1;
	}
	return 0;
}

static int take_gateway(json_t *json, const char *what, sa_family_t family, struct address *out, struct err *err)
{
	const char *text = json_string_value(json);
	int r;

	if (json_is_null(json))
		return 0;
	r = take_address(text ? text : "", what, out, err);
	return r == 0 && out->family != family ? wrong(err, what, "an address of the other family") : r;
}

void endpoint_free_names(struct endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->n_names; i++)
		free(endpoint->names[i]);
	free(endpoint->names);
	free(endpoint->routes);
	endpoint->names = NULL;
	endpoint->routes = NULL;
	endpoint->n_names = endpoint->n_routes = 0;
}

static struct network *network_of(const struct plan *plan, const char *id)
{
	struct network *network = plan->networks;

	while (network && strcmp(network->id, id) != 0)
		network = network->next;
	return network;
}

static int take_endpoint(json_t *json, struct plan *plan, struct err *err)
{
	struct endpoint *endpoint = xcalloc(1, sizeof(*endpoint)), **tail = &plan->endpoints;
	const char *network, *interface, *mac;
	json_t *ipv4, *ipv6, *gateway4, *gateway6, *names, *routes;
	int loopback;
	int r = request_unpack(json, err, "endpoints", "{s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:b,s:o,s:o!}", "network", &network, "interface",
			       &interface, "mac", &mac, "ipv4", &ipv4, "ipv6", &ipv6, "gateway4", &gateway4, "gateway6", &gateway6,
			       "hostLoopback", &loopback, "names", &names, "routes", &routes);

	while (*tail)
		tail = &(*tail)->next;
	*tail = endpoint; /* from here on freed with the plan */
	if (r < 0)
		return r;
	endpoint->host_loopback = loopback;
	endpoint->network = network_of(plan, network);
	if (!endpoint->network)
		return wrong(err, "endpoints.network", "not among the networks");
	r = take_link(interface, "interface", endpoint->interface, err);
	if (r == 0)
		r = take_mac(mac, endpoint->mac, err);
	if (r == 0)
		r = take_prefixed(ipv4, "ipv4", AF_INET, &endpoint->v4, &endpoint->v4_prefix, err);
	if (r == 0)
		r = take_prefixed(ipv6, "ipv6", AF_INET6, &endpoint->v6, &endpoint->v6_prefix, err);
	if (r == 0)
		r = take_gateway(gateway4, "gateway4", AF_INET, &endpoint->gateway4, err);
	if (r == 0)
		r = take_gateway(gateway6, "gateway6", AF_INET6, &endpoint->gateway6, err);
	if (r == 0)
		r = take_names(names, endpoint, err);
	if (r == 0)
		r = take_routes(routes, endpoint, err);
	for (const struct endpoint *other = plan->endpoints; r == 0 && other != endpoint; other = other->next)
		if (strcmp(other->interface, endpoint->interface) == 0)
			r = wrong(err, "interface", "the same name is there twice");
	return r;
}

static int take_port(json_t *json, struct port *port, struct err *err)
{
	const char *protocol, *host;
	int first, last, container;
	int r = request_unpack(json, err, "ports", "{s:s,s:s,s:i,s:i,s:i!}", "protocol", &protocol, "hostAddress", &host, "hostFirst",
			       &first, "hostLast", &last, "containerPort", &container);

	if (r < 0)
		return r;
	if (strcmp(protocol, "tcp") == 0)
		port->protocol = IPPROTO_TCP;
	else if (strcmp(protocol, "udp") == 0)
		port->protocol = IPPROTO_UDP;
	else
		return wrong(err, "ports.protocol", "neither tcp nor udp");
	if (first < 0 || last < first || last > 65535 || (first == 0 && last != 0) || container < 1 || container > 65535)
		return wrong(err, "ports", "out of range");
	port->host_first = (uint16_t)first;
	port->host_last = (uint16_t)last;
	port->container = (uint16_t)container;
	return *host ? take_address(host, "ports.hostAddress", &port->host, err) : 0;
}

static int take_ports(json_t *json, struct plan *plan, struct err *err)
{
	json_t *item;
	size_t i;
	int r = check_list(json, "ports", LIST_LIMIT, err);

	if (r < 0)
		return r;
	plan->ports = xcalloc(json_array_size(json), sizeof(*plan->ports));
	json_array_foreach(json, i, item) {
		r = take_port(item, &plan->ports[i], err);
		if (r < 0)
			return r;
		plan->n_ports = i + 1;
	}
	return 0;
}

static int take_each(json_t *json, const char *what, struct plan *plan, int (*take)(json_t *, struct plan *, struct err *),
		     struct err *err)
{
	json_t *item;
	size_t i;
	int r = check_list(json, what, ENDPOINT_LIMIT, err);

	if (r < 0)
		return r;
	json_array_foreach(json, i, item) {
		r = take(item, plan, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int plan_parse(json_t *json, struct plan **out, struct err *err)
{
	struct plan *plan = xcalloc(1, sizeof(*plan));
	json_t *networks, *endpoints, *ports, *resolvers;
	const char *id, *name;
	int r = request_unpack(json, err, "network plan", "{s:s,s:s,s:o,s:o,s:o,s:o!}", "container", &id, "name", &name, "networks",
			       &networks, "endpoints", &endpoints, "ports", &ports, "resolvers", &resolvers);

	if (r == 0)
		r = take_id(id, "container", plan->id, err);
	if (r == 0) {
		plan->name = xstrdup(name);
		r = take_each(networks, "networks", plan, take_network, err);
	}
	if (r == 0)
		r = take_each(endpoints, "endpoints", plan, take_endpoint, err);
	if (r == 0)
		r = take_ports(ports, plan, err);
	if (r == 0)
		r = take_addresses(resolvers, "resolvers", &plan->resolvers, &plan->n_resolvers, err);
	if (r < 0) {
		plan_free(plan);
		return r;
	}
	*out = plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	while (plan->networks) {
		struct network *network = plan->networks;

		plan->networks = network->next;
		network_free(network);
	}
	while (plan->endpoints) {
		struct endpoint *endpoint = plan->endpoints;

		plan->endpoints = endpoint->next;
		endpoint_free_names(endpoint);
		free(endpoint);
	}
	free(plan->name);
	free(plan->ports);
	free(plan->resolvers);
	free(plan);
}

#include "bridge.h"

#include <stddef.h>

const struct bridge_setting bridge_settings[] = {
	/* Networks are strangers to each other: nothing is routed from one bridge to another. */
	{ "net/ipv4/ip_forward", "0" },
	{ "net/ipv6/conf/all/forwarding", "0" },

	/*
	 * `all` is written last where it spreads to the others, `default` is what bridges begin with. A source address must be
	 * reachable by the bridge that the packet came in by; with every other address being local here, that leaves only the
	 * subnets of that bridge. IPv6 has no such setting, the rules do it.
	 */
	{ "net/ipv4/conf/default/rp_filter", "1" },
	{ "net/ipv4/conf/all/rp_filter", "1" },
	{ "net/ipv4/conf/lo/rp_filter", "0" },
	/* Impossible packets would be written to the host's log, by anyone who may make them. */
	{ "net/ipv4/conf/default/log_martians", "0" },
	{ "net/ipv4/conf/all/log_martians", "0" },
	{ "net/ipv4/conf/default/accept_redirects", "0" },
	{ "net/ipv4/conf/all/accept_redirects", "0" },
	{ "net/ipv4/conf/default/send_redirects", "0" },
	{ "net/ipv4/conf/all/send_redirects", "0" },
	{ "net/ipv4/conf/default/accept_source_route", "0" },
	{ "net/ipv4/conf/all/accept_source_route", "0" },
	/* Every address is local, but only a bridge's own are asked for and told on it. */
	{ "net/ipv4/conf/default/arp_ignore", "1" },
	{ "net/ipv4/conf/all/arp_ignore", "1" },
	{ "net/ipv4/conf/default/arp_announce", "2" },
	{ "net/ipv4/conf/all/arp_announce", "2" },

	{ "net/ipv6/conf/default/disable_ipv6", "0" },
	{ "net/ipv6/conf/all/disable_ipv6", "0" },
	{ "net/ipv6/conf/default/accept_ra", "0" },
	{ "net/ipv6/conf/all/accept_ra", "0" },
	{ "net/ipv6/conf/default/autoconf", "0" },
	{ "net/ipv6/conf/all/autoconf", "0" },
	{ "net/ipv6/conf/default/accept_redirects", "0" },
	{ "net/ipv6/conf/all/accept_redirects", "0" },
	{ "net/ipv6/conf/default/accept_source_route", "-1" },
	{ "net/ipv6/conf/all/accept_source_route", "-1" },
	/* Addresses are given by us alone, so nobody needs to be asked for a second whether they are free. */
	{ "net/ipv6/conf/default/accept_dad", "0" },
	{ "net/ipv6/conf/all/accept_dad", "0" },
	{ "net/ipv6/conf/default/dad_transmits", "0" },

	/* Echo requests are read by a raw socket and answered when the real host has answered. */
	{ "net/ipv4/icmp_echo_ignore_all", "1" },
	{ "net/ipv4/icmp_echo_ignore_broadcasts", "1" },
	{ "net/ipv6/icmp/echo_ignore_all", "1" },
	{ "net/ipv6/icmp/echo_ignore_multicast", "1" },
	{ "net/ipv6/icmp/echo_ignore_anycast", "1" },
	/* Refusals are what a connect() waits for: each one is sent, and the rules bound how many are asked for. */
	{ "net/ipv4/icmp_ratemask", "0" },
	{ "net/ipv6/icmp/ratelimit", "0" },

	/*
	 * The kernel keeps bridged traffic from the rules of IP (br_netfilter is loaded by other engines, and is on by default
	 * then).
	 */
	{ "net/bridge/bridge-nf-call-iptables", "0" },
	{ "net/bridge/bridge-nf-call-ip6tables", "0" },
	{ "net/bridge/bridge-nf-call-arptables", "0" },

	/* Thousands of short connections to one server: all ports, and those of closed ones again soon. */
	{ "net/ipv4/ip_local_port_range", "1024 65535" },
	{ "net/ipv4/tcp_tw_reuse", "1" },
	{ "net/core/somaxconn", "65535" },
	{ "net/ipv4/tcp_max_syn_backlog", "65535" },
	/* What one connection learned about the path says nothing here: it is memory that is copied. */
	{ "net/ipv4/tcp_no_metrics_save", "1" },
	{ "net/ipv4/tcp_slow_start_after_idle", "0" },
	{ NULL, NULL },
};

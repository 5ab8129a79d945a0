/*
 * resolv: the host's /etc/resolv.conf (resolv.conf(5)), read as the host's libc reads it and followed while it changes.
 *
 * It is looked at when a question comes, at most once a second, by one stat(2): whoever changes it (a VPN, DHCP, NetworkManager) may write it in
 * place, rename a new one over it, or turn it into a link to somewhere else, and the file behind a link may be replaced as well; a path that is
 * looked at again sees all of these, where a watch on an inode or a directory sees some. A netd that is not asked does not wake up for it.
 */
#ifndef PROA_NET_RESOLV_H
#define PROA_NET_RESOLV_H

#include <sys/stat.h>

#include "net.h"

#define RESOLV_SERVERS 3 /* MAXNS of <resolv.h>; further lines are ignored, as libc does */

struct resolv_conf {
	union sockaddr_any servers[RESOLV_SERVERS];
	size_t n_servers;
	unsigned timeout_ms; /* for one server; 0: not given */
	unsigned attempts;   /* rounds through all of them; 0: not given */
	bool rotate;         /* begin with another one each time */
	bool use_vc;         /* ask by TCP */
};

/*
 * Read TEXT, of LENGTH bytes. What is not understood is passed over. Without a nameserver line there is one server, this machine (127.0.0.1), as
 * in libc; that also holds for a file that is missing. Pure but for names of interfaces in scopes ("fe80::1%eth0"), which are looked up.
 */
void resolv_parse(const char *text, size_t length, struct resolv_conf *out);

/* A file that is followed. Zeroed: not looked at yet. */
struct resolv_file {
	struct resolv_conf conf;
	struct stat seen;
	bool looked;
	int64_t looked_ms;
};

/* What PATH says now; NOW_MS is of the monotonic clock. A file that cannot be read counts as empty. */
const struct resolv_conf *resolv_now(struct resolv_file *file, const char *path, int64_t now_ms);

#endif

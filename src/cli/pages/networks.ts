/** The text of proa-networks(7). */
export const networksMarkup = `
# DESCRIPTION

A container that says nothing about its network gets an address on the default network, a bridge. It reaches the other containers of that network and the world,
and the world reaches it by the ports that it publishes. None of this needs a right that the user has not, nor a program besides proa.

# KINDS OF NETWORKS

\`proa run --network\` takes one of these:

: \`proa\`, \`bridge\` or \`default\`
  The default network, made when it is first used. Containers know each other by name there, too, other than with docker.

: the name of a network
  One that \`proa network create\` has made. Containers reach each other by name there. \`--network\` may be given several times: the container is then connected to
  each, and the first one that leads outside is its way out.

: \`none\`
  Loopback only.

: \`host\`
  The host's own network, its addresses and its ports. Nothing is published: a server listens on the host itself.

: \`container:NAME\`
  That of another container, with its addresses and loopback. Both have one user namespace then.

: \`ns:PATH\`
  A network namespace that something else has made, by its file.

: \`slirp4netns\`, \`pasta\`
  A network stack in a program of these names, for one container alone, where they are installed. They are also what takes the default network's place on a
  kernel that lacks a part of it; \`proa info\` says so, and why.

There is no macvlan, ipvlan or overlay: they need root on the host.

# ADDRESSES

Networks made without \`--subnet\` get a subnet that no other network has and that the host has no route to, out of 10.88.0.0/16 and other private ranges; the
table \`network\` of proa.toml(5) has pools of one's own. The first address is the gateway's. \`--ip\` and \`--ip6\` ask for an address; without them the next free one is
taken when it starts. IPv6 addresses are out of a unique local prefix that each user gets once, at random.

# THE WAY OUTSIDE

Nothing is translated and no packet is forwarded. A process of the user's, \`netd\`, ends each connection that a container opens to the world and opens one
from the host in its place; what flows is handed through by the kernel. So a container reaches what its user reaches, through VPNs and firewalls as the user does, and
servers outside see the host's address. A connection is answered to the container only when the host's has an answer: refused, unreachable and timed out
mean what they say. UDP goes the same way, ping too.

netd lives while a container is connected to a bridge network, and ends after the last one. When it is killed the next command or the next container's
supervisor starts another; connections that went through it are lost then.

What containers do not reach outside: the host's loopback, link-local addresses of IPv6, containers of other networks, and what \`network.deny\` of proa.toml(5)
lists. Networks made with \`--internal\` reach nothing outside.

# THE HOST

Containers know the host as \`host.containers.internal\` and \`host.docker.internal\`, an address at which they reach what listens on the host's interfaces. What listens on
its loopback only is reached there with \`--network NAME:host-loopback\`, or by \`host-loopback = true\` in the table \`network\` of proa.toml(5).

# NAMES

On a network that a user has made, containers answer to their names, their \`--network-alias\` and the first twelve letters of their ids, also as
\`NAME.NETWORK\`. Other names go to the servers of \`--dns\`, else those of the network, else the host's. /etc/hosts, /etc/hostname and /etc/resolv.conf of a container
are written when it starts; \`--add-host\`, \`--hostname\`, \`--dns\`, \`--dns-search\` and \`--dns-option\` have their say in them. \`--link\` is docker's old way to the
same, and works.

# PUBLISHED PORTS

\`-p 8080:80\` listens on port 8080 of every address of the host, IPv4 and IPv6, and leads to port 80 of the container. \`-p 127.0.0.1:8080:80\` listens on one address,
\`-p 80\` on a free port (\`proa port\` tells which), \`-p 5000-5010:5000-5010/udp\` on a range, and \`-P\` on a free port for each that the image exposes.

The server in the container sees its client's own address. Exceptions: clients on the host's loopback, and other containers, which it sees as the gateway.

Ports below 1024 belong to root, unless the administrator says otherwise:

    sysctl net.ipv4.ip_unprivileged_port_start=80

A port that is taken is an error that names who has it. A container publishes 1000 ports at most.

# LOOKING INTO IT

: \`proa network inspect NAME\`
  Subnets, gateways, options, and who is connected.

: \`proa network stats\`
  Bytes and packets of each interface of each container.

: \`proa port CONTAINER\`
  What is published, and where.

: \`proa network reload CONTAINER\`
  Has netd connect a container anew, should it have lost its connection.

# EXAMPLES

A database that only the application reaches, by its name, and an application that the host's browser reaches:

    proa network create --internal back
    proa run -d --name db --network back postgres
    proa run -d --name app --network back --network bridge -p 127.0.0.1:8080:80 app

# SEE ALSO

\`proa\`(1), \`proa-network\`(1), \`proa-run\`(1), \`proa-port\`(1), \`proa.toml\`(5), \`proa-rootless\`(7)
`;

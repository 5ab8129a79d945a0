/** DDL of the network tables; `networks.ts` holds their queries. Addresses are canonical text, `10.88.0.2`. */
export const networkSchema: string[] = [
  `CREATE TABLE network (
    id TEXT PRIMARY KEY CHECK (length(id) = 64),
    name TEXT NOT NULL UNIQUE,
    bridge TEXT NOT NULL UNIQUE,      -- its interface in netd's namespace
    created_ms INTEGER NOT NULL,
    internal INTEGER NOT NULL CHECK (internal IN (0, 1)),
    isolated INTEGER NOT NULL CHECK (isolated IN (0, 1)),  -- its containers do not see each other
    names INTEGER NOT NULL CHECK (names IN (0, 1)),        -- answers names
    attachable INTEGER NOT NULL CHECK (attachable IN (0, 1)),
    mtu INTEGER NOT NULL,
    resolvers TEXT NOT NULL,          -- JSON array of addresses, asked in place of the host's
    routes TEXT NOT NULL,             -- JSON array of {destination, gateway, metric}
    labels TEXT NOT NULL,             -- JSON object
    options TEXT NOT NULL             -- JSON object, as the user gave them
  ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE subnet (
    network_id TEXT NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    family INTEGER NOT NULL CHECK (family IN (4, 6)),
    subnet TEXT NOT NULL,
    gateway TEXT NOT NULL,
    range TEXT,                       -- the part that addresses are given out of; NULL: all
    auxiliary TEXT NOT NULL,          -- JSON object: addresses never given out, by name
    last TEXT,                        -- given out last: the search for the next begins behind it
    PRIMARY KEY (network_id, position)
  ) STRICT, WITHOUT ROWID;`,
  // No reference to container: addresses are taken before a container's row is written, and the lock of its run directory says whether it lives.
  `CREATE TABLE endpoint (
    container_id TEXT NOT NULL,
    network_id TEXT NOT NULL REFERENCES network (id),
    ordinal INTEGER NOT NULL,
    wanted TEXT NOT NULL,             -- JSON: what was asked for, kept over restarts
    wanted_ipv4 TEXT,
    wanted_ipv6 TEXT,
    ipv4 TEXT,                        -- this and what follows: while the container runs
    ipv6 TEXT,
    mac TEXT,
    interface TEXT,
    PRIMARY KEY (container_id, network_id)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX endpoint_ipv4 ON endpoint (network_id, ipv4) WHERE ipv4 IS NOT NULL;
  CREATE UNIQUE INDEX endpoint_ipv6 ON endpoint (network_id, ipv6) WHERE ipv6 IS NOT NULL;
  CREATE UNIQUE INDEX endpoint_mac ON endpoint (network_id, mac) WHERE mac IS NOT NULL;
  CREATE INDEX endpoint_wanted_ipv4 ON endpoint (network_id, wanted_ipv4) WHERE wanted_ipv4 IS NOT NULL;
  CREATE INDEX endpoint_wanted_ipv6 ON endpoint (network_id, wanted_ipv6) WHERE wanted_ipv6 IS NOT NULL;
  CREATE INDEX endpoint_network ON endpoint (network_id);
  CREATE TRIGGER container_endpoints AFTER DELETE ON container BEGIN
    DELETE FROM endpoint WHERE container_id = OLD.id;
  END;`,
  // single values of this user's that are made once and kept
  `CREATE TABLE kept (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;`,
];

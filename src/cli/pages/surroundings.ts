/** The files and the variables that commands read, for the sections FILES and ENVIRONMENT. */

export type Fact = {
  readonly names: readonly string[];
  readonly says: string;
  /** The commands, by their paths, whose pages have it; proa(1) has all. */
  readonly commands: RegExp;
};

export function ofCommand(facts: readonly Fact[], path: string): readonly Fact[] {
  return facts.filter(({ commands }) => commands.test(path));
}

const withoutState = "help|completion|version|system (install|uninstall|docker-alias)";
/** Commands that look at images, containers and the like. */
const all = new RegExp(`^(?!(${withoutState})$)`);
const registries =
  /^(container (run|create|runlabel)|image (pull|push|search|scp|trust.*|sign)|artifact (pull|push)|login|logout|manifest (add|create|inspect|push))$/;
const starts = /^(container (run|create|start|restart|exec)|unshare|system boot)$/;

export const files: readonly Fact[] = [
  {
    names: ["$XDG_DATA_HOME/proa"],
    says: "Images, containers, volumes and the state database; ~/.local/share/proa where the variable is not set, /var/lib/proa for root.",
    commands: all,
  },
  {
    names: ["$XDG_RUNTIME_DIR/proa"],
    says: "Locks and sockets of what runs; /run/user/UID/proa, or /tmp/proa-UID, where the variable is not set, /run/proa for root.",
    commands: starts,
  },
  {
    names: ["$XDG_CONFIG_HOME/proa/config.toml"],
    says: "Settings, see proa.toml(5); ~/.config/proa where the variable is not set, /etc/proa for root.",
    commands: /^(container (run|create|start)|network create|system (info|df)|image (pull|load|import))$/,
  },
  {
    names: ["$XDG_CACHE_HOME/proa"],
    says: "What may be deleted at any time; ~/.cache/proa where the variable is not set, /var/cache/proa for root.",
    commands: /^system (prune|check|report)$/,
  },
  {
    names: ["/etc/subuid", "/etc/subgid"],
    says: "The ranges of subordinate ids of users; see proa-rootless(7).",
    commands: starts,
  },
  {
    names: ["$XDG_CONFIG_HOME/containers/registries.conf", "/etc/containers/registries.conf"],
    says: "Where registries are, mirrors, short names, which may not be asked; containers-registries.conf(5). Files of registries.conf.d come on top.",
    commands: registries,
  },
  {
    names: ["$XDG_CONFIG_HOME/containers/auth.json", "$XDG_RUNTIME_DIR/containers/auth.json"],
    says: "Who has logged in where; the first is written. See containers-auth.json(5).",
    commands: registries,
  },
  {
    names: ["$XDG_CONFIG_HOME/containers/policy.json", "/etc/containers/policy.json"],
    says: "Which images may be brought here, and whose signatures they need; containers-policy.json(5).",
    commands: /^(container (run|create)|image (pull|load|trust .*))$/,
  },
  {
    names: ["~/.docker/config.json"],
    says: "docker's: its log-ins and credential helpers are heeded, and the proxies that it names for containers.",
    commands: registries,
  },
  {
    names: [
      "$XDG_CONFIG_HOME/containers/certs.d/HOST",
      "/etc/containers/certs.d/HOST",
      "/etc/docker/certs.d/HOST",
    ],
    says: "Certificates of registries: *.crt are authorities, X.cert with X.key is what is shown to the registry.",
    commands: registries,
  },
  {
    names: ["$XDG_DATA_HOME/proa/installed.json"],
    says: "What proa system install has written; with --prefix DIR it is DIR/share/proa/installed.json.",
    commands: /^system (install|uninstall)$/,
  },
  {
    names: ["/etc/cdi", "/var/run/cdi"],
    says: "Descriptions of devices for --device VENDOR/CLASS=NAME; the user's own are in $XDG_CONFIG_HOME/cdi and $XDG_RUNTIME_DIR/cdi.",
    commands: /^container (run|create)$/,
  },
];

export const variables: readonly Fact[] = [
  {
    names: ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"],
    says: "Where proa's files are: in the directory proa of each. A relative path counts as none.",
    commands: all,
  },
  {
    names: ["REGISTRY_AUTH_FILE"],
    says: "The file of log-ins in place of containers/auth.json.",
    commands: registries,
  },
  { names: ["DOCKER_CONFIG"], says: "The directory of docker's config.json.", commands: registries },
  {
    names: ["CONTAINERS_REGISTRIES_CONF"],
    says: "The file in place of registries.conf.",
    commands: registries,
  },
  {
    names: ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"],
    says: "Proxies on the way to registries, in either case of letters. Containers are given them too, unless --http-proxy=false.",
    commands: registries,
  },
  {
    names: ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"],
    says: "Further certificates of authorities that registries are checked by.",
    commands: registries,
  },
  {
    names: ["PODMAN_USERNS"],
    says: "The user namespace of containers made without --userns.",
    commands: /^container (run|create)$/,
  },
  {
    names: ["NOTIFY_SOCKET"],
    says: "Where systemd is told that a container is ready; see --sdnotify.",
    commands: /^container (run|start)$/,
  },
  { names: ["SHELL"], says: "The program that is run when none is named.", commands: /^unshare$/ },
  {
    names: ["TZ"],
    says: "The time zone of dates that are printed.",
    commands: /^(container (ls|logs|inspect)|image (ls|history)|network ls|volume ls|system (events|df))$/,
  },
  {
    names: ["NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "TERM"],
    says: "Whether output is coloured: not where NO_COLOR is set, where CLICOLOR is 0 or TERM is dumb; in pipes, too, where CLICOLOR_FORCE is set. --color is stronger.",
    commands: /^(help|system doctor|container why)$/,
  },
  {
    names: ["COLUMNS", "LINES"],
    says: "The size of a terminal that does not tell it.",
    commands: /^(help|container (ls|stats|top)|image ls)$/,
  },
  {
    names: ["PAGER"],
    says: "The program that help on a terminal is shown by; less where it is not set.",
    commands: /^help$/,
  },
];

/** Names of the fields of documents that a template can name, for completion: `Group(…)` nests. Tests compare them with what `inspect` prints. */

const CONTAINER = `Id Created Path Args State(Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt FinishedAt LogLostBytes
  Health(Status FailingStreak Log)) Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver Platform MountLabel ProcessLabel
  AppArmorProfile ExecIDs HostConfig(Cgroup Isolation CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth CpuShares Memory NanoCpus CgroupParent
  BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod
  CpuRealtimeRuntime CpusetCpus CpusetMems MemoryReservation MemorySwap MemorySwappiness OomKillDisable PidsLimit
  RestartPolicy(Name MaximumRetryCount) PortBindings PublishAllPorts Dns DnsSearch DnsOptions AutoRemove Binds ReadonlyRootfs NetworkMode UsernsMode
  PidMode IpcMode UTSMode CgroupnsMode IdMapLines Privileged CapAdd CapDrop SecurityOpt MaskedPaths ReadonlyPaths GroupAdd Ulimits OomScoreAdj ShmSize
  Devices DeviceRequests Umask Personality Passwd PasswdEntry GroupEntry HostUsers ChrootDirs SeccompPolicy ExtraHosts LogConfig(Type Config) Runtime
  Rootfs ContainerIDFile VolumeDriver VolumesFrom ConsoleSize Links DeviceCgroupRules) GraphDriver(Name Data(UpperDir WorkDir)) Mounts
  Config(Timeout Hostname Domainname User AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce Env Entrypoint Cmd Image WorkingDir Labels
  StopTimeout StopSignal Healthcheck ExposedPorts Volumes OnBuild Umask) NetworkSettings(Bridge HairpinMode LinkLocalIPv6Address LinkLocalIPv6PrefixLen
  SecondaryIPAddresses SecondaryIPv6Addresses SandboxID SandboxKey Ports Gateway IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address
  GlobalIPv6PrefixLen EndpointID MacAddress Networks) ImageName
  ImageDigest EffectiveCaps BoundingCaps Rootfs Pod OCIRuntime OCIConfigPath StaticDir PidFile ConmonPidFile Dependencies IsInfra Warnings SizeRw
  SizeRootFs`;

const IMAGE = `Id RepoTags RepoDigests Parent Comment Created DockerVersion Author Config(User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels
  StopSignal Healthcheck OnBuild Shell) Architecture Variant Os Size VirtualSize GraphDriver(Name Data(UpperDir LowerDir)) RootFS(Type Layers)
  Metadata(LastTagTime) Digest ManifestType Annotations Descriptor Labels User NamesHistory History`;

const NETWORK = `Name Id Created Scope Driver EnableIPv4 EnableIPv6 IPAM(Driver Options Config) Internal Attachable Ingress ConfigFrom(Network) ConfigOnly
  Containers Options Labels Interface MTU DNSEnabled DNSServers Isolated Routes ID
  NetworkInterface Subnets IPv6Enabled NetworkDNSServers`;

const VOLUME = "CreatedAt Driver Labels Mountpoint Name Options Scope Status UID GID Anonymous MountCount";

const SECRET = "ID CreatedAt UpdatedAt Spec(Name Driver(Name Options) Labels)";

const INFO = `ID Containers ContainersRunning ContainersPaused ContainersStopped Images Driver DriverStatus Plugins(Volume Network Authorization Log)
  LoggingDriver KernelVersion OperatingSystem OSVersion OSType Architecture NCPU MemTotal Name ServerVersion DockerRootDir DefaultRuntime Runtimes
  CgroupDriver CgroupVersion MemoryLimit SwapLimit CpuCfsPeriod CpuCfsQuota CPUShares CPUSet PidsLimit OomKillDisable SecurityOptions Warnings
  IPv4Forwarding Debug NFd NGoroutines NEventsListener SystemTime IndexServerAddress RegistryConfig(InsecureRegistryCIDRs IndexConfigs Mirrors)
  GenericResources HttpProxy HttpsProxy NoProxy Labels ExperimentalBuild
  Swarm(NodeID NodeAddr LocalNodeState ControlAvailable Error RemoteManagers) LiveRestoreEnabled Isolation InitBinary ContainerdCommit(ID)
  RuncCommit(ID) InitCommit(ID) CDISpecDirs ClientInfo(Debug Version Context Plugins Warnings)
  Host(CgroupManager CgroupsVersion CgroupControllers Arch OS Kernel Hostname CPUs MemTotal MemFree SwapTotal SwapFree Uptime
  Distribution(Distribution Version Codename Variant) DatabaseBackend EventLogger LogDriver IDMappings(UIDMap GIDMap) NetworkBackend
  NetworkBackendInfo(Backend Package Path Version) RootlessNetworkCmd Slirp4NetNS(Executable Package Version) Pasta(Executable Package Version)
  Conmon(Package Path Version) RemoteSocket(Path Exists) CPUUtilization(UserPercent SystemPercent IdlePercent) OCIRuntime(Name Package Path Version)
  Security(AppArmorEnabled DefaultCapabilities Rootless SECCOMPEnabled SECCOMPProfilePath SELinuxEnabled) ServiceIsRemote Variant)
  Store(ConfigFile ContainerStore(Number Paused Running Stopped) GraphDriverName GraphOptions GraphRoot GraphRootAllocated GraphRootUsed
  GraphStatus ImageCopyTmpDir ImageStore(Number) RunRoot TransientStore VolumePath) Registries Version(APIVersion Version OsArch Os)
  Proa(Cgroups(version manager controllers missing) Runtime Cache Config IdMapping Compression Network(Driver Reason))`;

const HALF = "Version APIVersion Os Arch OsArch KernelVersion BunVersion Platform(Name)";

const VERSION = `Client(${HALF} DefaultAPIVersion Context) Server(${HALF} Components)`;

const EVENT = `Status ID From Type Action Actor(ID Attributes) Scope Time TimeNano Attributes Name Image Network HealthStatus ContainerExitCode
  TimeUnix`;

const DOCUMENTS = {
  container: CONTAINER,
  image: IMAGE,
  network: NETWORK,
  volume: VOLUME,
  secret: SECRET,
  info: INFO,
  version: VERSION,
  event: EVENT,
  artifact: "Manifest(schemaVersion mediaType artifactType config layers annotations) Name Digest",
  why: "Id Name Status Summary Claims Log",
  check: "Check Status Found Cost Mend",
} as const;

export type DocumentName = keyof typeof DOCUMENTS;

/** The paths of its fields, `State.Status`. */
export function fieldsOf(document: DocumentName): string[] {
  const paths: string[] = [];
  const parents: string[] = [];
  for (const [, name = "", sign] of DOCUMENTS[document].matchAll(/(\w*)([()]?)/g)) {
    if (sign === "(") parents.push(name);
    else if (name !== "") paths.push([...parents, name].join("."));
    if (sign === ")") parents.pop();
  }
  return paths;
}

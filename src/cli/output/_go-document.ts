import { nilList, nilMap } from "./template";

/**
 * JSON does not tell a map from a struct, and Go's templates treat them differently. These are the fields of the Docker
 * Engine API's inspect answers that are maps, and the lists that may be null.
 */
const mapFields = new Set([
  ..."Labels Annotations Ports PortBindings ExposedPorts Volumes Networks Sysctls Options DriverOpts Tmpfs".split(
    " ",
  ),
  ..."StorageOpt Data Containers Services Metadata GraphDriverData AuxiliaryAddresses Runtimes".split(" "),
]);

const listFields = new Set([
  ..."Entrypoint Cmd OnBuild Shell Binds CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links".split(
    " ",
  ),
  ..."SecurityOpt VolumesFrom Devices DeviceCgroupRules DeviceRequests Ulimits BlkioWeightDevice Mounts Env Args".split(
    " ",
  ),
  ..."BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps Aliases DNSNames".split(
    " ",
  ),
  ..."MaskedPaths ReadonlyPaths ExecIDs RepoTags RepoDigests Layers Log".split(" "),
]);

/** Scripts for docker ask for the address in `Networks.bridge`, which is here another name of the default network. */
class Networks extends Map<string, unknown> {
  #nameOf(name: string): string {
    return name === "bridge" && !super.has(name) ? "proa" : name;
  }
  override get(name: string): unknown {
    return super.get(this.#nameOf(name));
  }
  override has(name: string): boolean {
    return super.has(this.#nameOf(name));
  }
}

/** A document as the template engine sees it: maps as `Map`, nil lists and nil maps as such. */
export function goDocument(value: unknown, name = ""): unknown {
  if (value === null && listFields.has(name)) return nilList;
  if (value === null && mapFields.has(name)) return nilMap;
  if (Array.isArray(value)) return value.map((each) => goDocument(each));
  if (typeof value !== "object" || value === null) return value;
  // Config of a container is a struct, HostConfig.LogConfig.Config a map: call the latter by another name.
  const nameOf = (key: string) => (name === "LogConfig" && key === "Config" ? "Options" : key);
  const entries = Object.entries(value).map(([key, each]): [string, unknown] => [
    key,
    goDocument(each, nameOf(key)),
  ]);
  if (name === "Networks") return new Networks(entries);
  return mapFields.has(name) ? new Map(entries) : Object.fromEntries(entries);
}

/** What can be asked of a connection, checked once where it enters, and canonical from there on. */
import { EngineError } from "../error";
import type { EndpointConfig, Network } from "../state";
import { canonicalAddress, canonicalMac, type Family } from "./address";
import { checkStatic } from "./allocate";
import { checkInterfaceName } from "./interfaces";

const invalid = (what: string, on: string, why: string, hint?: string): EngineError =>
  new EngineError("invalid", what, on, why, { hint });

/** @throws EngineError `invalid` for what no container of this network can have, `unsupported` for an unknown option */
export function checkEndpointConfig(network: Network, config: EndpointConfig): EndpointConfig {
  const checked = { ...config };
  if (config.ipv4 !== undefined) checked.ipv4 = addressOf(network, 4, config.ipv4);
  if (config.ipv6 !== undefined) checked.ipv6 = addressOf(network, 6, config.ipv6);
  if (config.mac !== undefined) checked.mac = macOf(config.mac);
  if (config.interface !== undefined) checkInterfaceName("name interface", config.interface);
  for (const alias of config.aliases ?? []) checkAlias(alias);
  for (const [name, value] of Object.entries(config.driverOpts ?? {})) checkOption(name, value);
  if (config.hostLoopback && network.internal)
    throw invalid("host-loopback", network.name, "an internal network reaches nothing outside");
  return checked;
}

function addressOf(network: Network, family: Family, text: string): string {
  const address = canonicalAddress(text);
  if (address === null || address.includes(":") !== (family === 6))
    throw invalid("assign address", text, `it is no IPv${family} address`);
  const subnets = network.subnets.filter((subnet) => subnet.family === family);
  return checkStatic(network, subnets, address).text;
}

function macOf(text: string): string {
  const mac = canonicalMac(text);
  if (mac !== null) return mac;
  throw invalid(
    "assign MAC address",
    text,
    "it is no MAC address of one interface",
    "six bytes of which the first is even, as in 02:42:ac:11:00:02",
  );
}

const LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})"; // as DNS has it, with underscores as people use them
const ALIAS = new RegExp(`^${LABEL}(\\.${LABEL})*$`);

function checkAlias(alias: string): void {
  if (alias.length <= 253 && ALIAS.test(alias)) return;
  throw invalid("network alias", JSON.stringify(alias), "it is no name of a host");
}

const driverOptions = ["com.docker.network.endpoint.ifname", "host-loopback"];

function checkOption(name: string, value: string): void {
  if (name === "host-loopback" && value !== "true" && value !== "false")
    throw invalid("driver option", `${name}=${value}`, "expected true or false");
  if (driverOptions.includes(name)) return;
  throw new EngineError(
    "unsupported",
    "driver option",
    name || '""',
    "there is no such option of a connection",
    {
      hint: `the options are: ${driverOptions.join(", ")}`,
    },
  );
}

/** Whether a spec asks for what few containers have; apart from what does it, because every start asks. */
import { type ContainerSpec, isolationOf } from "../oci";

/** Devices of the host, or of CDI. */
export function hasDevices(spec: ContainerSpec): boolean {
  const { Devices, DeviceRequests } = isolationOf(spec.HostConfig);
  return spec.HostConfig.Privileged || Devices.length > 0 || DeviceRequests.length > 0;
}

/** Lines in /etc/passwd: most containers run as root or as a user of the image's. */
export function mayNeedPasswd(spec: ContainerSpec): boolean {
  const { Passwd, PasswdEntry, GroupEntry, HostUsers } = isolationOf(spec.HostConfig);
  if (HostUsers.length > 0) return true;
  const isNumber = /^\d+(:|$)/.test(spec.User) && !/^0(:|$)/.test(spec.User);
  return Passwd && (PasswdEntry !== "" || GroupEntry !== "" || isNumber || /:\d+$/.test(spec.User));
}

/** Names of CDI devices (Container Device Interface 0.8, "Device names"): `vendor.com/class=name`. */

const CDI_NAME =
  /^([A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]|[A-Za-z])\/([A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]|[A-Za-z])=([A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?)$/;

export type CdiName = { kind: string; device: string };

export function isCdiDevice(text: string): boolean {
  return CDI_NAME.test(text);
}

/** The two halves of a name that isCdiDevice(). */
export function cdiName(text: string): CdiName {
  const cut = text.indexOf("=");
  return { kind: text.slice(0, cut), device: text.slice(cut + 1) };
}

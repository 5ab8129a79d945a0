/** How a container sees a secret. */
export type SecretUse = {
  Name: string;
  /** Of the secret that had the name when the container was made. */
  ID?: string;
  Type: "mount" | "env";
  /** Path, below /run/secrets where it is relative, or variable; "" is the name. */
  Target: string;
  UID: number;
  GID: number;
  Mode: number;
};

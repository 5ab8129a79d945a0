import type { Secret } from "../../state";

/** A secret as `inspect` shows it: not what it says. */
export function secretDocument(secret: Secret) {
  return {
    ID: secret.id,
    CreatedAt: new Date(secret.createdMs).toISOString(),
    UpdatedAt: new Date(secret.updatedMs).toISOString(),
    Spec: {
      Name: secret.name,
      Driver: { Name: "file", Options: secret.options },
      Labels: secret.labels,
    },
  };
}

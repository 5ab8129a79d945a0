import { enableBoot } from "../../container";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Start containers with a restart policy at boot",
    details:
      "Installs a unit of the user's systemd, proa-restart.service, which runs proa system boot. Without systemd let whatever starts things run that command: a line @reboot proa system boot in crontab(1) will do.",
    examples: [{ command: "proa system enable", does: "have what is always, or unless-stopped, come back" }],
    seeAlso: ["proa-system-disable(1)", "proa-system-boot(1)", "proa-update(1)"],
  },
  args: {},
  async run({ app: { context, io } }) {
    const { file, isKnown, lingersNot } = await enableBoot(context);
    io.stdout.write(`${file}\n`);
    if (!isKnown) io.stderr.write("no systemd could be asked now: the unit counts from its next start on\n");
    if (lingersNot !== null) {
      io.stderr.write(
        `lingering is off: containers start when ${lingersNot} logs in, and end with the last session\n` +
          `hint: to start them at boot: loginctl enable-linger ${lingersNot}\n`,
      );
    }
  },
});

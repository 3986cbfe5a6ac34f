import type { Egress } from "../../webhooks/egress/egress.ts";
import type { DeliveryPort } from "../../http/deps.ts";
import { sealWith } from "../../webhooks/signing/configured-seal.ts";
import { systemClock } from "../../core/system-clock.ts";

/** Creates the server's part of webhooks, for requests about subscriptions. */
export function createDeliveryPort(
  {
    egressAllow,
    secretKeys,
  }: { readonly egressAllow: readonly string[]; readonly secretKeys: readonly string[] },
  onChange: (subscription: string) => void,
): DeliveryPort & { close(): void } {
  let opened: Egress | null = null;
  return {
    seal: sealWith(secretKeys),
    async egress() {
      // Loaded only here, so that a server that delivers nothing starts faster.
      const [{ createEgress }, { createAddressRules }] = await Promise.all([
        import("../../webhooks/egress/egress.ts"),
        import("../../webhooks/egress/address-rules.ts"),
      ]);
      opened ??= createEgress({ allow: egressAllow, clock: systemClock });
      return { rules: createAddressRules(egressAllow), send: opened.send };
    },
    onChange,
    close: () => opened?.close(),
  };
}

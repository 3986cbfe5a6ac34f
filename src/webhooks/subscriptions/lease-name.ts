/** Name of the lease of a subscription: its path. */
export function leaseName(subscription: string): string {
  return `subscriptions/${subscription}`;
}

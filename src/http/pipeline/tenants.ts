/** The address of a tenant: a host or a path prefix, never both. */
export interface TenantAddress {
  readonly host?: string | undefined;
  readonly path?: string | undefined;
}

/**
 * Returns a function that finds the tenant of a request; null: none. A tenant's host serves the tenant on every path.
 */
export function tenantChooser<Tenant extends TenantAddress>(
  tenants: readonly Tenant[],
): (url: Pick<URL, "hostname" | "pathname">) => Tenant | null {
  const byHost = new Map<string, Tenant>();
  const byPath = new Map<string, Tenant>();
  let deepest = 0;
  for (const tenant of tenants) {
    if (tenant.host !== undefined) byHost.set(tenant.host.toLowerCase(), tenant);
    if (tenant.path !== undefined) {
      byPath.set(tenant.path, tenant);
      deepest = Math.max(deepest, tenant.path.split("/").length - 1);
    }
  }
  return ({ hostname, pathname }) => {
    const ofHost = byHost.get(hostname.endsWith(".") ? hostname.slice(0, -1) : hostname);
    if (ofHost !== undefined) return ofHost;
    // No prefix lies below another, so at most one of them matches.
    for (let end = 0, segments = 0; segments < deepest && end !== pathname.length; segments += 1) {
      const slash = pathname.indexOf("/", end + 1);
      end = slash === -1 ? pathname.length : slash;
      const ofPath = byPath.get(pathname.slice(0, end));
      if (ofPath !== undefined) return ofPath;
    }
    return null;
  };
}

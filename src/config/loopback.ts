const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Whether only this machine reaches an address to listen on. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK.test(host);
}

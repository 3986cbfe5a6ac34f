import { ANYBODY, type Principal } from "../../access/principal.ts";

/**
 * Identifies the sender of a request. Throws a KildeError when the request may not proceed. Runs before anything in
 * the store is looked up, so that a refusal does not reveal which streams or feeds exist.
 */
export type Authenticate = (request: Request) => Principal | Promise<Principal>;

/** Lets every request proceed: Kilde relies on its address, or on a proxy in front of it. */
export const admitEveryone: Authenticate = () => ANYBODY;

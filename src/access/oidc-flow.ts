import {
  allowInsecureRequests,
  type AuthorizationServer,
  authorizationCodeGrantRequest,
  AuthorizationResponseError,
  calculatePKCECodeChallenge,
  type Client,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  clockTolerance,
  customFetch,
  type CustomFetchOptions,
  discoveryRequest,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  getValidatedIdTokenClaims,
  None,
  OperationProcessingError,
  processAuthorizationCodeResponse,
  processDiscoveryResponse,
  processUserInfoResponse,
  ResponseBodyError,
  userInfoRequest,
  validateAuthResponse,
} from "oauth4webapi";

import { errorText } from "../core/error-text.ts";
import { KildeError } from "../core/errors.ts";
import { startTimer } from "../core/timer.ts";
import { type ClaimedPrincipal, claimedPrincipal } from "./claimed-principal.ts";
import { OIDC_NAME_PREFIX } from "./new-key.ts";
import type { OidcProvider } from "./oidc-provider.ts";
import type { OidcClient, OidcDeps, SignInAttempt } from "./oidc.ts";
import type { TokenClaims } from "./token-issuer.ts";

/** Clocks of providers may differ from this one by so much. */
const SKEW_SECONDS = 30;

/** The description of the provider is read again at most this often. */
const DESCRIPTION_MS = 10 * 60 * 1_000;

/** After the description could not be read, it is not asked for again for this time: anyone can begin to sign in. */
const REST_MS = 5_000;

const MAX_ANSWER_LENGTH = 1024 * 1024;

const DEFAULT_SCOPES = ["profile", "email"];

type FlowDeps = OidcDeps & { readonly timeoutMs: number };
type Send = (
  url: string,
  options: CustomFetchOptions<string, BodyInit | null | undefined>,
) => Promise<Response>;

function unavailable(issuer: string, cause: unknown): KildeError {
  const detail = `The OpenID provider ${issuer} could not be reached: ${errorText(cause)}`;
  return new KildeError("issuer-unavailable", detail, {}, { cause });
}

function failed(detail: string, cause?: unknown): KildeError {
  return new KildeError("sign-in-failed", detail, {}, { cause });
}

/** Returns a fetch with a limit of time and size, whose failures are KildeErrors. */
function boundedSend({ issuer }: OidcProvider, { fetch, timeoutMs }: FlowDeps): Send {
  return async (url, { method, headers, body, redirect }) => {
    const timeout = new AbortController();
    const cancel = startTimer(timeoutMs, () => timeout.abort(new Error(`${url} did not answer in time`)));
    try {
      const init = { method, headers, redirect, signal: timeout.signal };
      const answer = await fetch(url, body === undefined ? init : { ...init, body });
      const text = await answer.text();
      if (answer.status >= 500) throw new Error(`${url} answered ${answer.status}`);
      if (text.length > MAX_ANSWER_LENGTH)
        throw new Error(`${url} answered more than ${MAX_ANSWER_LENGTH} characters`);
      return new Response(text, { status: answer.status, headers: answer.headers });
    } catch (error) {
      throw unavailable(issuer, error);
    } finally {
      cancel();
    }
  };
}

/** Chooses how the client proves its secret: the provider's way, by default `client_secret_basic`. */
function clientAuthentication(secret: string | undefined, server: AuthorizationServer): ClientAuth {
  if (secret === undefined) return None();
  const methods = server.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  return methods.includes("client_secret_basic") ? ClientSecretBasic(secret) : ClientSecretPost(secret);
}

/** Turns an error of the protocol into the one to report. */
function reported(error: unknown): unknown {
  if (error instanceof AuthorizationResponseError)
    return failed(`The OpenID provider refused: ${error.error_description ?? error.error}`, error);
  // The code was used, is too old, or belongs to another attempt.
  if (error instanceof ResponseBodyError && error.error === "invalid_grant")
    return failed("The OpenID provider does not accept the code of this sign-in", error);
  if (error instanceof OperationProcessingError)
    return failed(
      `The answer of the OpenID provider does not belong to this sign-in: ${error.message}`,
      error,
    );
  // Such as a wrong client secret, which the operator has to correct.
  if (error instanceof Error && !(error instanceof KildeError))
    return new Error(`auth.oidc: the sign-in failed: ${errorText(error)}`, { cause: error });
  return error;
}

interface Transport {
  readonly [customFetch]: Send;
  readonly [allowInsecureRequests]: boolean;
}

/** Returns the function that reads the description of the provider (OpenID Connect Discovery 1.0 §4), or remembers it. */
function describer(
  { issuer }: OidcProvider,
  clock: FlowDeps["clock"],
  transport: Transport,
): () => Promise<AuthorizationServer> {
  const url = new URL(issuer);
  const read = async (): Promise<AuthorizationServer> => {
    const answer = await discoveryRequest(url, transport);
    return processDiscoveryResponse(url, answer).catch((error: unknown) => {
      throw unavailable(issuer, error);
    });
  };
  let described: { readonly server: AuthorizationServer; readonly atMs: number } | null = null;
  let failure: { readonly error: unknown; readonly atMs: number } | null = null;
  return async () => {
    const nowMs = clock.monotonic();
    if (described !== null && nowMs - described.atMs < DESCRIPTION_MS) return described.server;
    if (failure !== null && nowMs - failure.atMs < REST_MS) throw failure.error;
    try {
      const server = await read();
      described = { server, atMs: nowMs };
      return server;
    } catch (error) {
      failure = { error, atMs: clock.monotonic() };
      throw error;
    }
  };
}

/** Talks to an OpenID provider (OpenID Connect Core 1.0 §3.1, with PKCE of RFC 7636); see `OidcClient`. */
export function createOidcFlow(
  provider: OidcProvider,
  deps: FlowDeps,
): Pick<OidcClient, "begin" | "complete"> {
  const { issuer, clientId, clientSecret, scopes = DEFAULT_SCOPES } = provider;
  const client: Client = { client_id: clientId, [clockTolerance]: SKEW_SECONDS };
  const transport: Transport = {
    [customFetch]: boundedSend(provider, deps),
    // The settings permit http: for this machine only.
    [allowInsecureRequests]: new URL(issuer).protocol === "http:",
  };
  const mapping = {
    ...provider,
    consumer: undefined,
    setting: "auth.oidc",
    namePrefix: OIDC_NAME_PREFIX,
    consumerBytes: 0,
  };

  const describe = describer(provider, deps.clock, transport);

  /** Returns the claims of the person, who has to be the one that this attempt was begun for. */
  const claimsOf = async (callback: URL, attempt: SignInAttempt): Promise<TokenClaims> => {
    const server = await describe();
    // Compares `state`, and `iss` where the provider sends it, so that no other provider can answer (RFC 9207).
    const parameters = validateAuthResponse(server, client, callback, attempt.state);
    const redirectUri = callback.origin + callback.pathname;
    const authentication = clientAuthentication(clientSecret, server);
    const answer = await authorizationCodeGrantRequest(
      server,
      client,
      authentication,
      parameters,
      redirectUri,
      attempt.codeVerifier,
      transport,
    );
    // The token comes from the provider itself over TLS, which replaces its signature (OpenID Connect Core §3.1.3.7).
    const expected = { expectedNonce: attempt.nonce, requireIdToken: true };
    const tokens = await processAuthorizationCodeResponse(server, client, answer, expected);
    const claims = getValidatedIdTokenClaims(tokens) as TokenClaims & { readonly sub: string };
    if (server.userinfo_endpoint === undefined) return claims;
    const info = await userInfoRequest(server, client, tokens.access_token, transport);
    return { ...(await processUserInfoResponse(server, client, claims.sub, info)), ...claims };
  };

  return {
    async begin(callbackUrl) {
      const server = await describe();
      if (server.authorization_endpoint === undefined)
        throw unavailable(issuer, new Error("it states no authorization_endpoint"));
      const attempt = {
        state: generateRandomState(),
        nonce: generateRandomNonce(),
        codeVerifier: generateRandomCodeVerifier(),
      };
      const location = new URL(server.authorization_endpoint);
      const parameters = {
        response_type: "code",
        client_id: clientId,
        redirect_uri: callbackUrl,
        scope: [...new Set(["openid", ...scopes])].join(" "),
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await calculatePKCECodeChallenge(attempt.codeVerifier),
        code_challenge_method: "S256",
      };
      for (const [name, value] of Object.entries(parameters)) location.searchParams.set(name, value);
      return { location: location.href, attempt };
    },
    async complete(callback, attempt): Promise<ClaimedPrincipal> {
      const claims = await claimsOf(callback, attempt).catch((error: unknown) => {
        throw reported(error);
      });
      const claimed = claimedPrincipal(mapping, claims);
      if (claimed === null) throw failed("The OpenID provider names nobody");
      return claimed;
    },
  };
}

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { errorText } from "../../core/error-text.ts";

/** Texts in PEM: the certificates of a server, its own first, and the private key of that. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** When the server's own certificate expires, as its text states it. */
  readonly expires: string;
}

/** A file of TLS cannot be used; the message names it. */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
}

function read(setting: string, file: string): string {
  try {
    return readFileSync(resolve(file), "utf8");
  } catch (error) {
    throw new TlsFileError(`${setting}: ${file} cannot be read: ${errorText(error)}`, { cause: error });
  }
}

function parsed<Parsed>(setting: string, file: string, expected: string, parse: () => Parsed): Parsed {
  try {
    return parse();
  } catch (error) {
    throw new TlsFileError(`${setting}: ${file} is not ${expected}`, { cause: error });
  }
}

/** Reads the files and checks that they belong together. Throws a {@link TlsFileError}. */
export function readTlsFiles(tlsCert: string, tlsKey: string): TlsFiles {
  const cert = read("tlsCert", tlsCert);
  const key = read("tlsKey", tlsKey);
  const certificate = parsed("tlsCert", tlsCert, "a certificate in PEM", () => new X509Certificate(cert));
  const privateKey = parsed("tlsKey", tlsKey, "a private key in PEM without a passphrase", () =>
    createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(privateKey))
    throw new TlsFileError(`tlsKey: ${tlsKey} is not the private key of the certificate in ${tlsCert}`);
  return { cert, key, expires: certificate.validTo };
}

import { connect } from "node:tls";
import { join } from "node:path";

import { generate } from "selfsigned";

/** Files of a new certificate for this machine, in a folder, replacing those of the same name. */
export async function writeCertificate(folder: string, commonName: string): Promise<void> {
  const { cert, private: key } = await generate([{ name: "commonName", value: commonName }], {
    keyType: "ec",
    algorithm: "sha256",
  });
  await Bun.write(join(folder, "server.pem"), cert);
  await Bun.write(join(folder, "server.key"), key);
}

/** The name in the certificate that a server presents in a handshake. */
export function presentedName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      const { CN } = socket.getPeerCertificate().subject;
      resolve(String(CN));
      socket.end();
    });
    socket.on("error", reject);
  });
}

import { defineConfig } from "kilde";

/** People of an OpenID provider may read the streams of their group. */
export default defineConfig({
  auth: {
    oidc: {
      issuer: process.env["KILDE_TEST_ISSUER"] ?? "",
      clientId: process.env["KILDE_TEST_CLIENT"] ?? "",
      scopes: ["email", "groups"],
      grants: ({ groups }) =>
        Array.isArray(groups) ? groups.map((group) => `read:/streams/${group}-*`) : [],
      name: ({ email }) => String(email),
    },
  },
});

#!/bin/sh
# Prints a token for sqld, signed with an Ed25519 key. Claims: {} may read and write, {"a":"ro"} may only read.
#   token.sh <private key> [claims]
set -eu
key=$1
claims=${2:-'{}'}
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# openssl signs with Ed25519 from files only.
signed=$(mktemp)
trap 'rm -f "$signed"' EXIT
printf '%s.%s' "$(printf '{"alg":"EdDSA","typ":"JWT"}' | base64url)" "$(printf '%s' "$claims" | base64url)" >"$signed"
printf '%s.%s\n' "$(cat "$signed")" "$(openssl pkeyutl -sign -inkey "$key" -rawin -in "$signed" | base64url)"

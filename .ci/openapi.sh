#!/bin/sh
# Fetches GitHub's own descriptions of its REST API, trimmed to the operations
# that oakum uses, of its GraphQL API and of its webhooks, for the tests in
# remediate. Nothing of it is committed: it lands in a cache folder that git
# ignores.
set -eu

versions='@octokit/openapi@23.0.2 @octokit/graphql-schema@15.26.1 @octokit/webhooks-schemas@7.6.1'
sums='829b4bebb19a53133289f7b0bc819f4f1118115821db2ca9f25e9ee995a7da2a  openapi/generated/api.github.com.json
3c62d0526d133cee53221c89de9b455ade24db78b9e7ad56d642c4c15bce2654  graphql-schema/schema.graphql
ff15ae017ba3b877a44f636806155f986f7b707b31aa7eebde6da1d3366f2840  webhooks-schemas/schema.json'

cd "$(dirname "$0")/.."
cache=${1:-.cache/openapi}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

stamp="$versions $(cat .ci/openapi/operations.txt .ci/openapi/trim.go | sha256sum)"
if [ -f "$cache/api.github.com.trimmed.json" ] && [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
# shellcheck disable=SC2086 # one word a package
npm install --prefix "$download" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error $versions >/dev/null
from=$download/node_modules/@octokit
(cd "$from" && echo "$sums" | sha256sum --check --quiet)

go run ./.ci/openapi/trim.go .ci/openapi/operations.txt <"$from/openapi/generated/api.github.com.json" >"$cache/trimmed.new"
mv "$from/graphql-schema/schema.graphql" "$cache/schema.graphql"
mv "$from/webhooks-schemas/schema.json" "$cache/webhooks.json"
mv "$cache/trimmed.new" "$cache/api.github.com.trimmed.json"
echo "$stamp" >"$cache/stamp"

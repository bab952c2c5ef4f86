#!/bin/sh
# Fetches GitHub's own description of its REST API and trims it to the
# operations that oakum uses, for the tests in remediate. Nothing of it is
# committed: it lands in a cache folder that git ignores.
set -eu

version=23.0.2
sha256=829b4bebb19a53133289f7b0bc819f4f1118115821db2ca9f25e9ee995a7da2a # of api.github.com.json

cd "$(dirname "$0")/.."
cache=${1:-.cache/openapi}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

stamp="$version $(cat .ci/openapi/operations.txt .ci/openapi/trim.go | sha256sum)"
if [ -f "$cache/api.github.com.trimmed.json" ] && [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
npm install --prefix "$download" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error \
	"@octokit/openapi@$version" >/dev/null
full=$download/node_modules/@octokit/openapi/generated/api.github.com.json
echo "$sha256  $full" | sha256sum --check --quiet

go run ./.ci/openapi/trim.go .ci/openapi/operations.txt <"$full" >"$cache/trimmed.new"
mv "$cache/trimmed.new" "$cache/api.github.com.trimmed.json"
echo "$stamp" >"$cache/stamp"

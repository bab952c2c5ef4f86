#!/bin/sh
# Fetches the payloads of GitHub's webhooks that octokit publishes, for the tests
# in webhook. Nothing of it is committed: it lands in a cache folder that git
# ignores.
set -eu

version=7.6.1
sha256=09d8f0c617876ae9dad22e26fea5510bfcaad50ee7e602659f6db25b87b25815 # of index.json

cd "$(dirname "$0")/.."
cache=${1:-.cache/webhooks}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

if [ -f "$cache/api.github.com.json" ] && echo "$sha256  $cache/api.github.com.json" | sha256sum --check --status; then
	exit 0
fi
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
npm install --prefix "$download" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error \
	"@octokit/webhooks-examples@$version" >/dev/null
full=$download/node_modules/@octokit/webhooks-examples/api.github.com/index.json
echo "$sha256  $full" | sha256sum --check --quiet
cp "$full" "$cache/new"
mv "$cache/new" "$cache/api.github.com.json"

#!/bin/sh
# Makes the bundle for MCP clients: deploy/mcpb/build.sh [BINARY [OUT [INSTALLER]]].
# BINARY is target/release/mcp-conductor, OUT target/mcp-conductor.mcpb, INSTALLER
# target/release/mcp-conductor-installer. Needs strip (binutils) and either zip or python3.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
binary=${1:-$root/target/release/mcp-conductor}
out=${2:-$root/target/mcp-conductor.mcpb}
installer=${3:-$root/target/release/mcp-conductor-installer}

die() { echo "mcpb: error: $*" >&2; exit 1; }

for program in "$binary" "$installer"; do
    [ -x "$program" ] || die "no program $program: run make build"
done
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
grep -q "\"version\": \"$version\"" "$here/manifest.json" ||
    die "Cargo.toml has version $version, deploy/mcpb/manifest.json another"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' HUP INT TERM
install -D -m 0755 "$binary" "$stage/server/mcp-conductor"
# Beside the server, where `mcp-conductor install` looks for it.
install -m 0755 "$installer" "$stage/server/mcp-conductor-installer"
install -m 0644 "$here/manifest.json" "$root/LICENSE" "$stage"
# Debugging information is half of the programs.
strip "$stage"/server/* || die "$binary and $installer cannot be stripped"

case $out in /*) ;; *) out=$PWD/$out ;; esac
mkdir -p "$(dirname "$out")"
rm -f "$out"
cd "$stage"
# Both keep the mode of files: the program has to stay executable. No entries for
# directories: `mcpb unpack` 2.1.2 fails on them.
set -- manifest.json LICENSE server/mcp-conductor server/mcp-conductor-installer
if command -v zip >/dev/null; then
    zip -q -X -D "$out" "$@"
elif command -v python3 >/dev/null; then
    python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as bundle:
    for name in sys.argv[2:]:
        bundle.write(name)' "$out" "$@"
else
    die "neither zip nor python3 is here"
fi
# For fileSha256 in server.json.
sha256sum "$out"

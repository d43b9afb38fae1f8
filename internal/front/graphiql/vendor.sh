#!/bin/sh
# Fetches the pinned versions of GraphiQL and what it needs again: sh internal/front/graphiql/vendor.sh
# All are MIT-licensed; their licences are kept beside them. To go to newer versions, change them here.
set -eu
cd "$(dirname "$0")/vendor"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fetch() { # package version file licence
  (cd "$scratch" && npm pack --silent "$1@$2" >/dev/null)
  tar -xzf "$scratch/$1-$2.tgz" -C "$scratch"
  cp "$scratch/package/$3" .
  cp "$scratch/package/$4" "LICENSE.$1.txt"
}

fetch graphiql   3.9.0  graphiql.min.css               LICENSE
fetch graphiql   3.9.0  graphiql.min.js                LICENSE
fetch react      18.3.1 umd/react.production.min.js     LICENSE
fetch react-dom  18.3.1 umd/react-dom.production.min.js LICENSE
fetch graphql-ws 5.16.2 umd/graphql-ws.min.js           LICENSE.md

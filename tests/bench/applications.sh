# The credentials of 20,000 applications, from the emulator, beside Microsoft's Graph client for JavaScript that reads
# the same lists. Sourced by run.

applications_ours() {
  "$build/moonlatch" --config "$1/emulator/moonlatch.lua" applications --no-evidence --format csv "${@:2}"
}

# applications_cost COMMAND…: CPU seconds and peak MiB of the cheapest of three runs.
applications_cost() {
  local i
  for i in 1 2 3; do
    bench cost "$scratch/cost" "$@" >"$scratch/rows" 2>"$scratch/log" || { cat "$scratch/log" >&2; return 1; }
    cut -d ' ' -f 2,3 "$scratch/cost"
  done | sort -g | head -n 1
}

applications_20k() {
  [ -d tests/peer/node_modules/@microsoft ] || { echo "applications_20k needs the packages of tests/peer: npm ci" >&2; return; }
  local folder cpu mib base_cpu base_mib requests graph
  folder=$(mktemp -d)
  emulator_start "$folder" --lag 0 --applications 20000 --interval 1
  graph=$(ready "$folder" graph)
  read -r cpu mib < <(applications_cost "$build/moonlatch" --config "$folder/emulator/moonlatch.lua" applications \
    --no-evidence --format csv)
  read -r base_cpu base_mib < <(NODE_EXTRA_CA_CERTS=$(ready "$folder" ca) applications_cost node \
    tests/peer/applications.mjs "${graph%/v1.0}" "$(emulator_token "$folder" \
    "https://graph.microsoft.com/Application.Read.All https://graph.microsoft.com/User.ReadBasic.All")")
  requests=$(applications_ours "$folder" --verbose 2>&1 >/dev/null | grep -cE '^(GET|POST) ')
  emulator_stop
  rm -rf "$folder"
  row applications_20k "$cpu" s "$base_cpu" "CPU of the credentials of 20,000 applications in $requests requests, beside Graph's \
client for JavaScript" "ratio <= 1.4 && $requests <= 340"
  row applications_20k_memory "$mib" MiB "$base_mib" "peak memory of the same" "ratio <= 0.5"
}

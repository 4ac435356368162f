# Benchmarks of rotations. Sourced by run.

# rotation_stage FOLDER USERS SETTINGS: an emulator without lag, a profile with these settings, and
# FOLDER/COUNT.lua, policies that change at most COUNT of everybody's passwords.
rotation_stage() {
  local folder=$1 users=$2 settings=$3
  emulator_start "$folder" --users "$users" --lag 0 --interval 1
  sed "s/emulator = { clock = [^}]*}/$settings/" "$folder/emulator/moonlatch.lua" >"$folder/emulator/bench.lua"
  chmod 600 "$folder/emulator/bench.lua"
}

# rotation_policy FOLDER COUNT: prints its path.
rotation_policy() {
  cat >"$1/$2.lua" <<POLICY
local policy = require "policy"
return policy {
  summary = "many", select = policy.users { group = "All staff" }, every = "30d",
  limits = { max_changes = $2, canary = 0, stop_on_failure = false }, sink = policy.devolutions.server { vault = "Privileged", path = "Bench" },
}
POLICY
  chmod 600 "$1/$2.lua"
  echo "$1/$2.lua"
}

# rotate FOLDER COUNT [BEFORE…]: changes COUNT passwords; wall and CPU seconds and peak MiB.
rotate() {
  local folder=$1 count=$2 policy
  shift 2
  policy=$(rotation_policy "$folder" "$count")
  bench cost "$folder/cost" "$@" "$build/moonlatch" --config "$folder/emulator/bench.lua" rotate "$policy" --yes --quiet \
    >"$folder/log" 2>&1 || { grep -A 9 ' failed$' "$folder/log" >&2; return 1; }
  cat "$folder/cost"
}

ROTATION_REQUESTS=8 # look, keep pending and read it back, set, look, keep and read back, clear up

# CPU of a rotation among 100 at once, beside libcurl alone making as many requests.
rotation_cpu() {
  local folder few many raw syncs ca control
  folder=$(mktemp -d)
  rotation_stage "$folder" 3600 "write_budget = false, emulator = true"
  read -r _ few _ < <(rotate "$folder" 100)
  read -r _ many _ < <(rotate "$folder" 2100)
  syncs=
  if command -v strace >/dev/null; then
    rotate "$folder" 1000 strace -f -qq -c -o "$folder/calls" -e trace=fdatasync,fsync >/dev/null
    syncs=$(awk '$NF ~ /^f(data)?sync$/ { n += $4 } END { printf "; %.2f fsyncs a rotation", n / 1000 }' "$folder/calls")
  fi
  ca=$(sed -n 's/.*"ca": *"\([^"]*\)".*/\1/p' "$folder/ready")
  control=$(sed -n 's/.*"control": *"\([^"]*\)".*/\1/p' "$folder/ready")
  read -r _ _ raw < <(bench requests "$control" "$ca" 9000 100 1.1 GET "" -)
  emulator_stop
  rm -rf "$folder"
  row rotation_cpu "$(awk -v a="$few" -v b="$many" 'BEGIN { print (b - a) / 2 }')" ms \
    "$(awk -v r="$raw" -v n="$ROTATION_REQUESTS" 'BEGIN { print r / 9 * n }')" \
    "CPU of a user's rotation, 100 at once, beside libcurl alone for its $ROTATION_REQUESTS requests$syncs" \
    "value <= 0.5"
}

# 10,000 accounts that are due, of which so many are changed as the emulator has memory for
# secrets; and that the write budget alone says how long it takes.
rotation_10k_memory() {
  local folder mib wall
  folder=$(mktemp -d)
  rotation_stage "$folder" 11400 "write_budget = false, emulator = true"
  read -r _ _ mib < <(rotate "$folder" 4000)
  emulator_stop
  row rotation_10k_memory "$mib" MiB 32 "peak memory with 10,000 due accounts, 4,000 of them changed; beside 32 MiB" "value <= 32"
  rm -rf "$folder"
  folder=$(mktemp -d)
  rotation_stage "$folder" 1200 "emulator = true"
  read -r wall _ < <(rotate "$folder" 600)
  emulator_stop
  rm -rf "$folder"
  row rotation_paced "$wall" s 30 "600 rotations with the write budget of 3,000 in 150 s, beside 600 at 20 a second" "ratio <= 1.1"
}

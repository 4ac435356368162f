# Benchmarks of rotations. Sourced by run.

# rotation_stage FOLDER USERS SETTINGS [OPTION…]: an emulator without lag, a profile with these settings, and
# FOLDER/COUNT.lua, policies that change at most COUNT of everybody's passwords.
rotation_stage() {
  local folder=$1 users=$2 settings=$3
  emulator_start "$folder" --users "$users" --lag 0 --interval 1 "${@:4}"
  sed "s/emulator = { clock = [^}]*}/$settings/" "$folder/emulator/moonlatch.lua" >"$folder/emulator/bench.lua"
  chmod 600 "$folder/emulator/bench.lua"
}

# rotation_policy FOLDER COUNT: prints its path.
rotation_policy() {
  cat >"$1/$2.lua" <<POLICY
local policy = require "policy"
return policy {
  summary = "many", select = policy.users { group = "All staff" }, every = "30d",
  accept = { "synced", "disabled", "guest", "reach" },
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

# ready FOLDER WORD: what the emulator's ready line says of it.
ready() { sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p" "$1/ready"; }

# of_emulator FOLDER PATH [CURL OPTION…]: a page of its control address.
of_emulator() { curl -s --cacert "$(ready "$1" ca)" "$(ready "$1" control)$2" "${@:3}"; }

# asked FOLDER: the number of the request the emulator had last.
asked() { of_emulator "$1" /requests | grep -o '"n": *[0-9]*' | tail -n 1 | tr -dc 0-9; }

# vault_session FOLDER: of the application of the emulated Devolutions Server.
vault_session() {
  local key secret
  key=$(sed -n 's/.*app_key = "\(.*\)".*/\1/p' "$1/emulator/moonlatch.lua")
  secret=$(cat "$1/emulator/devolutions.secret")
  curl -s --cacert "$(ready "$1" ca)" "$(ready "$1" devolutions)/api/v1/login" -H "Content-Type: application/json" \
    -d "{\"appKey\": \"$key\", \"appSecret\": \"$secret\"}" | sed -n 's/.*"tokenId": *"\([^"]*\)".*/\1/p'
}

# rotation_record FOLDER COUNT: what COUNT rotations ask, as an emulator that keeps what is said has it on record.
rotation_record() {
  rotation_stage "$1" 200 "write_budget = false, emulator = true" --exchanges
  rotate "$1" "$2" >/dev/null
  of_emulator "$1" /requests
  emulator_stop
}

RESET="https://graph.microsoft.com/User-PasswordProfile.ReadWrite.All https://graph.microsoft.com/User.Read.All"

# rotation_pair FOLDER FEW MANY: CPU ms of a rotation, and of libcurl for the requests of FOLDER/steps. What a run
# costs before its first rotation is taken off, and it has to ask what the steps say, and at most one list of pending
# entries more, which rotations share.
rotation_pair() {
  local folder=$1 few=$2 many=$3 least most raw from middle to
  from=$(asked "$folder")
  read -r _ least _ < <(rotate "$folder" "$few")
  middle=$(asked "$folder")
  read -r _ most _ < <(rotate "$folder" "$many")
  to=$(asked "$folder")
  awk -v asked="$((to - middle - (middle - from)))" -v each="$(wc -l <"$folder/steps")" -v n="$((many - few))" \
    'BEGIN { if (asked / n < each - 0.1 || asked / n > each + 1.1) { print asked / n " requests a rotation, not " each; exit 1 } }' >&2
  read -r _ _ raw < <(bench requests -f "$folder/steps" "$(ready "$folder" ca)" "$((many - few))" 100 1.1)
  awk -v a="$least" -v b="$most" -v raw="$raw" -v n="$((many - few))" \
    'BEGIN { print (b - a) / n * 1000, raw / n * 1000 }'
}

# CPU of a rotation among 100 at once, beside libcurl alone sending the same requests to
# the same server; in pairs, because what else the machine does changes from one second to the next.
rotation_cpu() {
  local folder stand_in value raw ratio syncs=
  folder=$(mktemp -d)
  mkdir "$folder/sample"
  rotation_record "$folder/sample" 3 >"$folder/record"
  rotation_stage "$folder" 3600 "write_budget = false, emulator = true"
  stand_in=$(of_emulator "$folder" /tenant -d '{"do": "add_person", "with": ["stand.in@contoso.onmicrosoft.com"]}' |
    sed -n 's/.*"result": *"\([^"]*\)".*/\1/p')
  python3 tests/bench/steps.py "$folder/ready" "$(emulator_token "$folder" "$RESET")" "$(vault_session "$folder")" \
    "$stand_in" 3 <"$folder/record" >"$folder/steps"
  for _ in 1 2 3 4 5; do rotation_pair "$folder" 20 420; done >"$folder/pairs"
  read -r value raw ratio < <(medians <"$folder/pairs")
  if command -v strace >/dev/null; then
    rotate "$folder" 400 strace -f -qq -c -o "$folder/calls" >/dev/null
    syncs=$(awk '$NF ~ /^f(data)?sync$/ { s += $4 } $NF == "total" { n = $4 }
      END { printf "; %.2f fsyncs and %.0f system calls a rotation", s / 400, n / 400 }' "$folder/calls")
  fi
  emulator_stop
  row rotation_cpu "$value" ms "$raw" "CPU of a user's rotation, 100 at once, beside libcurl alone for its \
$(wc -l <"$folder/steps") requests$syncs" "ratio <= 1.6" "$ratio"
  rm -rf "$folder"
}

# 10,000 accounts that are due and changed; and that the write budget alone says how long it takes.
rotation_10k_memory() {
  local folder mib wall
  folder=$(mktemp -d)
  rotation_stage "$folder" 11400 "write_budget = false, emulator = true"
  read -r _ _ mib < <(rotate "$folder" 10000)
  emulator_stop
  row rotation_10k_memory "$mib" MiB 32 "peak memory with 10,000 accounts due and changed; beside 32 MiB" "value <= 32"
  rm -rf "$folder"
  folder=$(mktemp -d)
  rotation_stage "$folder" 1200 "emulator = true"
  read -r wall _ < <(rotate "$folder" 600)
  emulator_stop
  rm -rf "$folder"
  row rotation_paced "$wall" s 30 "600 rotations with the write budget of 3,000 in 150 s, beside 600 at 20 a second" "ratio <= 1.1"
}

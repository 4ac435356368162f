# Benchmarks of what scripts do with Graph. Sourced by run.

bench() { "$build/tests/bench_$1" "${@:2}"; }

# ask PROFILE SCRIPT [ARG…]: what a script of this folder prints.
ask() {
  "$build/moonlatch" --config "$far_place/$1.lua" run "./tests/bench/$2.lua" "${@:3}"
}

# cpu_of COMMAND…: seconds of the processor.
cpu_of() {
  bench cost "$far_place/cost" "$@" >"$far_place/said" && cut -d ' ' -f 2 "$far_place/cost"
}

# cost_of COMMAND…: wall and CPU seconds and peak MiB of the cheapest of three runs.
cost_of() {
  local i
  for i in 1 2 3; do
    bench cost "$far_place/cost" "$@" >/dev/null
    cat "$far_place/cost"
  done | sort -g -k 2 | head -n 1
}

small_gets() { "$build/moonlatch" --config "$far_place/small.lua" run ./tests/bench/small_gets.lua 20000; }
small_gets_cpu() { cpu_of "$build/moonlatch" --config "$far_place/small.lua" run ./tests/bench/small_gets.lua 20000; }
raw_gets() { bench requests "$far/small/v1.0/users/x" "$far_place/cert.pem" 20000 100 2 GET "" "$(far_token)"; }
raw_gets_rate() { raw_gets | cut -d ' ' -f 1; }
raw_gets_cpu() { raw_gets | cut -d ' ' -f 3; }

# Small GETs over one HTTP/2 connection, 100 in flight, beside libcurl alone. On an idle machine nginx limits the
# rate of both, and answers faster when requests come in bursts, as a slower client sends them: so the CPU
# of a request is what is compared.
small_get_rate() {
  far_start
  local rate raw ratio cpu raw_cpu
  read -r rate raw ratio < <(in_pairs 5 small_gets raw_gets_rate)
  row small_get_rate "$rate" /s "$raw" "task.map of graph.get, 100 in flight, beside libcurl's multi interface in C (more is \
better); nginx limits both" "ratio >= 0.6" "$ratio"
  read -r cpu raw_cpu ratio < <(in_pairs 5 small_gets_cpu raw_gets_cpu)
  row small_get_cpu "$(per_request "$cpu")" us "$(per_request "$raw_cpu")" "CPU of such a request, beside libcurl's" "" "$ratio"
}

# per_request SECONDS: microseconds of one of 20,000 requests.
per_request() { awk -v s="$1" 'BEGIN { print s * 1e6 / 20000 }'; }

read_users() { cpu_of "$build/moonlatch" --config "$far_place/10k.lua" run ./tests/bench/users.lua; }

fetch_pages() {
  local links=("$far/10k/v1.0/users") page
  for page in $(seq 2 11); do links+=("$far/10k/v1.0/users?\$skiptoken=$page"); done
  cpu_of curl -sg --http2 --cacert "$far_place/cert.pem" "${links[@]}"
}

# 10,000 users in 11 pages, beside curl fetching the same bytes. What lua-cjson alone takes for these three megabytes is
# as much again as all that curl does, so less than twice curl's CPU cannot be had with it.
users_10k() {
  far_start
  local wall cpu base_cpu ratio requests
  read -r cpu base_cpu ratio < <(in_pairs 5 read_users fetch_pages)
  read -r wall _ < <(cost_of "$build/moonlatch" --config "$far_place/late.lua" run ./tests/bench/users.lua)
  requests=$("$build/moonlatch" --config "$far_place/10k.lua" --verbose run ./tests/bench/users.lua 2>&1 | grep -c '^GET ')
  row users_10k "$cpu" s "$base_cpu" "CPU of reading 10,000 users in $requests requests, beside curl fetching the same 11 pages" \
    "value - baseline <= 0.06 && ratio <= 4 && $requests == 11" "$ratio"
  row users_10k_late "$wall" s 1.1 "wall time at 100 ms latency, beside the latency of 11 pages that follow each other" \
    "value <= 1.3"
}

# A million users in the memory of ten thousand.
users_1m_memory() {
  far_start
  local mib base_mib
  read -r _ _ base_mib < <(cost_of "$build/moonlatch" --config "$far_place/10k.lua" run ./tests/bench/users.lua)
  bench cost "$far_place/cost" "$build/moonlatch" --config "$far_place/1m.lua" run ./tests/bench/users.lua >"$far_place/report"
  grep -q '^1000000 ' "$far_place/report" || { echo "not a million: $(cat "$far_place/report")" >&2; return 1; }
  read -r _ _ mib <"$far_place/cost"
  row users_1m_memory "$mib" MiB "$base_mib" "peak memory of reading 1,000,000 users, beside 10,000" "ratio <= 1.1"
}

# Decoding a page of users, beside lua-cjson alone.
json_decode() {
  far_start
  local cjson ours
  curl -s --cacert "$far_place/cert.pem" "$far/10k/v1.0/users" >"$far_place/page.json"
  read -r cjson ours < <(bench decode "$far_place/page.json" 30)
  row json_decode "$ours" MB/s "$cjson" "strict scan and decode, beside lua-cjson alone on the same page (more is better)" \
    "ratio >= 0.8"
}

patch_users() { ask changed patches 100 --write; }

patch_raw() {
  bench requests "$far/changed/v1.0/users/x" "$far_place/cert.pem" 100 100 2 PATCH '{"department":"x"}' "$(far_token)" |
    cut -d ' ' -f 2
}

# The department of 100 users is changed, at 100 ms latency, without the write budget and with it.
patch_100() {
  far_start
  local wall raw ratio
  read -r wall raw ratio < <(in_pairs 5 patch_users patch_raw)
  row patch_100 "$wall" s "$raw" "PATCH of the department of 100 users, 100 at once at 100 ms latency, each on record before it \
leaves, beside libcurl alone" "value <= 0.6" "$ratio"
  wall=$(ask changed-paced patches 100 --write)
  row patch_100_paced "$(awk -v s="$wall" 'BEGIN { print (100 - 30) / s }')" /s 20 \
    "the same with the write budget of 3,000 in 150 s: changes a second, after the 30 that may leave at once" \
    "value <= 20 && value >= 19"
}

switch_tasks() { "$build/moonlatch" run ./tests/bench/switches.lua 10000 20; }
switch_raw() { bench switch 10000 20 | cut -d ' ' -f 1; }

# 10,000 tasks that sleep and wake, beside coroutines alone.
task_switch() {
  local cost raw ratio raw_bytes few many
  far_start
  read -r cost raw ratio < <(in_pairs 5 switch_tasks switch_raw)
  read -r _ _ many < <(cost_of "$build/moonlatch" run ./tests/bench/switches.lua 10000 1)
  read -r _ _ few < <(cost_of "$build/moonlatch" run ./tests/bench/switches.lua 1 1)
  read -r _ raw_bytes < <(bench switch 10000 20)
  row task_switch "$cost" us "$raw" "one of 10,000 tasks sleeps and wakes, beside resume and yield in C; $(awk \
    -v a="$many" -v b="$few" 'BEGIN { printf "%.0f", (a - b) * 1048576 / 10000 }') bytes a task beside $raw_bytes" "" "$ratio"
}

emulator_answers() { bench requests "${emulator_gets[@]}" | cut -d ' ' -f 1; }

nginx_answers() {
  bench requests "$far/small/v1.0/users/x" "$far_place/cert.pem" 10000 16 1.1 GET "" "$(far_token)" | cut -d ' ' -f 1
}

# Small answers of the emulator, beside nginx's.
emulator_rate() {
  far_start
  local folder rate raw ratio emulator_gets
  folder=$(mktemp -d)
  emulator_start "$folder" --lag 0 --users 1000000 --interval 1
  emulator_gets=("$(ready "$folder" graph)/me?\$select=id,displayName" "$(ready "$folder" ca)" 10000 16 1.1 GET ""
    "$(emulator_token "$folder")")
  read -r rate raw ratio < <(in_pairs 3 emulator_answers nginx_answers)
  emulator_stop
  rm -rf "$folder"
  row emulator_rate "$rate" /s "$raw" \
    "small answers over 16 connections of HTTP/1.1, beside nginx's of the same size (more is better)" "value >= 5000" "$ratio"
}

# emulator_token FOLDER [SCOPES]: a token of the emulator's administrator, by device code.
emulator_token() {
  local scopes=${2:-https://graph.microsoft.com/User.Read.All}
  local login ca client form device
  login=$(sed -n 's/.*"login": *"\([^"]*\)".*/\1/p' "$1/ready")
  ca=$(sed -n 's/.*"ca": *"\([^"]*\)".*/\1/p' "$1/ready")
  client=$(sed -n 's/.*"client_id": *"\([^"]*\)".*/\1/p' "$1/ready")
  form="$login/contoso.onmicrosoft.com/oauth2/v2.0"
  device=$(curl -s --cacert "$ca" "$form/devicecode" -d "client_id=$client" --data-urlencode "scope=$scopes" |
    sed -n 's/.*"device_code": *"\([^"]*\)".*/\1/p')
  for _ in $(seq 10); do
    sleep 1
    curl -s --cacert "$ca" "$form/token" -d "client_id=$client" -d "device_code=$device" \
      -d grant_type=urn:ietf:params:oauth:grant-type:device_code | sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p' |
      grep . && return
  done
  echo "the emulator gave no token" >&2
  return 1
}

# How long a person waits for the doctor. Sourced by run.
#
# nginx stands before the three services of the emulator and speaks HTTP/2 for
# them; the emulator adds the latency.

# near_configuration FOLDER PORT: its servers from PORT + 4 on stand for the emulator's from PORT on.
near_configuration() {
  cat <<END
daemon off;
master_process off;
pid $1/pid;
error_log $1/error.log;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path $1/temp; proxy_temp_path $1/temp; fastcgi_temp_path $1/temp;
  uwsgi_temp_path $1/temp; scgi_temp_path $1/temp;
  ssl_certificate $1/cert.pem;
  ssl_certificate_key $1/key.pem;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_pass_header Date;
END
  local port
  for port in "$2" $(($2 + 1)) $(($2 + 2)); do
    cat <<END
  upstream own$port { server 127.0.0.1:$port; keepalive 64; }
  server {
    listen 127.0.0.1:$((port + 4)) ssl http2;
    location / { proxy_pass https://own$port; }
  }
END
  done
  echo "}"
}

# free_ports COUNT: the first of so many that are free side by side.
free_ports() {
  python3 - "$1" <<'END'
import socket, sys
while True:
    sockets = [socket.socket()]
    sockets[0].bind(("127.0.0.1", 0))
    first = sockets[0].getsockname()[1]
    try:
        for place in range(1, int(sys.argv[1])):
            sockets.append(socket.socket())
            sockets[-1].bind(("127.0.0.1", first + place))
    except (OSError, OverflowError):
        continue
    print(first)
    break
END
}

# near_start FOLDER: the emulator, and nginx before it.
near_start() {
  local folder=$1 port base
  port=$(free_ports 7)
  base=https://127.0.0.1
  emulator_start "$folder" --latency 100 --lag 0 --listen "127.0.0.1:$port" \
    --behind "$base:$((port + 4)),$base:$((port + 5)),$base:$((port + 6))"
  control=$base:$port/emulator
  nginx_certificate "$folder" near
  cp "$folder/cert.pem" "$folder/emulator/near.pem"
  sed -i 's|"ca\.pem"|"near.pem"|' "$folder/emulator/moonlatch.lua"
  mkdir "$folder/temp"
  near_configuration "$folder" "$port" >"$folder/nginx.conf"
  nginx_start "$folder" "$base:$((port + 4))/"
  near_pid=$nginx_pid
}

near_stop() {
  [ -n "${near_pid:-}" ] || return 0
  nginx_stop "$near_pid"
  near_pid=
}

# control METHOD PATH [BODY]: the emulator's own page.
control() {
  curl -sS --cacert "$ca" -X "$1" "$control$2" ${3:+-H 'Content-Type: application/json' -d "$3"}
}

# A tenant that is set up, with nothing to say against it: no consents left behind, the new secret listed.
healthy_tenant() {
  local grant
  "$@" apply setup/entra-pam-provider --managed "$managed" --yes >/dev/null || return 1
  for grant in $(control GET /graph/v1.0/oauth2PermissionGrants | grep -o '"id":"[^"]*"' | cut -d'"' -f4); do
    control DELETE "/graph/v1.0/oauth2PermissionGrants/$grant" >/dev/null
  done
  control POST /clock '{"advance": "2m"}' >/dev/null
  "$@" login --for doctor >/dev/null
}

# The doctor's visit to a healthy tenant at 100 ms latency, beside what was promised.
doctor_wall() {
  local folder control ca managed="PAM managed service accounts" wall requests chain
  folder=$(mktemp -d)
  ca=$folder/emulator/ca.pem
  near_start "$folder"
  local doctor=("$build/moonlatch" --config "$folder/emulator/moonlatch.lua")
  healthy_tenant "${doctor[@]}" 2>"$folder/log" || { cat "$folder/log" >&2; return 1; }
  wall=$(for _ in 1 2 3 4 5; do
    "$build/tests/bench_cost" "$folder/cost" "${doctor[@]}" doctor --managed "$managed" >"$folder/report" 2>>"$folder/log"
    cut -d' ' -f1 "$folder/cost"
  done | sort -g | sed -n 3p)
  near_stop
  emulator_stop
  read -r requests chain < <(sed -n 's/^healthy: .*(\([0-9]*\) requests, the longest chain \([0-9]*\),.*/\1 \2/p' "$folder/report")
  [ -n "$chain" ] || { cat "$folder/report" "$folder/log" >&2; return 1; }
  row doctor_wall "$wall" s 1.5 "a healthy tenant at 100 ms latency over HTTP/2: $requests requests, $chain of them in a chain; beside 1.5 s" "value <= 1.5"
  rm -rf "$folder"
}

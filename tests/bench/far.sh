# The far side of the benchmarks where the emulator would be the limit: nginx
# with answers as Graph gives them, over TLS and HTTP/2, from files. Sourced by
# run.
#
# Collections by the address's first folder: /10k and /1m hold as many users, in
# pages of 999; /late is /10k with 100 ms before each answer. Each has a profile
# of its own, signed in with a client secret.

far_token() {
  local part
  for part in '{"typ":"JWT","alg":"none"}' \
    '{"aud":"graph","appid":"00000000-0000-0000-0000-000000000001","oid":"o","tid":"t","idtyp":"app","exp":4000000000}'; do
    printf '%s.' "$(printf '%s' "$part" | base64 -w0 | tr '+/' '-_' | tr -d '=')"
  done
  head -c 256 /dev/zero | base64 -w0 | tr '+/' '-_' | tr -d '='
}

# far_users PAGE MOST: the value of one page of MOST users, nine members each.
far_users() {
  awk -v from="$((($1 - 1) * 999))" -v most="$2" 'BEGIN {
    printf "["
    for (n = from + 1; n <= from + 999 && n <= most; n++)
      printf "%s{\"id\":\"%08x-51b6-4b0b-9a66-%012x\",\"displayName\":\"Alexandra Example %d\",\"givenName\":\"Alexandra\"," \
        "\"surname\":\"Example\",\"userPrincipalName\":\"alexandra.example%d@contoso.onmicrosoft.com\"," \
        "\"mail\":null,\"accountEnabled\":true,\"businessPhones\":[],\"lastPasswordChangeDateTime\":\"2026-11-23T05:00:00Z\"}", \
        (n > from + 1) ? "," : "", n * 7919 % 65536, n * 7919, n, n
    printf "]"
  }'
}

# far_pages NAME USERS: the heads of its pages; the bodies are included by nginx,
# and the million uses the first ten again and again.
far_pages() {
  mkdir -p "$far_place/pages/$1"
  awk -v base="$far" -v name="$1" -v folder="$far_place/pages/$1" -v last="$((($2 + 998) / 999))" 'BEGIN {
    for (page = 1; page <= last; page++) {
      file = folder "/" page
      link = (page == last) ? "" : sprintf("\"@odata.nextLink\":\"%s/%s/v1.0/users?$skiptoken=%d\",", base, name, page + 1)
      body = (page == last) ? "last-" name : (page - 1) % 10 + 1
      printf "{\"@odata.context\":\"%s/v1.0/$metadata#users\",%s\"value\":<!--# include file=\"/body/%s\" -->}", \
        base, link, body > file
      close(file)
    }
  }'
}

# far_profile NAME [BUDGET]
far_profile() {
  cat >"$far_place/$1.lua" <<END
return { profiles = { far = {
  emulator = true, tenant = "contoso.onmicrosoft.com",
  cloud = { login = "$far", graph = "$far/${1%-paced}/v1.0", ca = "cert.pem" },
  sign_in = { method = "client_secret", client_id = "00000000-0000-0000-0000-000000000001",
    secret = { from = "file", path = "secret" } },
  key = { from = "file", path = "journal.key" },
  state = "state-$1", write_budget = ${2:-false},
} } }
END
  chmod 600 "$far_place/$1.lua"
}

far_configuration() {
  cat <<END
daemon off;
master_process off;
pid $far_place/pid;
error_log $far_place/error.log;
load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path $far_place/temp; proxy_temp_path $far_place/temp; fastcgi_temp_path $far_place/temp;
  uwsgi_temp_path $far_place/temp; scgi_temp_path $far_place/temp;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams 128;
  default_type application/json;
  geo \$dollar { default '\$'; }
  map \$args \$page { default 1; ~skiptoken=(?<n>\d+) \$n; }
  server {
    listen 127.0.0.1:$1 ssl http2 backlog=512;
    ssl_certificate $far_place/cert.pem;
    ssl_certificate_key $far_place/key.pem;
    location /contoso.onmicrosoft.com/oauth2/v2.0/token {
      return 200 '{"token_type":"Bearer","expires_in":3599,"access_token":"$2"}';
    }
    location /small/ {
      return 200 '{"@odata.context":"$far/v1.0/\${dollar}metadata#users/\${dollar}entity","id":"87d349ed-44d7-43e1-9a83-5f2406dee5bd","displayName":"Adele Vance","userPrincipalName":"adele@contoso.onmicrosoft.com","accountEnabled":true}';
    }
    location /changed/ { echo_sleep 0.1; echo_status 204; }
    location ~ ^/(?<room>10k|1m)/ { rewrite ^ /pages/\$room/\$page last; }
    location /late/ { echo_sleep 0.1; echo_exec /pages/late/\$page; }
    location /pages/ { root $far_place; ssi on; ssi_types *; }
    location /body/ { root $far_place; }
  }
}
END
}

# far_start: a free port comes from asking the system for one.
far_start() {
  [ -z "${far_pid:-}" ] || return 0
  far_place=$(mktemp -d)
  local port page
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  far=https://127.0.0.1:$port
  nginx_certificate "$far_place" far
  mkdir "$far_place/body" "$far_place/temp"
  for page in $(seq 10); do far_users "$page" 10000 >"$far_place/body/$page"; done
  far_users 11 10000 | tee "$far_place/body/last-10k" >"$far_place/body/last-late"
  far_users 1 1 >"$far_place/body/last-1m"
  far_pages 10k 10000
  far_pages late 10000
  far_pages 1m 1000000
  (umask 077; echo bench >"$far_place/secret"; head -c 32 /dev/zero | tr '\0' 'k' >"$far_place/journal.key")
  for page in small 10k 1m late changed; do far_profile "$page"; done
  far_profile changed-paced true
  far_configuration "$port" "$(far_token)" >"$far_place/nginx.conf"
  nginx_start "$far_place" "$far/small/v1.0/"
  far_pid=$nginx_pid
}

far_stop() {
  [ -n "${far_pid:-}" ] || return 0
  nginx_stop "$far_pid"
  far_pid=
  rm -rf "$far_place"
}

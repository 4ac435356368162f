# nginx as the far side, or before it. Sourced by run.

# nginx_certificate FOLDER NAME: cert.pem and key.pem, for this machine's own address.
nginx_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$2" \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$1/key.pem" -out "$1/cert.pem" 2>/dev/null
}

# nginx_start FOLDER URL: by FOLDER/nginx.conf, until URL answers; its process is $nginx_pid.
nginx_start() {
  /usr/sbin/nginx -p "$1" -e "$1/error.log" -c "$1/nginx.conf" &
  nginx_pid=$!
  for _ in $(seq 100); do
    curl -s --cacert "$1/cert.pem" "$2" >/dev/null && return
    kill -0 "$nginx_pid" 2>/dev/null || break
    sleep 0.05
  done
  nginx_stop "$nginx_pid"
  cat "$1/error.log" >&2
  return 1
}

nginx_stop() {
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

/* The settings of a transfer: every feature of libcurl that we do not want is switched off here, whatever the
 * environment says. The callbacks touch C memory only.
 *
 * The need for each setting was measured: libcurl forwards custom headers on redirects, takes proxies and a TLS
 * key log from the environment, loads the system's roots again for each connection while a CA path is set, and
 * sends a request again by itself when a kept connection is dead.
 */
#include "http_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define LOW_SPEED_BYTES 16L
#define LOW_SPEED_SECONDS 60L

/* ---- callbacks ---- */

static size_t on_header(char *line, size_t size, size_t count, void *arg) {
  struct transfer *transfer = arg;
  size_t length = size * count;
  transfer->hostile = http_judge_header(&transfer->frame, line, length, transfer->is_h2);
  if (!transfer->hostile && http_judge_is_foreign(transfer->id, line, length))
    transfer->hostile = "the answer to another request: its client-request-id is not the one that was sent";
  if (transfer->frame.bytes > HTTP_MAX_HEADERS) transfer->too_large = 2;
  if (transfer->frame.starved) transfer->starved = 1;
  return transfer->hostile || transfer->too_large || transfer->starved ? 0 : length;
}

/* Count the bytes after decompression, so that a small compressed answer cannot become a huge one. */
static size_t on_body(char *data, size_t size, size_t count, void *arg) {
  struct transfer *transfer = arg;
  size_t added = size * count;
  if (added > HTTP_MAX_BODY - transfer->received.length) {
    transfer->too_large = 1;
    return 0;
  }
  if (buffer_append(&transfer->received, data, added)) return added;
  transfer->starved = 1;
  return 0;
}

/* The TLS session of the transfer's connection; NULL for plain HTTP. */
static SSL *tls_of(struct transfer *transfer) {
  struct curl_tlssessioninfo *tls = NULL;
  curl_easy_getinfo(transfer->easy, CURLINFO_TLS_SSL_PTR, &tls);
  return tls ? tls->internals : NULL;
}

/* Did both sides agree on HTTP/2 (ALPN, RFC 7301)? The status line proves nothing. */
static int speaks_h2(struct transfer *transfer) {
  const unsigned char *protocol = NULL;
  unsigned length = 0;
  SSL *ssl = tls_of(transfer);
  if (ssl) SSL_get0_alpn_selected(ssl, &protocol, &length);
  return length == 2 && memcmp(protocol, "h2", 2) == 0;
}

/* On HTTP/1 the order assigns answers to requests. Bytes that wait on a kept connection before the next request
 * is written would be taken for its answer; libcurl only checks whether the connection was closed. With HTTP/2
 * each answer names its request. */
static int is_quiet(struct transfer *transfer, int local_port) {
  long made = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &made);
  if (made) return 1; /* nothing was asked on it yet, and TLS begins it with messages of its own */
  if (transfer->is_h2) return 1;
  SSL *ssl = tls_of(transfer);
  return !(ssl && SSL_has_pending(ssl)) && http_sockets_are_quiet(transfer->sockets, local_port);
}

/* Called whenever a connection is ready and the request is about to be
 * written. A second call means that libcurl gave up on a kept connection and
 * sends again, also what must not be done twice. */
static int on_ready(void *arg, char *peer, char *local, int peer_port, int local_port) {
  struct transfer *transfer = arg;
  long written = 0;
  (void)peer, (void)local, (void)peer_port;
  transfer->is_h2 = speaks_h2(transfer);
  transfer->unquiet = !is_quiet(transfer, local_port);
  if (transfer->unquiet) return CURL_PREREQFUNC_ABORT;
  curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &written);
  if (transfer->ready && written > transfer->written) transfer->sent = 1;
  transfer->resend = transfer->sent && !transfer->repeatable;
  if (transfer->resend) return CURL_PREREQFUNC_ABORT;
  transfer->ready++;
  transfer->written = written;
  return CURL_PREREQFUNC_OK;
}

static int is_loopback4(uint32_t address) {
  return address >> 24 == 127 || address >> 24 == 0; /* 0.0.0.0 connects to this machine, too */
}

static int is_link4(uint32_t address) {
  return address >> 16 == (169 << 8 | 254);
}

static int is_loopback6(const struct in6_addr *address) {
  uint32_t last;
  memcpy(&last, address->s6_addr + 12, sizeof last);
  if (IN6_IS_ADDR_V4MAPPED(address) || IN6_IS_ADDR_V4COMPAT(address)) return is_loopback4(ntohl(last));
  return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address);
}

static int is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_INET)
    return is_loopback4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
  if (address->sa_family == AF_INET6)
    return is_loopback6(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
  return 0;
}

int http_is_loopback(const char *host) {
  struct in_addr four;
  struct in6_addr six;
  size_t length = strlen(host);
  if (inet_pton(AF_INET, host, &four) == 1) return is_loopback4(ntohl(four.s_addr));
  if (inet_pton(AF_INET6, host, &six) == 1) return is_loopback6(&six);
  return strcasecmp(host, "localhost") == 0 || (length > 10 && strcasecmp(host + length - 10, ".localhost") == 0);
}

int http_is_near(const char *host) {
  struct in_addr four;
  return http_is_loopback(host) || (inet_pton(AF_INET, host, &four) == 1 && is_link4(ntohl(four.s_addr)));
}

static int is_within(const struct transfer *transfer, const struct sockaddr *address) {
  int local = is_loopback(address);
  if (transfer->reach == HTTP_LOOPBACK) return local;
  if (transfer->reach == HTTP_OUTSIDE) return !local || transfer->route.proxy != NULL;
  return local || (address->sa_family == AF_INET &&
                   is_link4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr)));
}

/* The address is judged after the name was resolved, so that no DNS answer
 * leads a token to a place its profile does not reach. It never blocks from its
 * first moment: libcurl asks for that later, and does not look whether it was done. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
  struct transfer *transfer = arg;
  if (purpose != CURLSOCKTYPE_IPCXN || !is_within(transfer, &address->addr)) {
    transfer->astray = 1;
    return CURL_SOCKET_BAD;
  }
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
  if (fd >= 0) http_sockets_add(transfer->sockets, fd);
  return fd;
}

/* A connection outlives the transfer it was made for, so this is the client's. */
static int on_socket_close(void *arg, curl_socket_t fd) {
  http_sockets_drop(arg, fd);
  return close(fd);
}

/* Only names the certificate carries as such count, and OpenSSL compares them
 * besides libcurl, which still looks at the subject. */
static int expect_host(SSL_CTX *context, const char *host) {
  X509_VERIFY_PARAM *parameters = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_ip_asc(parameters, host) || X509_VERIFY_PARAM_set1_host(parameters, host, 0);
}

static CURLcode on_tls(CURL *easy, void *tls, void *arg) {
  struct transfer *transfer = arg;
  SSL_CTX *context = tls;
  (void)easy;
  SSL_CTX_set_keylog_callback(context, NULL);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
  /* 34 KiB a connection, instead of wiped for each record; what was read there is cleansed above */
  SSL_CTX_clear_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_send_fragment(context, 4096); /* half of those 34: what we send is small */
  if (!transfer->lenient) X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
  if (!SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)) return CURLE_SSL_CONNECT_ERROR;
  return expect_host(context, transfer->route.host) ? CURLE_OK : CURLE_SSL_CONNECT_ERROR;
}

/* ---- options ---- */

static int set_callbacks(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  return !curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) &&
         !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) &&
         !curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
         !curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready) &&
         !curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket) &&
         !curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close) &&
         !curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer->sockets) &&
         !curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls) &&
         !curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, transfer);
}

static int set_tls(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  return !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) && !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) &&
         !curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
         !curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, CIPHERS) && !curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) &&
         !curl_easy_setopt(easy, CURLOPT_CAINFO, transfer->route.ca);
}

/* No redirects, no other protocol, no proxy nobody named, no stored logins. The
 * address is the CURLU's; the URL is there because without one libcurl writes
 * out the CURLU's for each transfer, and looks at it nowhere. */
static int set_route(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  const char *proxy = transfer->route.proxy ? transfer->route.proxy : "",
             *protocol = transfer->plain ? "http" : "https";
  return !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocol) &&
         !curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https") &&
         !curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) &&
         !curl_easy_setopt(easy, CURLOPT_UNRESTRICTED_AUTH, 0L) &&
         !curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
         !curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) &&
         !curl_easy_setopt(easy, CURLOPT_PROXY, proxy) && !curl_easy_setopt(easy, CURLOPT_NOPROXY, "") &&
         !curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE) &&
         !curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
         !curl_easy_setopt(easy, CURLOPT_URL, transfer->route.origin);
}

static int set_limits(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  return !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) && !curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L) &&
         !curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES) &&
         !curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SECONDS) &&
         !curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)HTTP_MAX_BODY) &&
         !curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L) && /* 64 KiB a request, else */
         !curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
}

/* HTTP/1.1, so that no other request is on its connection: for a fresh one, and
 * for what must not be sent twice. A server that retires an HTTP/2 connection
 * drops what came late, and libcurl cannot say which requests those were. */
static int set_connection(struct transfer *transfer, int fresh) {
  CURL *easy = transfer->easy;
  long shared = transfer->shared;
  long version = shared ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
  return !curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version) && !curl_easy_setopt(easy, CURLOPT_PIPEWAIT, shared) &&
         !curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L) &&
         !curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, fresh ? 1L : 0L) &&
         !curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

static int wants_body(const char *method) {
  return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static int set_message(struct transfer *transfer, const struct request *request) {
  CURL *easy = transfer->easy;
  int body = request->has_body || wants_body(request->method); /* an empty one still says its length */
  const char *data = transfer->body.length ? transfer->body.data : "";
  int ok = !transfer->route.proxy || !curl_easy_setopt(easy, CURLOPT_USERAGENT, HTTP_AGENT); /* for its CONNECT */
  transfer->is_head = strcmp(request->method, "HEAD") == 0;
  if (ok && body)
    ok = !curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.length) &&
         !curl_easy_setopt(easy, CURLOPT_POSTFIELDS, data);
  if (ok && transfer->is_head) return !curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  return ok && !curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

int http_options_of_read(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  long connect_ms = transfer->timeout_ms < HTTP_CONNECT_MS ? transfer->timeout_ms : HTTP_CONNECT_MS;
  return !curl_easy_setopt(easy, CURLOPT_CURLU, transfer->target->parsed) &&
         !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) &&
         !curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, transfer->timeout_ms) &&
         !curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
}

void http_options_clear(struct transfer *transfer) {
  curl_easy_setopt(transfer->easy, CURLOPT_CURLU, NULL);
  curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL);
}

int http_options(struct transfer *transfer, const struct request *request) {
  return set_callbacks(transfer) && set_tls(transfer) && set_route(transfer) && set_limits(transfer) &&
         set_connection(transfer, request->fresh) && set_message(transfer, request) && http_options_of_read(transfer);
}

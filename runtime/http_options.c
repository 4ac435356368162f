/* The options of a transfer's easy handle: each feature of libcurl that is not wanted is switched off here, whatever
 * the environment says. The callbacks touch C memory only.
 *
 * The need for each setting was measured: libcurl forwards custom headers on redirects, takes proxies and a TLS key
 * log from the environment, loads the system's root certificates again for each connection while a CA path is set,
 * and sends a request again by itself when a kept connection is dead.
 */
#include "http_internal.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define LOW_SPEED_BYTES 16L
#define LOW_SPEED_SECONDS 60L

/* ---- callbacks ---- */

static size_t on_http_header(char *line, size_t size, size_t count, void *arg) {
  struct transfer *transfer = arg;
  size_t length = size * count;
  transfer->hostile = http_judge_header(&transfer->frame, line, length, transfer->is_h2);
  if (!transfer->hostile && http_judge_is_foreign(transfer->id, line, length))
    transfer->hostile = "the answer to another request: its client-request-id is not the one that was sent";
  if (transfer->frame.bytes > HTTP_MAX_HEADERS) transfer->too_large = 2;
  if (transfer->frame.out_of_memory) transfer->out_of_memory = 1;
  return transfer->hostile || transfer->too_large || transfer->out_of_memory ? 0 : length;
}

/* CURLOPT_WRITEFUNCTION. The bytes are counted after decompression, so a small compressed answer cannot become a huge
 * one. */
static size_t on_http_body(char *data, size_t size, size_t count, void *arg) {
  struct transfer *transfer = arg;
  size_t added = size * count;
  if (added > HTTP_MAX_BODY - transfer->received.length) {
    transfer->too_large = 1;
    return 0;
  }
  if (buffer_append(&transfer->received, data, added)) return added;
  transfer->out_of_memory = 1;
  return 0;
}

/* Return the TLS session of the transfer's connection; NULL for plain HTTP. */
static SSL *transfer_tls(struct transfer *transfer) {
  struct curl_tlssessioninfo *tls = NULL;
  curl_easy_getinfo(transfer->easy, CURLINFO_TLS_SSL_PTR, &tls);
  return tls ? tls->internals : NULL;
}

/* Did both sides agree on HTTP/2 (ALPN, RFC 7301)? The status line is no proof. */
static int speaks_h2(struct transfer *transfer) {
  const unsigned char *protocol = NULL;
  unsigned length = 0;
  SSL *ssl = transfer_tls(transfer);
  if (ssl) SSL_get0_alpn_selected(ssl, &protocol, &length);
  return length == 2 && memcmp(protocol, "h2", 2) == 0;
}

/* May the request be written to this connection? On HTTP/1 only the order assigns answers to requests: bytes that
 * wait on a kept connection before the request is written would be taken for its answer, and libcurl only checks
 * whether the connection was closed. On HTTP/2 each answer names its request. */
static int has_no_stray_bytes(struct transfer *transfer, int local_port) {
  long new_connections = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &new_connections);
  if (new_connections)
    return 1; /* a new connection: no request was sent on it, and TLS begins with messages of its own */
  if (transfer->is_h2) return 1;
  SSL *ssl = transfer_tls(transfer);
  return !(ssl && SSL_has_pending(ssl)) && http_sockets_are_quiet(transfer->sockets, local_port);
}

/* CURLOPT_PREREQFUNCTION: a connection is ready and the request is about to be written. A second call means that
 * libcurl gave up a kept connection and sends again, also a request that must not be sent twice. */
static int on_connection_ready(void *arg, char *peer, char *local, int peer_port, int local_port) {
  struct transfer *transfer = arg;
  long written = 0;
  (void)peer, (void)local, (void)peer_port;
  transfer->is_h2 = speaks_h2(transfer);
  transfer->had_stray_bytes = !has_no_stray_bytes(transfer, local_port);
  if (transfer->had_stray_bytes) return CURL_PREREQFUNC_ABORT;
  curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &written);
  if (transfer->ready_count && written > transfer->written_before) transfer->sent = 1;
  transfer->refused_resend = transfer->sent && !transfer->repeatable;
  if (transfer->refused_resend) return CURL_PREREQFUNC_ABORT;
  transfer->ready_count++;
  transfer->written_before = written;
  return CURL_PREREQFUNC_OK;
}

/* CURLOPT_OPENSOCKETFUNCTION. The address is checked after the name was resolved, so that no DNS answer leads a token
 * to an address that the profile does not reach. The socket is non-blocking from the start: libcurl sets that later,
 * and does not check whether it worked. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
  struct transfer *transfer = arg;
  if (purpose != CURLSOCKTYPE_IPCXN ||
      !http_address_is_allowed(&address->addr, transfer->reach, transfer->route.proxy != NULL)) {
    transfer->refused_address = 1;
    return CURL_SOCKET_BAD;
  }
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
  if (fd >= 0) http_sockets_add(transfer->sockets, fd);
  return fd;
}

/* CURLOPT_CLOSESOCKETFUNCTION. A connection outlives its transfer, so arg is the client's list of sockets. */
static int on_socket_close(void *arg, curl_socket_t fd) {
  http_sockets_remove(arg, fd);
  return close(fd);
}

/* Let OpenSSL check the host besides libcurl. Only subjectAltName counts; libcurl still accepts the certificate's
 * subject. */
static int expect_host(SSL_CTX *context, const char *host) {
  X509_VERIFY_PARAM *parameters = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_ip_asc(parameters, host) || X509_VERIFY_PARAM_set1_host(parameters, host, 0);
}

static CURLcode on_tls_context(CURL *easy, void *tls, void *arg) {
  struct transfer *transfer = arg;
  SSL_CTX *context = tls;
  (void)easy;
  SSL_CTX_set_keylog_callback(context, NULL);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
  /* keep 34 KiB per connection, instead of wiping them for each record; SSL_OP_CLEANSE_PLAINTEXT cleanses what was
   * read */
  SSL_CTX_clear_mode(context, SSL_MODE_RELEASE_BUFFERS);
  /* The buffers keep their usual size. With a smaller one for sending (SSL_CTX_set_max_send_fragment), libssl 3.5.9 and
   * libcurl 8.14.1 corrupted the heap in one of forty runs of schedule_spec; without it in none of 170. */
  if (!transfer->lenient) X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
  if (!SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)) return CURLE_SSL_CONNECT_ERROR;
  return expect_host(context, transfer->route.host) ? CURLE_OK : CURLE_SSL_CONNECT_ERROR;
}

/* ---- options ---- */

static int set_callback_options(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  return !curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) &&
         !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_http_header) &&
         !curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_http_body) &&
         !curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connection_ready) &&
         !curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket) &&
         !curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) &&
         !curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close) &&
         !curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer->sockets) &&
         !curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context) &&
         !curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, transfer);
}

static int set_tls_options(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  return !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) && !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) &&
         !curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
         !curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, CIPHERS) && !curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) &&
         !curl_easy_setopt(easy, CURLOPT_CAINFO, transfer->route.ca);
}

/* No redirects, no other protocol, no proxy that the profile does not name, no stored logins. CURLOPT_CURLU has the
 * address; CURLOPT_URL is set because libcurl would otherwise encode the CURLU for each transfer, and it does not use
 * the result. */
static int set_route_options(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  struct curl_slist *proxy_headers = transfer->route.proxy_authorization ? &transfer->route.proxy_headers : NULL;
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
         !curl_easy_setopt(easy, CURLOPT_PROXYHEADER, proxy_headers) &&
         !curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
         !curl_easy_setopt(easy, CURLOPT_URL, transfer->route.origin);
}

/* CURLOPT_BUFFERSIZE stays at 16 KiB: with less, HTTP/2 answers failed with CURLE_OUT_OF_MEMORY (libcurl 7.88). */
static int set_limit_options(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  return !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) && !curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L) &&
         !curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES) &&
         !curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SECONDS) &&
         !curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)HTTP_MAX_BODY) &&
         !curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L) && /* libcurl's default is 64 KiB per request */
         !curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
}

/* Use HTTP/1.1, where a connection has one request at a time, for a fresh connection and for requests that must not
 * be sent twice. A server that closes an HTTP/2 connection drops the requests that came late, and libcurl cannot tell
 * which these were. */
static int set_connection_options(struct transfer *transfer, int fresh) {
  CURL *easy = transfer->easy;
  long shared = transfer->shared;
  long version = shared ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
  return !curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version) && !curl_easy_setopt(easy, CURLOPT_PIPEWAIT, shared) &&
         !curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L) &&
         !curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, fresh ? 1L : 0L) &&
         !curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

static int method_has_body(const char *method) {
  return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static int set_message_options(struct transfer *transfer, const struct request *request) {
  CURL *easy = transfer->easy;
  int body = request->has_body || method_has_body(request->method); /* an empty body still has a Content-Length */
  const char *data = transfer->body.length ? transfer->body.data : "";
  int ok = !transfer->route.proxy ||
           !curl_easy_setopt(easy, CURLOPT_USERAGENT, HTTP_AGENT); /* for the CONNECT request to the proxy */
  transfer->is_head = strcmp(request->method, "HEAD") == 0;
  if (ok && body)
    ok = !curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.length) &&
         !curl_easy_setopt(easy, CURLOPT_POSTFIELDS, data);
  if (ok && transfer->is_head) return !curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  return ok && !curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

int http_options_set_read(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  long connect_ms = transfer->timeout_ms < HTTP_CONNECT_MS ? transfer->timeout_ms : HTTP_CONNECT_MS;
  return !curl_easy_setopt(easy, CURLOPT_CURLU, transfer->target->parsed) &&
         !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) &&
         !curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, transfer->timeout_ms) &&
         !curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
}

void http_options_clear_read(struct transfer *transfer) {
  curl_easy_setopt(transfer->easy, CURLOPT_CURLU, NULL);
  curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL);
}

int http_options_set(struct transfer *transfer, const struct request *request) {
  return set_callback_options(transfer) && set_tls_options(transfer) && set_route_options(transfer) &&
         set_limit_options(transfer) && set_connection_options(transfer, request->fresh) &&
         set_message_options(transfer, request) && http_options_set_read(transfer);
}

/* The HTTP client: two libcurl multi handles for a process's requests. One is for
 * those that share connections by HTTP/2, one for those that have theirs to
 * themselves: libcurl remembers one thing of a host, whether it multiplexes, and
 * with both kinds on one handle requests wait for connections they cannot use.
 *
 * It knows nothing of Lua, peers or permissions: it sends what the gate gives
 * it and says what became of it. The settings are in http_options.c, the
 * judgement in http_judge.c.
 *
 * Ownership: a transfer owns copies of all it sends, so nothing it was made
 * from has to outlive it. The client knows its transfers only to let go of
 * them when it closes first.
 */
#include "http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_CONNECTIONS 16L
#define MOST_CONNECTIONS 64L /* kept: else four for each transfer there is, and each lull closes the others */
#define MAX_IDLE 128
#define MAX_WAITS 64
#define UNSEEN_MS 10 /* where a wait cannot be seen: a name being looked up */

enum lane { SHARED, ALONE, LANES };

struct http {
  CURLM *multi[LANES];
  int running[LANES];     /* transfers on each */
  struct transfer *first; /* of all transfers not yet closed */
  const char *roots;      /* the system's */
  struct http_sockets sockets;
  struct transfer *idle[MAX_IDLE]; /* with their handles: a new one costs a third of a small request */
  int idle_count;
};

/* Where systems keep their roots; the first that can be read is taken. */
static const char *const system_roots[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", NULL};

static const char *find_roots(void) {
  for (const char *const *file = system_roots; *file; file++)
    if (access(*file, R_OK) == 0) return *file;
  return system_roots[0];
}

/* ---- client ---- */

/* The hardening of each connection goes through OpenSSL's own interface. */
static int has_openssl(void) {
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  return info->ssl_version && strstr(info->ssl_version, "OpenSSL") != NULL;
}

/* libcurl's global state is never given back: transfers may outlive a client. */
struct http *http_open(long streams) {
  unsetenv("SSLKEYLOGFILE"); /* else libcurl creates the file, even if nothing is written to it */
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !has_openssl()) return NULL;
  struct http *http = calloc(1, sizeof *http);
  if (http) http->roots = find_roots();
  for (int lane = 0; http && lane < LANES; lane++) {
    CURLM *multi = http->multi[lane] = curl_multi_init();
    if (!multi) {
      http_close(http);
      return NULL;
    }
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS);
    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, streams);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, MOST_CONNECTIONS);
  }
  return http;
}

static enum lane lane_of(const struct transfer *transfer) {
  return transfer->shared ? SHARED : ALONE;
}

/* Take the transfer off the multi handle, if it is there. */
static void halt(struct transfer *transfer) {
  if (!transfer->running) return;
  curl_multi_remove_handle(transfer->http->multi[lane_of(transfer)], transfer->easy);
  transfer->http->running[lane_of(transfer)]--;
  transfer->running = 0;
}

/* ---- handles ---- */

static void free_route(struct route *route) {
  free(route->origin);
  free(route->ca);
  free(route->proxy);
  curl_free(route->host);
  curl_free(route->port);
  *route = (struct route){0};
}

static void free_transfer(struct transfer *transfer) {
  if (transfer->easy) curl_easy_cleanup(transfer->easy);
  free_route(&transfer->route);
  explicit_bzero(transfer, sizeof *transfer);
  free(transfer);
}

/* Nothing but an easy handle, which is set for a route or for nothing; NULL when memory is out. */
static struct transfer *take_transfer(struct http *http) {
  if (http->idle_count > 0) return http->idle[--http->idle_count];
  struct transfer *transfer = calloc(1, sizeof *transfer);
  if (transfer) transfer->easy = curl_easy_init();
  if (transfer && transfer->easy) return transfer;
  free(transfer);
  return NULL;
}

static void forget_route(struct transfer *transfer) {
  curl_easy_reset(transfer->easy);
  free_route(&transfer->route);
}

/* Remove everything of the transfer from its handle. After a plain read without trouble the handle stays set
 * for the next one. libcurl's counts over a handle's life, of retries above all, restart only with a reset. */
static void clear_handle(struct transfer *transfer) {
  if (transfer->plain_read && transfer->whole && transfer->ready == 1 && !transfer->moved)
    http_options_clear(transfer);
  else
    forget_route(transfer);
}

static void give_transfer(struct http *http, struct transfer *transfer) {
  if (!http || http->idle_count == MAX_IDLE) {
    free_transfer(transfer);
    return;
  }
  CURL *easy = transfer->easy;
  struct route route = transfer->route;
  explicit_bzero(transfer, sizeof *transfer);
  transfer->easy = easy;
  transfer->route = route;
  http->idle[http->idle_count++] = transfer;
}

void http_close(struct http *http) {
  if (!http) return;
  for (struct transfer *transfer = http->first; transfer; transfer = transfer->next) {
    halt(transfer);
    transfer->http = NULL;
  }
  while (http->idle_count > 0) free_transfer(http->idle[--http->idle_count]);
  for (int lane = 0; lane < LANES; lane++) curl_multi_cleanup(http->multi[lane]);
  free(http);
}

/* ---- preparing ---- */

static int add_line(struct buffer *lines, const char *line) {
  return buffer_append(lines, line, strlen(line) + 1);
}

/* Append the credential's header line; the buffer is wiped. */
static int add_credential(struct buffer *lines, const struct credential *credential) {
  return buffer_append_string(lines, credential->header) && buffer_append_string(lines, ": ") &&
         buffer_append(lines, credential->value.data, credential->value.length) && buffer_append(lines, "", 1);
}

/* The lines as libcurl takes them: nodes in one block. It only reads them. */
static int list_lines(struct transfer *transfer) {
  size_t count = 0, i = 0;
  const struct buffer *lines = &transfer->lines;
  for (const char *line = buffer_next_text(lines, NULL); line; line = buffer_next_text(lines, line)) count++;
  transfer->headers = calloc(count, sizeof *transfer->headers);
  if (!transfer->headers) return 0;
  for (const char *line = buffer_next_text(lines, NULL); line; line = buffer_next_text(lines, line), i++)
    transfer->headers[i] = (struct curl_slist){(char *)line, i + 1 < count ? &transfer->headers[i + 1] : NULL};
  return 1;
}

/* The value of the client-request-id among the lines, NULL for none. */
static const char *find_id(const struct buffer *lines) {
  static const char name[] = "client-request-id: ";
  for (const char *line = buffer_next_text(lines, NULL); line; line = buffer_next_text(lines, line))
    if (strncasecmp(line, name, sizeof name - 1) == 0) return line + sizeof name - 1;
  return NULL;
}

static int has_type(const struct buffer *lines) {
  for (const char *line = buffer_next_text(lines, NULL); line; line = buffer_next_text(lines, line))
    if (strncasecmp(line, "content-type:", 13) == 0) return 1;
  return 0;
}

/* Remove libcurl's own headers by an empty value. A plain read has none; its User-Agent and Accept-Encoding
 * libcurl would print twice. */
static int copy_headers(struct transfer *transfer, const struct request *request, const struct credential *credential) {
  struct buffer *lines = &transfer->lines;
  int has_extras = !transfer->plain_read;
  return (!credential || add_credential(lines, credential)) && /* the longest first: the others find room */
         buffer_append(lines, request->headers.data, request->headers.length) &&
         (!has_extras || add_line(lines, "Expect:")) &&
         (!has_extras || has_type(lines) || add_line(lines, "Content-Type:")) &&
         add_line(lines, "User-Agent: " HTTP_AGENT) && add_line(lines, "Accept-Encoding: gzip") && list_lines(transfer);
}

/* The host, as certificates and people write it, and the port, from the URL that libcurl parsed. */
static int copy_address(struct route *route, CURLU *parsed) {
  if (curl_url_get(parsed, CURLUPART_HOST, &route->host, 0) != CURLUE_OK ||
      curl_url_get(parsed, CURLUPART_PORT, &route->port, CURLU_DEFAULT_PORT) != CURLUE_OK)
    return 0;
  size_t length = strlen(route->host);
  if (*route->host != '[') return 1;
  memmove(route->host, route->host + 1, length);
  route->host[length - 2] = '\0';
  return 1;
}

static int is_same(const char *a, const char *b) {
  return a && b ? strcmp(a, b) == 0 : a == b;
}

static int copy_route(struct route *route, const struct route *from) {
  route->origin = strdup(from->origin);
  route->ca = strdup(from->ca);
  route->proxy = from->proxy ? strdup(from->proxy) : NULL;
  return route->origin && route->ca && (route->proxy || !from->proxy);
}

/* Set the handle; when it was set for a similar request, only what differs. */
static int set_handle(struct transfer *transfer, const struct request *request, const struct http_peer *peer) {
  const struct http *http = transfer->http;
  struct route route = {
      .origin = request->origin, .ca = (char *)(peer->ca ? peer->ca : http->roots), .proxy = (char *)peer->proxy};
  int is_set = transfer->plain_read && is_same(transfer->route.origin, route.origin) &&
               is_same(transfer->route.ca, route.ca) && is_same(transfer->route.proxy, route.proxy);
  if (is_set) return http_options_of_read(transfer);
  forget_route(transfer);
  return copy_route(&transfer->route, &route) && copy_address(&transfer->route, request->target->parsed) &&
         http_options(transfer, request);
}

static int is_plain_read(const struct request *request) {
  return strcmp(request->method, "GET") == 0 && !request->has_body && !request->fresh && request->repeatable;
}

static void enlist(struct http *http, struct transfer *transfer) {
  transfer->http = http;
  transfer->sockets = &http->sockets;
  transfer->next = http->first;
  if (http->first) http->first->previous = transfer;
  http->first = transfer;
}

static void delist(struct transfer *transfer) {
  if (!transfer->http) return;
  if (transfer->previous)
    transfer->previous->next = transfer->next;
  else
    transfer->http->first = transfer->next;
  if (transfer->next) transfer->next->previous = transfer->previous;
}

struct transfer *http_prepare(struct http *http, const struct request *request, const struct credential *credential,
                              const struct http_peer *peer, long timeout_ms, void *tag) {
  struct transfer *transfer = take_transfer(http);
  if (!transfer) return NULL;
  enlist(http, transfer);
  transfer->tag = tag;
  transfer->timeout_ms = timeout_ms;
  transfer->reach = peer->reach;
  transfer->lenient = peer->lenient;
  transfer->repeatable = request->repeatable;
  transfer->shared = request->repeatable && !request->fresh;
  transfer->plain_read = is_plain_read(request);
  transfer->plain = strncmp(request->origin, "http:", 5) == 0;
  transfer->target = request_target_share(request->target);
  int copied = copy_headers(transfer, request, credential);
  transfer->id = find_id(&transfer->lines);
  if (copied && buffer_append(&transfer->body, request->body.data, request->body.length) &&
      set_handle(transfer, request, peer))
    return transfer;
  http_transfer_close(transfer);
  return NULL;
}

int http_begin(struct transfer *transfer) {
  if (!transfer->http) return 0;
  enum lane lane = lane_of(transfer);
  transfer->running = curl_multi_add_handle(transfer->http->multi[lane], transfer->easy) == CURLM_OK;
  transfer->http->running[lane] += transfer->running;
  return transfer->running;
}

/* ---- waiting ---- */

/* Nothing was sent, because bytes were waiting on the kept connection, which is closed now. Send the request on
 * a new connection; 0 when it ended for another reason. */
static int move_on(struct transfer *transfer, CURLcode code) {
  if (!transfer->unquiet || code != CURLE_ABORTED_BY_CALLBACK) return 0;
  transfer->unquiet = 0;
  transfer->moved = 1;
  *transfer->error = '\0';
  return !curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L) && http_begin(transfer);
}

static struct transfer *next_on(CURLM *multi) {
  int left;
  CURLMsg *message;
  while ((message = curl_multi_info_read(multi, &left))) {
    struct transfer *transfer = NULL;
    CURLcode code = message->data.result; /* message dies with the removal */
    if (message->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
    halt(transfer);
    if (move_on(transfer, code)) continue;
    http_judge_outcome(transfer, code);
    return transfer;
  }
  return NULL;
}

struct transfer *http_next(struct http *http) {
  struct transfer *transfer = next_on(http->multi[SHARED]);
  return transfer ? transfer : next_on(http->multi[ALONE]);
}

static void perform(struct http *http) {
  int running;
  for (int lane = 0; lane < LANES; lane++)
    if (http->running[lane]) curl_multi_perform(http->multi[lane], &running);
}

/* What the transfers on the second handle wait for, for a poll of the first. */
static unsigned waits_of(CURLM *multi, struct curl_waitfd list[MAX_WAITS]) {
  fd_set reading, writing, failing;
  int highest = -1;
  unsigned count = 0;
  FD_ZERO(&reading);
  FD_ZERO(&writing);
  FD_ZERO(&failing);
  curl_multi_fdset(multi, &reading, &writing, &failing, &highest);
  for (int fd = 0; fd <= highest && count < MAX_WAITS; fd++) {
    short in = FD_ISSET(fd, &reading) ? CURL_WAIT_POLLIN : 0, out = FD_ISSET(fd, &writing) ? CURL_WAIT_POLLOUT : 0;
    if (in | out) list[count++] = (struct curl_waitfd){.fd = fd, .events = (short)(in | out)};
  }
  return count;
}

static void wait_for_both(struct http *http, int ms) {
  struct curl_waitfd waits[MAX_WAITS];
  long timeout = -1;
  unsigned count = waits_of(http->multi[ALONE], waits);
  curl_multi_timeout(http->multi[ALONE], &timeout);
  if (timeout >= 0 && timeout < ms) ms = (int)timeout;
  if (!count && ms > UNSEEN_MS) ms = UNSEEN_MS;
  curl_multi_poll(http->multi[SHARED], waits, count, ms, NULL);
}

static void wait_for_any(struct http *http, int ms) {
  if (http->running[SHARED] && http->running[ALONE])
    wait_for_both(http, ms);
  else
    curl_multi_poll(http->multi[http->running[ALONE] ? ALONE : SHARED], NULL, 0, ms, NULL);
}

/* libcurl goes through all transfers on each call, so this calls it rarely. */
struct transfer *http_poll(struct http *http, int ms) {
  perform(http);
  struct transfer *transfer = http_next(http);
  if (transfer || ms <= 0) return transfer;
  wait_for_any(http, ms);
  perform(http);
  return http_next(http);
}

/* ---- transfers ---- */

void *http_transfer_tag(const struct transfer *transfer) {
  return transfer->tag;
}

const char *http_transfer_failure(const struct transfer *transfer, const char **message, int *maybe_sent) {
  *message = transfer->message;
  *maybe_sent = transfer->maybe_sent;
  return transfer->kind;
}

void http_transfer_take(struct transfer *transfer, struct answer *answer) {
  answer->status = transfer->frame.status;
  answer->headers = transfer->frame.headers;
  answer->body = transfer->received;
  transfer->frame.headers = transfer->received = (struct buffer){0};
}

void http_transfer_close(struct transfer *transfer) {
  if (!transfer) return;
  halt(transfer);
  delist(transfer);
  clear_handle(transfer);
  free(transfer->headers);
  buffer_free(&transfer->lines);
  request_target_release(transfer->target);
  buffer_free(&transfer->body);
  buffer_free(&transfer->frame.headers);
  buffer_free(&transfer->received);
  give_transfer(transfer->http, transfer);
}

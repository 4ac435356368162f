/* The HTTP client, on two libcurl multi handles: one for requests that share connections (HTTP/2), one for requests
 * that have a connection to themselves. libcurl keeps one flag per host, whether it multiplexes; with both kinds on
 * one handle, requests wait for connections that they cannot use.
 *
 * The client knows nothing about Lua, peers or permissions: it sends the requests that the gate gives it, and reports
 * their outcome. The settings are in http_options.c, the outcomes in http_judge.c.
 *
 * Ownership: a transfer owns copies of all data that it sends. The client lists its transfers only to detach them
 * when it is closed first.
 */
#include "http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_CONNECTIONS 16L
#define MOST_CONNECTIONS                                                                                               \
  64L /* connections that are kept open; libcurl's default is four per transfer, so it would close most of them when   \
         few transfers run */
#define MAX_IDLE 128
#define MAX_WAITS 64
#define NAME_LOOKUP_MS 10 /* longest wait while a name is looked up, which has no descriptor to wait for */

enum lane { SHARED, ALONE, LANE_COUNT };

struct http {
  CURLM *multi[LANE_COUNT];
  int running[LANE_COUNT];       /* running transfers on each */
  struct transfer *first;        /* of the list of all transfers that are not closed */
  const char *system_roots_file; /* the system's file of root certificates */
  struct http_sockets sockets;
  struct transfer
      *idle[MAX_IDLE]; /* easy handles that are kept: a new one costs a third of the time of a small request */
  int idle_count;
};

/* Files where systems keep root certificates; the first that can be read is taken. */
static const char *const root_files[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                         "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", NULL};

static const char *find_system_root_file(void) {
  for (const char *const *file = root_files; *file; file++)
    if (access(*file, R_OK) == 0) return *file;
  return root_files[0];
}

/* ---- client ---- */

/* Does libcurl use OpenSSL? The settings of on_tls need it. */
static int curl_uses_openssl(void) {
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  return info->ssl_version && strstr(info->ssl_version, "OpenSSL") != NULL;
}

/* libcurl's global state is never freed: transfers may outlive a client. */
struct http *http_open(long streams) {
  unsetenv("SSLKEYLOGFILE"); /* with this variable, libcurl creates the file even when nothing is written to it */
  if (!http_memory_init() || !curl_uses_openssl()) return NULL;
  struct http *http = calloc(1, sizeof *http);
  if (http) http->system_roots_file = find_system_root_file();
  for (int lane = 0; http && lane < LANE_COUNT; lane++) {
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

static enum lane transfer_lane(const struct transfer *transfer) {
  return transfer->shared ? SHARED : ALONE;
}

/* Remove the transfer from its multi handle, if it runs. */
static void stop_transfer(struct transfer *transfer) {
  if (!transfer->running) return;
  curl_multi_remove_handle(transfer->http->multi[transfer_lane(transfer)], transfer->easy);
  transfer->http->running[transfer_lane(transfer)]--;
  transfer->running = 0;
}

/* ---- handles ---- */

static void free_route(struct route *route) {
  if (route->proxy_authorization) explicit_bzero(route->proxy_authorization, strlen(route->proxy_authorization));
  free(route->proxy_authorization);
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

/* Return an empty transfer with an easy handle, which may still be set up for a route; NULL when memory is out. */
static struct transfer *new_transfer(struct http *http) {
  if (http->idle_count > 0) return http->idle[--http->idle_count];
  struct transfer *transfer = calloc(1, sizeof *transfer);
  if (transfer) transfer->easy = curl_easy_init();
  if (transfer && transfer->easy) return transfer;
  free(transfer);
  return NULL;
}

static void reset_easy_handle(struct transfer *transfer) {
  curl_easy_reset(transfer->easy);
  free_route(&transfer->route);
}

/* Does a handle keep the last bytes that it sent, even when it is reset? That of libcurl 7.88 does not, that of 8.14
 * does. */
static int handles_keep_sent_bytes(void) {
  return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
}

/* Detach the easy handle from the transfer. After a plain read without trouble it stays set up for the next one; else
 * it is reset, because libcurl counts retries over the life of a handle until it is reset. A handle that keeps the body
 * of the request, which may have a secret, is freed: that wipes its memory. */
static void clear_easy_handle(struct transfer *transfer) {
  if (transfer->body.length > 0 && handles_keep_sent_bytes()) {
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
  } else if (transfer->plain_read && transfer->complete && transfer->ready_count == 1 && !transfer->moved)
    http_options_clear_read(transfer);
  else
    reset_easy_handle(transfer);
}

static void keep_idle_transfer(struct http *http, struct transfer *transfer) {
  if (!http || !transfer->easy || http->idle_count == MAX_IDLE) {
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
    stop_transfer(transfer);
    transfer->http = NULL;
  }
  while (http->idle_count > 0) free_transfer(http->idle[--http->idle_count]);
  for (int lane = 0; lane < LANE_COUNT; lane++) curl_multi_cleanup(http->multi[lane]);
  free(http);
}

/* ---- preparing ---- */

static int append_header_line(struct buffer *lines, const char *line) {
  return buffer_append(lines, line, strlen(line) + 1);
}

/* Append the credential's header line; the buffer is wiped when it is freed. */
static int append_credential_line(struct buffer *lines, const struct credential *credential) {
  return buffer_append_string(lines, credential->header) && buffer_append_string(lines, ": ") &&
         buffer_append(lines, credential->value.data, credential->value.length) && buffer_append(lines, "", 1);
}

/* Make the list of header lines that libcurl reads: nodes in one block. */
static int list_header_lines(struct transfer *transfer) {
  size_t count = 0, i = 0;
  const struct buffer *lines = &transfer->lines;
  for (const char *line = buffer_next_text(lines, NULL); line; line = buffer_next_text(lines, line)) count++;
  transfer->headers = calloc(count, sizeof *transfer->headers);
  if (!transfer->headers) return 0;
  for (const char *line = buffer_next_text(lines, NULL); line; line = buffer_next_text(lines, line), i++)
    transfer->headers[i] = (struct curl_slist){(char *)line, i + 1 < count ? &transfer->headers[i + 1] : NULL};
  return 1;
}

/* Return the value of client-request-id among the lines; NULL for none. */
static const char *find_client_request_id(const struct buffer *lines) {
  static const char name[] = "client-request-id: ";
  for (const char *line = buffer_next_text(lines, NULL); line; line = buffer_next_text(lines, line))
    if (strncasecmp(line, name, sizeof name - 1) == 0) return line + sizeof name - 1;
  return NULL;
}

static int has_content_type(const struct buffer *lines) {
  for (const char *line = buffer_next_text(lines, NULL); line; line = buffer_next_text(lines, line))
    if (strncasecmp(line, "content-type:", 13) == 0) return 1;
  return 0;
}

/* Copy the header lines of the request. An empty value removes a header that libcurl would add itself. A plain read
 * has no such header; User-Agent and Accept-Encoding are written here, because libcurl would encode its own twice. */
static int copy_header_lines(struct transfer *transfer, const struct request *request,
                             const struct credential *credential) {
  struct buffer *lines = &transfer->lines;
  int has_curl_headers = !transfer->plain_read;
  return (!credential ||
          append_credential_line(
              lines, credential)) && /* the longest line first: the buffer is then large enough for the others */
         buffer_append(lines, request->headers.data, request->headers.length) &&
         (!has_curl_headers || append_header_line(lines, "Expect:")) &&
         (!has_curl_headers || has_content_type(lines) || append_header_line(lines, "Content-Type:")) &&
         append_header_line(lines, "User-Agent: " HTTP_AGENT) && append_header_line(lines, "Accept-Encoding: gzip") &&
         list_header_lines(transfer);
}

/* Copy the host, without an IPv6 address's brackets, and the port from the URL that libcurl parsed. */
static int copy_route_address(struct route *route, CURLU *parsed) {
  if (curl_url_get(parsed, CURLUPART_HOST, &route->host, 0) != CURLUE_OK ||
      curl_url_get(parsed, CURLUPART_PORT, &route->port, CURLU_DEFAULT_PORT) != CURLUE_OK)
    return 0;
  size_t length = strlen(route->host);
  if (*route->host != '[') return 1;
  memmove(route->host, route->host + 1, length);
  route->host[length - 2] = '\0';
  return 1;
}

static int equal_or_both_null(const char *a, const char *b) {
  return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Make the header line for the proxy; 0 when memory is out. */
static int copy_proxy_authorization(struct route *route, const char *value) {
  static const char name[] = "Proxy-Authorization: ";
  if (!value) return 1;
  size_t size = sizeof name + strlen(value);
  route->proxy_authorization = malloc(size);
  if (!route->proxy_authorization) return 0;
  snprintf(route->proxy_authorization, size, "%s%s", name, value);
  route->proxy_headers.data = route->proxy_authorization;
  return 1;
}

static int copy_route(struct route *route, const struct route *from) {
  route->origin = strdup(from->origin);
  route->ca = strdup(from->ca);
  route->proxy = from->proxy ? strdup(from->proxy) : NULL;
  return route->origin && route->ca && (route->proxy || !from->proxy);
}

/* Set up the easy handle; when it is set up for the same route already, set only the options that differ. */
static int set_up_easy_handle(struct transfer *transfer, const struct request *request, const struct http_peer *peer) {
  const struct http *http = transfer->http;
  struct route route = {.origin = request->origin,
                        .ca = (char *)(peer->ca ? peer->ca : http->system_roots_file),
                        .proxy = (char *)peer->proxy};
  int is_set_up = transfer->plain_read && equal_or_both_null(transfer->route.origin, route.origin) &&
                  equal_or_both_null(transfer->route.ca, route.ca) &&
                  equal_or_both_null(transfer->route.proxy, route.proxy);
  if (is_set_up) return http_options_set_read(transfer);
  reset_easy_handle(transfer);
  return copy_route(&transfer->route, &route) &&
         copy_proxy_authorization(&transfer->route, peer->proxy_authorization) &&
         copy_route_address(&transfer->route, request->target->parsed) && http_options_set(transfer, request);
}

static int is_plain_read_request(const struct request *request) {
  return strcmp(request->method, "GET") == 0 && !request->has_body && !request->fresh && request->repeatable;
}

static void link_transfer(struct http *http, struct transfer *transfer) {
  transfer->http = http;
  transfer->sockets = &http->sockets;
  transfer->next = http->first;
  if (http->first) http->first->previous = transfer;
  http->first = transfer;
}

static void unlink_transfer(struct transfer *transfer) {
  if (!transfer->http) return;
  if (transfer->previous)
    transfer->previous->next = transfer->next;
  else
    transfer->http->first = transfer->next;
  if (transfer->next) transfer->next->previous = transfer->previous;
}

struct transfer *http_prepare(struct http *http, const struct request *request, const struct credential *credential,
                              const struct http_peer *peer, long timeout_ms, void *tag) {
  struct transfer *transfer = new_transfer(http);
  if (!transfer) return NULL;
  link_transfer(http, transfer);
  transfer->tag = tag;
  transfer->timeout_ms = timeout_ms;
  transfer->reach = peer->reach;
  transfer->lenient = peer->lenient;
  transfer->repeatable = request->repeatable;
  transfer->shared = request->repeatable && !request->fresh;
  transfer->plain_read = is_plain_read_request(request);
  transfer->plain = strncmp(request->origin, "http:", 5) == 0;
  transfer->target = request_url_share(request->target);
  int copied = copy_header_lines(transfer, request, credential);
  transfer->id = find_client_request_id(&transfer->lines);
  if (copied && buffer_append(&transfer->body, request->body.data, request->body.length) &&
      set_up_easy_handle(transfer, request, peer))
    return transfer;
  http_transfer_close(transfer);
  return NULL;
}

int http_start(struct transfer *transfer) {
  if (!transfer->http) return 0;
  enum lane lane = transfer_lane(transfer);
  transfer->memory_failures = http_memory_failures();
  transfer->running = curl_multi_add_handle(transfer->http->multi[lane], transfer->easy) == CURLM_OK;
  transfer->http->running[lane] += transfer->running;
  return transfer->running;
}

/* ---- waiting ---- */

/* Send the request on a new connection, when nothing was sent because stray bytes waited on the kept one, which is
 * closed now. 0 when the transfer ended for another reason. */
static int retry_on_new_connection(struct transfer *transfer, CURLcode code) {
  if (!transfer->had_stray_bytes || code != CURLE_ABORTED_BY_CALLBACK) return 0;
  transfer->had_stray_bytes = 0;
  transfer->moved = 1;
  *transfer->error = '\0';
  return !curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L) && http_start(transfer);
}

static struct transfer *next_finished_on_multi(CURLM *multi) {
  int left;
  CURLMsg *message;
  while ((message = curl_multi_info_read(multi, &left))) {
    struct transfer *transfer = NULL;
    CURLcode code = message->data.result; /* removing the handle frees the message */
    if (message->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
    stop_transfer(transfer);
    if (retry_on_new_connection(transfer, code)) continue;
    http_judge_outcome(transfer, code);
    return transfer;
  }
  return NULL;
}

struct transfer *http_next_finished(struct http *http) {
  struct transfer *transfer = next_finished_on_multi(http->multi[SHARED]);
  return transfer ? transfer : next_finished_on_multi(http->multi[ALONE]);
}

static void perform_transfers(struct http *http) {
  int running;
  for (int lane = 0; lane < LANE_COUNT; lane++)
    if (http->running[lane]) curl_multi_perform(http->multi[lane], &running);
}

/* List the descriptors that the transfers of a multi handle wait for, so that the other handle's poll waits for them
 * too. */
static unsigned list_multi_descriptors(CURLM *multi, struct curl_waitfd list[MAX_WAITS]) {
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

static void wait_for_both_lanes(struct http *http, int ms) {
  struct curl_waitfd waits[MAX_WAITS];
  long timeout = -1;
  unsigned count = list_multi_descriptors(http->multi[ALONE], waits);
  curl_multi_timeout(http->multi[ALONE], &timeout);
  if (timeout >= 0 && timeout < ms) ms = (int)timeout;
  if (!count && ms > NAME_LOOKUP_MS) ms = NAME_LOOKUP_MS;
  curl_multi_poll(http->multi[SHARED], waits, count, ms, NULL);
}

static void wait_for_transfers(struct http *http, int ms) {
  if (http->running[SHARED] && http->running[ALONE])
    wait_for_both_lanes(http, ms);
  else
    curl_multi_poll(http->multi[http->running[ALONE] ? ALONE : SHARED], NULL, 0, ms, NULL);
}

/* Call curl_multi_perform twice at most: it goes through all transfers each time. */
struct transfer *http_poll(struct http *http, int ms) {
  perform_transfers(http);
  struct transfer *transfer = http_next_finished(http);
  if (transfer || ms <= 0) return transfer;
  wait_for_transfers(http, ms);
  perform_transfers(http);
  return http_next_finished(http);
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
  stop_transfer(transfer);
  unlink_transfer(transfer);
  clear_easy_handle(transfer);
  free(transfer->headers);
  buffer_free(&transfer->lines);
  request_url_release(transfer->target);
  buffer_free(&transfer->body);
  buffer_free(&transfer->frame.headers);
  buffer_free(&transfer->received);
  keep_idle_transfer(transfer->http, transfer);
}

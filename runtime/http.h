/* HTTP transfers on one libcurl multi handle. Only the gate uses this: Lua has
 * no way to a socket but through it. No Lua state crosses this header, so that
 * no libcurl callback can ever reach one. */
#ifndef HTTP_H
#define HTTP_H

#include "request.h"

struct http;     /* the client: one multi handle */
struct transfer; /* one running or finished request */

/* How a peer is reached. Strings are borrowed for the call. */
struct http_peer {
  const char *ca;    /* PEM file that replaces the system's roots, or NULL */
  const char *proxy; /* "http://host:port", or NULL for none */
};

/* A client for at most streams requests in flight; NULL when memory is out. */
struct http *http_open(long streams);
void http_close(struct http *http);

/* Start sending. The request must outlive the transfer; the credential is
 * copied into libcurl's header list. NULL when memory is out. */
struct transfer *http_start(struct http *http, const struct request *request, const struct credential *credential,
                            const struct http_peer *peer, long timeout_ms, void *tag);

/* Block for at most ms, then return a finished transfer or NULL. Call it again
 * with 0 until NULL. The caller owns what it is given. */
struct transfer *http_poll(struct http *http, int ms);

int http_running(const struct http *http);
void *transfer_tag(const struct transfer *transfer);

/* NULL when the transfer brought an answer; else a symbolic kind: "dns",
 * "connect", "tls", "timeout", "cut", "too_large", "hostile", "memory",
 * with the message, and whether bytes may have reached the peer. */
const char *transfer_failure(const struct transfer *transfer, const char **message, int *maybe_sent);

/* Move status, headers and body into the answer; 0 when memory is out. */
int transfer_take(struct transfer *transfer, struct answer *answer);

/* Abandon or free. */
void transfer_close(struct transfer *transfer);

#endif

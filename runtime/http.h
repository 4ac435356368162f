/* HTTP transfers on libcurl. Only the gate uses this: Lua has
 * no way to a socket but through it. No Lua state crosses this header, so that
 * no libcurl callback can ever reach one. */
#ifndef HTTP_H
#define HTTP_H

#include "request.h"

struct http;     /* the client */
struct transfer; /* one prepared, running or finished request */

/* Which addresses may be connected to, judged after names are resolved. */
enum http_reach {
  HTTP_OUTSIDE,  /* a real peer: never loopback (a proxy may be there, though) */
  HTTP_LOOPBACK, /* an emulator or a test server: nothing else */
  HTTP_NEAR,     /* this machine or its link, where the identity endpoints of Azure are */
};

/* How a peer is reached. Strings are borrowed for the call. */
struct http_peer {
  const char *ca;    /* PEM file that replaces the system's roots, or NULL */
  const char *proxy; /* "http://host:port", or NULL for none */
  enum http_reach reach;
  int lenient; /* 1: certificates need not have all that RFC 5280 asks of them */
};

/* Is this host, as written (an address without brackets, or a name), loopback? */
int http_is_loopback(const char *host);

/* Is it loopback, or an IPv4 address of the link (169.254.0.0/16)? */
int http_is_near(const char *host);

/* A client for at most streams requests in flight; NULL when memory is out or
 * libcurl does not do TLS by OpenSSL. */
struct http *http_open(long streams);

/* Abandons what runs; its transfers stay valid until they are closed. */
void http_close(struct http *http);

/* Make a request ready to leave. All it needs is copied; nothing is sent.
 * timeout_ms counts from http_begin. NULL when memory is out. */
struct transfer *http_prepare(struct http *http, const struct request *request, const struct credential *credential,
                              const struct http_peer *peer, long timeout_ms, void *tag);

/* Start sending; 0 when memory is out. */
int http_begin(struct transfer *transfer);

/* Move what can be moved, and block for at most ms (less when a signal comes)
 * when nothing is finished; then a finished transfer, or NULL. */
struct transfer *http_poll(struct http *http, int ms);

/* The next that is finished already, or NULL. */
struct transfer *http_next(struct http *http);

void *http_transfer_tag(const struct transfer *transfer);

/* NULL when the transfer brought an answer; else a symbolic kind: "dns",
 * "connect", "tls", "certificate", "timeout", "cut", "too_large", "hostile", "memory",
 * with a sentence that names host and cause, and whether bytes of the request
 * may have reached the peer. */
const char *http_transfer_failure(const struct transfer *transfer, const char **message, int *maybe_sent);

/* Move status, headers and body into the answer. */
void http_transfer_take(struct transfer *transfer, struct answer *answer);

/* Abandon, or free. */
void http_transfer_close(struct transfer *transfer);

#endif

/* The HTTP client on libcurl. Only the gate uses it, so the gate is Lua's only way to a socket. No Lua state crosses
 * this header: a libcurl callback cannot reach one. */
#ifndef HTTP_H
#define HTTP_H

#include "request.h"

struct http;     /* the client */
struct transfer; /* one prepared, running or finished request */

/* The addresses that may be connected to, checked after the name is resolved. */
enum http_reach {
  HTTP_OUTSIDE,  /* a real peer: never loopback, except a proxy there */
  HTTP_LOOPBACK, /* an emulator or a test server: loopback only */
  HTTP_NEAR,     /* this machine or its link, where Azure has the endpoints of managed identities */
};

/* How a peer is reached. The strings have to live only during the call. */
struct http_peer {
  const char *ca;                  /* PEM file that replaces the system's roots, or NULL */
  const char *proxy;               /* "http://host:port", or NULL for none */
  const char *proxy_authorization; /* value of the header Proxy-Authorization, or NULL for none */
  enum http_reach reach;
  int lenient; /* 1: certificates may break RFC 5280's rules of form */
};

/* Is this host (an address without brackets, or a name) loopback? */
int http_address_is_loopback(const char *host);

/* Is this host loopback, or an IPv4 address of the link (169.254.0.0/16)? */
int http_address_is_near(const char *host);

/* Open a client for at most max_streams requests in flight per connection; NULL when memory is out or libcurl does
 * not use OpenSSL. */
struct http *http_open(long max_streams);

/* Close the client. Running transfers are abandoned; they stay valid until they are closed. */
void http_close(struct http *http);

/* Make a transfer that is ready to send. It copies all data that it needs; nothing is sent. timeout_ms counts from
 * http_start; tag is returned by http_transfer_tag. NULL when memory is out. */
struct transfer *http_prepare(struct http *http, const struct request *request, const struct credential *credential,
                              const struct http_peer *peer, long timeout_ms, void *tag);

/* Start a transfer; 0 when memory is out. */
int http_start(struct transfer *transfer);

/* Let all transfers read and write. When none is finished, wait for at most ms (less when a signal comes). Returns a
 * finished transfer, or NULL. */
struct transfer *http_poll(struct http *http, int ms);

/* Return the next transfer that is finished, or NULL. */
struct transfer *http_next_finished(struct http *http);

void *http_transfer_tag(const struct transfer *transfer);

/* Return NULL when the transfer brought an answer; else the kind of failure: "dns", "connect", "proxy_login", "tls",
 * "certificate", "timeout", "cut", "too_large", "hostile", "memory". *message is a sentence with host and cause,
 * *maybe_sent tells whether bytes of the request may have reached the peer. */
const char *http_transfer_failure(const struct transfer *transfer, const char **message, int *maybe_sent);

/* Move status, headers and body of a finished transfer into the answer. */
void http_transfer_take(struct transfer *transfer, struct answer *answer);

/* Free the transfer; a running one is abandoned. */
void http_transfer_close(struct transfer *transfer);

#endif

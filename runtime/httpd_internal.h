/* Declarations that the files of host.httpd share: certificates, exchanges, and the limit for other users. */
#ifndef HTTPD_INTERNAL_H
#define HTTPD_INTERNAL_H

#include "lib.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/queue.h>

#define HTTPD_IDENTITY "host.httpd.identity"
#define HTTPD_REQUEST "host.httpd.request"
#define HTTPD_SERVER "host.httpd.server"

struct evhttp_request;

/* A certificate and its private key; both are owned. */
struct certificate_pair {
  X509 *certificate;
  EVP_PKEY *key;
};

/* Make a certificate authority that is name-constrained to loopback names and addresses. 1, or 0 when OpenSSL fails;
 * free the pair in both cases. */
int httpd_identity_make_authority(struct certificate_pair *authority);

/* Issue a server certificate for the subjectAltName text ("DNS:localhost,IP:…"). 1, or 0 when OpenSSL fails. */
int httpd_identity_issue(const struct certificate_pair *authority, const char *names, struct certificate_pair *leaf);
void httpd_identity_free_pair(struct certificate_pair *pair);

/* Return the TLS context of the identity at index; raise an argument error when it is closed or no identity. */
SSL_CTX *httpd_identity_context(lua_State *L, int index);
void httpd_identity_type(lua_State *L);

/* httpd.identity() -> identity. Takes about 1 ms. [-0, +1, e] */
int httpd_identity(lua_State *L);

/* A request that was received and is not answered yet. It is on the C heap, in one of the server's two lists, because
 * libevent makes the request and may end it; Lua holds it through a struct request_handle. */
struct exchange {
  TAILQ_ENTRY(exchange) link;
  struct exchanges *list;         /* the list that the exchange is in; NULL once it has ended */
  struct evhttp_request *request; /* NULL once the request is answered or dropped, or the server is closed */
  int listener;
};
TAILQ_HEAD(exchanges, exchange);

struct request_handle {
  struct exchange *exchange;
};

/* End the exchange: remove it from its list, and forget the request, which nobody answers any more. */
void httpd_exchange_end(struct exchange *exchange);

/* End the exchange and return its request, for the caller to give to libevent. */
struct evhttp_request *httpd_exchange_take(struct exchange *exchange);

/* End the exchange by closing the connection of the request. */
void httpd_exchange_drop(struct exchange *exchange);

/* Return the open exchange of the request at index 1; raise an argument error when it has ended. */
struct exchange *httpd_exchange_check(lua_State *L);
void httpd_request_type(lua_State *L);

/* Methods of a request that end its exchange (httpd_reply.c). */
int httpd_reply_send(lua_State *L);
int httpd_reply_drop(lua_State *L);
int httpd_reply_cut(lua_State *L);

/* request:user() -> number | nil. The user id of the process on this machine that sent the request, when the kernel
 * tells. */
int httpd_neighbours_user(lua_State *L);

#define MAX_OTHERS 8

/* The user that a server is for, and the connections of other users. The struct holds a reference to each connection
 * that it lists. */
struct neighbours {
  int limited; /* 0: the server is for everybody, and no connection is listed */
  unsigned user;
  struct bufferevent *newest;             /* accepted connection whose user was not checked yet */
  struct bufferevent *others[MAX_OTHERS]; /* connections of other users; the oldest is replaced */
  unsigned count;                         /* how many such connections there were */
};

/* Add a connection that is being accepted. It has no descriptor yet. */
void httpd_neighbours_add(struct neighbours *neighbours, struct bufferevent *stream);

/* Check the user of the connection that was added last. A connection of another user takes the place of the oldest of
 * such connections, which is reset. */
void httpd_neighbours_check_newest(struct neighbours *neighbours);

/* Release all references, before the event base is freed. */
void httpd_neighbours_free(struct neighbours *neighbours);

#endif

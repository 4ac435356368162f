/* What the parts of host.httpd share: the certificates, and one exchange. */
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

/* A certificate and its private key, both owned. */
struct pair {
  X509 *certificate;
  EVP_PKEY *key;
};

/* Make an authority that can only vouch for loopback names and addresses.
 * 1, or 0 when OpenSSL refuses; httpd_pair_free either way. */
int httpd_pair_authority(struct pair *authority);

/* Issue a server certificate for subjectAltName text ("DNS:localhost,IP:…"). */
int httpd_pair_issue(const struct pair *authority, const char *names, struct pair *leaf);
void httpd_pair_free(struct pair *pair);

/* The server context of the identity at this index; raises when it is none. */
SSL_CTX *httpd_identity_context(lua_State *L, int index);
void httpd_identity_type(lua_State *L);

/* httpd.identity() -> identity. Takes 1 ms. [-0, +1, e] */
int httpd_identity(lua_State *L);

/* A request that came in and waits for its answer. It lies on the C heap, in
 * one of the server's two lists, because libevent makes it and libevent may
 * end it; Lua holds it through a struct incoming. */
struct exchange {
  TAILQ_ENTRY(exchange) link;
  struct exchanges *list;         /* the list it is in; NULL once it is over */
  struct evhttp_request *request; /* NULL once answered, dropped, or the server closed */
  int listener;
};
TAILQ_HEAD(exchanges, exchange);

struct incoming {
  struct exchange *exchange;
};

/* Take it off its list and forget the request: nobody answers it any more. */
void httpd_exchange_end(struct exchange *exchange);

/* End it and return its request, to be given back to libevent. */
struct evhttp_request *httpd_exchange_take(struct exchange *exchange);

/* Close the connection it came by. */
void httpd_exchange_drop(struct exchange *exchange);

/* The open exchange of the request at index 1; raises when it is over. */
struct exchange *httpd_incoming_check(lua_State *L);
void httpd_incoming_type(lua_State *L);

/* The ways to end an exchange, as methods. */
int httpd_incoming_reply(lua_State *L);
int httpd_incoming_drop(lua_State *L);
int httpd_incoming_cut(lua_State *L);

/* request:user() -> number | nil. The user of this machine who sent it, if the kernel tells. */
int httpd_incoming_user(lua_State *L);

#define MAX_OTHERS 8

/* Whom a server is for. Each connection that is held here has a reference of ours. */
struct neighbours {
  int limited; /* 0: for everybody, and nothing is held */
  unsigned user;
  struct bufferevent *newest;             /* accepted, and not looked at yet */
  struct bufferevent *others[MAX_OTHERS]; /* of other users, in turn */
  unsigned count;                         /* how many of those there were */
};

/* Note a connection that is being accepted. It has no descriptor yet. */
void httpd_neighbours_note(struct neighbours *neighbours, struct bufferevent *stream);

/* Look at the one noted last: of another user, it ends the oldest of theirs. */
void httpd_neighbours_look(struct neighbours *neighbours);

/* Give back all references, before the event base is freed. */
void httpd_neighbours_free(struct neighbours *neighbours);

#endif

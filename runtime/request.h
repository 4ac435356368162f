/* A request before it is sent.
 *
 * Protocol modules (oauth.c, graph.c, devolutions.c) build requests and judge answers; the gate sends requests.
 * Nothing here touches a socket.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "answer.h"
#include "credential.h"
#include "lib.h"

#include <curl/curl.h>
#include <stdint.h>

#define REQUEST "host.request"

enum { PEER_NAME_SIZE = 65 }; /* bytes of the longest name of a peer, and a NUL */

/* One call, which the gate checks. A plain request makes one call; a $batch makes one for each request in it. */
struct call {
  char *method;
  char *path;    /* path below the peer's base, without query: "/applications/{…}/addPassword" with real ids */
  char *members; /* top-level members of the body, comma-separated, or NULL */
  int changes;   /* 1: the call may change something, so it counts against the write budget */
  struct buffer secrets; /* NUL-terminated texts, one for each secret that Lua put into the body of this call: a letter
                            for its kind and the path to it, see json_encode_body */
};

/* The URL of a request, as libcurl parsed it: so the URL that is checked is the one that is sent. It never changes,
 * so the request and its transfer share it. */
struct target {
  CURLU *parsed;
  unsigned references;
};

struct request {
  char peer[PEER_NAME_SIZE]; /* "login", "graph", "devolutions", "identity" or the name of a peer of the profile */
  char *method;              /* "GET" */
  char *url;                 /* absolute URL, unchanged */
  struct target *target;
  char *origin; /* scheme://host:port of url, in lower case and always with a port */
  struct call *calls;
  size_t call_count;
  int changes;           /* 1: the request may change something, so the gate records it first */
  int repeatable;        /* 1: sending the request twice does no harm */
  int fresh;             /* 1: sent on a connection of its own */
  int64_t moment;        /* when the write budget lets the request leave; 0 for none. The gate sets it. */
  struct buffer headers; /* NUL-terminated texts "Name: value", as libcurl accepts them */
  struct buffer body;
  int has_body;
  int is_batch;  /* 1: the calls are those in the body of a $batch */
  char *answers; /* places in the answer whose texts become secrets, comma-separated, as the rule declares them; the
                    gate sets it, NULL for none */
};

/* Push an empty request for this method and absolute https URL (also http for the peer "identity"). Raises an error
 * for an invalid method, and for a URL that libcurl does not parse or that has a user part, a fragment, a dot
 * segment, a host with a trailing dot, or a character that a URL may not have. [-0, +1, e] */
struct request *request_new(lua_State *L, const char *peer, const char *method, const char *url);

/* Make an empty target with one reference; NULL when memory is out. */
struct target *request_url_new_target(void);

/* Parse the URL into the target, and into its origin, which the caller frees. Returns NULL, or why the URL is
 * refused; the caller frees both in each case. The text of url is modified during the call and restored. [-0, +0, m] */
const char *request_url_parse(lua_State *L, struct target *target, const char *peer, char *url, char **origin);

/* Define the type that keeps the last base of URLs. Idempotent. */
void request_url_types(lua_State *L);

/* Add a reference to the target, and return it; remove a reference, of which the last one frees the target. */
struct target *request_url_share(struct target *target);
void request_url_release(struct target *target);

/* Is this the name of a service that Moonlatch itself speaks to: login, Graph, Devolutions Server, the endpoint of
 * managed identities? Any other peer is a service that the profile names. */
int request_peer_is_own(const char *name);

/* Add a header. Raises an error when name or value have CR, LF, NUL or a character beyond ASCII, and for headers of
 * framing, routing and credentials. [-0, +0, e] */
void request_add_header(lua_State *L, struct request *request, const char *name, const char *value);

/* Return the value of the request's header, or NULL. */
const char *request_find_header(const struct request *request, const char *name);

/* Add a call, which the gate has to allow. members may be NULL. Except for a $batch, the first call is the request
 * itself: its method, and the path of its URL below the peer's base, byte for byte. [-0, +0, e] */
void request_add_call(lua_State *L, struct request *request, const char *method, const char *path, const char *members);

/* Encode the value at body as the JSON body of the request at index. The calls, which have to be there already, get
 * the places of the secrets in it (each inner call of a $batch its own), and the request keeps copies of the secrets,
 * so that they are recognised in the answer. type: of the content; NULL for "application/json". [-0, +0, e] */
void request_set_json_body(lua_State *L, int index, int body, const char *type);

/* Push the list of secrets in the body of the request at index, or nil when there are none. Returns its stack index,
 * or 0. [-0, +1, -] */
int request_push_sent_secrets(lua_State *L, int index);

/* Return the open request at index; raise an argument error when it is closed or no request. */
struct request *request_check(lua_State *L, int index);

/* Parse the URL with libcurl and push its origin, scheme://host:port in lower case; or push nil and a message and
 * return 0. Refuses a user part, a trailing dot, and characters beyond ASCII. [-0, +1|+2, m] */
int request_url_push_origin(lua_State *L, const char *url);

/* The same for a URL of this peer: plain HTTP is allowed for "identity". [-0, +1|+2, m] */
int request_url_push_peer_origin(lua_State *L, const char *peer, const char *url);

/* Is the text an HTTP token (RFC 9110)? May these characters be in the value of a header? */
int request_is_token(const char *text);
int request_is_header_text(const char *text, size_t length);

/* Define the types of requests, answers and credentials; luaopen of each protocol module calls it. Idempotent. */
void request_types(lua_State *L);

#endif

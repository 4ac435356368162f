/* A request before it is sent.
 *
 * Protocol modules (oauth.c, graph.c, devolutions.c) build requests and judge
 * answers; the gate sends. Nothing here touches a socket.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "answer.h"
#include "credential.h"
#include "lib.h"

#include <curl/curl.h>
#include <stdint.h>

#define REQUEST "host.request"

/* One call as the gate checks it: a plain request has one, a $batch as many as it carries. */
struct call {
  char *method;
  char *path;            /* below the peer's base, no query: "/applications/{…}/addPassword" with real ids */
  char *members;         /* top-level members of the body, comma-separated, or NULL */
  int changes;           /* something may be different after it: it counts against the write budget */
  struct buffer secrets; /* texts, one for each secret that Lua put into the body of this call: a letter for its
                            kind and the way to it, as json_encode_body says */
};

/* Where a request goes, as libcurl understood it: what is compared is what is sent. It is
 * never changed, so the request and what sends it hold it together. */
struct target {
  CURLU *parsed;
  unsigned holders;
};

struct request {
  const char *peer; /* "login", "graph", "devolutions", "identity": static text */
  char *method;     /* "GET" */
  char *url;        /* absolute, as it was given */
  struct target *target;
  char *origin; /* scheme://host:port of url, lower case, port always there */
  struct call *calls;
  size_t call_count;
  int changes;           /* 1: something may be different afterwards; the gate records it first */
  int repeatable;        /* 1: sending it twice does no harm */
  int fresh;             /* 1: on a connection of its own */
  int64_t moment;        /* the gate's: when the write budget lets it leave; 0 for none */
  struct buffer headers; /* texts: "Name: value", as libcurl takes them */
  struct buffer body;
  int has_body;
  int is_batch; /* the calls are those that the body carries */
};

/* Push an empty request for this method and absolute https URL (http as well
 * for the peer "identity"). Raises when the
 * method is none, and for a URL that libcurl does not parse or that has a user
 * part, a fragment, a dot segment, a host with a trailing dot, or characters a
 * URL may not have. [-0, +1, e] */
struct request *request_new(lua_State *L, const char *peer, const char *method, const char *url);

/* A target of nothing yet, with one holder; NULL when memory is out. */
struct target *request_target_new(void);

/* Parse the URL into the target, and its origin, which the caller frees. Returns NULL, or why it is
 * refused; then, too, the caller frees what there is. The text is changed meanwhile. [-0, +0, m] */
const char *request_target_parse(lua_State *L, struct target *target, const char *peer, char *url, char **origin);

/* Define the type that request_target_parse keeps what it knows in. Idempotent. */
void request_target_types(lua_State *L);

/* The target for one more holder, and for one less; the last one frees it. */
struct target *request_target_share(struct target *target);
void request_target_release(struct target *target);

/* Add a header; raises when name or value carry CR, LF, NUL or non-ASCII, and
 * for headers of framing, routing and credentials. [-0, +0, e] */
void request_header(lua_State *L, struct request *request, const char *name, const char *value);

/* Add one call that the gate has to allow. members may be NULL. For anything
 * but a $batch the first call is the request itself: its method and the URL's
 * path below the peer's base, byte for byte. [-0, +0, e] */
void request_call(lua_State *L, struct request *request, const char *method, const char *path, const char *members);

/* Write the value at body as the JSON body of the request at index. The calls of the request, which are
 * there already, take note of the secrets in it (each inner call of a $batch of its own ones), and the
 * request keeps copies of them, to find them again in the answer. [-0, +0, e] */
void request_json(lua_State *L, int index, int body);

/* Push the list of secrets that went into the body of the request at index, or nil when there are none;
 * returns its stack index, or 0. [-0, +1, -] */
int request_push_sent(lua_State *L, int index);

struct request *request_check(lua_State *L, int index);

/* Parse with libcurl and push scheme://host:port, lower case, or push fail and
 * a message and return 0. Refuses a user part, a trailing dot, non-ASCII. [-0, +1|+2, m] */
int request_origin(lua_State *L, const char *url);

/* The same for a URL of this peer: plain HTTP for "identity". [-0, +1|+2, m] */
int request_origin_of(lua_State *L, const char *peer, const char *url);

/* Are these the characters of an HTTP token (RFC 9110), and may these stand in the value of a header? */
int request_is_token(const char *text);
int request_is_header_text(const char *text, size_t length);

/* Define the types of requests, answers and credentials; each protocol module's luaopen calls it. Idempotent. */
void request_types(lua_State *L);

#endif

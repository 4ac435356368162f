/* Declarations that http.c, http_options.c, http_judge.c, http_address.c, http_memory.c and http_sockets.c share. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include "http.h"

#define HTTP_MAX_BODY ((size_t)8 << 20)
#define HTTP_MAX_HEADERS ((size_t)256 << 10)
#define HTTP_CONNECT_MS 10000L
#define HTTP_AGENT "moonlatch/" MOONLATCH_VERSION

#define HTTP_MAX_SOCKETS 512

/* The sockets of all open connections of a client. */
struct http_sockets {
  struct http_socket {
    int fd;
    int port; /* local port; 0 before it was asked for */
  } list[HTTP_MAX_SOCKETS];
  size_t count;
};

/* The framing of the current answer, from its header lines (RFC 9112). */
struct frame {
  int in_headers; /* 1: between a status line and the empty line */
  long status;    /* of the last status line */
  int chunked;    /* 1: there was a Transfer-Encoding */
  int has_length; /* 1: there was a Content-Length, whose text is in length */
  char length[24];
  size_t bytes;          /* of all header lines so far */
  struct buffer headers; /* of the current answer, as in struct answer */
  int out_of_memory;     /* 1: there was no memory for a header */
};

/* The route that an easy handle is set up for. It is kept for reads with the same route. */
struct route {
  char *origin;
  char *ca;                        /* file of root certificates */
  char *proxy;                     /* NULL for none */
  char *proxy_authorization;       /* the header line for the proxy; NULL for none; wiped when freed */
  struct curl_slist proxy_headers; /* one node with that line */
  char *host;                      /* host of the origin without brackets, as certificates name it */
  char *port;
};

struct transfer {
  CURL *easy;
  struct route route;           /* easy and route are kept for a later transfer when this one was a plain read */
  struct http *http;            /* NULL once the client is closed */
  struct http_sockets *sockets; /* the client's */
  struct transfer *next, *previous;
  struct target *target;      /* shared with the request */
  struct buffer lines;        /* NUL-terminated header lines; one has the credential */
  struct curl_slist *headers; /* one block of nodes that point into lines */
  const char *id;             /* the client-request-id within lines; NULL for none */
  struct buffer body;         /* of the request */
  struct buffer received;
  char error[CURL_ERROR_SIZE];
  void *tag;
  long timeout_ms;
  enum http_reach reach;
  int lenient;         /* 1: certificates may break RFC 5280's rules of form */
  int running;         /* 1: the transfer is in a multi handle */
  int shared;          /* 1: other requests may use the connection at the same time (HTTP/2) */
  int plain;           /* 1: HTTP without TLS */
  int repeatable;      /* 1: libcurl may send the request again on a new connection */
  int plain_read;      /* 1: a GET that differs from other reads of its route only in address, headers and timeouts */
  int ready_count;     /* how often a connection was ready for the request */
  int sent;            /* 1: bytes of the request were written */
  long written_before; /* request bytes that libcurl had counted when the connection was ready */
  int had_stray_bytes; /* 1: bytes waited on the kept connection, so the request was not sent there */
  int moved;           /* 1: the request was sent on a new connection instead */
  int refused_resend;  /* 1: libcurl wanted to send the request a second time, and was stopped */
  int refused_address; /* 1: an address was refused because of reach */
  int is_h2;           /* 1: the connection speaks HTTP/2 */
  int is_head;         /* 1: the method is HEAD, so no body follows */
  struct frame frame;
  const char *hostile;           /* why the answer is not accepted, or NULL */
  int too_large;                 /* 1: the body, 2: the headers, 3: one line of them */
  int out_of_memory;             /* 1: memory ran out in a callback */
  unsigned long memory_failures; /* http_memory_failures() when the transfer began */
  int complete;                  /* 1: the answer is complete and accepted */
  const char *kind;              /* kind of failure, or NULL */
  char message[512];
  int maybe_sent;
};

/* Initialise libcurl with memory functions that count their failures; 0 when that fails. A second call does nothing. */
int http_memory_init(void);

/* Return how often libcurl asked for memory in vain. */
unsigned long http_memory_failures(void);

/* Set every option of a new easy handle; 0 when libcurl refuses one. */
int http_options_set(struct transfer *transfer, const struct request *request);

/* Set the options in which one plain read differs from another of the same route; 0 when libcurl refuses one. */
int http_options_set_read(struct transfer *transfer);

/* Unset the options of http_options_set_read, so that the handle points to nothing of the read. */
void http_options_clear_read(struct transfer *transfer);

struct sockaddr;

/* May a connection go to this resolved address? has_proxy: the address may be the proxy's. */
int http_address_is_allowed(const struct sockaddr *address, enum http_reach reach, int has_proxy);

/* Add a socket that was opened; remove a socket that is about to be closed. */
void http_sockets_add(struct http_sockets *sockets, int fd);
void http_sockets_remove(struct http_sockets *sockets, int fd);

/* Is the connection from this local port open, with no bytes waiting to be read? 0 also when no such socket is
 * known. */
int http_sockets_are_quiet(struct http_sockets *sockets, int port);

/* Does this header line have another client-request-id than id? Then the answer belongs to another request. */
int http_judge_is_foreign(const char *id, const char *line, size_t length);

/* Add one header line to the frame. Returns NULL, or why the answer is refused. is_h2: the connection speaks HTTP/2. */
const char *http_judge_header(struct frame *frame, const char *line, size_t length, int is_h2);

/* Decide the outcome of a transfer that libcurl ended with this code: complete, or kind and message of the failure. */
void http_judge_outcome(struct transfer *transfer, CURLcode code);

#endif

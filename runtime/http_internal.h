/* Inside of the HTTP client: what http.c, http_options.c, http_judge.c and http_sockets.c share. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include "http.h"

#define HTTP_MAX_BODY ((size_t)8 << 20)
#define HTTP_MAX_HEADERS ((size_t)256 << 10)
#define HTTP_CONNECT_MS 10000L
#define HTTP_AGENT "moonlatch/" MOONLATCH_VERSION

#define HTTP_MAX_SOCKETS 512

/* The sockets that connections were made on. */
struct http_sockets {
  struct http_socket {
    int fd;
    int port; /* the local one; 0 until it was asked for */
  } list[HTTP_MAX_SOCKETS];
  size_t count;
};

/* What the header lines of the current answer said about its frame. */
struct frame {
  int open;       /* between a status line and the empty line */
  long status;    /* of the last status line */
  int chunked;    /* Transfer-Encoding was there */
  int has_length; /* Content-Length was there, as length says */
  char length[24];
  size_t bytes;          /* of all header lines so far */
  struct buffer headers; /* of the current answer, as in struct answer */
  int starved;           /* there was no memory for one */
};

/* What a handle was set for, once; it is kept for reads that need the same. */
struct route {
  char *origin;
  char *ca;    /* the file of roots */
  char *proxy; /* NULL for none */
  char *host;  /* of the origin, as certificates name it: no brackets */
  char *port;
};

struct transfer {
  CURL *easy;
  struct route route;           /* these two outlive the transfer, where it was a plain read */
  struct http *http;            /* NULL once the client is closed */
  struct http_sockets *sockets; /* the client's */
  struct transfer *next, *previous;
  struct target *target;      /* the request's, too */
  struct buffer lines;        /* of the headers, texts; carries the credential */
  struct curl_slist *headers; /* one block of nodes that point there */
  const char *id;             /* its client-request-id, within the lines; NULL for none */
  struct buffer body;         /* of the request */
  struct buffer received;
  char error[CURL_ERROR_SIZE];
  void *tag;
  long timeout_ms;
  enum http_reach reach;
  int lenient;    /* certificates that break RFC 5280's rules of form will do */
  int running;    /* in a multi handle */
  int shared;     /* its connection may be others', too */
  int plain;      /* HTTP without TLS */
  int repeatable; /* libcurl may send it again on a new connection */
  int plain_read; /* nothing but its address, headers and times differ from another such */
  int ready;      /* how often a connection was ready for it */
  int sent;       /* bytes of it were written */
  long written;   /* request bytes libcurl had counted when the connection was ready */
  int unquiet;    /* something waited on the kept connection it was given, so it did not leave there */
  int moved;      /* it went on a new connection instead */
  int resend;     /* libcurl wanted to send it a second time, and was kept from it */
  int astray;     /* an address was refused by reach */
  int is_h2;      /* its connection speaks HTTP/2 */
  int is_head;    /* the method is HEAD: no body follows whatever the headers say */
  struct frame frame;
  const char *hostile; /* why the answer is not believed, or NULL */
  int too_large;       /* 1: the body, 2: the headers, 3: one line of them */
  int starved;         /* memory ran out in a callback */
  int whole;           /* its answer came, and is believed */
  const char *kind;    /* of failure, or NULL */
  char message[512];
  int maybe_sent;
};

/* Set every option of an easy handle that has none; 0 when libcurl refuses one. */
int http_options(struct transfer *transfer, const struct request *request);

/* Set the options in which one plain read differs from another of the same route. */
int http_options_of_read(struct transfer *transfer);

/* Take them away: nothing of the read stays in its handle. */
void http_options_clear(struct transfer *transfer);

/* Take note of a socket that was made, and of one that is about to be closed. */
void http_sockets_add(struct http_sockets *sockets, int fd);
void http_sockets_drop(struct http_sockets *sockets, int fd);

/* Is the connection that goes from this local port open, with nothing waiting to be read? Also 0
 * when no such socket is known. */
int http_sockets_are_quiet(struct http_sockets *sockets, int port);

/* Does this header line say that the answer is to a request with another client-request-id? */
int http_judge_is_foreign(const char *id, const char *line, size_t length);

/* Take note of one header line, on a connection that speaks HTTP/2 or not; NULL, or why the answer is hostile. */
const char *http_judge_header(struct frame *frame, const char *line, size_t length, int is_h2);

/* Decide what became of a transfer that ended with this code. */
void http_judge_outcome(struct transfer *transfer, CURLcode code);

#endif

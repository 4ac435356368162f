/* host.httpd: which user of this machine sent a request that came over loopback.
 *
 * The kernel says it in /proc/net/tcp and tcp6 (proc(5)): one line a socket, with
 * ports in hexadecimal and the user id of who opened it. The line looked for is
 * the other end of our connection. A client may reach 127.0.0.1 by a socket of
 * either family, so both are read.
 */
#include "httpd.h"

#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIME_WAIT 6 /* the kernel's number of that state; such a socket is nobody's any more */

/* The ports of a connection, as the other end names them. */
struct ends {
  unsigned local, remote;
};

static unsigned port_of(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)address)->sin_port);
  if (address->ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
  return 0;
}

/* 0 when the socket cannot tell. */
static int find_ends(int fd, struct ends *ends) {
  struct sockaddr_storage here = {0}, there = {0};
  socklen_t size = sizeof here;
  if (getsockname(fd, (struct sockaddr *)&here, &size) != 0) return 0;
  size = sizeof there;
  if (getpeername(fd, (struct sockaddr *)&there, &size) != 0) return 0;
  *ends = (struct ends){port_of(&there), port_of(&here)};
  return ends->local && ends->remote;
}

/* The user of that end by one of the kernel's tables; 0 when it is not there. */
static int find_user(const char *table, const struct ends *ends, unsigned *user) {
  char line[512];
  FILE *file = fopen(table, "re");
  int found = 0;
  while (file && !found && fgets(line, sizeof line, file)) {
    unsigned local, remote, state;
    int count = sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%x %x %*s %*s %*s %u", &local, &remote, &state, user);
    found = count == 4 && local == ends->local && remote == ends->remote && state != TIME_WAIT;
  }
  if (file) fclose(file);
  return found;
}

int incoming_from_other_user(lua_State *L) {
  struct evhttp_connection *connection = evhttp_request_get_connection(incoming_check(L)->request);
  struct bufferevent *stream = connection ? evhttp_connection_get_bufferevent(connection) : NULL;
  struct ends ends;
  unsigned user = 0;
  int known = stream && find_ends(bufferevent_getfd(stream), &ends) &&
              (find_user("/proc/net/tcp", &ends, &user) || find_user("/proc/net/tcp6", &ends, &user));
  lua_pushboolean(L, known && geteuid() != 0 && user != 0 && user != geteuid());
  return 1;
}

/* The sockets of a client's connections, and whether bytes wait on one.
 *
 * libcurl does not tell the socket of a connection that it is about to use again. It tells the local port, so the
 * port identifies the socket.
 */
#include "http_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void http_sockets_add(struct http_sockets *sockets, int fd) {
  http_sockets_remove(sockets, fd);
  if (sockets->count < HTTP_MAX_SOCKETS) sockets->list[sockets->count++] = (struct http_socket){.fd = fd};
}

void http_sockets_remove(struct http_sockets *sockets, int fd) {
  for (size_t i = 0; i < sockets->count; i++)
    if (sockets->list[i].fd == fd) sockets->list[i--] = sockets->list[--sockets->count];
}

/* Return the local port of a connected socket; 0 when the system does not tell. */
static int socket_local_port(struct http_socket *socket) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  if (socket->port || getsockname(socket->fd, (struct sockaddr *)&address, &size) != 0) return socket->port;
  if (address.ss_family == AF_INET) socket->port = ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
  if (address.ss_family == AF_INET6) socket->port = ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
  return socket->port;
}

/* Is the socket open, with nothing to read? */
static int socket_is_quiet(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

int http_sockets_are_quiet(struct http_sockets *sockets, int port) {
  int found = 0;
  for (size_t i = 0; i < sockets->count; i++) {
    if (socket_local_port(&sockets->list[i]) != port) continue;
    if (!socket_is_quiet(sockets->list[i].fd)) return 0;
    found = 1;
  }
  return found;
}

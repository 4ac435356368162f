/* host.httpd: which user of this machine sent a request over loopback, and a limit for the connections of other users
 * at a server that is for one user. Without a limit any user could take all descriptors of this process.
 *
 * The source is /proc/self/net/tcp and tcp6 (proc(5)): one line for each socket, with addresses and ports in
 * hexadecimal and the number of the user who opened it. The line of the client's end of the connection counts.
 * Address and port are both compared: anybody may use the same port from another loopback address.
 */
#include "httpd_internal.h"
#include "sys.h"

#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ENDPOINT_SIZE 48 /* 32 digits of an address, a colon, 4 of a port */

/* Write an address and port as the kernel's tables do: each 32 bits of the address as a number in the machine's byte
 * order. mapped: an IPv4 address in the form that an IPv6 socket shows. */
static int format_endpoint(const struct sockaddr_storage *address, int mapped, char name[ENDPOINT_SIZE]) {
  const struct sockaddr_in *four = (const void *)address;
  const struct sockaddr_in6 *six = (const void *)address;
  uint32_t words[4];
  if (address->ss_family == AF_INET) {
    const char *before = mapped ? "0000000000000000FFFF0000" : "";
    return snprintf(name, ENDPOINT_SIZE, "%s%08X:%04X", before, four->sin_addr.s_addr, ntohs(four->sin_port));
  }
  if (address->ss_family != AF_INET6) return 0;
  memcpy(words, &six->sin6_addr, sizeof words);
  return snprintf(name, ENDPOINT_SIZE, "%08X%08X%08X%08X:%04X", words[0], words[1], words[2], words[3],
                  ntohs(six->sin6_port));
}

/* Find the user of the socket with these two endpoints; 0 when no process holds such a socket. A closed socket has
 * the inode 0, and root's number. */
static int find_socket_user(const char *table, const char *local, const char *remote, unsigned *user) {
  char line[512], local_endpoint[ENDPOINT_SIZE], remote_endpoint[ENDPOINT_SIZE];
  unsigned long inode = 0;
  FILE *file = fopen(table, "re");
  int found = 0;
  while (file && !found && fgets(line, sizeof line, file)) {
    int count =
        sscanf(line, " %*u: %47s %47s %*x %*s %*s %*s %u %*u %lu", local_endpoint, remote_endpoint, user, &inode);
    found = count == 4 && strcmp(local_endpoint, local) == 0 && strcmp(remote_endpoint, remote) == 0 && inode != 0;
  }
  if (file) fclose(file);
  return found;
}

/* Find the user of the client's end of the connection with this descriptor. */
static int find_client_user(int fd, int mapped, const char *table, unsigned *user) {
  struct sockaddr_storage server_address = {0}, client_address = {0};
  char local[ENDPOINT_SIZE], remote[ENDPOINT_SIZE];
  socklen_t size = sizeof server_address;
  if (getsockname(fd, (struct sockaddr *)&server_address, &size) != 0) return 0;
  size = sizeof client_address;
  if (getpeername(fd, (struct sockaddr *)&client_address, &size) != 0) return 0;
  if (!format_endpoint(&client_address, mapped, local) || !format_endpoint(&server_address, mapped, remote)) return 0;
  return find_socket_user(table, local, remote, user);
}

/* Find the user of the client's end of a connection; 0 when the kernel does not tell. A client reaches an IPv4
 * address with a socket of either family. */
static int find_connection_user(struct bufferevent *stream, unsigned *user) {
  int fd = bufferevent_getfd(stream);
  return (find_client_user(fd, 0, "/proc/self/net/tcp", user) ||
          find_client_user(fd, 1, "/proc/self/net/tcp6", user)) &&
         sys_user_is_mapped(*user);
}

int httpd_neighbours_user(lua_State *L) {
  struct evhttp_connection *connection = evhttp_request_get_connection(httpd_exchange_check(L)->request);
  unsigned user = 0;
  if (connection && find_connection_user(evhttp_connection_get_bufferevent(connection), &user))
    lua_pushinteger(L, user);
  else
    luaL_pushfail(L);
  return 1;
}

/* Reset the connection: evhttp notices the end and frees it, and the kernel's tables keep no trace of it. */
static void reset_connection(struct bufferevent *stream) {
  struct linger no_linger = {1, 0};
  setsockopt(bufferevent_getfd(stream), SOL_SOCKET, SO_LINGER, &no_linger, sizeof no_linger);
  shutdown(bufferevent_getfd(stream), SHUT_RDWR);
  bufferevent_decref(stream);
}

void httpd_neighbours_add(struct neighbours *neighbours, struct bufferevent *stream) {
  if (!neighbours->limited) return;
  httpd_neighbours_check_newest(neighbours);
  bufferevent_incref(stream);
  neighbours->newest = stream;
}

void httpd_neighbours_check_newest(struct neighbours *neighbours) {
  struct bufferevent *stream = neighbours->newest;
  unsigned user = 0;
  if (!stream) return;
  neighbours->newest = NULL;
  if (find_connection_user(stream, &user) && user == neighbours->user) {
    bufferevent_decref(stream);
    return;
  }
  struct bufferevent **slot = &neighbours->others[neighbours->count++ % MAX_OTHERS];
  if (*slot) reset_connection(*slot);
  *slot = stream;
}

void httpd_neighbours_free(struct neighbours *neighbours) {
  if (neighbours->newest) bufferevent_decref(neighbours->newest);
  for (int i = 0; i < MAX_OTHERS; i++)
    if (neighbours->others[i]) bufferevent_decref(neighbours->others[i]);
  *neighbours = (struct neighbours){0};
}

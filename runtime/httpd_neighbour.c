/* host.httpd: which user of this machine sent a request over loopback, and how many connections other users may
 * hold at a server that is for one user. Without a limit any user could take all descriptors of this process.
 *
 * The kernel tells it in /proc/self/net/tcp and tcp6 (proc(5)): one line for each socket, with addresses and
 * ports in hexadecimal and the number of the user who opened it. The line of the other end of our connection
 * counts. Address and port are both compared: anybody may use the same port from another loopback address.
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

#define NAME_SIZE 48 /* 32 digits of an address, a colon, 4 of a port */

/* Write an end as the kernel's tables do: each 32 bits of the address as the number they
 * are in memory. An IPv4 address is written as its socket of family IPv6 has it when mapped. */
static int name_end(const struct sockaddr_storage *address, int mapped, char name[NAME_SIZE]) {
  const struct sockaddr_in *four = (const void *)address;
  const struct sockaddr_in6 *six = (const void *)address;
  uint32_t words[4];
  if (address->ss_family == AF_INET) {
    const char *before = mapped ? "0000000000000000FFFF0000" : "";
    return snprintf(name, NAME_SIZE, "%s%08X:%04X", before, four->sin_addr.s_addr, ntohs(four->sin_port));
  }
  if (address->ss_family != AF_INET6) return 0;
  memcpy(words, &six->sin6_addr, sizeof words);
  return snprintf(name, NAME_SIZE, "%08X%08X%08X%08X:%04X", words[0], words[1], words[2], words[3],
                  ntohs(six->sin6_port));
}

/* Find the user of the socket with these two ends; 0 when there is none that a process holds:
 * what was closed has the inode 0, and root's number. */
static int find_user(const char *table, const char *local, const char *remote, unsigned *user) {
  char line[512], one[NAME_SIZE], other[NAME_SIZE];
  unsigned long inode = 0;
  FILE *file = fopen(table, "re");
  int found = 0;
  while (file && !found && fgets(line, sizeof line, file)) {
    int count = sscanf(line, " %*u: %47s %47s %*x %*s %*s %*s %u %*u %lu", one, other, user, &inode);
    found = count == 4 && strcmp(one, local) == 0 && strcmp(other, remote) == 0 && inode != 0;
  }
  if (file) fclose(file);
  return found;
}

/* The same with the ends of this descriptor, as the client has them. */
static int find_client(int fd, int mapped, const char *table, unsigned *user) {
  struct sockaddr_storage here = {0}, there = {0};
  char local[NAME_SIZE], remote[NAME_SIZE];
  socklen_t size = sizeof here;
  if (getsockname(fd, (struct sockaddr *)&here, &size) != 0) return 0;
  size = sizeof there;
  if (getpeername(fd, (struct sockaddr *)&there, &size) != 0) return 0;
  if (!name_end(&there, mapped, local) || !name_end(&here, mapped, remote)) return 0;
  return find_user(table, local, remote, user);
}

/* Whose the other end of a connection is; 0 when the kernel does not tell. A client reaches an
 * IPv4 address by a socket of either family. */
static int user_of(struct bufferevent *stream, unsigned *user) {
  int fd = bufferevent_getfd(stream);
  return (find_client(fd, 0, "/proc/self/net/tcp", user) || find_client(fd, 1, "/proc/self/net/tcp6", user)) &&
         sys_is_told(*user);
}

int httpd_incoming_user(lua_State *L) {
  struct evhttp_connection *connection = evhttp_request_get_connection(httpd_incoming_check(L)->request);
  unsigned user = 0;
  if (connection && user_of(evhttp_connection_get_bufferevent(connection), &user))
    lua_pushinteger(L, user);
  else
    luaL_pushfail(L);
  return 1;
}

/* End it: evhttp sees the end, and frees it. No trace of it stays in the kernel's tables. */
static void end(struct bufferevent *stream) {
  struct linger at_once = {1, 0};
  setsockopt(bufferevent_getfd(stream), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  shutdown(bufferevent_getfd(stream), SHUT_RDWR);
  bufferevent_decref(stream);
}

void httpd_neighbours_note(struct neighbours *neighbours, struct bufferevent *stream) {
  if (!neighbours->limited) return;
  httpd_neighbours_look(neighbours);
  bufferevent_incref(stream);
  neighbours->newest = stream;
}

void httpd_neighbours_look(struct neighbours *neighbours) {
  struct bufferevent *stream = neighbours->newest;
  unsigned user = 0;
  if (!stream) return;
  neighbours->newest = NULL;
  if (user_of(stream, &user) && user == neighbours->user) {
    bufferevent_decref(stream);
    return;
  }
  struct bufferevent **place = &neighbours->others[neighbours->count++ % MAX_OTHERS];
  if (*place) end(*place);
  *place = stream;
}

void httpd_neighbours_free(struct neighbours *neighbours) {
  if (neighbours->newest) bufferevent_decref(neighbours->newest);
  for (int i = 0; i < MAX_OTHERS; i++)
    if (neighbours->others[i]) bufferevent_decref(neighbours->others[i]);
  *neighbours = (struct neighbours){0};
}

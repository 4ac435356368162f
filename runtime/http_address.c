/* Addresses of this machine and of its link, and the addresses that a peer may have. */
#include "http_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static int is_loopback_ipv4(uint32_t address) {
  return address >> 24 == 127 || address >> 24 == 0; /* a connection to 0.0.0.0 goes to this machine, too */
}

static int is_link_ipv4(uint32_t address) {
  return address >> 16 == (169 << 8 | 254);
}

static int is_loopback_ipv6(const struct in6_addr *address) {
  uint32_t last;
  memcpy(&last, address->s6_addr + 12, sizeof last);
  if (IN6_IS_ADDR_V4MAPPED(address) || IN6_IS_ADDR_V4COMPAT(address)) return is_loopback_ipv4(ntohl(last));
  return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address);
}

int http_address_is_loopback(const char *host) {
  struct in_addr ipv4;
  struct in6_addr ipv6;
  size_t length = strlen(host);
  if (inet_pton(AF_INET, host, &ipv4) == 1) return is_loopback_ipv4(ntohl(ipv4.s_addr));
  if (inet_pton(AF_INET6, host, &ipv6) == 1) return is_loopback_ipv6(&ipv6);
  return strcasecmp(host, "localhost") == 0 || (length > 10 && strcasecmp(host + length - 10, ".localhost") == 0);
}

int http_address_is_near(const char *host) {
  struct in_addr ipv4;
  return http_address_is_loopback(host) || (inet_pton(AF_INET, host, &ipv4) == 1 && is_link_ipv4(ntohl(ipv4.s_addr)));
}

int http_address_is_allowed(const struct sockaddr *address, enum http_reach reach, int has_proxy) {
  const struct sockaddr_in *ipv4 = address->sa_family == AF_INET ? (const void *)address : NULL;
  const struct sockaddr_in6 *ipv6 = address->sa_family == AF_INET6 ? (const void *)address : NULL;
  int is_loopback =
      (ipv4 && is_loopback_ipv4(ntohl(ipv4->sin_addr.s_addr))) || (ipv6 && is_loopback_ipv6(&ipv6->sin6_addr));
  if (reach == HTTP_LOOPBACK) return is_loopback;
  if (reach == HTTP_OUTSIDE) return !is_loopback || has_proxy;
  return is_loopback || (ipv4 && is_link_ipv4(ntohl(ipv4->sin_addr.s_addr)));
}

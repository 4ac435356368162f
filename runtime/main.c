/* The program moonlatch: prepare the process, then call stdlib/command/main.lua. */
#include "heap.h"
#include "secret.h"
#include "state.h"
#include "sys.h"

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Environment variables that could weaken TLS, redirect traffic, load code or reveal data, by name or prefix. */
static const char *const removed_variables[] = {
    "SSLKEYLOGFILE", "OPENSSL_",    "SSL_CERT_",      "CURL_",      "QLOGDIR", "NETRC",   "LD_",
    "LUA_",          "MALLOC_",     "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "HOSTALIASES",
    "LOCALDOMAIN",   "RES_OPTIONS", "RESOLV_",        "EVENT_",     "SQLITE_", NULL};

extern char **environ;

static int is_removed_variable(const char *entry) {
  size_t name = strcspn(entry, "=");
  for (const char *const *prefix = removed_variables; *prefix; prefix++)
    if (strncmp(entry, *prefix, strlen(*prefix)) == 0) return 1;
  return name >= 6 && strncasecmp(entry + name - 6, "_proxy", 6) == 0;
}

/* Note a variable that names a proxy for https, which other programs would use. */
static void note_proxy_variable(const char *entry) {
  static const char *const names[] = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", NULL};
  size_t length = strcspn(entry, "=");
  for (const char *const *name = names; *name; name++)
    if (strlen(*name) == length && strncmp(entry, *name, length) == 0 && entry[length] && entry[length + 1])
      sys_note_ignored_proxy(*name);
}

static void remove_variables(void) {
  char **next = environ;
  for (char **entry = environ; *entry; entry++) {
    if (is_removed_variable(*entry))
      note_proxy_variable(*entry);
    else
      *next++ = *entry;
  }
  *next = NULL;
}

/* Forbid core dumps and access by ptrace or /proc/PID/mem of the same user; make files private. A closed pipe and a
 * file at its size limit become errors, not signals. */
static void harden_process(void) {
  struct rlimit none = {0, 0};
  umask(077);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_CORE, &none);
#ifndef MOONLATCH_DUMPABLE
  prctl(PR_SET_DUMPABLE, 0);
#endif
  remove_variables();
}

/* Initialise OpenSSL; 0 when memory is out. OpenSSL makes its default context at the first use, and dereferences a
 * null pointer when that failed, so it is made here, where a failure can be reported. Slow parts (configuration,
 * algorithms) are initialised when they are used. */
static int start_openssl(void) {
  return secret_vault_prepare() && OPENSSL_init_crypto(0, NULL) == 1 && OSSL_LIB_CTX_get0_global_default() != NULL;
}

/* Call command.main.main(arguments) in a protected call: push the exit status. */
static int call_main(lua_State *L) {
  int count = (int)lua_tointeger(L, 1);
  char **arguments = lua_touserdata(L, 2);
  const char *stdlib_dir = count > 2 && strcmp(arguments[1], "--stdlib") == 0 ? arguments[2] : NULL;
  int first = stdlib_dir ? 3 : 1;
  state_open(L, stdlib_dir);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "command.main");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  lua_createtable(L, count, 0);
  for (int i = first; i < count; i++) {
    lua_pushstring(L, arguments[i]);
    lua_rawseti(L, -2, i - first + 1);
  }
  lua_call(L, 1, 1);
  return 1;
}

int main(int argc, char **argv) {
  int status = EXIT_FAILURE;
  harden_process();
  if (!start_openssl()) {
    fputs("moonlatch: cannot start: not enough memory for OpenSSL\n", stderr);
    return status;
  }
  struct heap *heap = heap_open();
  lua_State *L = heap ? lua_newstate(heap_allocate, heap) : NULL;
  if (!L) {
    fputs("moonlatch: cannot start: not enough memory\n", stderr);
    return status;
  }
  lua_pushcfunction(L, state_message_handler);
  lua_pushcfunction(L, call_main);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  if (lua_pcall(L, 2, 1, 1) == LUA_OK)
    status = (int)lua_tointeger(L, -1);
  else
    fprintf(stderr, "moonlatch: %s\n", lua_tostring(L, -1));
  sys_interrupt_end();
  lua_close(L);
  heap_close(heap);
  return status;
}

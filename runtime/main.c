/* moonlatch: prepares the process, then hands over to stdlib/command/main.lua. */
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

/* Variables that could weaken TLS, redirect traffic, load code or reveal what happens, by name or prefix. */
static const char *const scrubbed[] = {"SSLKEYLOGFILE", "OPENSSL_", "SSL_CERT_", "CURL_",       "QLOGDIR",
                                       "NETRC",         "LD_",      "LUA_",      "MALLOC_",     "GLIBC_TUNABLES",
                                       "GCONV_PATH",    "LOCPATH",  "NLSPATH",   "HOSTALIASES", "LOCALDOMAIN",
                                       "RES_OPTIONS",   "RESOLV_",  "EVENT_",    "SQLITE_",     NULL};

extern char **environ;

static int is_scrubbed(const char *entry) {
  size_t name = strcspn(entry, "=");
  for (const char *const *prefix = scrubbed; *prefix; prefix++)
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

static void scrub_environment(void) {
  char **kept = environ;
  for (char **entry = environ; *entry; entry++) {
    if (is_scrubbed(*entry))
      note_proxy_variable(*entry);
    else
      *kept++ = *entry;
  }
  *kept = NULL;
}

/* No core dumps, no ptrace or /proc/PID/mem by the same user, private files. A broken pipe and a file at its
 * size limit are errors, not signals. */
static void harden_process(void) {
  struct rlimit none = {0, 0};
  umask(077);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_CORE, &none);
#ifndef MOONLATCH_DUMPABLE
  prctl(PR_SET_DUMPABLE, 0);
#endif
  scrub_environment();
}

/* OpenSSL makes its default context where it is first used, and goes on with an empty one, into a null pointer, when
 * that failed. So it is made here, where a failure can be told. What takes time (its configuration, its algorithms)
 * is left to who needs it. 0 when memory is out. */
static int start_openssl(void) {
  return secret_prepare() && OPENSSL_init_crypto(0, NULL) == 1 && OSSL_LIB_CTX_get0_global_default() != NULL;
}

/* cli.main(arguments) -> exit status */
static int run(lua_State *L) {
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
    fputs("moonlatch: not enough memory to start\n", stderr);
    return status;
  }
  lua_pushcfunction(L, state_message);
  lua_pushcfunction(L, run);
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

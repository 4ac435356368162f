/* host.sys: time, environment, and the files in the program.
 *
 * The other files: sys_files.c (files), sys_secret.c (secrets from outside), sys_interrupt.c (signals), sys_bounded.c
 * (code with a limit), sys_clock.c (dates, the emulator's clock), sys_lock.c (locks), sys_user.c (users).
 */
#include "sys.h"
#include "secret.h"

#include "embed.h"

#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static double read_system_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double sys_time(void) {
  return read_system_clock(CLOCK_REALTIME);
}

/* sys.monotonic() -> seconds since the machine started, suspended ones included */
static int sys_monotonic(lua_State *L) {
  lua_pushnumber(L, read_system_clock(CLOCK_BOOTTIME));
  return 1;
}

/* sys.time() -> seconds since 1970 */
static int sys_real_time(lua_State *L) {
  lua_pushnumber(L, sys_time());
  return 1;
}

/* sys.sleep(ms). A signal ends the sleep early. */
static int sys_sleep(lua_State *L) {
  lua_Integer ms = luaL_checkinteger(L, 1);
  luaL_argcheck(L, ms >= 0, 1, "must not be negative");
  struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
  nanosleep(&time, NULL);
  return 0;
}

static const char *ignored_proxy;

void sys_note_ignored_proxy(const char *variable) {
  ignored_proxy = variable;
}

const char *sys_ignored_proxy(void) {
  return ignored_proxy;
}

/* sys.getenv(name) -> string | nil */
static int sys_getenv(lua_State *L) {
  lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
  return 1;
}

/* sys.pid() -> integer */
static int sys_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* sys.executable() -> path */
static int sys_executable(lua_State *L) {
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length < 0) return luaL_error(L, "cannot find the running program: /proc is not mounted");
  lua_pushlstring(L, path, (size_t)length);
  return 1;
}

/* sys.embedded(name) -> text | nil */
static int sys_embedded(lua_State *L) {
  const struct embedded *file = embed_find(luaL_checkstring(L, 1));
  if (!file) return 0;
  lua_pushlstring(L, file->text, file->length);
  return 1;
}

/* sys.embedded_chunk(name, globals) -> function | nil */
static int sys_embedded_chunk(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  const struct embedded *file = embed_find(name);
  if (!file || !file->chunk) return 0;
  const char *chunk_name = lua_pushfstring(L, "@%s", name);
  if (luaL_loadbufferx(L, file->chunk, file->chunk_length, chunk_name, "b") != LUA_OK) return lua_error(L);
  lua_pushvalue(L, 2);
  lua_setupvalue(L, -2, 1);
  return 1;
}

/* sys.embedded_list(prefix) -> names, sorted as the embedded list is */
static int sys_embedded_list(lua_State *L) {
  const char *prefix = luaL_checkstring(L, 1);
  lua_Integer count = 0;
  lua_newtable(L);
  for (const struct embedded *file = embedded; file->name; file++) {
    if (strncmp(file->name, prefix, strlen(prefix)) != 0) continue;
    lua_pushstring(L, file->name);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* sys.trim(). Return free memory to the system, also from the middle of the heap, and from now on sooner: malloc
 * would keep as much as the largest answer took. */
static int sys_trim(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  malloc_trim(0);
  mallopt(M_TOP_PAD, 16 << 10);
  mallopt(M_TRIM_THRESHOLD, 64 << 10);
  return 0;
}

/* sys.syslog(text): write one line to the system's log */
static int sys_syslog(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  secret_redact(L, text, length);
  syslog(LOG_AUTH | LOG_NOTICE, "%s", lua_tostring(L, -1));
  return 0;
}

/* sys.version() -> string */
static int sys_version(lua_State *L) {
  lua_pushliteral(L, MOONLATCH_VERSION);
  return 1;
}

static const luaL_Reg functions[] = {
    {"monotonic", sys_monotonic},
    {"time", sys_real_time},
    {"sleep", sys_sleep},
    {"lock", sys_lock},
    {"getenv", sys_getenv},
    {"pid", sys_pid},
    {"executable", sys_executable},
    {"embedded", sys_embedded},
    {"embedded_chunk", sys_embedded_chunk},
    {"embedded_list", sys_embedded_list},
    {"syslog", sys_syslog},
    {"trim", sys_trim},
    {"version", sys_version},
    {NULL, NULL},
};

int luaopen_host_sys(lua_State *L);
int luaopen_host_sys(lua_State *L) {
  sys_clock_type(L);
  sys_lock_type(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, sys_bounded_functions, 0);
  luaL_setfuncs(L, sys_clock_functions, 0);
  luaL_setfuncs(L, sys_file_functions, 0);
  luaL_setfuncs(L, sys_interrupt_functions, 0);
  luaL_setfuncs(L, sys_secret_functions, 0);
  luaL_setfuncs(L, sys_user_functions, 0);
  return 1;
}

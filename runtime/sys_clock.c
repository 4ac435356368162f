/* host.sys.clock: the emulator's clock, which is real time plus an offset that only grows. The offset is a counter of
 * microseconds that all processes of the emulator share. */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#define MICROSECONDS 1e6
#define MAX_OFFSET 1e12 /* seconds: a larger time is not exact in a double or gmtime */

struct clock {
  _Atomic int64_t *offset; /* mapped; NULL once closed */
};

struct clock *sys_clock_check(lua_State *L, int index) {
  struct clock *clock = luaL_checkudata(L, index, SYS_CLOCK);
  luaL_argcheck(L, clock->offset, index, "clock is closed");
  return clock;
}

double sys_clock_offset(const struct clock *clock) {
  return clock->offset ? (double)atomic_load(clock->offset) / MICROSECONDS : 0;
}

/* clock:offset() -> seconds */
static int clock_offset(lua_State *L) {
  lua_pushnumber(L, sys_clock_offset(sys_clock_check(L, 1)));
  return 1;
}

/* clock:advance(seconds) */
static int clock_advance(lua_State *L) {
  struct clock *clock = sys_clock_check(L, 1);
  double seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0, 2, "an emulator's clock never goes back");
  luaL_argcheck(L, seconds + sys_clock_offset(clock) <= MAX_OFFSET, 2, "too far");
  atomic_fetch_add(clock->offset, (int64_t)(seconds * MICROSECONDS));
  return 0;
}

/* clock:close(), __close and __gc. Idempotent. */
static int clock_close(lua_State *L) {
  struct clock *clock = luaL_checkudata(L, 1, SYS_CLOCK);
  sys_counter_unmap(clock->offset);
  clock->offset = NULL;
  return 0;
}

static const char *clock_file_problem(int code) {
  return code == EINVAL ? "it is not a clock file" : strerror(code);
}

/* sys.clock(path, create) -> clock | nil, message */
int sys_clock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int create = lua_toboolean(L, 2) ? O_CREAT : 0;
  struct clock *clock = lib_new(L, sizeof *clock, SYS_CLOCK);
  int fd = sys_files_open_private(L, path, O_RDWR | O_NOFOLLOW | create, 077);
  if (fd < 0) return 3;
  int code = sys_counter_map(fd, create, &clock->offset);
  if (code) return lib_fail(L, "cannot use '%s' as the emulator's clock: %s", path, clock_file_problem(code));
  return 1;
}

static const luaL_Reg methods[] = {
    {"offset", clock_offset},
    {"advance", clock_advance},
    {"close", clock_close},
    {NULL, NULL},
};

void sys_clock_type(lua_State *L) {
  lib_type(L, SYS_CLOCK, methods, clock_close);
}

/* host.sys: run Lua code that may not end.
 *
 * sys.bounded limits instructions and Lua's memory; it cannot stop a loop inside C (a pattern) or in a finalizer.
 * sys.apart can: it runs the code in a copy of this process, which is killed when it takes too long.
 */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK_INSTRUCTIONS 10000 /* instructions between two checks of the bound */
#define MAX_TEXT (1 << 16)       /* longest text that sys.apart returns */
#define WALL_TIME_FACTOR 20 /* a copy may take this many times its processor time in wall time, on a busy machine */

struct bound {
  lua_Alloc allocate; /* the state's own allocator, and its argument */
  void *heap;
  size_t bytes_left;
  int refused_memory; /* 1: an allocation was refused */
  lua_Integer instructions_left;
};

static const char bound_key; /* registry key of the innermost bound */

/* A lua_Alloc that refuses memory beyond the bound. */
static void *allocate_bounded(void *argument, void *block, size_t old_size, size_t size) {
  struct bound *bound = argument;
  size_t before = block ? old_size : 0;
  if (size > before && size - before > bound->bytes_left) {
    bound->refused_memory = 1;
    return NULL;
  }
  void *result = bound->allocate(bound->heap, block, old_size, size);
  if (result || size == 0) bound->bytes_left += before - size;
  return result;
}

static void on_bounded_count(lua_State *L, lua_Debug *record) {
  (void)record;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &bound_key);
  struct bound *bound = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!bound) { /* a coroutine that was made within a bound may live longer than the bound */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  bound->instructions_left -= CHECK_INSTRUCTIONS;
  if (bound->instructions_left > 0) return;
  lua_sethook(L, on_bounded_count, LUA_MASKCOUNT,
              1); /* code that catches the error is stopped at its next instruction */
  lua_pushliteral(L, "it does not end: it was stopped after ten million instructions");
  lua_error(L);
}

/* Call the function at index 4 with handler 3 and the arguments above it, within the bound. [-n, +r, -] */
static int call_bounded(lua_State *L, struct bound *bound) {
  lua_Hook hook = lua_gethook(L);
  int mask = lua_gethookmask(L), count = lua_gethookcount(L);
  bound->allocate = lua_getallocf(L, &bound->heap);
  lua_setallocf(L, allocate_bounded, bound);
  lua_sethook(L, on_bounded_count, LUA_MASKCOUNT, CHECK_INSTRUCTIONS);
  int status = lua_pcall(L, lua_gettop(L) - 4, LUA_MULTRET, 3);
  if (lua_gethook(L) == on_bounded_count)
    lua_sethook(L, hook, mask, count); /* else an interrupt has put its own there */
  lua_setallocf(L, bound->allocate, bound->heap);
  return status;
}

/* sys.bounded(instructions, bytes, handler, fn, ...) -> true, results | false, error */
static int sys_bounded(lua_State *L) {
  struct bound bound = {.instructions_left = luaL_checkinteger(L, 1), .bytes_left = (size_t)luaL_checkinteger(L, 2)};
  luaL_checktype(L, 3, LUA_TFUNCTION);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &bound_key);
  lua_replace(L, 1); /* the bound outside */
  lua_pushlightuserdata(L, &bound);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &bound_key);
  int status = call_bounded(L, &bound);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &bound_key);
  if (status == LUA_ERRMEM && bound.refused_memory) lua_pushliteral(L, "it needs more memory than it may use");
  if (status != LUA_OK) {
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_replace(L, 3);
  return lua_gettop(L) - 2;
}

/* ---- in a copy of this process ---- */

/* Run the copy: call the function on top of the stack, write the text that it returns, and exit. */
static _Noreturn void run_apart_copy(lua_State *L, int output, pid_t parent, rlim_t seconds) {
  int nowhere = open("/dev/null", O_RDWR);
  struct rlimit limit = {seconds, seconds};
  setrlimit(RLIMIT_CPU, &limit);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int fd = 0; fd <= STDERR_FILENO; fd++) dup2(nowhere, fd);
  int ok = getppid() == parent && lua_pcall(L, 0, 1, 0) == LUA_OK && lua_isstring(L, -1);
  size_t length = 0;
  const char *text = ok ? lua_tolstring(L, -1, &length) : NULL;
  _exit(text && sys_files_write_all(output, text, length) == 0 ? 0 : 1);
}

static double apart_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Read the text of the copy until its end (1), the deadline or too much text (0). */
static int read_apart_output(int input, double deadline, struct buffer *text) {
  char bytes[4096];
  for (;;) {
    struct pollfd source = {.fd = input, .events = POLLIN};
    double left = (deadline - apart_clock()) * 1000;
    if (left <= 0 || text->length > MAX_TEXT) return 0;
    if (poll(&source, 1, (int)left + 1) <= 0) continue;
    ssize_t count = read(input, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count == 0;
    if (!buffer_append(text, bytes, (size_t)count)) return 0;
  }
}

/* Reap the copy. Returns NULL, or why its text cannot be used. */
static const char *reap_apart_copy(pid_t child, int has_ended) {
  int status = 0;
  if (!has_ended) kill(child, SIGKILL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!has_ended || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) return "it does not end";
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? NULL : "it ended without an answer";
}

/* sys.apart(fn, seconds) -> text | nil, message */
static int sys_apart(lua_State *L) {
  int ends[2];
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_Integer seconds = luaL_checkinteger(L, 2);
  luaL_argcheck(L, seconds > 0, 2, "at least one second");
  double deadline = apart_clock() + WALL_TIME_FACTOR * (double)seconds;
  lua_settop(L, 2);
  struct buffer *text = buffer_new(L);
  if (pipe2(ends, O_CLOEXEC) != 0) return lib_fail(L, "cannot make a pipe: %s", strerror(errno));
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    lua_pushvalue(L, 1);
    run_apart_copy(L, ends[1], parent, (rlim_t)seconds);
  }
  int code = errno;
  close(ends[1]);
  int has_ended = child > 0 && read_apart_output(ends[0], deadline, text);
  close(ends[0]);
  if (child < 0) return lib_fail(L, "cannot start a process: %s", strerror(code));
  const char *why = reap_apart_copy(child, has_ended);
  if (why) return lib_fail(L, "%s", why);
  lua_pushlstring(L, text->data ? text->data : "", text->length);
  return 1;
}

const luaL_Reg sys_bounded_functions[] = {{"bounded", sys_bounded}, {"apart", sys_apart}, {NULL, NULL}};

/* host.process: run other programs, with an argument list, never through a shell.
 *
 * A child's environment has a fixed PATH and a UTF-8 locale, so that programs which start others or print names work,
 * and those of our variables that the caller names. The child leads a process group of its own: we handle Ctrl-C, and
 * a private emulator has to run longer than it. Closing a child reaps it.
 */
#include "process_internal.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILD "host.process.child"
#define MAX_LINE_BYTES ((size_t)1 << 20)
#define MAX_SECRET ((size_t)64 << 10)
#define END_SECONDS 2.0 /* seconds that a child may take to end, and again after SIGTERM */

struct child {
  pid_t pid;             /* 0 before the child is started and after it is closed */
  int status;            /* exit status, valid once reaped */
  int reaped;            /* 1: the pid must not be signalled any more */
  int input;             /* our end of its standard input, or -1 */
  int output;            /* our end of its standard output, or -1 */
  int complaints;        /* memory file for its standard error; -1: it has ours */
  struct buffer pending; /* output that was not returned yet */
};

/* The arguments, environment and descriptors that a child is started with. */
struct spawn_request {
  char **arguments, **environment;
  int input, output; /* the child's ends of the pipes */
};

static struct child *check_child(lua_State *L) {
  struct child *child = luaL_checkudata(L, 1, CHILD);
  luaL_argcheck(L, child->pid, 1, "child is closed");
  return child;
}

static double process_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Return the milliseconds until the deadline, rounded up; 0 when it has passed. */
static int process_milliseconds_until(double deadline) {
  double left = (deadline - process_now()) * 1000;
  return left <= 0 ? 0 : left > 1e9 ? 1000000000 : (int)left + 1;
}

static void close_child_descriptor(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Reap the child if it has ended; 1 when it has. */
static int reap_child_if_ended(struct child *child) {
  int status;
  if (child->reaped) return 1;
  if (waitpid(child->pid, &status, WNOHANG) != child->pid) return 0;
  child->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  child->reaped = 1;
  return 1;
}

/* Wait until the child has ended or the deadline has passed; 1 when it has ended. An interrupt ends the wait when
 * patient is 0. */
static int wait_for_child_end(struct child *child, double deadline, int patient) {
  int before = sys_interrupt_count();
  int fd = child->reaped ? -1 : (int)syscall(SYS_pidfd_open, child->pid, 0);
  struct pollfd source = {.fd = fd, .events = POLLIN};
  while (!reap_child_if_ended(child)) {
    int left = process_milliseconds_until(deadline);
    if (left == 0 || (!patient && sys_interrupt_count() != before)) break;
    poll(&source, 1, fd >= 0 || left < 10 ? left : 10); /* without a pidfd: check again soon */
  }
  if (fd >= 0) close(fd);
  return child->reaped;
}

/* Send a signal to the child's process group. */
static void signal_child_group(struct child *child, int number) {
  if (!child->reaped && kill(-child->pid, number) != 0) kill(child->pid, number);
}

/* child:close(), __close and __gc. Idempotent. */
static int child_close(lua_State *L) {
  static const int steps[] = {0, SIGTERM, SIGKILL};
  struct child *child = luaL_checkudata(L, 1, CHILD);
  if (!child->pid) return 0;
  close_child_descriptor(&child->input);
  close_child_descriptor(&child->output);
  close_child_descriptor(&child->complaints);
  for (size_t i = 0; i < sizeof steps / sizeof *steps && !child->reaped; i++) {
    if (steps[i]) signal_child_group(child, steps[i]);
    wait_for_child_end(child, process_now() + END_SECONDS, 1);
  }
  buffer_free(&child->pending);
  child->pid = 0;
  return 0;
}

/* Push the first length bytes of pending, and remove them with the newline. */
static int push_child_line(lua_State *L, struct buffer *pending, size_t length, size_t newline) {
  lua_pushlstring(L, length ? pending->data : "", length);
  pending->length -= length + newline;
  memmove(pending->data, pending->data + length + newline, pending->length);
  return 1;
}

/* Read the available output to pending; 0 at its end. */
static int read_child_output(struct child *child) {
  char chunk[4096];
  ssize_t count = read(child->output, chunk, sizeof chunk);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return 1;
  int ok = count > 0 && buffer_append(&child->pending, chunk, (size_t)count);
  explicit_bzero(chunk, sizeof chunk); /* the output may be a secret */
  if (!ok) close_child_descriptor(&child->output);
  return ok;
}

/* Wait for output until the deadline or an interrupt; 0 when there is none. */
static int wait_for_child_output(const struct child *child, double deadline) {
  int before = sys_interrupt_count();
  struct pollfd source = {.fd = child->output, .events = POLLIN};
  int left;
  do {
    left = process_milliseconds_until(deadline);
    if (poll(&source, 1, left) > 0) return 1;
  } while (left > 0 && sys_interrupt_count() == before);
  return 0;
}

/* child:line(seconds) -> text | nil, "end" or "timeout" */
static int child_line(lua_State *L) {
  struct child *child = check_child(L);
  double deadline = process_now() + luaL_checknumber(L, 2);
  struct buffer *pending = &child->pending;
  for (size_t searched = 0;;) {
    char *newline =
        pending->length > searched ? memchr(pending->data + searched, '\n', pending->length - searched) : NULL;
    if (newline) return push_child_line(L, pending, (size_t)(newline - pending->data), 1);
    searched = pending->length;
    if (searched >= MAX_LINE_BYTES || (child->output < 0 && searched > 0))
      return push_child_line(L, pending, searched, 0);
    int timeout = child->output >= 0 && !wait_for_child_output(child, deadline);
    if (timeout || child->output < 0) {
      luaL_pushfail(L);
      lua_pushstring(L, timeout ? "timeout" : "end");
      return 2;
    }
    read_child_output(child);
  }
}

/* child:secret(seconds) -> secret | nil, "empty", "timeout" or "too long" */
static int child_secret(lua_State *L) {
  struct child *child = check_child(L);
  double deadline = process_now() + luaL_checknumber(L, 2);
  struct buffer *pending = &child->pending;
  while (child->output >= 0 && pending->length <= MAX_SECRET && wait_for_child_output(child, deadline))
    read_child_output(child);
  if (child->output >= 0) return lib_fail(L, "%s", pending->length > MAX_SECRET ? "too long" : "timeout");
  if (pending->length > 0 && pending->data[pending->length - 1] == '\n') pending->length--;
  if (pending->length == 0) return lib_fail(L, "empty");
  secret_take(L, SECRET_CREDENTIAL, pending);
  return 1;
}

/* child:text(seconds, most) -> text | nil, "timeout" or "too long". Reads all output, redacted. */
static int child_text(lua_State *L) {
  struct child *child = check_child(L);
  double deadline = process_now() + luaL_checknumber(L, 2);
  size_t most = (size_t)luaL_checkinteger(L, 3);
  struct buffer *pending = &child->pending;
  while (child->output >= 0 && pending->length <= most && wait_for_child_output(child, deadline))
    read_child_output(child);
  if (pending->length > most) return lib_fail(L, "too long");
  if (child->output >= 0) return lib_fail(L, "timeout");
  secret_redact(L, pending->length ? pending->data : "", pending->length);
  buffer_free(pending);
  return 1;
}

/* child:complaint() -> text | nil. The child's standard error so far, at most 4 KiB. */
static int child_complaint(lua_State *L) {
  struct child *child = check_child(L);
  char text[4096];
  ssize_t length = child->complaints < 0 ? 0 : pread(child->complaints, text, sizeof text, 0);
  if (length <= 0) return 0;
  secret_redact(L, text, (size_t)length);
  return 1;
}

/* child:wait(seconds) -> exit status | nil */
static int child_wait(lua_State *L) {
  struct child *child = check_child(L);
  double deadline = process_now() + luaL_checknumber(L, 2);
  if (!wait_for_child_end(child, deadline, 0)) return 0;
  lua_pushinteger(L, child->status);
  return 1;
}

/* child:kill(signal) */
static int child_kill(lua_State *L) {
  static const char *const names[] = {"TERM", "KILL", "INT", "HUP", NULL};
  static const int numbers[] = {SIGTERM, SIGKILL, SIGINT, SIGHUP};
  struct child *child = check_child(L);
  signal_child_group(child, numbers[luaL_checkoption(L, 2, NULL, names)]);
  return 0;
}

/* child:pid() -> integer */
static int child_pid(lua_State *L) {
  lua_pushinteger(L, check_child(L)->pid);
  return 1;
}

char **process_push_arguments(lua_State *L, int index) {
  lua_Integer count = luaL_len(L, index);
  luaL_argcheck(L, count > 0 && count < 4096, index, "a list of arguments expected");
  char **arguments = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *arguments, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    size_t length;
    luaL_argcheck(L, lua_geti(L, index, i) == LUA_TSTRING, index, "an argument is not a string");
    const char *text = lua_tolstring(L, -1, &length); /* the string lives as long as the list */
    luaL_argcheck(L, strlen(text) == length, index, "an argument has a NUL character");
    secret_redact(L, text, length);
    luaL_argcheck(L, lua_rawequal(L, -1, -2), index, "a secret must not be an argument: every user could read it");
    arguments[i - 1] = (char *)text;
    lua_pop(L, 2);
  }
  arguments[count] = NULL;
  luaL_argcheck(L, arguments[0][0] == '/', index, "the program's absolute path expected first");
  return arguments;
}

void process_set_attributes(posix_spawnattr_t *attributes, short flag) {
  sigset_t set;
  posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | flag));
  sigfillset(&set);
  posix_spawnattr_setsigdefault(attributes, &set);
  sigemptyset(&set);
  posix_spawnattr_setsigmask(attributes, &set);
  posix_spawnattr_setpgroup(attributes, 0);
}

char **process_push_environment(lua_State *L, int index) {
  static const char *const always[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"};
  lua_Integer named = index == 0 || lua_isnoneornil(L, index) ? 0 : luaL_len(L, index);
  luaL_argcheck(L, named < 64, index, "a list of at most 63 names expected");
  char **environment = lua_newuserdatauv(L, ((size_t)named + 3) * sizeof *environment, 1);
  lua_createtable(L, (int)named, 0); /* keeps the texts alive */
  int count = 0;
  for (size_t i = 0; i < sizeof always / sizeof *always; i++) environment[count++] = (char *)always[i];
  for (lua_Integer i = 1; i <= named; i++) {
    luaL_argcheck(L, lua_geti(L, index, i) == LUA_TSTRING, index, "a name is not a string");
    const char *name = lua_tostring(L, -1), *value = getenv(name);
    if (value) environment[count++] = (char *)lua_pushfstring(L, "%s=%s", name, value);
    if (value) lua_rawseti(L, -3, i);
    lua_pop(L, 1);
  }
  environment[count] = NULL;
  lua_setiuservalue(L, -2, 1);
  return environment;
}

/* Start the child; 0 or an errno value. */
static int spawn_child(struct child *child, const struct spawn_request *request) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, request->input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, request->output, STDOUT_FILENO);
  if (child->complaints >= 0) posix_spawn_file_actions_adddup2(&actions, child->complaints, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  process_set_attributes(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  int code = posix_spawn(&pid, request->arguments[0], &actions, &attributes, request->arguments, request->environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (!code) child->pid = pid;
  return code;
}

/* Make both pipes and start the child; 0 or an errno value. All descriptors close on exec. */
static int open_pipes_and_spawn(struct child *child, struct spawn_request *request) {
  int input[2], output[2];
  if (pipe2(input, O_CLOEXEC) != 0) return errno;
  child->input = input[1];
  if (pipe2(output, O_CLOEXEC) != 0) {
    int code = errno;
    close(input[0]);
    return code;
  }
  child->output = output[0];
  request->input = input[0];
  request->output = output[1];
  int code = spawn_child(child, request);
  close(input[0]);
  close(output[1]);
  return code;
}

/* Start the program that the list at index names, with the environment variables that the list at `pass` names (0:
 * none). Push the child and return 1, or push nil and a message and return 2. [-0, +1|+2, e] */
static int push_child(lua_State *L, int index, int pass, const struct secret *input, int keep) {
  struct spawn_request request = {.arguments = process_push_arguments(L, index),
                                  .environment = process_push_environment(L, pass)};
  struct child *child = lib_new(L, sizeof *child, CHILD);
  child->input = child->output = -1;
  child->complaints = keep ? memfd_create("complaints", MFD_CLOEXEC) : -1;
  int code = keep && child->complaints < 0 ? errno : open_pipes_and_spawn(child, &request);
  if (code) {
    close_child_descriptor(&child->input);
    close_child_descriptor(&child->output);
    close_child_descriptor(&child->complaints);
    return lib_fail(L, "cannot start '%s': %s", request.arguments[0], strerror(code));
  }
  if (!input) return 1;
  /* a failed write is not reported: a child that ends without reading its input has an exit status that tells */
  sys_files_write_all(child->input, input->bytes, input->length);
  close_child_descriptor(&child->input);
  return 1;
}

int process_refuse(lua_State *L, const char *path) {
  return lib_fail(L,
                  "cannot start '%s': it is none of the programs that Moonlatch itself uses; a script's programs are "
                  "named in the profile",
                  path);
}

/* process.start(arguments, input, pass, errors) -> child | nil, message */
static int process_start(lua_State *L) {
  static const char *const error_outputs[] = {"shown", "kept", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  const struct secret *input = lua_isnoneornil(L, 2) ? NULL : secret_check(L, 2);
  if (!lua_isnoneornil(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  int keep = luaL_checkoption(L, 4, "shown", error_outputs);
  lua_settop(L, 3);
  const char *path = process_push_arguments(L, 1)[0];
  if (!process_is_own(path)) return process_refuse(L, path);
  return push_child(L, 1, 3, input, keep);
}

/* Start a program in a session of its own, with /dev/null as input and output; 0 or an errno value. */
static int spawn_detached(char **arguments, char **environment) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  process_set_attributes(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid;
  int code = posix_spawn(&pid, arguments[0], &actions, &attributes, arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return code;
}

/* process.detach(arguments, pass) -> true | nil, message. Nobody waits for the program: init reaps it after we have
 * ended. */
static int process_detach(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  char **arguments = process_push_arguments(L, 1), **environment = process_push_environment(L, 2);
  if (!process_is_own(arguments[0])) return process_refuse(L, arguments[0]);
  int code = spawn_detached(arguments, environment);
  if (code) return lib_fail(L, "cannot start '%s': %s", arguments[0], strerror(code));
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg child_methods[] = {
    {"line", child_line}, {"secret", child_secret}, {"text", child_text}, {"complaint", child_complaint},
    {"wait", child_wait}, {"kill", child_kill},     {"pid", child_pid},   {"close", child_close},
    {NULL, NULL},
};

int process_start_child(lua_State *L, int index, const struct secret *input, int keep) {
  lib_type(L, CHILD, child_methods, child_close); /* the gate may start a child before host.process is required */
  int count = push_child(L, index, 0, input, keep);
  if (count == 1) close_child_descriptor(&((struct child *)lua_touserdata(L, -1))->input);
  return count;
}

static const luaL_Reg functions[] = {
    {"start", process_start}, {"detach", process_detach}, {"page", process_page}, {"edit", process_edit}, {NULL, NULL}};

int luaopen_host_process(lua_State *L);
int luaopen_host_process(lua_State *L) {
  lib_type(L, CHILD, child_methods, child_close);
  luaL_newlib(L, functions);
  return 1;
}

/* host.process: programs that a person uses on our terminal, a pager and an editor. */
#include "process_internal.h"
#include "sys.h"
#include "term.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Start the program on our terminal, in our process group, so that it may read from the terminal; input: its standard
 * input, or -1 for ours. 0 or an errno value. */
static int spawn_on_terminal(char **arguments, char **environment, int input, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  if (input >= 0) posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  process_set_attributes(&attributes, 0);
  int code = posix_spawn(pid, arguments[0], &actions, &attributes, arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return code;
}

/* Run the program until the person leaves it; text (or NULL) goes to its standard input. Returns its exit status, or -1
 * and an errno value in *code. Ctrl-C goes to the program only. */
static int run_on_terminal(char **arguments, char **environment, const char *text, size_t length, int *code) {
  int ends[2] = {-1, -1}, status = 0;
  pid_t pid = 0;
  sigset_t interrupts, before;
  if (text && pipe2(ends, O_CLOEXEC) != 0) {
    *code = errno;
    return -1;
  }
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  sigprocmask(SIG_BLOCK, &interrupts, &before);
  *code = spawn_on_terminal(arguments, environment, ends[0], &pid);
  if (text) close(ends[0]);
  if (text && !*code) sys_files_write_all(ends[1], text, length); /* a pager that is left early does not read it all */
  if (text) close(ends[1]);
  while (!*code && waitpid(pid, &status, 0) != pid && errno == EINTR) continue;
  while (sigtimedwait(&interrupts, NULL, &(struct timespec){0}) == SIGINT) continue;
  sigprocmask(SIG_SETMASK, &before, NULL);
  return *code ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int push_terminal_status(lua_State *L, const char *program, int status, int code) {
  if (code) return lib_fail(L, "cannot start '%s': %s", program, strerror(code));
  lua_pushinteger(L, status);
  return 1;
}

int process_page(lua_State *L) {
  size_t length;
  int code = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstring(L, 2);
  lua_settop(L, 2);
  if (!isatty(STDOUT_FILENO)) return lib_fail(L, "a pager needs a terminal");
  char **arguments = process_push_arguments(L, 1);
  if (!process_is_own(arguments[0])) return process_refuse(L, arguments[0]);
  const char *terminal = getenv("TERM");
  const char *text = term_text_push_printable(L, lua_tostring(L, 2), lua_rawlen(L, 2), &length);
  /* LESSSECURE: less starts no shell or editor and opens no other file */
  terminal = lua_pushfstring(L, "TERM=%s", terminal ? terminal : "dumb");
  char *environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LANG=C.UTF-8", (char *)"LESSSECURE=1", (char *)terminal,
                         NULL};
  int status = run_on_terminal(arguments, environment, text, length, &code);
  return push_terminal_status(L, arguments[0], status, code);
}

/* Push the words of a command line that no shell reads, as a list: they are parted by blanks. [-0, +1, m] */
static void push_words(lua_State *L, const char *text) {
  lua_newtable(L);
  for (int count = 1; *(text += strspn(text, " \t")); count++) {
    size_t length = strcspn(text, " \t");
    lua_pushlstring(L, text, length);
    lua_rawseti(L, -2, count);
    text += length;
  }
}

/* Push the absolute path of the program: of a name, as PATH of every child finds it. Returns 0, and pushes nothing,
 * when there is none. [-0, +0|+1, m] */
static int push_program_path(lua_State *L, const char *name) {
  static const char *const folders[] = {"/usr/local/bin", "/usr/bin", "/bin"};
  char path[PATH_MAX];
  if (name[0] == '/') {
    lua_pushstring(L, name);
    return 1;
  }
  for (size_t i = 0; !strchr(name, '/') && i < sizeof folders / sizeof *folders; i++) {
    snprintf(path, sizeof path, "%s/%s", folders[i], name);
    if (access(path, X_OK) != 0) continue;
    lua_pushstring(L, path);
    return 1;
  }
  return 0;
}

/* Push the words of the editor: of VISUAL or EDITOR, else of one that is there. Returns 0, with the name of what is not
 * there pushed. [-0, +1, m] */
static int push_editor(lua_State *L) {
  const char *named = getenv("VISUAL");
  if (!named || !*named) named = getenv("EDITOR");
  const char *const candidates[] = {named && *named ? named : "editor", named && *named ? NULL : "nano", "vi"};
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates && candidates[i]; i++) {
    push_words(L, candidates[i]);
    if (lua_rawgeti(L, -1, 1) == LUA_TSTRING && push_program_path(L, lua_tostring(L, -1))) {
      lua_rawseti(L, -3, 1);
      lua_pop(L, 1);
      return 1;
    }
    lua_pop(L, 2);
  }
  lua_pushstring(L, candidates[0]);
  return 0;
}

/* The environment names the editor, and no caller does: a script cannot choose a program by this function. */
int process_edit(lua_State *L) {
  int code = 0;
  luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return lib_fail(L, "an editor needs a terminal");
  if (!push_editor(L))
    return lib_fail(L, "the editor '%s' is not in /usr/local/bin, /usr/bin or /bin", lua_tostring(L, -1));
  lua_pushvalue(L, 1);
  lua_rawseti(L, 3, luaL_len(L, 3) + 1);
  char **arguments = process_push_arguments(L, 3), **environment = process_push_environment(L, 2);
  int status = run_on_terminal(arguments, environment, NULL, 0, &code);
  return push_terminal_status(L, arguments[0], status, code);
}

/* host.edit: a line editor with history and completion, on libedit.
 *
 * The editor does not interpret the line: a Lua function completes it, and the caller decides what the history keeps.
 *
 * Ownership: an editor owns its EditLine and its History. While libedit reads a line, its client data is a struct
 * line_read with the Lua state of the call. The callbacks enter Lua only in protected calls, because a Lua error must
 * not jump over libedit's frames.
 */
#include "lib.h"
#include "sys.h"

#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define EDITOR "host.edit.editor"
#define HISTORY_SIZE 1000 /* entries */
#define CTRL_D 4

/* Keys that stand for libedit's own functions, which our functions reach by typing them. */
#define KEY_SUBMIT L"\035"  /* Ctrl-] */
#define KEY_EARLIER L"\020" /* Ctrl-P */
#define KEY_LATER L"\016"   /* Ctrl-N */

struct editor {
  EditLine *line; /* NULL once closed */
  History *history;
};

/* The state of one call of editor:read. */
struct line_read {
  lua_State *L;
  const char *prompt;
  int completer;    /* stack index of the function; 0 for none */
  int finisher;     /* stack index of the function that says whether the text is complete; 0 for none */
  sigset_t signals; /* blocked except while waiting for a key, so that no signal is missed */
};

static struct editor *check_editor(lua_State *L) {
  struct editor *editor = luaL_checkudata(L, 1, EDITOR);
  luaL_argcheck(L, editor->line, 1, "editor is closed");
  return editor;
}

/* ---- callbacks of libedit ---- */

static struct line_read *get_line_read(EditLine *line) {
  struct line_read *line_read = NULL;
  el_get(line, EL_CLIENTDATA, &line_read);
  return line_read;
}

static char *on_edit_prompt(EditLine *line) {
  const struct line_read *line_read = get_line_read(line);
  return (char *)(line_read ? line_read->prompt : "");
}

/* complete(line, function) -> outcome for libedit. Runs in a protected call. [-0, +1, e] */
static int complete_line(lua_State *L) {
  EditLine *line = lua_touserdata(L, 1);
  const LineInfo *info = el_line(line);
  lua_pushlstring(L, info->buffer, (size_t)(info->cursor - info->buffer));
  lua_pushlstring(L, info->cursor, (size_t)(info->lastchar - info->cursor));
  lua_call(L, 2, 3);
  const char *text = luaL_optstring(L, -3, "");
  lua_Integer erase = luaL_optinteger(L, -2, 0);
  if (erase > 0) el_deletestr(line, (int)erase);
  int full = *text && el_insertstr(line, text) != 0;
  lua_pushinteger(L, full ? CC_REFRESH_BEEP : lua_toboolean(L, -1) ? CC_REDISPLAY : CC_REFRESH);
  return 1;
}

static unsigned char on_edit_complete(EditLine *line, int key) {
  (void)key;
  struct line_read *line_read = get_line_read(line);
  if (!line_read || !line_read->completer || !lua_checkstack(line_read->L, 4)) return CC_ERROR;
  lua_State *L = line_read->L;
  lua_pushcfunction(L, complete_line);
  lua_pushlightuserdata(L, line);
  lua_pushvalue(L, line_read->completer);
  unsigned char outcome = CC_ERROR;
  if (lua_pcall(L, 2, 1, 0) == LUA_OK) outcome = (unsigned char)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return outcome;
}

/* is_finished(line, function) -> boolean. Runs in a protected call. [-0, +1, e] */
static int is_finished(lua_State *L) {
  const LineInfo *info = el_line(lua_touserdata(L, 1));
  lua_pushlstring(L, info->buffer, (size_t)(info->lastchar - info->buffer));
  lua_call(L, 1, 1);
  return 1;
}

/* Enter: end the entry when Lua says that it is complete, else begin a new line in it. */
static unsigned char on_edit_enter(EditLine *line, int key) {
  (void)key;
  int finished = 1;
  struct line_read *line_read = get_line_read(line);
  if (line_read && line_read->finisher && lua_checkstack(line_read->L, 4)) {
    lua_State *L = line_read->L;
    lua_pushcfunction(L, is_finished);
    lua_pushlightuserdata(L, line);
    lua_pushvalue(L, line_read->finisher);
    finished = lua_pcall(L, 2, 1, 0) != LUA_OK || lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  if (!finished) return el_insertstr(line, "\n") == 0 ? CC_REFRESH : CC_ERROR;
  el_wpush(line, KEY_SUBMIT);
  return CC_NORM;
}

static const wchar_t *line_start(const LineInfoW *info, const wchar_t *at) {
  while (at > info->buffer && at[-1] != L'\n') at--;
  return at;
}

static const wchar_t *line_end(const LineInfoW *info, const wchar_t *at) {
  while (at < info->lastchar && *at != L'\n') at++;
  return at;
}

/* Move the cursor to the same column of the line that begins at `start`. */
static unsigned char move_to_line(EditLine *line, const LineInfoW *info, const wchar_t *start) {
  ptrdiff_t column = info->cursor - line_start(info, info->cursor), length = line_end(info, start) - start;
  el_cursor(line, (int)(start + (column < length ? column : length) - info->cursor));
  return CC_CURSOR;
}

/* Up: the line above in an entry of several lines; above its first line, the earlier entry. */
static unsigned char on_edit_up(EditLine *line, int key) {
  (void)key;
  const LineInfoW *info = el_wline(line);
  const wchar_t *start = line_start(info, info->cursor);
  if (start > info->buffer) return move_to_line(line, info, line_start(info, start - 1));
  el_wpush(line, KEY_EARLIER);
  return CC_NORM;
}

/* Down: the line below; below the last line, the later entry. */
static unsigned char on_edit_down(EditLine *line, int key) {
  (void)key;
  const LineInfoW *info = el_wline(line);
  const wchar_t *end = line_end(info, info->cursor);
  if (end < info->lastchar) return move_to_line(line, info, end + 1);
  el_wpush(line, KEY_LATER);
  return CC_NORM;
}

/* Wait for a byte of standard input: 1, 0 at the end of the input, -1 when reading failed or a signal came. */
static int read_key_byte(const struct line_read *line_read, char *byte) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (ppoll(&input, 1, NULL, &line_read->signals) < 0) return -1;
  return (int)read(STDIN_FILENO, byte, 1);
}

/* EL_GETCFN: read a character. A Ctrl-D that was typed before the editor set up the terminal arrives as a NUL, which
 * libedit would treat as a key of its own. */
static int on_edit_read(EditLine *line, wchar_t *character) {
  char byte;
  mbstate_t state = {0};
  const struct line_read *line_read = get_line_read(line);
  for (;;) {
    int count = line_read ? read_key_byte(line_read, &byte) : -1;
    if (count != 1) return count;
    if (!byte) byte = CTRL_D;
    size_t length = mbrtowc(character, &byte, 1, &state);
    if (length == 1) return 1;
    if (length == (size_t)-1) state = (mbstate_t){0}; /* not UTF-8: drop the bytes */
  }
}

/* ---- editors ---- */

/* Push nil and why no line was read: "interrupted", or "end" of the input. [-0, +2, m] */
static int push_no_edited_line(lua_State *L, struct editor *editor, int interrupted) {
  if (interrupted) el_reset(editor->line);
  luaL_pushfail(L);
  lua_pushstring(L, interrupted ? "interrupted" : "end");
  return 2;
}

static const char *read_edited_line(EditLine *line, struct line_read *line_read, int *count) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGINT);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &line_read->signals);
  el_resize(line);
  el_set(line, EL_CLIENTDATA, line_read);
  el_set(line, EL_PREP_TERM, 1); /* before the prompt is printed, so that a person types only when keys are read */
  const char *text = el_gets(line, count);
  el_set(line, EL_CLIENTDATA, NULL);
  sigprocmask(SIG_SETMASK, &line_read->signals, NULL);
  return text;
}

/* The stack index of an optional function; 0 for none. */
static int check_optional_function(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return 0;
  luaL_checktype(L, index, LUA_TFUNCTION);
  return index;
}

/* editor:read(prompt, complete, is_complete) -> text | nil, why */
static int editor_read(lua_State *L) {
  int count = 0;
  struct editor *editor = check_editor(L);
  struct line_read line_read = {.L = L, .prompt = luaL_checkstring(L, 2)};
  line_read.completer = check_optional_function(L, 3);
  line_read.finisher = check_optional_function(L, 4);
  lua_settop(L, 4);
  int before = sys_interrupt_count();
  const char *text = read_edited_line(editor->line, &line_read, &count);
  if (!text || count <= 0) return push_no_edited_line(L, editor, sys_interrupt_count() != before);
  size_t length = (size_t)count;
  if (text[length - 1] == '\n') length--;
  lua_pushlstring(L, text, length);
  return 1;
}

/* editor:remember(text) */
static int editor_remember(lua_State *L) {
  HistEvent event;
  struct editor *editor = check_editor(L);
  const char *text = luaL_checkstring(L, 2);
  if (history(editor->history, &event, H_ENTER, text) < 0) return lib_no_memory(L);
  return 0;
}

/* editor:close(), __close and __gc. Idempotent. */
static int editor_close(lua_State *L) {
  struct editor *editor = luaL_checkudata(L, 1, EDITOR);
  if (editor->line) el_end(editor->line);
  if (editor->history) history_end(editor->history);
  *editor = (struct editor){0};
  return 0;
}

/* Bind keys that terminals send and libedit does not bind, and keys that people know from other shells. */
static void bind_edit_keys(EditLine *line) {
  static const char *const keys[][2] = {
      {"^I", "complete-in-lua"},     {"^R", "em-inc-search-prev"},
      {"^W", "ed-delete-prev-word"}, {"\\e[3~", "ed-delete-next-char"},
      {"\\e[1~", "ed-move-to-beg"},  {"\\e[4~", "ed-move-to-end"},
      {"\\e[1;5C", "em-next-word"},  {"\\e[1;5D", "ed-prev-word"},
      {"^]", "ed-newline"},          {"^M", "enter-in-lua"},
      {"^J", "enter-in-lua"},        {"\\e[A", "up-in-entry"},
      {"\\eOA", "up-in-entry"},      {"\\e[B", "down-in-entry"},
      {"\\eOB", "down-in-entry"},    {NULL, NULL},
  };
  for (size_t i = 0; keys[i][0]; i++) el_set(line, EL_BIND, keys[i][0], keys[i][1], NULL);
}

static void configure_editor(struct editor *editor) {
  HistEvent event;
  history(editor->history, &event, H_SETSIZE, HISTORY_SIZE);
  history(editor->history, &event, H_SETUNIQUE, 1);
  el_set(editor->line, EL_PROMPT, on_edit_prompt);
  el_set(editor->line, EL_EDITOR, "emacs");
  el_set(editor->line, EL_SIGNAL, 0);
  el_set(editor->line, EL_HIST, history, editor->history);
  el_wset(editor->line, EL_ADDFN, L"complete-in-lua", L"Complete the word before the cursor", on_edit_complete);
  el_wset(editor->line, EL_ADDFN, L"enter-in-lua", L"End the entry, or begin a line in it", on_edit_enter);
  el_wset(editor->line, EL_ADDFN, L"up-in-entry", L"Go to the line above, or to the earlier entry", on_edit_up);
  el_wset(editor->line, EL_ADDFN, L"down-in-entry", L"Go to the line below, or to the later entry", on_edit_down);
  el_set(editor->line, EL_GETCFN, on_edit_read);
  bind_edit_keys(editor->line);
}

/* Set LC_CTYPE to UTF-8, also without a locale, so that typed text is read as UTF-8. Other categories stay: with
 * another LC_NUMERIC, Lua would write numbers with commas. */
static void set_utf8_locale(void) {
  const char *name = setlocale(LC_CTYPE, "");
  if (!name || MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
}

/* Are standard input and output a terminal whose cursor can be moved? */
static int is_editing_terminal(void) {
  const char *terminal = getenv("TERM");
  if (!terminal || !*terminal || strcmp(terminal, "dumb") == 0) return 0;
  return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* edit.open() -> editor | nil, message */
static int edit_open(lua_State *L) {
  if (!is_editing_terminal())
    return lib_fail(L,
                    "cannot edit a line here: standard input and output are not a terminal whose cursor can be moved");
  struct editor *editor = lib_new(L, sizeof *editor, EDITOR);
  set_utf8_locale();
  editor->history = history_init();
  editor->line = el_init("moonlatch", stdin, stdout, stderr);
  if (!editor->line || !editor->history) return lib_no_memory(L);
  configure_editor(editor);
  return 1;
}

static const luaL_Reg methods[] = {
    {"read", editor_read},
    {"remember", editor_remember},
    {"close", editor_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"open", edit_open},
    {NULL, NULL},
};

int luaopen_host_edit(lua_State *L);
int luaopen_host_edit(lua_State *L) {
  lib_type(L, EDITOR, methods, editor_close);
  luaL_newlib(L, functions);
  return 1;
}

/* host.term: the terminal: printing, and reading lines and secrets.
 *
 * All output is redacted by value here, and characters that would control the terminal are replaced, because names in
 * a tenant may be any text. The terminal's settings are restored in every case: while its echo is off, signals are
 * blocked until the echo is on again.
 */
#include "term.h"
#include "secret.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define MAX_LINE_BYTES ((size_t)1 << 20)

/* Signals that end or stop a process are blocked while the terminal's settings are changed. Their handlers stay: they
 * get the blocked signals afterwards. */
struct signal_block {
  sigset_t before;
  int signals; /* signalfd: readable when a signal came */
};

enum read_outcome { LINE, END, INTERRUPTED, FAILED };

/* Block the signals; 0 when there is no descriptor left. */
static int block_terminal_signals(struct signal_block *blocked) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(&set, signals[i]);
  sigprocmask(SIG_BLOCK, &set, &blocked->before);
  blocked->signals = signalfd(-1, &set, SFD_CLOEXEC);
  if (blocked->signals >= 0) return 1;
  sigprocmask(SIG_SETMASK, &blocked->before, NULL);
  return 0;
}

static void unblock_terminal_signals(struct signal_block *blocked) {
  close(blocked->signals);
  sigprocmask(SIG_SETMASK, &blocked->before, NULL);
}

/* Wait until fd is readable (1) or a signal came (0). */
static int wait_for_terminal_input(const struct signal_block *blocked, int fd) {
  struct pollfd sources[] = {{.fd = fd, .events = POLLIN}, {.fd = blocked->signals, .events = POLLIN}};
  while (poll(sources, 2, -1) < 0 && errno == EINTR) continue;
  return !(sources[1].revents & POLLIN);
}

/* Read to the next newline, byte by byte: later bytes belong to the next reader. */
static enum read_outcome read_terminal_line(const struct signal_block *blocked, int fd, struct buffer *line) {
  char byte = 0;
  while (line->length < MAX_LINE_BYTES) {
    if (!wait_for_terminal_input(blocked, fd)) return INTERRUPTED;
    ssize_t count = read(fd, &byte, 1);
    if (count == 0) return line->length ? LINE : END;
    if (count < 0) return FAILED;
    if (byte == '\n') return LINE;
    if (!buffer_append(line, &byte, 1)) return FAILED;
  }
  return FAILED;
}

static int check_terminal_stream(lua_State *L, int index, const char *const names[]) {
  return luaL_checkoption(L, index, NULL, names);
}

static const char lost_output_key; /* registry key of the message why output was lost */

/* End the program by SIGPIPE (141 in a shell), as other tools do, when the reader of standard output closed the pipe.
 * With an open journal a change may be under way: then the program runs to its end, and its exit status tells the
 * outcome. Temporary folders do not stay. */
static void end_if_pipe_closed(lua_State *L, int code) {
  if (code != EPIPE || !sys_interrupt_may_end()) return;
  sys_files_remove_temporary(L);
  signal(SIGPIPE, SIG_DFL);
  raise(SIGPIPE);
}

/* Keep the message why output was lost, for the exit status at the end. [-0, +0, m] */
static void keep_lost_output(lua_State *L, const char *message, int code) {
  if (code == EPIPE) return;
  lua_pushstring(L, message);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lost_output_key);
}

/* Return the errno value of closing standard output, which reports late errors of a network file system. A copy is
 * closed, so that standard output stays open. */
static int stdout_close_error(void) {
  int copy = dup(STDOUT_FILENO);
  return copy >= 0 && close(copy) != 0 && errno != EINTR ? errno : 0;
}

/* term.lost() -> message | nil */
static int term_lost(lua_State *L) {
  int code = stdout_close_error();
  if (code) keep_lost_output(L, lua_pushfstring(L, "cannot write to standard output: %s", strerror(code)), code);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lost_output_key);
  return 1;
}

/* Write the text to standard output or error: push true, or nil and a message. [-0, +1|+2, m] */
static int write_standard_stream(lua_State *L, int fd, const char *text, size_t length) {
  int code = sys_files_write_all(fd, text, length);
  const char *name = fd == STDOUT_FILENO ? "output" : "error";
  if (!code) {
    lua_pushboolean(L, 1);
    return 1;
  }
  int count = lib_fail(L, "cannot write to standard %s: %s", name, strerror(code));
  if (fd == STDOUT_FILENO) {
    end_if_pipe_closed(L, code);
    keep_lost_output(L, lua_tostring(L, -1), code);
  }
  return count;
}

/* Write to the terminal of the program, also when standard output and error are redirected; 0 when it has no
 * terminal. */
static int write_to_terminal(const char *text, size_t length) {
  int fd = open("/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return 0;
  int code = sys_files_write_all(fd, text, length);
  close(fd);
  return !code;
}

/* term.write(stream, text) -> true | nil, message */
static int term_write(lua_State *L) {
  enum { OUT, ERR, TERMINAL };
  static const char *const streams[] = {"out", "err", "terminal", NULL};
  size_t length;
  int stream = check_terminal_stream(L, 1, streams), fd = stream == OUT ? STDOUT_FILENO : STDERR_FILENO;
  const char *text = luaL_checklstring(L, 2, &length);
  const char *shown = term_text_push_printable(L, text, length, &length);
  if (stream != TERMINAL || isatty(fd) || !write_to_terminal(shown, length))
    return write_standard_stream(L, fd, shown, length);
  lua_pushboolean(L, 1);
  return 1;
}

/* term.write_data(text) -> true | nil, message. Write data to standard output, with secrets masked. On a terminal,
 * control characters are made harmless, too; in a file or a pipe they are data, and stay. */
static int term_write_data(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  if (isatty(STDOUT_FILENO))
    term_text_push_printable(L, text, length, &length);
  else
    secret_redact(L, text, length);
  text = lua_tolstring(L, -1, &length);
  return write_standard_stream(L, STDOUT_FILENO, text, length);
}

/* term.clear() -> true | nil, message. Clear the current line. */
static int term_clear(lua_State *L) {
  static const char clear[] = "\r\033[K";
  return write_standard_stream(L, STDERR_FILENO, clear, sizeof clear - 1);
}

/* term.is_terminal(stream) -> boolean */
static int term_is_terminal(lua_State *L) {
  static const char *const streams[] = {"in", "out", "err", NULL};
  lua_pushboolean(L, isatty(check_terminal_stream(L, 1, streams)));
  return 1;
}

static struct winsize terminal_window_size(void) {
  struct winsize size = {0};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  return size;
}

/* term.width() -> columns */
static int term_width(lua_State *L) {
  struct winsize size = terminal_window_size();
  lua_pushinteger(L, size.ws_col ? size.ws_col : 80);
  return 1;
}

/* term.height() -> lines */
static int term_height(lua_State *L) {
  struct winsize size = terminal_window_size();
  lua_pushinteger(L, size.ws_row ? size.ws_row : 24);
  return 1;
}

/* term.read_line(prompt) -> text | nil. The prompt is printed only when standard input is a terminal. */
static int term_read_line(lua_State *L) {
  size_t length;
  struct signal_block blocked;
  const char *prompt = luaL_checklstring(L, 1, &length);
  prompt = term_text_push_printable(L, prompt, length, &length);
  struct buffer *line = buffer_new(L);
  if (!block_terminal_signals(&blocked)) return 0; /* before the prompt, because Ctrl-C may answer it */
  if (isatty(STDIN_FILENO)) sys_files_write_all(STDERR_FILENO, prompt, length);
  enum read_outcome outcome = read_terminal_line(&blocked, STDIN_FILENO, line);
  unblock_terminal_signals(&blocked);
  if (outcome != LINE) return 0;
  lua_pushlstring(L, line->data ? line->data : "", line->length);
  return 1;
}

/* Switch off echo (except of the newline) and Ctrl-Z; 0 when it fails. */
static int switch_echo_off(int tty, struct termios *before) {
  if (tcgetattr(tty, before) != 0) return 0;
  struct termios quiet = *before;
  quiet.c_lflag &= ~(tcflag_t)ECHO;
  quiet.c_lflag |= ECHONL;
  quiet.c_cc[VSUSP] = _POSIX_VDISABLE;
  return tcsetattr(tty, TCSAFLUSH, &quiet) == 0;
}

/* Print text, then read a line without echo. clear, when given, is printed before the settings are restored. */
static enum read_outcome read_without_echo(int tty, const struct buffer *text, struct buffer *line, const char *clear) {
  struct termios before;
  struct signal_block blocked;
  enum read_outcome outcome = FAILED;
  if (!block_terminal_signals(&blocked)) return FAILED;
  if (switch_echo_off(tty, &before)) {
    if (sys_files_write_all(tty, text->data, text->length) == 0) outcome = read_terminal_line(&blocked, tty, line);
    if (clear) sys_files_write_all(tty, clear, strlen(clear));
    tcsetattr(tty, TCSAFLUSH, &before);
  }
  unblock_terminal_signals(&blocked);
  return outcome;
}

static int open_terminal(void) {
  return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

/* Why no secret was read, by outcome: the kind of failure and the reason. */
static const struct {
  const char *kind, *reason;
} no_secret[] = {
    [LINE] = {"empty", "nothing was typed before Enter"},
    [END] = {"empty", "nothing was typed"},
    [INTERRUPTED] = {"interrupted", "Ctrl-C was pressed"},
    [FAILED] = {"terminal", "the terminal cannot be read"},
};

/* term.read_secret(prompt) -> secret | nil, message, kind */
static int term_read_secret(lua_State *L) {
  size_t length;
  const char *prompt = luaL_checklstring(L, 1, &length);
  prompt = term_text_push_printable(L, prompt, length, &length);
  struct buffer *text = buffer_new(L);
  struct buffer *line = buffer_new(L);
  buffer_add(L, text, prompt, length);
  int tty = open_terminal();
  if (tty < 0) return lib_fail_kind(L, "terminal", "cannot ask for a secret: there is no terminal");
  enum read_outcome outcome = read_without_echo(tty, text, line, NULL);
  close(tty);
  if (outcome != LINE || line->length == 0)
    return lib_fail_kind(L, no_secret[outcome].kind, "no secret was read: %s", no_secret[outcome].reason);
  secret_take(L, SECRET_CREDENTIAL, line);
  return 1;
}

static int is_printable_secret(const struct secret *value) {
  for (size_t i = 0; i < value->length; i++)
    if (value->bytes[i] < 0x20 || value->bytes[i] == 0x7f) return 0;
  return 1;
}

/* Does the terminal have an alternate screen? */
static int has_alternate_screen(void) {
  const char *name = getenv("TERM");
  return name && *name && strcmp(name, "dumb") != 0;
}

/* term.can_reveal() -> boolean */
static int term_can_reveal(lua_State *L) {
  int tty = has_alternate_screen() ? open_terminal() : -1;
  lua_pushboolean(L, tty >= 0);
  if (tty >= 0) close(tty);
  return 1;
}

/* term.reveal(heading, value) -> true | nil, message. The secret's bytes go straight to the terminal, on its
 * alternate screen. */
static int term_reveal(lua_State *L) {
  static const char screen[] = "\033[?1049h\033[2J\033[H";
  static const char leave[] = "\033[2J\033[H\033[?1049l";
  static const char hint[] = "\n\nPress Enter to clear it from the screen.";
  size_t length;
  const char *heading = luaL_checklstring(L, 1, &length);
  const struct secret *value = secret_check(L, 2);
  luaL_argcheck(L, is_printable_secret(value), 2, "a secret without control characters is expected");
  heading = term_text_push_printable(L, heading, length, &length);
  struct buffer *text = buffer_new(L);
  struct buffer *line = buffer_new(L);
  buffer_add(L, text, screen, sizeof screen - 1);
  buffer_add(L, text, heading, length);
  buffer_add(L, text, "\n\n", 2);
  buffer_add(L, text, value->bytes, value->length);
  buffer_add(L, text, hint, sizeof hint - 1);
  int tty = has_alternate_screen() ? open_terminal() : -1;
  if (tty < 0) return lib_fail(L, "cannot show a secret: there is no terminal whose screen can be cleared");
  enum read_outcome outcome = read_without_echo(tty, text, line, leave);
  close(tty);
  buffer_free(text);
  if (outcome == INTERRUPTED || outcome == FAILED) return lib_fail(L, "not confirmed: %s", no_secret[outcome].reason);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg functions[] = {
    {"write", term_write},
    {"write_data", term_write_data},
    {"clear", term_clear},
    {"lost", term_lost},
    {"is_terminal", term_is_terminal},
    {"width", term_width},
    {"height", term_height},
    {"read_line", term_read_line},
    {"read_secret", term_read_secret},
    {"can_reveal", term_can_reveal},
    {"reveal", term_reveal},
    {NULL, NULL},
};

int luaopen_host_term(lua_State *L);
int luaopen_host_term(lua_State *L) {
  luaL_newlib(L, functions);
  term_text_push_width_function(L);
  lua_setfield(L, -2, "text_width");
  return 1;
}

/* host.term: what a person reads and types.
 *
 * Everything printed is redacted by value here, and what could steer the
 * terminal instead of being read (names in a tenant are anybody's text) is
 * taken out. The terminal is put back on every way out: while its echo is off,
 * signals wait until it is on again.
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

#define MAX_LINE ((size_t)1 << 20)

/* Signals that end or stop a process, held back while the terminal is changed.
 * The handlers stay as they are: held-back signals go to them afterwards. */
struct watch {
  sigset_t before;
  int signals; /* readable when one has come */
};

enum outcome { LINE, END, INTERRUPTED, FAILED };

static int watch_open(struct watch *watch) {
  static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof held / sizeof *held; i++) sigaddset(&set, held[i]);
  sigprocmask(SIG_BLOCK, &set, &watch->before);
  watch->signals = signalfd(-1, &set, SFD_CLOEXEC);
  if (watch->signals >= 0) return 1;
  sigprocmask(SIG_SETMASK, &watch->before, NULL);
  return 0;
}

static void watch_close(struct watch *watch) {
  close(watch->signals);
  sigprocmask(SIG_SETMASK, &watch->before, NULL);
}

/* Wait until fd can be read (1) or a signal has come (0). */
static int wait_input(const struct watch *watch, int fd) {
  struct pollfd sources[] = {{.fd = fd, .events = POLLIN}, {.fd = watch->signals, .events = POLLIN}};
  while (poll(sources, 2, -1) < 0 && errno == EINTR) continue;
  return !(sources[1].revents & POLLIN);
}

/* Read up to a newline, byte by byte: what follows belongs to the next reader. */
static enum outcome read_up_to_newline(const struct watch *watch, int fd, struct buffer *line) {
  char byte = 0;
  while (line->length < MAX_LINE) {
    if (!wait_input(watch, fd)) return INTERRUPTED;
    ssize_t count = read(fd, &byte, 1);
    if (count == 0) return line->length ? LINE : END;
    if (count < 0) return FAILED;
    if (byte == '\n') return LINE;
    if (!buffer_append(line, &byte, 1)) return FAILED;
  }
  return FAILED;
}

static int check_stream(lua_State *L, int index, const char *const names[]) {
  return luaL_checkoption(L, index, NULL, names);
}

static const char lost_key; /* in the registry: why standard output did not take everything */

/* A reader who has enough closes the pipe. As other tools, the program ends then by SIGPIPE (141 in a
 * shell) and asks for no more that nobody reads. With a journal open it may be changing something:
 * then it goes on to its end, and its exit status says what came of that. */
static void end_if_closed(int code) {
  if (code != EPIPE || !sys_may_end()) return;
  signal(SIGPIPE, SIG_DFL);
  raise(SIGPIPE);
}

/* Keep why output was lost: the exit status says it at the end. [-0, +0, m] */
static void note_lost(lua_State *L, const char *message, int code) {
  if (code == EPIPE) return;
  lua_pushstring(L, message);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lost_key);
}

/* Closing reports what a network file system could not write earlier; a second descriptor is closed, so that
 * standard output stays. */
static int closing_error(void) {
  int copy = dup(STDOUT_FILENO);
  return copy >= 0 && close(copy) != 0 && errno != EINTR ? errno : 0;
}

/* term.lost() -> message | nil */
static int term_lost(lua_State *L) {
  int code = closing_error();
  if (code) note_lost(L, lua_pushfstring(L, "cannot write to standard output: %s", strerror(code)), code);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lost_key);
  return 1;
}

/* Write the text to a descriptor of ours: true, or nil and a message. [-0, +1|+2, m] */
static int write_to(lua_State *L, int fd, const char *text, size_t length) {
  int code = sys_write_all(fd, text, length);
  const char *name = fd == STDOUT_FILENO ? "output" : "error";
  if (!code) {
    lua_pushboolean(L, 1);
    return 1;
  }
  int count = lib_fail(L, "cannot write to standard %s: %s", name, strerror(code));
  if (fd == STDOUT_FILENO) {
    end_if_closed(code);
    note_lost(L, lua_tostring(L, -1), code);
  }
  return count;
}

/* Write to the terminal that the program runs in, though standard output and error lead elsewhere; 0 where it runs in
 * none. */
static int write_to_terminal(const char *text, size_t length) {
  int fd = open("/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return 0;
  int code = sys_write_all(fd, text, length);
  close(fd);
  return !code;
}

/* term.write(stream, text) -> true | nil, message */
static int term_write(lua_State *L) {
  enum { OUT, ERR, TERMINAL };
  static const char *const streams[] = {"out", "err", "terminal", NULL};
  size_t length;
  int stream = check_stream(L, 1, streams), fd = stream == OUT ? STDOUT_FILENO : STDERR_FILENO;
  const char *text = luaL_checklstring(L, 2, &length);
  const char *shown = term_push_shown(L, text, length, &length);
  if (stream != TERMINAL || isatty(fd) || !write_to_terminal(shown, length)) return write_to(L, fd, shown, length);
  lua_pushboolean(L, 1);
  return 1;
}

/* term.write_data(text) -> true | nil, message. For whom reads it with a program: what a terminal must not get is
 * data there. */
static int term_write_data(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  if (isatty(STDOUT_FILENO))
    term_push_shown(L, text, length, &length);
  else
    secret_redact(L, text, length);
  text = lua_tolstring(L, -1, &length);
  return write_to(L, STDOUT_FILENO, text, length);
}

/* term.clear() -> true | nil, message. Empties the line that the cursor is in. */
static int term_clear(lua_State *L) {
  static const char clear[] = "\r\033[K";
  return write_to(L, STDERR_FILENO, clear, sizeof clear - 1);
}

/* term.is_terminal(stream) -> boolean */
static int term_is_terminal(lua_State *L) {
  static const char *const streams[] = {"in", "out", "err", NULL};
  lua_pushboolean(L, isatty(check_stream(L, 1, streams)));
  return 1;
}

static struct winsize window(void) {
  struct winsize size = {0};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  return size;
}

/* term.width() -> columns */
static int term_width(lua_State *L) {
  struct winsize size = window();
  lua_pushinteger(L, size.ws_col ? size.ws_col : 80);
  return 1;
}

/* term.height() -> lines */
static int term_height(lua_State *L) {
  struct winsize size = window();
  lua_pushinteger(L, size.ws_row ? size.ws_row : 24);
  return 1;
}

/* term.read_line(prompt) -> text | nil. No prompt where nobody sits. */
static int term_read_line(lua_State *L) {
  size_t length;
  struct watch watch;
  const char *prompt = luaL_checklstring(L, 1, &length);
  prompt = term_push_shown(L, prompt, length, &length);
  struct buffer *line = buffer_new(L);
  if (!watch_open(&watch)) return 0; /* before the prompt: Ctrl-C is an answer to it */
  if (isatty(STDIN_FILENO)) sys_write_all(STDERR_FILENO, prompt, length);
  enum outcome outcome = read_up_to_newline(&watch, STDIN_FILENO, line);
  watch_close(&watch);
  if (outcome != LINE) return 0;
  lua_pushlstring(L, line->data ? line->data : "", line->length);
  return 1;
}

/* Switch off echo (but for the newline) and stopping; 0 when that cannot be done. */
static int echo_off(int tty, struct termios *before) {
  if (tcgetattr(tty, before) != 0) return 0;
  struct termios quiet = *before;
  quiet.c_lflag &= ~(tcflag_t)ECHO;
  quiet.c_lflag |= ECHONL;
  quiet.c_cc[VSUSP] = _POSIX_VDISABLE;
  return tcsetattr(tty, TCSAFLUSH, &quiet) == 0;
}

/* Show text, then read a line that is not shown. clear, when given, is written before the terminal is put back. */
static enum outcome ask_quietly(int tty, const struct buffer *text, struct buffer *line, const char *clear) {
  struct termios before;
  struct watch watch;
  enum outcome outcome = FAILED;
  if (!watch_open(&watch)) return FAILED;
  if (echo_off(tty, &before)) {
    if (sys_write_all(tty, text->data, text->length) == 0) outcome = read_up_to_newline(&watch, tty, line);
    if (clear) sys_write_all(tty, clear, strlen(clear));
    tcsetattr(tty, TCSAFLUSH, &before);
  }
  watch_close(&watch);
  return outcome;
}

static int open_terminal(void) {
  return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

/* Why no secret was read. */
static const char *const reasons[] = {
    [LINE] = "nothing was entered",
    [END] = "nothing was entered",
    [INTERRUPTED] = "interrupted",
    [FAILED] = "the terminal cannot be read",
};

/* term.read_secret(prompt) -> secret | nil, message */
static int term_read_secret(lua_State *L) {
  size_t length;
  const char *prompt = luaL_checklstring(L, 1, &length);
  prompt = term_push_shown(L, prompt, length, &length);
  struct buffer *text = buffer_new(L);
  struct buffer *line = buffer_new(L);
  buffer_add(L, text, prompt, length);
  int tty = open_terminal();
  if (tty < 0)
    return lib_fail(L, "cannot ask for a secret: there is no terminal; give it by a file or a file descriptor");
  enum outcome outcome = ask_quietly(tty, text, line, NULL);
  close(tty);
  if (outcome != LINE || line->length == 0) return lib_fail(L, "no secret: %s", reasons[outcome]);
  secret_take(L, SECRET_CREDENTIAL, line);
  return 1;
}

static int is_printable(const struct secret *value) {
  for (size_t i = 0; i < value->length; i++)
    if (value->bytes[i] < 0x20 || value->bytes[i] == 0x7f) return 0;
  return 1;
}

/* Can the terminal show another screen and come back? */
static int has_screens(void) {
  const char *name = getenv("TERM");
  return name && *name && strcmp(name, "dumb") != 0;
}

/* term.can_reveal() -> boolean */
static int term_can_reveal(lua_State *L) {
  int tty = has_screens() ? open_terminal() : -1;
  lua_pushboolean(L, tty >= 0);
  if (tty >= 0) close(tty);
  return 1;
}

/* term.reveal(heading, value) -> true | nil, message. The bytes go straight
 * from the secret to the terminal. */
static int term_reveal(lua_State *L) {
  static const char screen[] = "\033[?1049h\033[2J\033[H";
  static const char leave[] = "\033[2J\033[H\033[?1049l";
  static const char hint[] = "\n\nPress Enter to clear it from the screen.";
  size_t length;
  const char *heading = luaL_checklstring(L, 1, &length);
  const struct secret *value = secret_check(L, 2);
  luaL_argcheck(L, is_printable(value), 2, "not text that can be shown");
  heading = term_push_shown(L, heading, length, &length);
  struct buffer *text = buffer_new(L);
  struct buffer *line = buffer_new(L);
  buffer_add(L, text, screen, sizeof screen - 1);
  buffer_add(L, text, heading, length);
  buffer_add(L, text, "\n\n", 2);
  buffer_add(L, text, value->bytes, value->length);
  buffer_add(L, text, hint, sizeof hint - 1);
  int tty = has_screens() ? open_terminal() : -1;
  if (tty < 0) return lib_fail(L, "cannot show a secret: there is no terminal that can clear it again");
  enum outcome outcome = ask_quietly(tty, text, line, leave);
  close(tty);
  buffer_free(text);
  if (outcome == INTERRUPTED || outcome == FAILED) return lib_fail(L, "not confirmed: %s", reasons[outcome]);
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
  term_push_text_width(L);
  lua_setfield(L, -2, "text_width");
  return 1;
}

/* The outcome of a transfer: may its answer be believed; and without an answer, why, in words on which a person
 * can act.
 *
 * libcurl accepts answers whose end depends on the reader. They are refused here, because a proxy in between
 * may have read them differently.
 */
#include "http_internal.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- header lines ---- */

/* The number after the first space, which libcurl has seen to be there. */
static long status_number(const char *line, size_t length) {
  char text[8] = "";
  const char *space = memchr(line, ' ', length);
  size_t left = space ? length - (size_t)(space - line) - 1 : 0;
  if (left) memcpy(text, space + 1, left < sizeof text ? left : sizeof text - 1);
  return strtol(text, NULL, 10);
}

static const char *judge_status(struct frame *frame, const char *line, size_t length, int is_h2) {
  struct buffer headers = frame->headers;
  headers.length = 0;
  *frame = (struct frame){.open = 1, .bytes = frame->bytes, .headers = headers, .status = status_number(line, length)};
  if (frame->status < 100 || frame->status > 599) return "a status that is none";
  if (frame->status == 101) return "a switch of protocols nobody asked for";
  if (frame->status == 206) return "a part of an answer, and the whole was asked for";
  if (!is_h2 && strncmp(line, "HTTP/1", 6) != 0) return "a status line of another HTTP version than the connection's";
  return NULL;
}

static int is_named(const char *line, size_t length, const char *name) {
  return strlen(name) == length && strncasecmp(line, name, length) == 0;
}

/* The value without the blanks around it. */
static size_t trim(const char **value, const char *end) {
  while (*value < end && isspace((unsigned char)**value)) ++*value;
  while (end > *value && isspace((unsigned char)end[-1])) end--;
  return (size_t)(end - *value);
}

static int is_number(const char *value, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (!isdigit((unsigned char)value[i])) return 0;
  return length > 0;
}

/* Control characters: some readers take them for the end of a line, others do not. */
static int has_control(const char *value, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (iscntrl((unsigned char)value[i]) && value[i] != '\t') return 1;
  return 0;
}

static const char *judge_length(struct frame *frame, const char *value, size_t length) {
  if (!is_number(value, length) || length >= sizeof frame->length) return "a Content-Length that is no number";
  if (frame->has_length && (strlen(frame->length) != length || memcmp(frame->length, value, length) != 0))
    return "two different Content-Length headers";
  memcpy(frame->length, value, length);
  frame->length[length] = '\0';
  frame->has_length = 1;
  return NULL;
}

/* A header of the answer: keep it, and see what it says about the frame. */
static const char *judge_line(struct frame *frame, const char *line, const char *colon, const char *end) {
  const char *value = colon + 1;
  size_t name = (size_t)(colon - line), size = trim(&value, end);
  if (has_control(line, name) || has_control(value, size)) return "a header with a control character in it";
  if (!answer_append_header(&frame->headers, line, name, value, size)) frame->starved = 1;
  if (is_named(line, name, "content-length")) return judge_length(frame, value, size);
  if (is_named(line, name, "transfer-encoding")) frame->chunked = 1;
  return NULL;
}

const char *http_judge_header(struct frame *frame, const char *line, size_t length, int is_h2) {
  frame->bytes += length;
  if (!frame->open && length >= 5 && strncmp(line, "HTTP/", 5) == 0) return judge_status(frame, line, length, is_h2);
  if (!frame->open || line[length - 1] != '\n') return NULL; /* a trailer, or a line the connection broke in */
  if (*line == ' ' || *line == '\t') return "a folded header";
  const char *end = line + length;
  const char *colon = memchr(line, ':', length);
  const char *text = line;
  if (trim(&text, end) == 0) {
    frame->open = 0;
    return frame->chunked && frame->has_length ? "both a Content-Length and a Transfer-Encoding" : NULL;
  }
  if (!colon || colon == line || isspace((unsigned char)colon[-1])) return "a header line without a name";
  return judge_line(frame, line, colon, end);
}

int http_judge_is_foreign(const char *id, const char *line, size_t length) {
  static const char name[] = "client-request-id:";
  if (!id || length < sizeof name || strncasecmp(line, name, sizeof name - 1) != 0) return 0;
  const char *value = line + sizeof name - 1;
  size_t size = trim(&value, line + length);
  return size != strlen(id) || strncasecmp(value, id, size) != 0;
}

/* An HTTP/1 answer that ends with the connection cannot be told from half an answer. */
static const char *judge_frame(const struct transfer *transfer) {
  const struct frame *frame = &transfer->frame;
  if (frame->status < 200) return "only an interim status";
  if (frame->chunked || frame->has_length || transfer->is_head) return NULL;
  if (frame->status == 204 || frame->status == 304) return NULL;
  return !transfer->is_h2 ? "an answer that does not say how long it is" : NULL;
}

/* ---- failures ---- */

static const struct {
  CURLcode code;
  const char *kind;
} kinds[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "dns"},
    {CURLE_COULDNT_RESOLVE_PROXY, "dns"},
    {CURLE_COULDNT_CONNECT, "connect"},
    {CURLE_PROXY, "connect"},
    {CURLE_INTERFACE_FAILED, "connect"},
    {CURLE_SSL_CONNECT_ERROR, "tls"},
    {CURLE_SSL_CACERT_BADFILE, "tls"},
    {CURLE_SSL_CERTPROBLEM, "tls"},
    {CURLE_SSL_CIPHER, "tls"},
    {CURLE_USE_SSL_FAILED, "tls"},
    {CURLE_SSL_ENGINE_INITFAILED, "tls"},
    {CURLE_PEER_FAILED_VERIFICATION, "certificate"},
    {CURLE_SSL_ISSUER_ERROR, "certificate"},
    {CURLE_SSL_INVALIDCERTSTATUS, "certificate"},
    {CURLE_OPERATION_TIMEDOUT, "timeout"},
    {CURLE_FILESIZE_EXCEEDED, "too_large"},
    {CURLE_OUT_OF_MEMORY, "memory"},
    {CURLE_UNSUPPORTED_PROTOCOL, "hostile"},
    {CURLE_WEIRD_SERVER_REPLY, "hostile"},
    {CURLE_BAD_CONTENT_ENCODING, "hostile"},
};

/* Was the TLS handshake broken off, and not refused? libcurl has one code for both, and its text
 * holds the system's words or OpenSSL's. NULL for no, else how. */
static const char *broken_handshake(const struct transfer *transfer, CURLcode code) {
  const char *text = transfer->error;
  if (code != CURLE_SSL_CONNECT_ERROR) return NULL;
  if (strstr(text, strerror(ECONNRESET)) || strstr(text, strerror(EPIPE)))
    return "the connection was reset during the TLS handshake, before anything was sent";
  if (strstr(text, "SSL_ERROR_SYSCALL") || strstr(text, "unexpected eof"))
    return "the connection was closed during the TLS handshake, before anything was sent";
  return NULL;
}

static const char *kind_of(const struct transfer *transfer, CURLcode code) {
  if (transfer->starved) return "memory";
  if (transfer->too_large) return "too_large";
  if (transfer->hostile) return "hostile";
  if (code == CURLE_OPERATION_TIMEDOUT && !transfer->ready) return "connect";
  if (broken_handshake(transfer, code)) return "connect";
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i].code == code) return kinds[i].kind;
  return transfer->ready ? "cut" : "connect"; /* for example by a proxy that does not let it through */
}

/* libcurl's own words, when it left some. */
static const char *detail(const struct transfer *transfer, CURLcode code) {
  return *transfer->error ? transfer->error : curl_easy_strerror(code);
}

static void say_connect(struct transfer *transfer, CURLcode code, char *text, size_t size) {
  long number = 0;
  const char *via = transfer->route.proxy ? " by the proxy " : "";
  const char *proxy = transfer->route.proxy ? transfer->route.proxy : "";
  const char *why = detail(transfer, code);
  curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
  if (code == CURLE_OPERATION_TIMEDOUT)
    why = "no connection came about in time";
  else if (transfer->astray && transfer->reach == HTTP_LOOPBACK)
    why = "an emulator is reached on loopback only, and this address is elsewhere";
  else if (transfer->astray)
    why = "its address is on this machine, where no real peer may be";
  else if (broken_handshake(transfer, code))
    why = broken_handshake(transfer, code);
  else if (code == CURLE_COULDNT_CONNECT && number)
    why = strerror((int)number);
  snprintf(text, size, "could not connect to %s port %s%s%s: %s", transfer->route.host, transfer->route.port, via,
           proxy, why);
}

static void say_timeout(struct transfer *transfer, char *text, size_t size) {
  snprintf(text, size, "%s port %s gave no complete answer within %.10g seconds", transfer->route.host,
           transfer->route.port, (double)transfer->timeout_ms / 1000);
}

static void say_too_large(struct transfer *transfer, char *text, size_t size) {
  int headers = transfer->too_large == 2;
  if (transfer->too_large == 3)
    snprintf(text, size, "the answer of %s is refused: it has a header line without end", transfer->route.host);
  else
    snprintf(text, size, "the answer of %s is refused: its %s more than %zu %s", transfer->route.host,
             headers ? "headers are" : "body is", headers ? HTTP_MAX_HEADERS >> 10 : HTTP_MAX_BODY >> 20,
             headers ? "KiB" : "MiB");
}

static void say_cut(struct transfer *transfer, CURLcode code, char *text, size_t size) {
  const char *again = transfer->resend ? "it broke after the request was sent, which was not sent a second time" : NULL;
  snprintf(text, size, "the connection to %s port %s broke before its answer was complete: %s", transfer->route.host,
           transfer->route.port, again ? again : detail(transfer, code));
}

/* The certificate is refused only for breaking RFC 5280's rules of form, which a profile can waive. */
static int is_sloppy(struct transfer *transfer) {
  long result = X509_V_OK;
  curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &result);
  return !transfer->lenient && result >= X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA &&
         result <= X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3;
}

/* OpenSSL's reason, which stands behind the last of the colons in libcurl's text. */
static const char *reason(const char *text) {
  for (const char *colon = strstr(text, "::"); colon; colon = strstr(text, "::")) text = colon + 2;
  return text;
}

static void say_tls(struct transfer *transfer, CURLcode code, char *text, size_t size) {
  const char *why = detail(transfer, code);
  const char *waive =
      is_sloppy(transfer) ? " (strict_certificates = false beside its address would let this pass)" : "";
  int differ =
      strstr(why, "handshake failure") || strstr(why, "protocol version") || strstr(why, "unsupported protocol");
  snprintf(text, size,
           differ ? "no secure connection to %s port %s: it offers no TLS 1.2 or later that is safe (%s)%s"
                  : "no secure connection to %s port %s: %s%s",
           transfer->route.host, transfer->route.port, reason(why), waive);
}

static void say(struct transfer *transfer, CURLcode code) {
  char *text = transfer->message;
  size_t size = sizeof transfer->message;
  const char *kind = transfer->kind;
  if (strcmp(kind, "dns") == 0)
    snprintf(text, size, "could not find %s: %s", transfer->route.host, detail(transfer, code));
  else if (strcmp(kind, "connect") == 0)
    say_connect(transfer, code, text, size);
  else if (strcmp(kind, "tls") == 0 || strcmp(kind, "certificate") == 0)
    say_tls(transfer, code, text, size);
  else if (strcmp(kind, "timeout") == 0)
    say_timeout(transfer, text, size);
  else if (strcmp(kind, "too_large") == 0)
    say_too_large(transfer, text, size);
  else if (strcmp(kind, "hostile") == 0)
    snprintf(text, size, "the answer of %s is not believed: %s%s", transfer->route.host,
             transfer->hostile ? "it sent " : "", transfer->hostile ? transfer->hostile : detail(transfer, code));
  else if (strcmp(kind, "memory") == 0)
    snprintf(text, size, "not enough memory while waiting for %s", transfer->route.host);
  else
    say_cut(transfer, code, text, size);
}

/* What libcurl says with a code that usually means something else. */
static void reinterpret(struct transfer *transfer, CURLcode code) {
  if (transfer->hostile || transfer->too_large || transfer->starved) return;
  if (code == CURLE_WRITE_ERROR) transfer->hostile = "a compressed body that cannot be unpacked";
  if (code == CURLE_RECV_ERROR && strstr(transfer->error, "chunked-encoding"))
    transfer->hostile = "a chunk without a proper length";
  /* Its limit for one line. Memory that is really out is met in our own callbacks, or before anything is sent. */
  if (code == CURLE_OUT_OF_MEMORY && transfer->ready && (transfer->frame.open || !transfer->frame.status))
    transfer->too_large = 3;
}

void http_judge_outcome(struct transfer *transfer, CURLcode code) {
  long written = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &written);
  if (code == CURLE_OK && transfer->frame.open) code = CURLE_PARTIAL_FILE; /* it ended amid the headers */
  transfer->maybe_sent = transfer->sent || (transfer->ready && written > transfer->written);
  if (code == CURLE_OK && !transfer->hostile) transfer->hostile = judge_frame(transfer);
  if (code == CURLE_FILESIZE_EXCEEDED) transfer->too_large = 1;
  reinterpret(transfer, code);
  transfer->whole = code == CURLE_OK && !transfer->hostile;
  if (transfer->whole) return;
  transfer->kind = kind_of(transfer, code);
  say(transfer, code);
}

/* The outcome of a transfer: whether its answer is accepted, and else why not, in words on which a person can act.
 *
 * libcurl accepts answers whose end depends on the reader. They are refused here, because a proxy in between may have
 * read them differently (RFC 9112, 6.3 and 11.2).
 */
#include "http_internal.h"
#include "sys.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOO_LARGE 100 /* CURLE_TOO_LARGE, which the headers of libcurl 7 do not have */

/* ---- header lines ---- */

/* Return the number after the first space of a status line; libcurl has checked that there is one. */
static long parse_http_status(const char *line, size_t length) {
  char text[8] = "";
  const char *space = memchr(line, ' ', length);
  size_t left = space ? length - (size_t)(space - line) - 1 : 0;
  if (left) memcpy(text, space + 1, left < sizeof text ? left : sizeof text - 1);
  return strtol(text, NULL, 10);
}

/* Begin a new frame with a status line. Returns NULL, or why the answer is refused. */
static const char *judge_status_line(struct frame *frame, const char *line, size_t length, int is_h2) {
  struct buffer headers = frame->headers;
  headers.length = 0;
  *frame = (struct frame){
      .in_headers = 1, .bytes = frame->bytes, .headers = headers, .status = parse_http_status(line, length)};
  if (frame->status < 100 || frame->status > 599) return "a status that is not between 100 and 599";
  if (frame->status == 101) return "a switch of protocols that was not requested";
  if (frame->status == 206) return "a part of an answer, and the request was for the whole";
  if (!is_h2 && strncmp(line, "HTTP/1", 6) != 0) return "a status line of another HTTP version than the connection's";
  return NULL;
}

static int is_header_name(const char *line, size_t length, const char *name) {
  return strlen(name) == length && strncasecmp(line, name, length) == 0;
}

/* Move *value past leading blanks, and return the length without trailing ones. */
static size_t trim_header_value(const char **value, const char *end) {
  while (*value < end && isspace((unsigned char)**value)) ++*value;
  while (end > *value && isspace((unsigned char)end[-1])) end--;
  return (size_t)(end - *value);
}

static int is_content_length_number(const char *value, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (!isdigit((unsigned char)value[i])) return 0;
  return length > 0;
}

/* Has the value a control character? Some readers take it for the end of a line, others do not. */
static int header_has_control_character(const char *value, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (iscntrl((unsigned char)value[i]) && value[i] != '\t') return 1;
  return 0;
}

/* Store Content-Length in the frame. Returns NULL, or why the answer is refused. */
static const char *judge_content_length(struct frame *frame, const char *value, size_t length) {
  if (!is_content_length_number(value, length) || length >= sizeof frame->length)
    return "a Content-Length that is not a number";
  if (frame->has_length && (strlen(frame->length) != length || memcmp(frame->length, value, length) != 0))
    return "two different Content-Length headers";
  memcpy(frame->length, value, length);
  frame->length[length] = '\0';
  frame->has_length = 1;
  return NULL;
}

/* Store a header in the frame, and judge the headers that frame the body. Returns NULL, or why the answer is
 * refused. */
static const char *judge_header_field(struct frame *frame, const char *line, const char *colon, const char *end) {
  const char *value = colon + 1;
  size_t name = (size_t)(colon - line), size = trim_header_value(&value, end);
  if (header_has_control_character(line, name) || header_has_control_character(value, size))
    return "a header with a control character";
  if (!answer_append_header(&frame->headers, line, name, value, size)) frame->out_of_memory = 1;
  if (is_header_name(line, name, "content-length")) return judge_content_length(frame, value, size);
  if (is_header_name(line, name, "transfer-encoding")) frame->chunked = 1;
  return NULL;
}

const char *http_judge_header(struct frame *frame, const char *line, size_t length, int is_h2) {
  frame->bytes += length;
  if (!frame->in_headers && length >= 5 && strncmp(line, "HTTP/", 5) == 0)
    return judge_status_line(frame, line, length, is_h2);
  if (!frame->in_headers || line[length - 1] != '\n')
    return NULL; /* a trailer, or a line that the connection broke in */
  if (*line == ' ' || *line == '\t') return "a folded header";
  const char *end = line + length;
  const char *colon = memchr(line, ':', length);
  const char *text = line;
  if (trim_header_value(&text, end) == 0) {
    frame->in_headers = 0;
    return frame->chunked && frame->has_length ? "both a Content-Length and a Transfer-Encoding" : NULL;
  }
  if (!colon || colon == line || isspace((unsigned char)colon[-1])) return "a header line without a name";
  return judge_header_field(frame, line, colon, end);
}

int http_judge_is_foreign(const char *id, const char *line, size_t length) {
  static const char name[] = "client-request-id:";
  if (!id || length < sizeof name || strncasecmp(line, name, sizeof name - 1) != 0) return 0;
  const char *value = line + sizeof name - 1;
  size_t size = trim_header_value(&value, line + length);
  return size != strlen(id) || strncasecmp(value, id, size) != 0;
}

/* Return why the frame of a complete answer is refused, or NULL. An HTTP/1 answer without a length ends when the
 * connection does, so it cannot be told from half an answer. */
static const char *judge_complete_frame(const struct transfer *transfer) {
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
} curl_code_kinds[] = {
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

/* Return how the TLS handshake was broken off, or NULL when it was refused or not begun. libcurl has one code for
 * both; its text contains the system's words or OpenSSL's. */
static const char *broken_handshake_reason(const struct transfer *transfer, CURLcode code) {
  const char *text = transfer->error;
  if (code != CURLE_SSL_CONNECT_ERROR) return NULL;
  if (strstr(text, strerror(ECONNRESET)) || strstr(text, strerror(EPIPE)))
    return "the connection was reset during the TLS handshake, before anything was sent";
  if (strstr(text, "SSL_ERROR_SYSCALL") || strstr(text, "unexpected eof"))
    return "the connection was closed during the TLS handshake, before anything was sent";
  return NULL;
}

/* Did the proxy ask for a name and a password, or refuse those that it got? */
static int proxy_refuses_login(const struct transfer *transfer) {
  long status = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &status);
  return transfer->route.proxy && status == 407;
}

static const char *transfer_failure_kind(const struct transfer *transfer, CURLcode code) {
  if (transfer->out_of_memory) return "memory";
  if (proxy_refuses_login(transfer)) return "proxy_login";
  if (transfer->too_large) return "too_large";
  if (transfer->hostile) return "hostile";
  if (code == CURLE_OPERATION_TIMEDOUT && !transfer->ready_count) return "connect";
  if (broken_handshake_reason(transfer, code)) return "connect";
  for (size_t i = 0; i < sizeof curl_code_kinds / sizeof *curl_code_kinds; i++)
    if (curl_code_kinds[i].code == code) return curl_code_kinds[i].kind;
  return transfer->ready_count ? "cut" : "connect"; /* for example a proxy that refused the connection */
}

/* Return libcurl's text about the failure: the detailed one when there is one. */
static const char *transfer_error_text(const struct transfer *transfer, CURLcode code) {
  return *transfer->error ? transfer->error : curl_easy_strerror(code);
}

/* Append that the environment names a proxy, where the failure may come of not using it. */
static void add_ignored_proxy(const struct transfer *transfer, char *text, size_t size) {
  size_t used = strlen(text);
  const char *variable = sys_ignored_proxy();
  if (!variable || transfer->route.proxy || transfer->reach != HTTP_OUTSIDE) return;
  snprintf(text + used, size - used, "; the variable %s names a proxy, and only `proxy` in the profile is used",
           variable);
}

static void write_dns_failure(const struct transfer *transfer, CURLcode code, char *text, size_t size) {
  snprintf(text, size, "could not find %s: %s", transfer->route.host, transfer_error_text(transfer, code));
  add_ignored_proxy(transfer, text, size);
}

static void write_proxy_refusal(const struct transfer *transfer, char *text, size_t size) {
  snprintf(text, size,
           transfer->route.proxy_authorization ? "the proxy %s does not accept the name and password (407)"
                                               : "the proxy %s asks for a name and password (407)",
           transfer->route.proxy);
}

/* The words before the address of the proxy, and that address; both are empty without a proxy. */
static const char *by_proxy(const struct transfer *transfer) {
  return transfer->route.proxy ? " by the proxy " : "";
}

static const char *proxy_address(const struct transfer *transfer) {
  return transfer->route.proxy ? transfer->route.proxy : "";
}

static void write_connect_failure(struct transfer *transfer, CURLcode code, char *text, size_t size) {
  long number = 0;
  const char *why = transfer_error_text(transfer, code);
  curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
  if (code == CURLE_OPERATION_TIMEDOUT)
    why = "no connection was made in time";
  else if (transfer->refused_address && transfer->reach == HTTP_LOOPBACK)
    why = "an emulator is reached on loopback only, and its address is not loopback";
  else if (transfer->refused_address)
    why = "its address is on this machine, and a real profile does not reach this machine";
  else if (broken_handshake_reason(transfer, code))
    why = broken_handshake_reason(transfer, code);
  else if (code == CURLE_COULDNT_CONNECT && number)
    why = strerror((int)number);
  snprintf(text, size, "could not connect to %s port %s%s%s: %s", transfer->route.host, transfer->route.port,
           by_proxy(transfer), proxy_address(transfer), why);
  add_ignored_proxy(transfer, text, size);
}

static void write_timeout_failure(struct transfer *transfer, char *text, size_t size) {
  snprintf(text, size, "%s port %s gave no complete answer within %.10g seconds", transfer->route.host,
           transfer->route.port, (double)transfer->timeout_ms / 1000);
}

static void write_size_failure(struct transfer *transfer, char *text, size_t size) {
  int headers = transfer->too_large == 2;
  if (transfer->too_large == 3)
    snprintf(text, size, "the answer of %s is refused: it has a header line that is too long", transfer->route.host);
  else
    snprintf(text, size, "the answer of %s is refused: its %s more than %zu %s", transfer->route.host,
             headers ? "headers are" : "body is", headers ? HTTP_MAX_HEADERS >> 10 : HTTP_MAX_BODY >> 20,
             headers ? "KiB" : "MiB");
}

static void write_cut_failure(struct transfer *transfer, CURLcode code, char *text, size_t size) {
  const char *again =
      transfer->refused_resend ? "it broke after the request was sent, and the request was not sent again" : NULL;
  snprintf(text, size, "the connection to %s port %s broke before its answer was complete: %s", transfer->route.host,
           transfer->route.port, again ? again : transfer_error_text(transfer, code));
}

/* Is the certificate refused only because it breaks RFC 5280's rules of form? A profile can waive these rules. */
static int breaks_only_form_rules(struct transfer *transfer) {
  long result = X509_V_OK;
  curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &result);
  return !transfer->lenient && result >= X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA &&
         result <= X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3;
}

/* Return OpenSSL's reason: the part after the last "::" of libcurl's text. */
static const char *openssl_reason(const char *text) {
  for (const char *colon = strstr(text, "::"); colon; colon = strstr(text, "::")) text = colon + 2;
  return text;
}

static void write_tls_failure(struct transfer *transfer, CURLcode code, char *text, size_t size) {
  const char *why = transfer_error_text(transfer, code);
  const char *waive =
      breaks_only_form_rules(transfer) ? " (strict_certificates = false beside its address would let this pass)" : "";
  int cannot_agree =
      strstr(why, "handshake failure") || strstr(why, "protocol version") || strstr(why, "unsupported protocol");
  snprintf(text, size,
           cannot_agree
               ? "no secure connection to %s port %s%s%s: it does not offer TLS 1.2 or later with a safe cipher (%s)%s"
               : "no secure connection to %s port %s%s%s: %s%s",
           transfer->route.host, transfer->route.port, by_proxy(transfer), proxy_address(transfer), openssl_reason(why),
           waive);
}

static void write_transfer_failure(struct transfer *transfer, CURLcode code) {
  char *text = transfer->message;
  size_t size = sizeof transfer->message;
  const char *kind = transfer->kind;
  if (strcmp(kind, "dns") == 0)
    write_dns_failure(transfer, code, text, size);
  else if (strcmp(kind, "proxy_login") == 0)
    write_proxy_refusal(transfer, text, size);
  else if (strcmp(kind, "connect") == 0)
    write_connect_failure(transfer, code, text, size);
  else if (strcmp(kind, "tls") == 0 || strcmp(kind, "certificate") == 0)
    write_tls_failure(transfer, code, text, size);
  else if (strcmp(kind, "timeout") == 0)
    write_timeout_failure(transfer, text, size);
  else if (strcmp(kind, "too_large") == 0)
    write_size_failure(transfer, text, size);
  else if (strcmp(kind, "hostile") == 0)
    snprintf(text, size, "the answer of %s is refused: %s%s", transfer->route.host, transfer->hostile ? "it sent " : "",
             transfer->hostile ? transfer->hostile : transfer_error_text(transfer, code));
  else if (strcmp(kind, "memory") == 0)
    snprintf(text, size, "not enough memory while waiting for %s", transfer->route.host);
  else
    write_cut_failure(transfer, code, text, size);
}

/* Is a line of the answer longer than libcurl allows? It says so by a code of its own; libcurl 7 says that memory is
 * lacking, which is true only when an allocation has failed. */
static int is_line_too_long(const struct transfer *transfer, CURLcode code) {
  int is_memory = code == CURLE_OUT_OF_MEMORY || (code == CURLE_RECV_ERROR && strstr(transfer->error, "Out of memory"));
  return (int)code == TOO_LARGE || (is_memory && transfer->memory_failures == http_memory_failures());
}

/* Correct outcomes that libcurl reports with a code that usually means something else. */
static void correct_curl_code(struct transfer *transfer, CURLcode code) {
  if (transfer->hostile || transfer->too_large || transfer->out_of_memory) return;
  int in_chunks = strstr(transfer->error, "chunk") != NULL;
  if (code == CURLE_WRITE_ERROR) transfer->hostile = "a compressed body that cannot be unpacked";
  if (is_line_too_long(transfer, code)) {
    if (in_chunks)
      transfer->hostile = "a trailer line that is too long";
    else if (transfer->ready_count)
      transfer->too_large = 3;
  } else if (code == CURLE_RECV_ERROR && strstr(transfer->error, "Out of memory"))
    transfer->out_of_memory = 1;
  else if (code == CURLE_RECV_ERROR && in_chunks)
    transfer->hostile = "a chunk without a proper length";
}

void http_judge_outcome(struct transfer *transfer, CURLcode code) {
  long written = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &written);
  if (code == CURLE_OK && transfer->frame.in_headers)
    code = CURLE_PARTIAL_FILE; /* the connection ended within the headers */
  transfer->maybe_sent = transfer->sent || (transfer->ready_count && written > transfer->written_before);
  if (code == CURLE_OK && !transfer->hostile) transfer->hostile = judge_complete_frame(transfer);
  if (code == CURLE_FILESIZE_EXCEEDED) transfer->too_large = 1;
  correct_curl_code(transfer, code);
  transfer->complete = code == CURLE_OK && !transfer->hostile;
  if (transfer->complete) return;
  transfer->kind = transfer_failure_kind(transfer, code);
  write_transfer_failure(transfer, code);
}

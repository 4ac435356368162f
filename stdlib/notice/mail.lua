--- A notice as a mail: header lines that hold no text of others unencoded, and a body in base64.

local crypto = require "host.crypto"
local fail = require "fail"
local time = require "time"

local M = {}

local MOST_ENCODED = 45 -- bytes of a text in one encoded word, which has at most 75 characters (RFC 2047, section 2)

-- Encode the text of a header line (RFC 2047). Encoded words end between characters.
local function encode_header_text(text)
  local words, first = {}, 1
  text = text:gsub("%c", " ")
  while first <= #text do
    local stop = math.min(#text, first + MOST_ENCODED - 1)
    while stop < #text and (text:byte(stop + 1) & 0xC0) == 0x80 do stop = stop - 1 end
    words[#words + 1] = ("=?utf-8?B?%s?="):format(crypto.base64(text:sub(first, stop)))
    first = stop + 1
  end
  return table.concat(words, "\r\n ")
end

-- An address stands in a header line as it is, so it has only characters of an address.
local function check_mail_address(address)
  if address:match "^[%w.!#$%%&'*+/=?^_`{|}~-]+@[%w.-]+$" then return address end
  fail.raise {
    kind = "usage", what = "write a mail", why = ("'%s' is no mail address"):format(address:gsub("%c", " ")),
    fix = "Write the address alone, without a name: pam-team@contoso.com",
  }
end

local DAYS = { [0] = "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" } -- 1970-01-01 was a Thursday
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

-- "Mon, 23 Nov 2026 05:00:00 +0000"
local function mail_date(moment)
  local year, month, day, clock = time.iso(moment):match "^(%d+)-(%d+)-(%d+)T(%d+:%d+:%d+)Z$"
  return ("%s, %s %s %s %s +0000"):format(DAYS[moment // 86400 % 7 // 1 | 0], day, MONTHS[tonumber(month)], year, clock)
end

local function base64_lines(text)
  return (crypto.base64(text):gsub(("."):rep(76), "%0\r\n"))
end

--- The mail.
---@param notice notice.notice
---@param options { to: string[], from: string? }
---@return string
function M.text(notice, options)
  local to = {}
  for i, address in ipairs(options.to) do to[i] = check_mail_address(address) end
  local lines = {
    "Date: " .. mail_date(time.parse(notice.at)), "To: " .. table.concat(to, ",\r\n "),
    "Subject: " .. encode_header_text(notice.title), ("Message-ID: <%s@moonlatch>"):format(notice.id),
    "Auto-Submitted: auto-generated", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: base64", "", base64_lines((notice.text:gsub("\r?\n", "\r\n"))), "",
  }
  if options.from then table.insert(lines, 2, "From: " .. check_mail_address(options.from)) end
  return table.concat(lines, "\r\n")
end

return M

---@meta host.crypto
--- OpenSSL's algorithms: random bytes, digests, keys, signatures, sealed boxes.

error("this describes a native module for editors and help; it is not to be required")

---@class host.crypto.key an RSA key; public keys and certificates alone have no private half
local Key = {}
--- A compact JWS over two JSON texts. The header is written anew with alg and sorted
--- names; the claims are signed as they are. PS256 salts with 32 bytes. Raises when one
--- is no JSON object, and for a key that was read from a secret: use `assertion`.
---@param algorithm "RS256"|"PS256"
---@param header string JSON without alg
---@param claims string JSON
---@return string
function Key:sign(algorithm, header, claims) end
--- The same as a secret of kind "proof": who holds it can sign in with it for as long as it lasts.
---@param algorithm "RS256"|"PS256"
---@param header string JSON without alg
---@param claims string JSON
---@return host.secret
function Key:assertion(algorithm, header, claims) end
--- Was this compact JWS signed with the other half, by this algorithm? What is none was not.
---@param algorithm string "RS256" or "PS256" (with a salt of 32 bytes); no other verifies
---@param text string|host.secret
---@return boolean
function Key:verify(algorithm, text) end
--- What the certificate that came with the key says; nil when none did.
---@return {subject: string, not_before: integer?, not_after: integer?, sha1: string, sha256: string, der: string}|nil
function Key:describe() end
--- The public half, base64url without padding.
---@return string n, string e
function Key:public() end
function Key:close() end

local M = {}
--- Random bytes of cryptographic strength.
---@param count integer 1 to 65536
---@return string bytes
function M.random(count) end
--- A random (version 4) UUID in lower case.
---@return string
function M.uuid() end
--- The hash of a text.
---@param algorithm "sha256"|"sha1"
---@param text string
---@return string bytes
function M.digest(algorithm, text) end
--- The HMAC-SHA-256 of a text under a key.
---@param key host.secret
---@param text string
---@return host.secret bytes 32, of the key's kind
function M.hmac(key, text) end
--- Digits that tell one key from another, and nothing of it. Refused for less than 32 bytes, which
--- could be found by trying.
---@param key host.secret
---@param label string what the digits are for
---@return string 8 hexadecimal digits
function M.fingerprint(key, label) end
--- Bytes as lower-case hexadecimal digits.
---@param bytes string
---@return string
function M.hex(bytes) end
--- Bytes as base64, with padding. What is made of a secret is a secret of the same kind.
---@generic T: string|host.secret
---@param bytes T
---@return T
function M.base64(bytes) end
--- Bytes as base64url, the form that URLs and tokens take. A secret gives a secret.
---@generic T: string|host.secret
---@param bytes T
---@return T without padding
function M.base64url(bytes) end
--- The bytes that base64 or base64url text stands for; nil when it is neither.
---@param text string base64 or base64url, padded or not, nothing else in it
---@return string|nil bytes
function M.unbase64(text) end
--- A new 2048-bit RSA key.
---@return host.crypto.key
function M.key() end
--- The private key of a file's content and the certificate that belongs to it: PEM (other
--- certificates may stand in it) or PKCS#12. RSA of 2048 to 16384 bits. The message is what
--- is wrong with "it", the file.
---@param content host.secret
---@param passphrase host.secret?
---@param certificate string? PEM: the certificate, where content holds the key alone
---@return host.crypto.key|nil key, string? message, string? kind "legacy": only old algorithms open it
function M.certificate(content, passphrase, certificate) end
--- The RSA key of a PEM text that is no secret, of 2048 to 16384 bits. What it signs is no secret either:
--- it is for the tokens of an emulator.
---@param pem string a private key that is not encrypted; other parts are ignored
---@return host.crypto.key|nil key, string? message
function M.private_key(pem) end
--- A new 3072-bit RSA key and a certificate it signed itself, which may sign and nothing else.
---@param name string its common name: 1 to 64 bytes of UTF-8
---@param from integer seconds since 1970
---@param until_ integer
---@return host.secret pem both, the private key first; crypto.certificate reads it
function M.self_signed(name, from, until_) end
--- A certificate alone.
---@param der string
---@return host.crypto.key|nil key, string? message
function M.x509(der) end
--- The public key of these numbers.
---@param n string base64url
---@param e string base64url
---@return host.crypto.key|nil key, string? message
function M.public_key(n, e) end
--- Read a compact JWS without verifying it: Key:verify does that.
---@param text string|host.secret
---@return table|nil header, table|string claims_or_message
function M.jws(text) end
--- Seal a secret (AES-256-GCM, fresh nonce): nonce, ciphertext, tag.
---@param key host.secret 32 bytes
---@param binding string additional authenticated data
---@param value host.secret
---@return string bytes
function M.seal(key, binding, value) end
--- Seal a secret to a public key (RSA-OAEP with SHA-256), which opens with
--- openssl pkeyutl -decrypt -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256.
---@param pem string a public key, or a certificate with one
---@param value host.secret at most 190 bytes for a key of 2048 bits
---@return host.secret|nil line base64 with a line break, of the value's kind, string? message
function M.seal_to(pem, value) end
--- Open what was sealed with the same key and binding; else the message says that it
--- does not open, or is cut off.
---@param key host.secret
---@param binding string
---@param sealed string
---@param kind "credential"|"value"|nil of the secret that comes out ("credential")
---@return host.secret|nil value, string? message
function M.open(key, binding, sealed) end
--- A key of 32 bytes made of a passphrase (scrypt with r = 8, p = 1). 2^17 takes half a second and
--- 128 MiB; more than 2^20 is refused, since whoever may write the number could stop us with it.
---@param passphrase host.secret
---@param salt string 16 bytes or more
---@param work integer N is 2^work; 10 to 20
---@return host.secret|nil key, string? message
function M.scrypt(passphrase, salt, work) end
--- A key of 32 bytes made of another, for one use only: HMAC-SHA-256 of the label.
---@param key host.secret 32 bytes or more
---@param label string
---@return host.secret
function M.derive(key, label) end

return M

---@meta host.crypto
--- OpenSSL's algorithms: random bytes, digests, keys, signatures, sealed boxes.

error("this describes a native module for editors and help; it is not to be required")

---@class host.crypto.key an RSA key. A public key, and a certificate without its key, have no private half.
local Key = {}
--- Sign two JSON texts as a compact JWS. The header is written anew, with `alg` and sorted names; the claims are signed
--- as they are. PS256 uses a salt of 32 bytes. Raises when a text is no JSON object; also for a key that was read from
--- a secret, which `assertion` is for.
---@param algorithm "RS256"|"PS256"
---@param header string JSON without alg
---@param claims string JSON
---@return string
function Key:sign(algorithm, header, claims) end
--- Sign as `sign` does, and return a secret of kind "proof": a holder can sign in with the JWS until it expires.
---@param algorithm "RS256"|"PS256"
---@param header string JSON without alg
---@param claims string JSON
---@return host.secret
function Key:assertion(algorithm, header, claims) end
--- Was this compact JWS signed with the private half of this key, by this algorithm? False for any other text.
---@param algorithm string "RS256" or "PS256" (with a salt of 32 bytes); no other verifies
---@param text string|host.secret
---@return boolean
function Key:verify(algorithm, text) end
--- The fields of the certificate that came with the key; nil when there is no certificate.
---@return {subject: string, not_before: integer?, not_after: integer?, sha1: string, sha256: string, der: string}|nil
function Key:describe() end
--- The key and its certificate in a form that other programs read: "pem" (the private key as PKCS#8, then the
--- certificate), "key" (the private key alone, in PEM), "pkcs12" (DER, AES-256; with the empty passphrase when there is
--- none), "certificate" (the certificate alone, in PEM: a text). All but the certificate are secrets of the kind of the
--- secret that the key was read from. Raises for a key without a certificate, or one that was not read from a secret.
---@param form "pem"|"key"|"pkcs12"|"certificate"
---@param passphrase host.secret? for "pkcs12"
---@return host.secret|string
function Key:export(form, passphrase) end
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
--- Digits that differ from key to key, and tell nothing about the key. Raises for a key of less than 32 bytes, because
--- such a key could be found by trying.
---@param key host.secret
---@param label string the purpose of the digits
---@return string 8 hexadecimal digits
function M.fingerprint(key, label) end
--- Bytes as lower-case hexadecimal digits.
---@param bytes string
---@return string
function M.hex(bytes) end
--- Bytes as base64, with padding. The base64 of a secret is a secret of the same kind.
---@generic T: string|host.secret
---@param bytes T
---@return T
function M.base64(bytes) end
--- Bytes as base64url, the form for URLs and tokens. The base64url of a secret is a secret of the same kind.
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
--- Read a private key and its certificate from the content of a file: PEM (which may have other certificates, too) or
--- PKCS#12, with an RSA key of 2048 to 16384 bits.
---@param content host.secret
---@param passphrase host.secret?
---@param certificate string|host.secret|nil the certificate as PEM, when the content has only the key
---@return host.crypto.key|nil key, string? message what is wrong with the file, as the rest of a sentence about "it"
---@return string? kind "legacy": only old algorithms open the file
function M.certificate(content, passphrase, certificate) end
--- Read an RSA key of 2048 to 16384 bits from a PEM text that is no secret. Texts signed with this key are no secrets
--- either: the key is for the tokens of an emulator.
---@param pem string an unencrypted private key; other parts are ignored
---@return host.crypto.key|nil key, string? message
function M.private_key(pem) end
--- Make a 3072-bit RSA key and a self-signed certificate whose only key usage is digital signature.
---@param name string the common name: 1 to 64 bytes of UTF-8
---@param from integer seconds since 1970
---@param until_ integer
---@return host.secret pem the private key, then the certificate; crypto.certificate reads this
function M.self_signed(name, from, until_) end
--- Read a certificate without its key.
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
--- Seal a secret to somebody. For a certificate with an RSA key of 2048 bits or more: CMS enveloped data in PEM (RFC
--- 5652; AES-256-CBC, RSA-OAEP with SHA-256), which `openssl cms -decrypt -inform PEM -inkey KEY` opens. For a
--- recipient of age (a text with age1…, c2sp.org/age): a file that `age -d -i IDENTITY` opens, for a value of at most
--- 64 KiB.
---@param recipient string
---@param value host.secret
---@return host.secret|nil sealed of the value's kind, string? message why not, as the rest of a sentence about "it"
function M.seal_to(recipient, value) end
--- Open bytes that `seal` made with the same key and binding. Otherwise the message says that the key does not open
--- them, or that they are cut off.
---@param key host.secret
---@param binding string
---@param sealed string
---@param kind "credential"|"value"|nil the kind of the returned secret ("credential")
---@return host.secret|nil value, string? message
function M.open(key, binding, sealed) end
--- Derive a key of 32 bytes from a passphrase (scrypt with r = 8, p = 1). N = 2^17 takes half a second and 128 MiB.
--- More than 2^20 is refused, because the number comes from a file, and a large number would stop the program.
---@param passphrase host.secret
---@param salt string 16 bytes or more
---@param work integer N is 2^work; 10 to 20
---@return host.secret|nil key, string? message
function M.scrypt(passphrase, salt, work) end
--- Derive a key of 32 bytes from another key, for one purpose: the HMAC-SHA-256 of the label.
---@param key host.secret 32 bytes or more
---@param label string
---@return host.secret
function M.derive(key, label) end

return M

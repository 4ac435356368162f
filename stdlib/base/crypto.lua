--- Random bytes, digests and signatures from host.crypto. Sealing is left out: only the journal seals.

local native = require "host.crypto"

local M = {}

M.random = native.random
M.uuid = native.uuid
M.digest = native.digest
M.hmac = native.hmac
M.fingerprint = native.fingerprint
M.hex = native.hex
M.base64 = native.base64
M.base64url = native.base64url
M.unbase64 = native.unbase64
M.key = native.key
M.certificate = native.certificate
M.private_key = native.private_key
M.x509 = native.x509
M.public_key = native.public_key
M.jws = native.jws

return M

--- Random bytes, digests and signatures from host.crypto. Sealing is left out: only the journal seals.

local crypto = require "host.crypto"

local M = {}

M.random = crypto.random
M.uuid = crypto.uuid
M.digest = crypto.digest
M.hmac = crypto.hmac
M.fingerprint = crypto.fingerprint
M.hex = crypto.hex
M.base64 = crypto.base64
M.base64url = crypto.base64url
M.unbase64 = crypto.unbase64
M.key = crypto.key
M.certificate = crypto.certificate
M.private_key = crypto.private_key
M.x509 = crypto.x509
M.public_key = crypto.public_key
M.jws = crypto.jws

return M
